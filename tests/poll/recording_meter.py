"""A simulated meter that also keeps load records, freezes by order, and can be taken off the wire or off its supply."""

import re
from datetime import UTC, datetime, timedelta

from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.frame import Frame
from edge.protocols.dlt645.items import encode_data
from edge.protocols.dlt645.load_records import LoadRecord, encode_load_records, section_fields
from edge.sim.meter import SimMeter
from edge.sim.reply import Reply

FREEZE, READ, FOLLOW_UP, OK, REFUSED, MORE = 0x16, 0x11, 0x12, 0x80, 0xC0, 0x20
ROOM = 190
DAY = timedelta(days=1)


class RecordingMeter(SimMeter):
    """`interval` between records, `classes` recorded, `kept` how long. Stretches are pairs of aware instants.

    `off_wire`: stretches without answers; `off_supply`: also without records. `refused`: first hex digits of
    identifiers that it refuses. `asked`: identifier and argument of each load request. `frozen`: instants of its
    freezes by order, the latest first; `is_deaf`: it takes none.
    """

    def __init__(self, address, *, interval=15, classes=(1, 2, 3, 4, 5, 6), kept=30 * DAY, refused=(), **more):
        super().__init__(address, **more)
        self.interval, self.classes, self.kept, self.refused = timedelta(minutes=interval), classes, kept, refused
        self.off_wire, self.off_supply, self.asked = [], [], []
        self._parts, self.frozen, self.is_deaf = [], [], False

    def reply(self, request: Frame, at: datetime, at_monotonic: float, quiet_s: float = float("inf")) -> Reply | None:
        if any(begin <= at < end for begin, end in self.off_wire + self.off_supply):
            return None
        if request.function == FREEZE and request.address == "9" * 12:
            self.frozen = self.frozen if self.is_deaf else [at, *self.frozen]
            return None
        identifier = request.data[:4][::-1].hex().upper()
        is_mine = request.address == self.address and not request.is_response
        if is_mine and request.function == READ and identifier.startswith(tuple(self.refused)):
            return self._reply_with(REFUSED | READ, b"\x02")
        if is_mine and request.function in (READ, FOLLOW_UP) and identifier.startswith("06"):
            return self._load_reply(request, identifier, at)
        if is_mine and request.function == READ and identifier.startswith("0501"):
            return self._frozen_reply(request, identifier)
        return super().reply(request, at, at_monotonic, quiet_s)

    def has_record(self, local: datetime) -> bool:
        """Return whether there ever was a record of a local time."""
        at = (local - self._utc_offset).replace(tzinfo=UTC)
        is_due = not (local - local.replace(hour=0, minute=0)) % self.interval
        return is_due and not any(begin <= at < end for begin, end in self.off_supply)

    def record(self, local: datetime, classes) -> LoadRecord:
        at = (local - self._utc_offset).replace(tzinfo=UTC)
        sections = tuple(
            tuple(self.truth(catalogue("2007").identifier_of(field.suffix), at)[0] for field in section_fields(number))
            if number in classes
            else ()
            for number in range(1, 7)
        )
        return LoadRecord(time=f"{local:%y%m%d%H%M}", sections=sections)

    def _frozen_reply(self, request, identifier):
        what, back = int(identifier[4:6], 16), int(identifier[6:], 16)
        if not 1 <= back <= len(self.frozen) or what > 8:
            return self._reply_with(REFUSED | READ, b"\x02")
        at = self.frozen[back - 1]
        values = self.truth(f"00{what:02X}FF00", at) if what else (f"{self.local_time(at):%y%m%d%H%M}",)
        return self._reply_with(OK | READ, request.data[:4] + encode_data("2007", identifier, values))

    def _load_reply(self, request, identifier, at):
        if request.function == FOLLOW_UP:
            number = request.data[4]
            more = MORE if number < len(self._parts) - 1 else 0
            return self._reply_with(OK | FOLLOW_UP | more, request.data[:4] + self._parts[number] + request.data[4:5])
        self.asked.append((identifier, request.data[4:]))
        data = encode_load_records(self._records(identifier, request.data[4:], self.local_time(at)))
        self._parts = [data[start : start + ROOM] for start in range(0, len(data), ROOM)] or [b""]
        more = MORE if len(self._parts) > 1 else 0
        return self._reply_with(OK | READ | more, request.data[:4] + self._parts[0])

    def _records(self, identifier, argument, now):
        asked = int(identifier[2:4], 16)
        classes = [number for number in self.classes if asked in (0, number)]
        moment = now.replace(hour=0, minute=0, second=0, microsecond=0)
        count, begin = 1, now - self.interval
        if argument:
            count = int(argument[:1].hex())
            begin = datetime.fromisoformat("20{}{}{}T{}{}".format(*re.findall("..", argument[:0:-1].hex())))
            moment = begin.replace(hour=0, minute=0)
        found = []
        begin = max(begin, now - self.kept)
        while moment <= now and len(found) < count:
            if moment >= begin and self.has_record(moment):
                found.append(self.record(moment, classes))
            moment += self.interval
        return found

    def _reply_with(self, control, data):
        return Reply(address=self.address, control=control, data=data, preamble=4, delay_s=0.03)
