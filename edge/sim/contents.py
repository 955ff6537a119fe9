"""What a meter answers to an identifier: from its truths, its memory, its events, or what was written into it.

The load follows from the seed alone: it goes on while the relay is open or the power is off.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from edge.protocols.dlt645.control import Version
from edge.protocols.dlt645.formats import encode_value
from edge.protocols.dlt645.items import encode_data
from edge.sim.events import POWER_DOWN, VOLTAGE_LOSS, Events, Happening
from edge.sim.memory import Memory
from edge.sim.spans import Outages, Span
from edge.sim.state import State
from edge.sim.traits import Traits
from edge.sim.truth import TOTALS_BLOCK, TOTALS_FORMATS, Nameplate, Truth, Values

_ADDRESS = "04000401"
_WORDS_BLOCK, _WORDS = "040005FF", "040005"
_EVENTS, _FREEZES, _LOAD_RECORDS = ("03", "1D", "1E"), "05", "06"
_EVENTS_1997 = "B21"


class Contents:
    """The contents of one meter. `truths`: values by identifier that stand for the computed ones."""

    def __init__(
        self,
        version: Version,
        plate: Nameplate,
        *,
        seed: int,
        state: State,
        traits: Traits,
        utc_offset: timedelta,
        truths: Mapping[str, Values],
    ) -> None:
        self.outages = Outages()
        self.computed = Truth(plate, seed)
        self.memory = Memory(self.computed, traits, self._was_recording)
        self.events = Events(lambda di, local: self.computed.values("2007", di, local))
        self._version = version
        self._state = state
        self._traits = traits
        self._utc_offset = utc_offset
        self._truths = dict(truths)

    def local_time(self, at: datetime) -> datetime:
        """Return what the meter's own clock shows at an instant, without a zone."""
        return (at.astimezone(UTC) + self._utc_offset + self._state.clock_error).replace(tzinfo=None)

    def values(self, di: str, at: datetime) -> Values | None:
        """Return the values of an identifier at an instant (aware); None for what the meter has not."""
        given = self._state.written.get(di) or self._truths.get(di)
        if given is not None:
            return given
        return self._of_2007(di, at) if self._version == "2007" else self._of_1997(di, at)

    def content(self, di: str, argument: bytes, at: datetime) -> tuple[Values, bytes] | None:
        """Return the values of an identifier, and the bytes that carry them; None for what the meter has not.

        `argument`: what stands behind the identifier in the request; only load records take one.
        """
        if self._version == "2007" and di.startswith(_LOAD_RECORDS):
            records = self.memory.load_records(di, argument, self.local_time(at))
            return None if records is None else ((records.hex().upper(),), records)
        values = None if argument else self.values(di, at)
        if values is None:
            return None
        if di == TOTALS_BLOCK:
            pairs = zip(TOTALS_FORMATS, values, strict=True)
            return values, b"".join(encode_value(fmt, value, signed=True) for fmt, value in pairs)
        return values, encode_data(self._version, di, values)

    def _of_2007(self, di: str, at: datetime) -> Values | None:
        local = self.local_time(at)
        if di.startswith(_FREEZES):
            return self.memory.frozen(di, local)
        if di.startswith(_EVENTS):
            return self.events.values(di, self._past(at))
        if di == TOTALS_BLOCK:
            return self.computed.totals(local) if self._traits.has_totals_block else None
        if di == _ADDRESS:
            return (self._state.address,)
        if di == _WORDS_BLOCK:
            return tuple(self._word(f"{_WORDS}{number:02X}", at) for number in range(1, 8))
        values = self.computed.values("2007", di, local)
        return (self._word(di, at),) if values and di.startswith(_WORDS) else values

    def _of_1997(self, di: str, at: datetime) -> Values | None:
        found = self.events.values_1997(di) if di.startswith(_EVENTS_1997) else None
        return found or self.computed.values("1997", di, self.local_time(at))

    def _word(self, di: str, at: datetime) -> str:
        given = self._truths.get(di)
        is_lost = any(at in span for span in self.outages.voltage)
        return str(given[0]) if given else self._state.run_word(di, is_voltage_lost=is_lost)

    def _past(self, at: datetime) -> dict[str, list[Happening]]:
        """Return what happened without an order and is over, the latest first."""
        outages = self.outages
        groups: dict[str, list[Span]] = {POWER_DOWN: outages.power, VOLTAGE_LOSS: outages.voltage}
        return {
            group: [
                Happening(self.local_time(span.start), self.local_time(span.end))
                for span in sorted(spans, key=lambda each: each.end, reverse=True)
                if span.end <= at
            ]
            for group, spans in groups.items()
        }

    def _was_recording(self, local: datetime) -> bool:
        outages = self.outages
        if not outages.power and not outages.records:
            return True
        return outages.is_recording((local - self._utc_offset - self._state.clock_error).replace(tzinfo=UTC))
