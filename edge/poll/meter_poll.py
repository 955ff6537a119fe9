"""One poll of one meter: which request goes next, what its outcome means, and the record that comes of it. Pure.

Rules:
1. A request without a sound answer is sent again, up to `tries` times. A refusal is an answer.
2. A refused or malformed block falls back to single reads at once, and is remembered; but not where the meter still
   owed an answer, for a refusal does not say what it refuses.
3. If the first request of the poll gets no sound answer, the meter is missing: nothing more is asked of it.
4. The reason of a failed request is the most telling of its tries: a collision says more than a silence.
5. A block that stands in no table counts only when its content is proven: by itself, or by single reads beside it.
6. On a noisy line (`needs_two`) a value counts only when two answers agree: a checksum of one byte lets some damage by.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edge.poll.agreement import do_agree, is_near
from edge.poll.manners import Approach, Manners
from edge.protocols.exchange import ANY_METER, Driver, Exchange, PlanTerms, Proof, Request, Timing
from edge.reading.outcome import Answer, BadChecksum, Item, Late, Malformed, Outcome, PortGone, Refused, Silence, Value
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
_MOST_ANSWERS = 4  # of which two have to agree
_PLAIN = Approach(wake=4, quiet_s=0.0, reply_s=0.6)


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
    """The course of one poll. Ask `next_exchange`, run it, `take` its outcome, until `is_done`.

    `asked_s`: the monotonic time at which it began, if it is polled for a slot.
    """

    address: str
    keys: tuple[str, ...]
    driver: Driver
    timing: Timing
    tries: int
    terms: PlanTerms = ANY_METER
    manners: Manners | None = None
    late_from: frozenset[str] = frozenset()
    needs_two: bool = False
    is_silent: bool = False
    asked_s: float | None = None
    proven: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    refused_alone: set[str] = field(default_factory=set)
    tariffs: int | None = None
    sizes: dict[str, int] = field(default_factory=dict)
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
    _approach: Approach = _PLAIN
    _claims: dict[str, Answer] = field(default_factory=dict)
    _doubted: set[str] = field(default_factory=set)
    _first: Answer | None = None

    def __post_init__(self) -> None:
        requests, unknown = self.driver.requests_for(self.keys, self.terms)
        self._waiting.extend(requests)
        self._note_unknown(unknown)

    @property
    def is_done(self) -> bool:
        """True when nothing is left to ask."""
        return not self._waiting

    @property
    def request(self) -> Request:
        """The request that goes next."""
        return self._waiting[0]

    @property
    def quiet_s(self) -> float | None:
        """The quiet that the next exchange wants before it; None: as the bus is set."""
        return self._approach.quiet_s if self.manners else None

    def next_exchange(self) -> Exchange:
        """Return the exchange of the request that goes next."""
        timing = self.timing
        if self.manners is not None:
            self._approach = self.manners.approach(
                is_first=not self._answered, is_retry=self.is_silent or bool(self._seen)
            )
            timing = replace(timing, reply_s=self._approach.reply_s, wake=self._approach.wake)
        return self.driver.read(self.address, self.request, timing, self._late_from)

    @property
    def _late_from(self) -> frozenset[str]:
        """The meters that may still answer an earlier question: this one too, if a try of this request was unheard."""
        is_unheard = any(isinstance(one, Silence | Late) for one in self._seen)
        return self.late_from | {self.address} if is_unheard else self.late_from

    def take(self, outcome: Outcome) -> None:
        """Take the outcome of the exchange: go on, try again, fall back, or give up."""
        self.exchanges += 1
        self._tell_manners(outcome)
        if isinstance(outcome, Answer) and self._wants_another(outcome):
            return
        self._seen.append(outcome)
        if outcome.verdict is not Verdict.OK and len(self.failures) < _FRAMES_KEPT:
            self.failures.append(outcome)
        match outcome:
            case Answer():
                self._answered = True
                self._keep_or_prove(outcome)
            case Refused() | Malformed():
                self._answered = True
                self._fall_back(outcome)
            case PortGone():
                self._fail()
            case _ if len(self._seen) >= self.tries:
                self._fail()

    def _tell_manners(self, outcome: Outcome) -> None:
        if self.manners is None:
            return
        if isinstance(outcome, Answer | Refused | Malformed):
            self.manners.answered(self._approach, outcome.response_ms)
        elif isinstance(outcome, Silence):
            self.manners.unanswered(self._approach)

    def _wants_another(self, answer: Answer) -> bool:
        """Return True if a second answer has to agree with this one first."""
        if not self.needs_two:
            return False
        first, self._first = self._first, answer
        if first is None:
            return True
        if do_agree(first, answer):
            return False
        self._seen.append(BadChecksum(raw=answer.raw, response_ms=answer.response_ms))
        if len(self._seen) >= _MOST_ANSWERS:
            self._fail()
        return True

    def _keep_or_prove(self, answer: Answer) -> None:
        """Keep an answer; that of a block in no table only if it is proven, else its keys are read alone first."""
        identifier = self.request.identifier
        if len(self.request.keys) > 1:
            self.sizes[identifier] = answer.size
        if not self.driver.is_unlisted(identifier):
            self.tariffs = self.driver.tariffs_in(identifier, answer.items) or self.tariffs
            self._keep(answer)
            return
        proof = self.driver.judge(identifier, answer.items)
        if proof is Proof.BROKEN:
            self.proven.discard(identifier)
            self._fall_back(Malformed(raw=answer.raw, reason="its values do not fit each other"))
        elif proof is Proof.HOLDS or identifier in self.proven:
            self.proven.add(identifier)
            self._keep(answer)
        else:
            self._claims[identifier] = answer
            self._read_alone()

    def _check_claims(self) -> None:
        """Compare what unproven blocks claimed with what was read alone; zeros agree with anything."""
        for identifier, answer in self._claims.items():
            pairs = [(item, self.read[item.key]) for item in answer.items if item.key in self.read]
            if not all(_is_same(item, one) for item, one in pairs):
                self.refused.add(identifier)
            elif any(item.value for item, _ in pairs):
                self.proven.add(identifier)
        self._claims.clear()

    def _keep(self, answer: Answer) -> None:
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
        is_sure = self.address not in self._late_from
        if len(request.keys) == 1 and not self.driver.is_unlisted(request.identifier):
            self._fault(request, SlotReason(outcome.verdict.value), outcome.detail)
            if isinstance(outcome, Refused) and outcome.is_lasting and is_sure:
                self.refused_alone.add(request.identifier)
            self._next()
            return
        (self.refused if is_sure else self._doubted).add(request.identifier)
        self._read_alone(outcome)

    def _read_alone(self, instead_of: Outcome | None = None) -> None:
        """Ask for the keys of the present request without its block; what cannot be asked for ends as the block did."""
        avoid = self.terms.avoid.union(self.refused, self._doubted, self._claims)
        singles, unknown = self.driver.requests_for(self.request.keys, replace(self.terms, avoid=avoid))
        self._note_unknown(unknown, instead_of)
        self._next(*singles)

    def _note_unknown(self, keys: Sequence[str], outcome: Outcome | None = None) -> None:
        """Note keys that are not asked for: the protocol cannot read them, or the meter refused them, now or before."""
        never = frozenset(self.driver.requests_for(self.keys)[1]) if keys else frozenset()
        for key in keys:
            refused = SlotReason(outcome.verdict.value) if outcome is not None else SlotReason.REFUSED
            self.faults[key] = SlotReason.UNKNOWN_ITEM if key in never else refused
            if outcome is not None:
                self.details[key], self.tried[key] = outcome.detail, len(self._seen)

    def _fail(self) -> None:
        worst = min(self._seen, key=lambda one: _MOST_TELLING.index(one.verdict))
        reason = SlotReason(worst.verdict.value)
        failed = [self.request] if self._answered and reason is not SlotReason.PORT_GONE else list(self._waiting)
        for request in failed:
            self._fault(request, reason, worst.detail)
            self._waiting.remove(request)
        self.verdict = worst.verdict
        self._seen.clear()
        self._first = None
        if self.manners is not None:
            self.manners.gave_up()
        if self.is_done:
            self._check_claims()

    def _fault(self, request: Request, reason: SlotReason, detail: str) -> None:
        self.faults.update(dict.fromkeys(request.keys, reason))
        self.details.update(dict.fromkeys(request.keys, detail))
        self.tried.update(dict.fromkeys(request.keys, len(self._seen)))

    def _next(self, *instead: Request) -> None:
        """Go on to the next request; `instead`: what takes the place of the present one."""
        self._waiting.popleft()
        self._waiting.extendleft(reversed(instead))
        self._seen.clear()
        self._first = None
        if self.is_done:
            self._check_claims()

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


def _is_same(claimed: Item, alone: ItemReading) -> bool:
    """Return True if a block's value is the one that was read alone a moment later."""
    value, _ = in_own_unit(claimed.key, claimed.value, claimed.unit)
    return is_near(value, alone.value)
