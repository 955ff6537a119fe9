"""One probe of a scan: who answers to an address or a pattern. Its questions one by one, and what they mean. Pure.

1. Silence is nobody. A sound answer is a meter, and so is a refusal: it carries the meter's address.
2. Several answers that lie cleanly over each other are a crowd at once. Bytes that are damaged otherwise are asked
   for again: only what happens twice counts, for one garbled answer may be a spark on the wire.
3. Everybody is asked for addresses, then for the energy register: an address can hide behind another one (a 0 wins
   on the wire), energies hardly ever do.
4. A whole address that brings no sound energy is asked for the address alone: two meters of one address agree on
   that and on nothing else.
5. A sound answer from elsewhere is a meter too, though not one that this probe was for: it is asked again.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from edge.protocols.dlt645.addresses import ANY
from edge.protocols.dlt645.control import Version
from edge.protocols.dlt645.question import Question
from edge.protocols.dlt645.wildcard import Overlap, addresses_in, is_whole, overlap_in, who_has
from edge.protocols.exchange import Driver, Exchange, Timing
from edge.reading.outcome import Answer, Collision, Outcome, Refused
from edge.reading.verdict import Verdict

_SURE = 2  # outcomes of one kind that settle a question


class Step(Enum):
    """What is asked, and why."""

    ROOT = auto()  # everybody's address
    ROOT_SURE = auto()  # everybody's energy: did one answer hide another?
    PART = auto()  # the energy of whoever has these low digits
    PART_NAME = auto()  # their address: the energy came without one
    WHOLE = auto()  # one meter's energy
    WHOLE_NAME = auto()  # its address: the energy did not come whole
    WHOLE_SURE = auto()  # its energy once more: was it noise?


class Seen(Enum):
    """What the answers to one question settle."""

    NOBODY = auto()
    SOUND = auto()
    CROWD = auto()
    DAMAGED = auto()
    NAMELESS = auto()  # sound, but AAH stands where the address belongs


class End(Enum):
    """What a probe found out."""

    NOBODY = auto()
    FOUND = auto()
    CROWD = auto()  # several meters: go on with the patterns below
    TWIN = auto()  # two meters with this whole address
    DAMAGED = auto()  # somebody with this whole address, never understood


_NEXT: dict[tuple[Step, Seen], Step | End] = {
    (Step.ROOT, Seen.NOBODY): End.NOBODY,
    (Step.ROOT, Seen.SOUND): Step.ROOT_SURE,
    (Step.ROOT, Seen.NAMELESS): Step.ROOT_SURE,
    (Step.ROOT_SURE, Seen.NOBODY): End.FOUND,
    (Step.ROOT_SURE, Seen.SOUND): End.FOUND,
    (Step.ROOT_SURE, Seen.NAMELESS): End.FOUND,
    (Step.PART, Seen.NOBODY): End.NOBODY,
    (Step.PART, Seen.SOUND): End.FOUND,
    (Step.PART, Seen.NAMELESS): Step.PART_NAME,
    (Step.PART_NAME, Seen.NOBODY): End.NOBODY,
    (Step.PART_NAME, Seen.SOUND): End.FOUND,
    (Step.PART_NAME, Seen.NAMELESS): End.CROWD,
    (Step.WHOLE, Seen.NOBODY): End.NOBODY,
    (Step.WHOLE, Seen.SOUND): End.FOUND,
    (Step.WHOLE, Seen.CROWD): End.TWIN,
    (Step.WHOLE, Seen.DAMAGED): Step.WHOLE_NAME,
    (Step.WHOLE, Seen.NAMELESS): Step.WHOLE_NAME,
    (Step.WHOLE_NAME, Seen.NOBODY): End.DAMAGED,
    (Step.WHOLE_NAME, Seen.SOUND): Step.WHOLE_SURE,
    (Step.WHOLE_NAME, Seen.CROWD): End.TWIN,
    (Step.WHOLE_NAME, Seen.DAMAGED): End.DAMAGED,
    (Step.WHOLE_NAME, Seen.NAMELESS): End.DAMAGED,
    (Step.WHOLE_SURE, Seen.NOBODY): End.FOUND,
    (Step.WHOLE_SURE, Seen.SOUND): End.FOUND,
    (Step.WHOLE_SURE, Seen.CROWD): End.TWIN,
    (Step.WHOLE_SURE, Seen.DAMAGED): End.TWIN,
    (Step.WHOLE_SURE, Seen.NAMELESS): End.FOUND,
}
_BY_NAME = {Step.ROOT, Step.PART_NAME, Step.WHOLE_NAME}


@dataclass(slots=True)
class Probe:
    """Ask `next_exchange`, `take` its outcome, until `end` is there.

    `meters`: addresses that answered soundly, also from elsewhere; `gave_value`: those that did not only refuse.
    `overlap`: what the answers of a crowd had in common. `worst`: the verdict on what was damaged. `was_foreign`:
    requests that are not ours were heard.
    """

    pattern: str
    driver: Driver
    timing: Timing
    counts_refusals: bool = True
    meters: list[str] = field(default_factory=list)
    gave_value: set[str] = field(default_factory=set)
    end: End | None = None
    overlap: Overlap | None = None
    worst: Verdict | None = None
    was_foreign: bool = False
    asked: int = 0
    _step: Step = Step.PART
    _silences: int = 0
    _troubles: int = 0

    def __post_init__(self) -> None:
        if is_whole(self.pattern):
            self._step = Step.WHOLE
        elif self.pattern == ANY and self._version == "2007":
            self._step = Step.ROOT

    def next_exchange(self) -> Exchange:
        """Return the exchange that goes next."""
        if self._step in _BY_NAME:
            return self.driver.find(self.pattern, self.timing)
        return who_has(self._version, self.pattern, self.timing)

    def take(self, outcome: Outcome) -> None:
        """Take the outcome of the exchange."""
        self.asked += 1
        self.was_foreign |= outcome.verdict is Verdict.FOREIGN_MASTER
        seen = self._settle(outcome)
        if seen is None:
            return
        self._silences = self._troubles = 0
        following = _NEXT.get((self._step, seen), End.CROWD)
        if isinstance(following, End):
            self.end = following
        else:
            self._step = following

    def _settle(self, outcome: Outcome) -> Seen | None:
        """Return what this question's answers settle by now, None if it has to be asked again."""
        if outcome.verdict is Verdict.SILENCE:
            self._silences += 1
            return Seen.NOBODY if not self._troubles or self._silences == _SURE else None
        if isinstance(outcome, Refused) and not self.counts_refusals:
            return Seen.NOBODY
        address = self._sound_address(outcome)
        if address and self._is_asked(address):
            self._keep(address)
            self.gave_value |= {address} if isinstance(outcome, Answer) else set()
            return Seen.SOUND
        if self._is_nameless(outcome):
            return Seen.NAMELESS
        for stranger in addresses_in(outcome.raw):
            if not self._is_asked(stranger):
                self._keep(stranger)
        return self._settle_trouble(outcome)

    def _settle_trouble(self, outcome: Outcome) -> Seen | None:
        self._troubles += 1
        self.worst = self.worst or outcome.verdict
        overlap = overlap_in(outcome.raw)
        self.overlap = self.overlap or overlap
        if isinstance(outcome, Collision) or (overlap is not None and not is_whole(self.pattern)):
            return Seen.CROWD
        return Seen.DAMAGED if self._troubles == _SURE else None

    def _keep(self, address: str) -> None:
        if address not in self.meters:
            self.meters.append(address)

    def _sound_address(self, outcome: Outcome) -> str:
        """Return the one address that answered soundly; empty if none did, or several."""
        if isinstance(outcome, Answer):
            return outcome.address if outcome.address.isdecimal() else ""
        if isinstance(outcome, Collision):
            return ""
        found = addresses_in(outcome.raw)
        return found[0] if len(found) == 1 else ""

    def _is_asked(self, address: str) -> bool:
        return Question(version=self._version, address=self.pattern, identifier="").takes(address)

    def _is_nameless(self, outcome: Outcome) -> bool:
        return outcome.verdict in (Verdict.MALFORMED, Verdict.REFUSED) and not addresses_in(outcome.raw)

    @property
    def _version(self) -> Version:
        return "1997" if self.driver.name.endswith("1997") else "2007"
