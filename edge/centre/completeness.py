"""Completeness: what was expected by the plan in force, what came, and what is missing, with who can close the hole.

Pure but for the ledger that it asks. A plan is in force for the slots after its `valid_from`, up to and with the next
plan's, as the gateway counts them. Which plan is the next one its batch tells, not its `valid_from`: a plan that was
made while the clock was behind begins where the plan before it does, at the earliest. Slots are computed here from the
signed plan rows, so a gateway that says nothing at all is missed too. A slot is awaited for the grace, but never
longer than one round: then it is a hole, and who can close it is named (`closers.py`). A meter of the centre's list
that no plan of the span names has no slots: it is named beside them, since nobody reads it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import accumulate

from edge.centre.closers import Closer, Closers, Closing
from edge.centre.epochs import in_order
from edge.centre.ledger import BatchKey, Ledger, SlotRow
from edge.quality.slots import slots_between
from edge.reading.loss import Loss
from edge.reading.plan import Plan, PlanTask
from edge.reading.record import SlotState

_TICK, _SECOND, _DAY = timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=1)
_EVER = datetime(9999, 12, 31, tzinfo=UTC)
_SHORTEST_ROUND_S = 60.0  # sealing, sending and storing take their seconds, however short a round is


class Fill(StrEnum):
    """What became of an expected slot."""

    IN_TIME = "in_time"
    LATE = "late"
    REFILLED = "refilled"
    MISSING_OPEN = "missing_open"
    MISSING_FINAL = "missing_final"
    NOT_HEARD = "not_heard"
    AWAITED = "awaited"

    @property
    def is_hole(self) -> bool:
        """True if there is no reading and there should be one."""
        return self in _HOLES


_HOLES = frozenset({Fill.MISSING_OPEN, Fill.MISSING_FINAL, Fill.NOT_HEARD})
_FILLS = {
    SlotState.REFILLED: Fill.REFILLED,
    SlotState.MISSING_OPEN: Fill.MISSING_OPEN,
    SlotState.MISSING_FINAL: Fill.MISSING_FINAL,
}
_MISSES = (SlotState.MISSING_OPEN, SlotState.MISSING_FINAL)


@dataclass(frozen=True, slots=True)
class SlotFate:
    """What became of one slot. `closing`: who can close it, if it is a hole; `is_conflict`: different values came."""

    gateway: str
    meter: str
    task: str
    slot_at: datetime
    fill: Fill
    reason: str = ""
    closing: Closing | None = None
    is_conflict: bool = False


@dataclass(frozen=True, slots=True)
class Hole:
    """Slots in a row that brought nothing, for the same reason, and that the same can close."""

    gateway: str
    meter: str
    task: str
    first_at: datetime
    last_at: datetime
    count: int
    fill: Fill
    reason: str
    closing: Closing

    @property
    def closer(self) -> Closer:
        """Who can still close it."""
        return self.closing.closer


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A meter of the centre's list that no plan of the span names. `gateway`: whose plan named it at another time."""

    meter: str
    gateway: str | None

    @property
    def closer(self) -> Closer:
        """Who can close it: the gateway that it hangs on has to have it on its list."""
        return Closer.GATEWAY


