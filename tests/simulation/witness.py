"""Meters that remember what they really sent, and a count of the faults that were put in."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from edge.protocols.dlt645.frame import encode_frame
from edge.sim.faults import Fault, parse_fault
from edge.sim.reply import Reply
from edge.sim.traits import TRAITS
from edge.sim.truth import Values
from tests.poll.recording_meter import RecordingMeter


@dataclass(frozen=True, slots=True)
class Said:
    """What a meter answered to a read, unaltered: all values, also where they take several frames.

    `address`: under which it answered.
    """

    address: str

    di: str
    argument: bytes
    values: Values
    at_s: float
    at: datetime


class CountedFault:
    """A fault of `edge.sim.faults` that counts how often it changed an answer."""

    def __init__(self, text: str, faults: Counter) -> None:
        self._fault: Fault = parse_fault(text)
        self._faults = faults
        self.name, self.value = self._fault.name, self._fault.value
        if self.name in TRAITS:
            faults[self.name] += 1

    def apply(self, reply, request, random):
        changed = self._fault.apply(reply, request, random)
        self._faults[self.name] += changed != reply
        return changed


class WitnessMeter(RecordingMeter):
    """`said`: its unaltered answers; `sent`: every frame that it put on the wire, as it meant it."""

    def __init__(self, address, *, faults=(), tally=None, **more) -> None:
        tally = Counter() if tally is None else tally
        super().__init__(address, faults=tuple(CountedFault(text, tally) for text in faults), **more)
        self.said: list[Said] = []
        self.sent: list[tuple[str, int, bytes]] = []
        self._remembered = None
        self.on_answer = self._note

    def _note(self, answered) -> None:
        self._remembered = answered

    def reply(self, request, at, at_monotonic, quiet_s=float("inf")) -> Reply | None:
        self._remembered = None
        reply = super().reply(request, at, at_monotonic, quiet_s)
        if reply is None:
            return None
        self.sent.append((reply.address, reply.control, reply.data))
        answered = self._remembered
        if answered is not None:
            argument = request.data[4 if self.version == "2007" else 2 :]
            self.said.append(Said(reply.address, answered.di, argument, answered.values, at_monotonic, at))
        return reply

    def frames(self) -> set[bytes]:
        """Return the frames that it put on the wire, undamaged."""
        return {encode_frame(address, control, data, 0) for address, control, data in self.sent}
