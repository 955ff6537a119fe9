"""What a bus says of its meters: one alarm a meter, or one for the whole bus when nobody on it answers.

A fault is said when its round is over, for only then is it known whether the meter is to blame or the bus.
"""

import logging
from dataclasses import dataclass, field

from edge.errors import EdgeError
from edge.health.model import Answer, Health
from edge.poll.meter_poll import MeterPoll
from edge.reading.record import PollRecord
from edge.reading.verdict import SlotReason, Verdict

log = logging.getLogger(__name__)

_UNHEARD = {SlotReason.SILENCE, SlotReason.GARBAGE}
_LEAST = 2  # meters that make a bus of whom it can be said that nobody answers


@dataclass(slots=True)
class BusReport:
    """The conditions of one bus and of its meters."""

    bus: str
    health: Health
    _faults: dict[str, tuple[SlotReason, EdgeError | None]] = field(default_factory=dict)
    _alive: set[str] = field(default_factory=set)
    _freezing: dict[str, set[str]] = field(default_factory=dict)

    @property
    def is_dead(self) -> bool:
        """True while nobody on this bus answers."""
        return self.health.answer(self._claim) is Answer.NO

    @property
    def _claim(self) -> str:
        return f"bus {self.bus} answers"

    def is_alive(self, address: str) -> bool:
        """Return True if the meter was read the last time it was asked."""
        return address in self._alive

    def answered(self, address: str) -> None:
        """Note that a meter was read."""
        claim = f"meter {address}"
        self._alive.add(address)
        self._faults.pop(address, None)
        was_failing = self.health.answer(claim) is Answer.NO
        self.health.seen(claim)
        self.health.holds(claim)
        if self.is_dead:
            log.info("bus %s: meters answer again, first %s", self.bus, address)
        elif was_failing:
            log.info("bus %s: meter %s answers again", self.bus, address)
        self.health.holds(self._claim)

    def missed(self, address: str, reason: SlotReason, poll: MeterPoll | None = None) -> None:
        """Note that a meter was asked and brought nothing; `poll` tells more."""
        self._alive.discard(address)
        if poll is not None:
            self._faults[address] = (reason, _fault(self.bus, address, reason, poll))
        elif address not in self._faults:
            self._faults[address] = (reason, None)

    def froze(self, record: PollRecord) -> None:
        """Keep the condition that a meter takes the freezes of a snapshot; `record`: that of its slot."""
        claim = f"meter {record.meter} freezes for {record.task}"
        self._freezing.setdefault(record.meter, set()).add(claim)
        if record.reason is SlotReason.NOT_FROZEN:
            error = EdgeError("E-BUS-231", meter=record.meter, task=record.task)
            if self.health.fails(claim, error):
                log.warning("bus %s: %s", self.bus, error)
        elif record.reason is None:
            self.health.holds(claim)

    def end_round(self, meters: int) -> None:
        """Say what is wrong, now that all of a round's meters were asked; `meters`: how many the bus has."""
        faults, self._faults = self._faults, {}
        unheard = [address for address, (reason, _) in faults.items() if reason in _UNHEARD]
        if meters >= _LEAST and len(unheard) == meters and not self._alive:
            self._say_dead(unheard, faults[unheard[0]][0])
            return
        for address, (_, error) in faults.items():
            if error is not None and self.health.fails(f"meter {address}", error):
                log.warning("bus %s: %s", self.bus, error)

    def forget(self, address: str) -> None:
        """Let go of a meter that is no longer on this bus."""
        self._alive.discard(address)
        self._faults.pop(address, None)
        for claim in (f"meter {address}", *self._freezing.pop(address, ())):
            self.health.forget(claim)

    def _say_dead(self, unheard: list[str], reason: SlotReason) -> None:
        error = EdgeError("E-BUS-233", bus=self.bus, count=len(unheard), reason=reason.value)
        if self.health.fails(self._claim, error):
            log.warning("%s", error)
        for address in unheard:  # nothing is known of each while the bus itself is dead
            self.health.unknown(f"meter {address}")


def _fault(bus: str, address: str, reason: SlotReason, poll: MeterPoll) -> EdgeError | None:
    """Return the error that says why a meter was not read, with the detail of an item that failed for this reason."""
    code = "E-BUS-212" if reason is SlotReason.UNKNOWN_ITEM else Verdict(reason.value).code
    if not code:
        return None
    same = [poll.details[key] for key, why in poll.faults.items() if why is reason and poll.details.get(key)]
    detail = same[0] if same else ""
    count = sum(len(outcome.raw) for outcome in poll.failures if outcome.verdict.value == reason.value)
    return EdgeError(code, bus=bus, meter=address, detail=detail, other=detail, count=count)