@dataclass(slots=True)
class Statement:
    """The totals of each meter (gateway, meter), of each of its tasks (gateway, meter, task), and the holes.

    `unreadable` names plans whose zone is not known, `unplanned` gateways that sent no plan, `unheard` those that are
    enrolled and never came, `begun_anew` epochs that follow none, `closed` those that somebody closed, with the
    instant, `unnamed` the meters of the list that nobody reads.
    """

    since: datetime
    until: datetime
    totals: dict[tuple[str, str], Counter[Fill]] = field(default_factory=dict)
    tasks: dict[tuple[str, str, str], Counter[Fill]] = field(default_factory=dict)
    conflicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    holes: list[Hole] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unplanned: list[str] = field(default_factory=list)
    unheard: list[str] = field(default_factory=list)
    closed: dict[str, datetime] = field(default_factory=dict)
    ahead: Counter[str] = field(default_factory=Counter)  # slots more than a day in the future, by gateway
    begun_anew: list[tuple[str, bytes]] = field(default_factory=list)
    unnamed: list[Unnamed] = field(default_factory=list)
    open_holes: dict[tuple[str, str, str], int] = field(default_factory=dict)  # those that the next slot may continue

    @property
    def total(self) -> Counter[Fill]:
        """All meters together."""
        return sum(self.totals.values(), Counter())

    def leave_holes_but(self, keys: Collection[tuple[str, str, str]]) -> None:
        """Let no slot continue a hole but those of these (gateway, meter, task)."""
        self.open_holes = {key: place for key, place in self.open_holes.items() if key in keys}

    def sort_holes(self) -> None:
        """Bring the holes into the order of the tasks' meters as they were first met, each one's by time."""
        place = {key: number for number, key in enumerate(self.tasks)}
        self.holes.sort(key=lambda hole: (place[hole.gateway, hole.meter, hole.task], hole.first_at))
        self.open_holes.clear()

    @property
    def is_complete(self) -> bool:
        """True if every expected slot that is over has a reading, and every meter of the list is expected."""
        return not (self.holes or self.unreadable or self.unplanned or self.unheard or self.unnamed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: slots with since <= slot < until, of one gateway or all; `grace_s` after a slot it is late.

    `enrolled`: the gateways that are to be heard.
    """

    since: datetime
    until: datetime
    now: datetime
    grace_s: float
    gateway: str | None = None
    enrolled: Sequence[str] = ()


def completeness(ledger: Ledger, question: Question) -> Statement:
    """Return the statement for a span of slots."""
    statement = Statement(question.since, min(question.until, question.now))
    for fate in slot_fates(ledger, question, statement):
        _count(statement, fate)
    statement.sort_holes()
    return statement


def slot_fates(ledger: Ledger, question: Question, statement: Statement) -> Iterator[SlotFate]:
    """Yield what became of each expected slot: by gateway, plan, day, task and meter, then by time.

    What keeps slots from being expected at all goes into the statement.
    """
    question = replace(question, until=min(question.until, question.now))
    heard, closed = ledger.gateways(), ledger.closed()
    named: dict[str, tuple[bool, str]] = {}
    wanted = [question.gateway] if question.gateway else sorted({*heard, *question.enrolled})
    for gateway in wanted:
        ahead = sum(1 for _ in ledger.slots(gateway, question.now + _DAY, _EVER))
        statement.ahead.update({gateway: ahead} if ahead else {})
        statement.begun_anew += [(gateway, epoch) for epoch in _begun_anew(ledger, gateway)]
        if gateway in closed:
            statement.closed[gateway] = closed[gateway]
        if gateway not in heard and (gateway in question.enrolled or gateway in closed):
            statement.unheard.extend({gateway} - closed.keys())
        else:
            plans = list(ledger.plans(gateway))
            _note_named(named, gateway, plans, question, closed.get(gateway))
            yield from _fates_of(statement, ledger, gateway, question, plans)
    if question.gateway is None:
        absent = ((meter, named.get(meter, (False, None))) for meter in ledger.meters())
        statement.unnamed.extend(Unnamed(meter, last) for meter, (is_now, last) in absent if not is_now)


def stretches(
    plans: Sequence[Plan], after: datetime, until: datetime, closed_at: datetime | None = None
) -> Iterator[tuple[Plan, datetime, datetime]]:
    """Yield each plan with the part of the slots in (after, until] for which it is in force, as such a pair again.

    `plans` stand in the order in which they were made. A plan that was in force at `closed_at` ends there.
    """
    begins = list(accumulate((plan.valid_from for plan in plans), max))
    for plan, begin, end in zip(plans, begins, [*begins[1:], until], strict=False):
        first, last = max(after, begin), min(until, end)
        if closed_at is not None and begin <= closed_at:
            last = min(last, closed_at)
        if first < last:
            yield plan, first, last


def _note_named(
    named: dict[str, tuple[bool, str]],
    gateway: str,
    plans: Sequence[Plan],
    question: Question,
    closed_at: datetime | None,
) -> None:
    """Note the meters that a gateway's plans name: whether one of the span does, and whose it is."""
    now = {id(plan) for plan, *_ in stretches(plans, question.since - _TICK, question.until - _TICK, closed_at)}
    for plan in plans:
        for meter in {meter for task in plan.tasks for meter in task.meters}:
            named[meter] = max(named.get(meter, (False, "")), (id(plan) in now, gateway))


def _fates_of(
    statement: Statement, ledger: Ledger, gateway: str, question: Question, plans: Sequence[Plan]
) -> Iterator[SlotFate]:
    closed_at = statement.closed.get(gateway)
    if not plans:
        statement.unplanned.extend([gateway] if closed_at is None else [])
        return
    losses = _by_meter(ledger.losses(gateway))
    closers = Closers(ledger, gateway, question.since, question.until, closed_at)
    for plan, begin, end in stretches(plans, question.since - _TICK, question.until - _TICK, closed_at):
        statement.leave_holes_but({(gateway, meter, task.name) for task in plan.tasks for meter in task.meters})
        for after, until in _days(begin, end):
            found = ledger.slots(gateway, after, until + _SECOND)
            rows = {(row.task, row.meter, row.slot_at): row for row in found}
            judge = _Judge(gateway, question, rows, losses, closers)
            for task in plan.tasks:
                slots = _slots_of(statement, gateway, plan, task, (after, until))
                yield from (judge.of(task, meter, slot_at) for meter in task.meters for slot_at in slots)


def _begun_anew(ledger: Ledger, gateway: str) -> Iterator[bytes]:
    """Yield the epochs that follow none though the gateway had some before: its store was lost, or the box is another.

    Whether an epoch follows one its first envelope tells.
    """
    for state in in_order(ledger.epochs(gateway))[1:]:
        first = BatchKey(gateway, state.epoch, 1)
        if state.predecessor is None and first in ledger.links([first]):
            yield state.epoch


def _days(after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the span (after, until] in pieces of a day: what is held at once does not grow with the span."""
    while after < until:
        end = min(until, after + _DAY)
        yield after, end
        after = end


def _slots_of(
    statement: Statement, gateway: str, plan: Plan, task: PlanTask, span: tuple[datetime, datetime]
) -> list[datetime]:
    try:
        return list(slots_between(task.schedule, plan.timezone, *span))
    except (KeyError, ValueError, OSError) as exc:  # what a zone that is none gives
        problem = f"{gateway} {task.name}: {exc}"
        if problem not in statement.unreadable:
            statement.unreadable.append(problem)
        return []


def _count(statement: Statement, fate: SlotFate) -> None:
    """Add a slot to the totals, and to the hole that it continues or begins."""
    meter = (fate.gateway, fate.meter)
    statement.totals.setdefault(meter, Counter())[fate.fill] += 1
    statement.tasks.setdefault((*meter, fate.task), Counter())[fate.fill] += 1
    statement.conflicts[meter] += fate.is_conflict
    key = (*meter, fate.task)
    place = statement.open_holes.pop(key, None)
    if fate.closing is None:
        return
    if place is None or not _continues(statement.holes[place], fate):
        place = len(statement.holes)
        statement.holes.append(Hole(*key, fate.slot_at, fate.slot_at, 0, fate.fill, fate.reason, fate.closing))
    last = statement.holes[place]
    statement.holes[place] = replace(last, last_at=fate.slot_at, count=last.count + 1)
    statement.open_holes[key] = place


def _continues(hole: Hole, fate: SlotFate) -> bool:
    same = (fate.gateway, fate.meter, fate.task, fate.fill, fate.reason, fate.closing)
    return same == (hole.gateway, hole.meter, hole.task, hole.fill, hole.reason, hole.closing)


def _by_meter(losses: Iterable[Loss]) -> dict[tuple[str, str], list[Loss]]:
    found: dict[tuple[str, str], list[Loss]] = {}
    for loss in losses:
        found.setdefault((loss.task, loss.meter), []).append(loss)
    return found


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says what became of one slot of one gateway."""

    gateway: str
    question: Question
    rows: Mapping[tuple[str, str, datetime], SlotRow]
    losses: Mapping[tuple[str, str], Sequence[Loss]]
    closers: Closers

    def of(self, task: PlanTask, meter: str, slot_at: datetime) -> SlotFate:
        """Return what became of the slot.

        A loss ends a slot for which nothing came, or only a miss: what filled it at the gateway is gone.
        """
        row = self.rows.get((task.name, meter, slot_at))
        loss = self._loss(task.name, meter, slot_at) if row is None or row.state in _MISSES else None
        if loss is not None:
            fill, reason = Fill.MISSING_FINAL, loss.reason
        else:
            fill, reason = self._of_unheard(task, slot_at) if row is None else self._of_row(row)
        return SlotFate(
            gateway=self.gateway,
            meter=meter,
            task=task.name,
            slot_at=slot_at,
            fill=fill,
            reason=reason,
            closing=self._closing(fill, reason, task, slot_at),
            is_conflict=row is not None and row.conflict,
        )

    def _loss(self, task: str, meter: str, slot_at: datetime) -> Loss | None:
        return next((loss for loss in self.losses.get((task, meter), ()) if loss.covers(slot_at)), None)

    def _of_row(self, row: SlotRow) -> tuple[Fill, str]:
        if row.state in _FILLS:
            return _FILLS[row.state], row.reason or ""
        grace = timedelta(seconds=self.question.grace_s)
        return (Fill.LATE if row.received_at > row.slot_at + grace else Fill.IN_TIME), ""

    def _of_unheard(self, task: PlanTask, slot_at: datetime) -> tuple[Fill, str]:
        return (Fill.AWAITED if self.question.now <= self._known_by(task, slot_at) else Fill.NOT_HEARD), ""

    def _known_by(self, task: PlanTask, slot_at: datetime) -> datetime:
        """Return until when a slot is awaited: for the grace, but at most for one round."""
        round_s = task.schedule.every_s
        grace_s = self.question.grace_s
        return slot_at + timedelta(
            seconds=grace_s if round_s is None else min(grace_s, max(round_s, _SHORTEST_ROUND_S))
        )

    def _closing(self, fill: Fill, reason: str, task: PlanTask, slot_at: datetime) -> Closing | None:
        match fill:
            case Fill.MISSING_FINAL:
                return Closing(Closer.NOBODY)
            case Fill.MISSING_OPEN:
                return self.closers.of_open(reason, slot_at)
            case Fill.NOT_HEARD:
                return self.closers.of_unheard(slot_at, self._known_by(task, slot_at))
        return None
