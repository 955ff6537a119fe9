"""A simulated meter that tells what it was asked of its memory, and may refuse parts of it or hear no freeze."""

from datetime import UTC, datetime

from edge.protocols.dlt645.frame import Frame
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.sim.reply import Reply
from edge.sim.spans import Span

FREEZE, READ, REFUSED = 0x16, 0x11, 0xD1


class RecordingMeter(SimMeter):
    """`interval`: minutes between load records. `refused`: first hex digits of identifiers that it refuses.

    `asked`: identifier and argument of each load request. `frozen`: instants of the freezes for all that it took, the
    latest first; `is_deaf`: it takes none.
    """

    def __init__(self, address, *, interval=15, refused=(), faults=(), **more):
        super().__init__(address, faults=(parse_fault(f"load-every:{interval}"), *faults), **more)
        self.interval, self.refused, self.asked, self.frozen, self.is_deaf = interval, tuple(refused), [], [], False

    def reply(self, request: Frame, at: datetime, at_monotonic: float, quiet_s: float = float("inf")) -> Reply | None:
        if request.function == FREEZE and not request.is_response and self.hears_freeze(at):
            self.frozen.insert(0, at)
        elif request.function == FREEZE:
            return None
        identifier = request.data[:4][::-1].hex().upper()
        if request.address == self.address and request.function == READ and not self.outages.is_silent(at):
            if identifier.startswith("06"):
                self.asked.append((identifier, request.data[4:]))
            if identifier.startswith(self.refused or ("-",)):
                return Reply(address=self.address, control=REFUSED, data=b"\x02")
        return super().reply(request, at, at_monotonic, quiet_s)

    def hears_freeze(self, at: datetime) -> bool:
        return not self.is_deaf and not self.outages.is_silent(at)

    def unplug(self, begin: datetime, end: datetime) -> None:
        """Take it off the wire: it goes on recording."""
        self.outages.unplugged.append(Span(begin, end))

    def cut_power(self, begin: datetime, end: datetime) -> None:
        """Take its supply away: it neither answers nor records."""
        self.outages.power.append(Span(begin, end))

    def has_record(self, slot_at: datetime) -> bool:
        """Return whether it wrote a load record at an instant."""
        is_due = slot_at.astimezone(UTC).minute % self.interval == 0
        return is_due and self.outages.is_recording(slot_at)
