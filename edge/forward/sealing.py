"""What waits in the store becomes signed batches: when, and how.

When: as soon as `max_readings` wait, a plan waits, the oldest has waited `max_age_s`, or nothing new came for
`quiet_s` (the round is complete). Ages count from when they were first seen here, by the monotonic clock. A loss is
due like a reading.

But: readings and plans whose time is not trusted wait until the clock is, at most `patience_s` (`clock_wait.py`) or
until `held_readings` lie here; then they go out as they are, marked with their trust. A store that is nearly full waits
for nothing: sealed readings take less room than waiting ones, and only what is sealed can be given up.

How: take, build, sign, and one transaction of the store. An envelope that comes out too large is made of half the
readings. A plan that does not fit beside a record goes alone; one that cannot travel at all is passed over until there
is another one. A single record that cannot travel goes out with its items reported as malformed. Neither ever blocks
the rest.
"""

from dataclasses import dataclass, replace

from edge.clock import Clock
from edge.errors import ForwardError, MessageError, StoreError
from edge.forward.clock_wait import ClockWait
from edge.forward.settings import SealRules
from edge.messages.batch import Batch, build_batch
from edge.messages.envelope import Header, seal_envelope
from edge.messages.signing import Signer
from edge.messages.topics import LIVE
from edge.reading.record import PollRecord
from edge.reading.verdict import SlotReason
from edge.store.outbox import Head, Outbox, Taken, Waiting
from edge.store.sealed import Sealed, Sealing

_RECHECK_S = 10.0  # how often the clock is asked again while sealing waits for it
_CHANGED = "E-STO-120"


@dataclass(slots=True)
class SealTimer:
    """When the next batch is due, from what is seen of the store. Pure: `now_s` is given."""

    rules: SealRules
    _amount: int = 0  # readings and losses
    _has_plan: bool = False
    _first_s: float = 0.0
    _last_s: float = 0.0

    def note(self, now_s: float, waiting: Waiting) -> None:
        """Take what waits at this moment."""
        amount = waiting.readings + waiting.losses
        if self._amount == 0 or amount < self._amount:
            self._first_s = now_s
        if amount != self._amount:
            self._last_s = now_s
        self._amount = amount
        self._has_plan = waiting.has_plan

    def due_s(self) -> float | None:
        """Return when to seal (in the past: now); None if nothing waits."""
        if self._has_plan or self._amount >= self.rules.max_readings:
            return self._last_s
        if self._amount == 0:
            return None
        return min(self._first_s + self.rules.max_age_s, self._last_s + self.rules.quiet_s)


