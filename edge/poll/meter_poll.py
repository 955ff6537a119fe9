"""One poll of one meter: which request goes next, what its outcome means, and the record that comes of it. Pure.

Rules:
1. A request without a sound answer is sent again, up to `tries` times. A refusal is an answer.
2. A refused or malformed block falls back to single reads at once, and is remembered.
3. If the first request of the poll gets no sound answer, the meter is missing: nothing more is asked of it.
4. The reason of a failed request is the most telling of its tries: a collision says more than a silence.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.protocols.exchange import Driver, Exchange, Request, Timing
from edge.reading.outcome import Answer, Item, Malformed, Outcome, PortGone, Refused, Value
from edge.reading.quantities import in_own_unit, is_raw_key, quantities
from edge.reading.verdict import SlotReason, Verdict

_MOST_TELLING = (
    Verdict.PORT_GONE,
    Verdict.COLLISION,
    Verdict.FOREIGN_MASTER,
    Verdict.REFUSED,
    Verdict.MALFORMED,
    Verdict.BAD_CHECKSUM,
    Verdict.LATE,
    Verdict.WRONG_ADDRESS,
    Verdict.GARBAGE,
    Verdict.SILENCE,
)
_FRAMES_KEPT = 4


@dataclass(frozen=True, slots=True)
class ItemReading:
    """One item as it was read: key of the reading, the wire's name for it, value in its own unit, response, tries.

    "key.time" is a further field of "key".
    """

    key: str
    name: str
    identifier: str
    value: Value | None
    unit: str
    response_ms: int | None
    tries: int


@dataclass(slots=True)
class MeterPoll:
    """The course of one poll. Ask `next_exchange`, run it, `take` its outcome, until `is_done`."""

    address: str
    keys: tuple[str, ...]
    driver: Driver
    timing: Timing
    tries: int
    refused: set[str] = field(default_factory=set)
    late_from: frozenset[str] = frozenset()
    read: dict[str, ItemReading] = field(default_factory=dict)
    faults: dict[str, SlotReason] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    failures: list[Outcome] = field(default_factory=list)
    verdict: Verdict = Verdict.OK
    exchanges: int = 0
    _waiting: deque[Request] = field(default_factory=deque)
    _seen: list[Outcome] = field(default_factory=list)
    _answered: bool = False

    def __post_init__(self) -> None:
        requests, unknown = self.driver.requests_for(self.keys, frozenset(self.refused))
        self._waiting.extend(requests)
        self.faults.update(dict.fromkeys(unknown, SlotReason.UNKNOWN_ITEM))

    @property
    def is_done(self) -> bool:
        """True when nothing is left to ask."""
        return not self._waiting

    @property
    def request(self) -> Request:
        """The request that goes next."""
        return self._waiting[0]

    def next_exchange(self) -> Exchange:
        """Return the exchange of the request that goes next."""
        return self.driver.read(self.address, self.request, self.timing, self.late_from)

    def take(self, outcome: Outcome) -> None:
        """Take the outcome of the exchange: go on, try again, fall back, or give up."""
        self.exchanges += 1
        self._seen.append(outcome)
        if outcome.verdict is not Verdict.OK and len(self.failures) < _FRAMES_KEPT:
            self.failures.append(outcome)
        match outcome:
            case Answer():
                self._keep(outcome)
            case Refused() | Malformed():
                self._answered = True
                self._fall_back(outcome)
            case PortGone():
                self._fail()
            case _ if len(self._seen) >= self.tries:
                self._fail()

    def _keep(self, answer: Answer) -> None:
        self._answered = True
        tries = len(self._seen)
        found = False
        for item in answer.items:
            key = self._key_of(item)
            if key.partition(".")[0] in self.request.keys or is_raw_key(self.request.keys[0]):
                value, unit = in_own_unit(key, item.value, item.unit)
                self.read[key] = ItemReading(key, item.key, item.identifier, value, unit, answer.response_ms, tries)
                found = True
        absent = [key for key in self.request.keys if key not in self.read]
        if not (found and is_raw_key(self.request.keys[0])):
            for key in absent:
                self.read[key] = ItemReading(key, key, self.request.identifier, None, "", answer.response_ms, tries)
        self._next()

    def _key_of(self, item: Item) -> str:
        """Return the key of the reading: the quantity's; or the identifier's, if it was asked for by that."""
        if not is_raw_key(self.request.keys[0]):
            return item.key
        _, dot, part = item.key.partition(".")
        return f"di:{item.identifier}{dot}{part}"

    def _fall_back(self, outcome: Outcome) -> None:
        request = self.request
        self.refused.add(request.identifier)
        if len(request.keys) == 1:
            self._fault(request, SlotReason(outcome.verdict.value), outcome.detail)
            self.refused.discard(request.identifier)
            self._next()
            return
        self._next()
        singles, unknown = self.driver.requests_for(request.keys, frozenset(self.refused))
        self._waiting.extendleft(reversed(singles))
        self.faults.update(dict.fromkeys(unknown, SlotReason.UNKNOWN_ITEM))

    def _fail(self) -> None:
        worst = min(self._seen, key=lambda one: _MOST_TELLING.index(one.verdict))
        reason = SlotReason(worst.verdict.value)
        failed = [self.request] if self._answered and reason is not SlotReason.PORT_GONE else list(self._waiting)
        for request in failed:
            self._fault(request, reason, worst.detail)
            self._waiting.remove(request)
        self.verdict = worst.verdict
        self._seen.clear()

    def _fault(self, request: Request, reason: SlotReason, detail: str) -> None:
        self.faults.update(dict.fromkeys(request.keys, reason))
        self.details.update(dict.fromkeys(request.keys, detail))
        self.tried.update(dict.fromkeys(request.keys, len(self._seen)))

    def _next(self) -> None:
        self._waiting.popleft()
        self._seen.clear()

    @property
    def values(self) -> dict[str, Value | None]:
        """The values read, by key."""
        return {key: item.value for key, item in self.read.items()}

    @property
    def units(self) -> dict[str, str]:
        """The units of the keys that are no quantities."""
        return {key: item.unit for key, item in self.read.items() if item.unit and key not in quantities()}

    @property
    def response_ms(self) -> int | None:
        """The slowest response of this poll; None if nothing was answered."""
        return max((item.response_ms for item in self.read.values() if item.response_ms is not None), default=None)

    @property
    def reason(self) -> SlotReason | None:
        """Why the meter as a whole is missing: the most frequent reason of its items; None if anything was read."""
        if self.read or not self.faults:
            return None
        reasons: Sequence[SlotReason] = list(self.faults.values())
        return max(reasons, key=reasons.count)
