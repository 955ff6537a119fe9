"""What one poll of one meter brought: the record that is stored, batched and forwarded; and its readings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from edge.reading.outcome import Value
from edge.reading.quantities import unit_of
from edge.reading.verdict import SlotReason


class Source(StrEnum):
    """Where in the meter a value comes from."""

    LIVE = "live"
    FREEZE = "freeze"
    LOAD_RECORD = "load_record"
    RE_READ = "re-read"


class SlotState(StrEnum):
    """The state of a slot (task, slot time, meter). Only `missing_open` may still change."""

    EXPECTED = "expected"
    READ = "read"
    MISSING_OPEN = "missing_open"
    REFILLED = "refilled"
    MISSING_FINAL = "missing_final"


_UNDATED = frozenset({"floor", "none"})


def is_dated(trust: str) -> bool:
    """Return True if a wall time of this trust was the true one, as far as anybody knew."""
    return trust not in _UNDATED


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened, by both clocks: `trust` belongs to `at` ("synchronised", "rtc", "floor", "none")."""

    at: datetime
    trust: str
    boot_id: str
    boot_s: float

    @property
    def is_dated(self) -> bool:
        """True if the time can be trusted: what it stands for was really then."""
        return is_dated(self.trust)


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one meter in one slot; `value` None: the meter marks the item as absent, or it is missing."""

    meter: str
    key: str
    value: Value | None
    unit: str
    task: str
    slot_at: datetime
    read_at: datetime
    source: Source
    trust: str
    reason: SlotReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRecord:
    """One poll of one meter for one slot: the row of the journal.

    `state` is READ, MISSING_OPEN, REFILLED or MISSING_FINAL. `values` holds every item that was asked for and
    answered, in the quantity's own unit (None: the meter marks it absent); `units` names the unit of those keys
    that are not quantities (`di:` keys). `faults` holds the items of an otherwise read slot that failed, with
    their reason. A missing slot has `reason` and no values.
    `raw` holds the frames of a flagged poll; it stays on the box.
    """

    task: str
    slot_at: datetime
    meter: str
    bus: str
    stamp: Stamp
    state: SlotState
    source: Source = Source.LIVE
    reason: SlotReason | None = None
    values: Mapping[str, Value | None] = field(default_factory=lambda: MappingProxyType({}))
    units: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    faults: Mapping[str, SlotReason] = field(default_factory=lambda: MappingProxyType({}))
    response_ms: int | None = None
    tries: int = 1
    flags: tuple[str, ...] = ()
    raw: tuple[bytes, ...] = ()

    def readings(self) -> Iterator[Reading]:
        """Yield one reading per item, those that failed included."""
        for key, value in self.values.items():
            yield self._reading(key, value, None)
        for key, reason in self.faults.items():
            yield self._reading(key, None, reason)

    def _reading(self, key: str, value: Value | None, reason: SlotReason | None) -> Reading:
        return Reading(
            meter=self.meter,
            key=key,
            value=value,
            unit=self.units.get(key) or unit_of(key),
            task=self.task,
            slot_at=self.slot_at,
            read_at=self.stamp.at,
            source=self.source,
            trust=self.stamp.trust,
            reason=reason,
        )