class Sealer:
    """Seals what waits, one batch a call. `plan_trouble`: why the plan in force cannot travel."""

    def __init__(self, outbox: Outbox, signer: Signer, clock: Clock, gateway: str, rules: SealRules) -> None:
        self._outbox = outbox
        self._signer = signer
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._timer = SealTimer(rules)
        self._readings = 0
        self._wait = ClockWait(outbox, clock, rules.patience_s)
        self._recheck_s = 0.0  # before that an untrusted clock is not asked again
        self._held_until_s = 0.0
        self.plan_trouble: ForwardError | None = None
        self.is_pressed = False  # the store is nearly full: nothing is waited for, sealed readings take less room

    @property
    def waits_for_time(self) -> bool:
        """True while readings wait for a trusted clock."""
        return self._wait.is_on

    def look(self, now_s: float) -> None:
        """Ask the store what waits."""
        waiting = self._outbox.waiting()
        self._readings = waiting.readings
        self._timer.note(now_s, waiting)
        self._wait.look()

    def due_s(self) -> float | None:
        """Return when `seal` is worth calling; None if nothing waits."""
        due_s = self._timer.due_s()
        if due_s is None:
            return None
        return self._held_until_s if self.is_pressed else max(due_s, self._recheck_s, self._held_until_s)

    def hold(self, until_s: float) -> None:
        """Leave sealing alone until then."""
        self._held_until_s = until_s

    def seal(self, now_s: float) -> Sealed | None:
        """Seal the next batch and return it as it is kept; None if nothing is sealed in this call.

        Nothing waits, it waits for a trusted clock, damaged rows were found, which the next call does not meet, or the
        poller gave a row its true time meanwhile, which the next call takes.
        Durable: on the disk on return. Raises StoreError, with nothing changed; ForwardError E-FWD-207 if what
        waits makes no envelope.
        """
        taken = self._outbox.take(self._rules.max_readings)
        if taken.damaged:
            return None  # what that may have held is told by what waits beside it: first that is named
        may_wait = self._readings < self._rules.held_readings and not self.is_pressed
        if taken.plan_stamp is not None and taken.records and all(one.stamp.is_dated for one in taken.records):
            taken = replace(taken, plan=None, plan_id=None, plan_stamp=None)  # it waits alone
        if self._wait.must_wait(taken.records, taken.plan_stamp, now_s) and may_wait:
            self._recheck_s = now_s + _RECHECK_S
            return None
        head = self._outbox.head()
        fitting = self._fit(head, taken)
        if fitting is None:
            self.look(now_s)
            return None
        taken, envelope = fitting
        try:
            sealed = self._outbox.seal(taken, Sealing(envelope, head.epoch, head.next_seq), lane=LIVE)
        except StoreError as exc:
            if exc.code != _CHANGED:
                raise
            self.look(now_s)
            return None
        if taken.plan is not None:
            self.plan_trouble = None
        self.look(now_s)
        return sealed

    def _fit(self, head: Head, taken: Taken) -> tuple[Taken, bytes] | None:
        """Return an envelope and what is in it: of all that was taken if it fits, else of less; None of nothing."""
        while taken.records or taken.plan or taken.losses:
            try:
                return taken, self._envelope(head, taken)
            except MessageError as exc:
                problem = exc
            if len(taken.records) > 1:
                taken = self._outbox.take(max(1, taken.readings // 2))
            elif taken.plan_id is None:
                return self._last_resort(head, taken, problem)
            else:
                alone = Taken((), (), taken.plan, (), taken.plan_id)
                if (envelope := self._try_plan(head, alone)) is not None:
                    return alone, envelope
                taken = self._outbox.take(self._rules.max_readings)
        return None

    def _try_plan(self, head: Head, alone: Taken) -> bytes | None:
        """Return an envelope of the plan alone; if there can be none, the plan is passed over and reported."""
        try:
            return self._envelope(head, alone)
        except MessageError as exc:
            self.plan_trouble = ForwardError("E-FWD-210", detail=exc.fact())
        if alone.plan_id is not None:
            self._outbox.pass_plan(alone.plan_id)
        return None

    def _last_resort(self, head: Head, taken: Taken, problem: MessageError) -> tuple[Taken, bytes]:
        bare = replace(taken, records=tuple(_without_values(record) for record in taken.records))
        try:
            return bare, self._envelope(head, bare)
        except MessageError as exc:
            meter = taken.records[0].meter if taken.records else "-"
            raise ForwardError("E-FWD-207", meter=meter, detail=problem.fact()) from exc

    def _envelope(self, head: Head, taken: Taken) -> bytes:
        raw = build_batch(Batch(taken.records, taken.plan, taken.losses, self._clock.utc_now()))
        return seal_after(head, self._gateway, raw, self._signer)


def seal_after(head: Head, gateway: str, raw: bytes, signer: Signer) -> bytes:
    """Return the envelope of a payload that comes next after this head. Raises MessageError if it is too large."""
    header = Header(
        gateway=gateway,
        epoch=head.epoch,
        seq=head.next_seq,
        prev=head.prev,
        raw_length=len(raw),
        predecessor=head.predecessor if head.next_seq == 1 else None,
    )
    return seal_envelope(header, raw, signer)


def _without_values(record: PollRecord) -> PollRecord:
    """Return the record with its items reported as malformed instead of their values."""
    keys = [*record.values, *record.faults]
    return replace(record, values={}, units={}, faults=dict.fromkeys(keys, SlotReason.MALFORMED), flags=(), raw=())
