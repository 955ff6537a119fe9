"""Completeness: what was expected by the plan in force, what came, and what is missing, with who can close the hole.

Pure but for the ledger that it asks. A plan is in force for the slots after its `valid_from`, up to and with the
next plan's, as the gateway counts them; they are computed here from the signed plan rows, so a gateway that says
nothing at all is missed too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from edge.centre.ledger import Ledger, SlotRow
from edge.quality.slots import slots_between
from edge.reading.loss import Loss
from edge.reading.plan import Plan, PlanTask
from edge.reading.record import SlotState

_TICK = timedelta(microseconds=1)


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
        return self in _CLOSERS


class Closer(StrEnum):
    """Who can still close a hole."""

    REFILL = "gateway_refill"  # the gateway asks the meter's memory
    NOBODY = "nobody"
    GATEWAY = "gateway_offline"  # it was not heard: it may be offline and hold the readings


_CLOSERS = {
    Fill.MISSING_OPEN: Closer.REFILL,
    Fill.MISSING_FINAL: Closer.NOBODY,
    Fill.NOT_HEARD: Closer.GATEWAY,
}
_FILLS = {
    SlotState.REFILLED: Fill.REFILLED,
    SlotState.MISSING_OPEN: Fill.MISSING_OPEN,
    SlotState.MISSING_FINAL: Fill.MISSING_FINAL,
}
_MISSES = (SlotState.MISSING_OPEN, SlotState.MISSING_FINAL)


@dataclass(frozen=True, slots=True)
class Hole:
    """Slots in a row that brought nothing, for the same reason."""

    gateway: str
    meter: str
    task: str
    first_at: datetime
    last_at: datetime
    count: int
    fill: Fill
    reason: str

    @property
    def closer(self) -> Closer:
        """Who can still close it."""
        return _CLOSERS[self.fill]


@dataclass(slots=True)
class Statement:
    """The totals of each meter (gateway, meter) and the holes; `unreadable` names plans whose zone is not known."""

    since: datetime
    until: datetime
    totals: dict[tuple[str, str], Counter[Fill]] = field(default_factory=dict)
    conflicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    holes: list[Hole] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unplanned: list[str] = field(default_factory=list)

    @property
    def total(self) -> Counter[Fill]:
        """All meters together."""
        return sum(self.totals.values(), Counter())

    @property
    def is_complete(self) -> bool:
        """True if every expected slot that is over has a reading."""
        return not (self.holes or self.unreadable or self.unplanned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: slots with since <= slot < until, of one gateway or all; `grace_s` after a slot it is late."""

    since: datetime
    until: datetime
    now: datetime
    grace_s: float
    gateway: str | None = None


def completeness(ledger: Ledger, question: Question) -> Statement:
    """Return the statement for a span of slots."""
    until = min(question.until, question.now)
    statement = Statement(question.since, until)
    for gateway in [question.gateway] if question.gateway else ledger.gateways():
        _add_gateway(statement, ledger, gateway, replace(question, until=until))
    return statement


def stretches(plans: Sequence[Plan], after: datetime, until: datetime) -> Iterator[tuple[Plan, datetime, datetime]]:
    """Yield each plan with the part of the slots in (after, until] for which it is in force, as such a pair again."""
    ends = [later.valid_from for _, later in pairwise(plans)] + [until]
    for plan, end in zip(plans, ends, strict=True):
        first, last = max(after, plan.valid_from), min(until, end)
        if first < last:
            yield plan, first, last


def _add_gateway(statement: Statement, ledger: Ledger, gateway: str, question: Question) -> None:
    plans = list(ledger.plans(gateway))
    if not plans:
        statement.unplanned.append(gateway)
        return
    rows = {(row.task, row.meter, row.slot_at): row for row in ledger.slots(gateway, question.since, question.until)}
    judge = _Judge(question, rows, _by_meter(ledger.losses(gateway)))
    for plan, after, until in stretches(plans, question.since - _TICK, question.until - _TICK):
        for task in plan.tasks:
            try:
                slots = list(slots_between(task.schedule, plan.timezone, after, until))
            except (KeyError, ValueError, OSError) as exc:  # what a zone that is none gives
                statement.unreadable.append(f"{gateway} {task.name}: {exc}")
                continue
            _add_task(statement, gateway, task, slots, judge)


def _add_task(statement: Statement, gateway: str, task: PlanTask, slots: list[datetime], judge: "_Judge") -> None:
    for meter in task.meters:
        total = statement.totals.setdefault((gateway, meter), Counter())
        hole: Hole | None = None
        for slot_at in slots:
            fill, reason = judge.of(task.name, meter, slot_at)
            total[fill] += 1
            statement.conflicts[gateway, meter] += judge.is_conflict(task.name, meter, slot_at)
            if hole is not None and (hole.fill, hole.reason) == (fill, reason):
                hole = replace(hole, last_at=slot_at, count=hole.count + 1)
                continue
            if hole is not None:
                statement.holes.append(hole)
            hole = Hole(gateway, meter, task.name, slot_at, slot_at, 1, fill, reason) if fill.is_hole else None
        if hole is not None:
            statement.holes.append(hole)


def _by_meter(losses: Iterable[Loss]) -> dict[tuple[str, str], list[Loss]]:
    found: dict[tuple[str, str], list[Loss]] = {}
    for loss in losses:
        found.setdefault((loss.task, loss.meter), []).append(loss)
    return found


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says what became of one slot of one gateway."""

    question: Question
    rows: Mapping[tuple[str, str, datetime], SlotRow]
    losses: Mapping[tuple[str, str], Sequence[Loss]]

    def of(self, task: str, meter: str, slot_at: datetime) -> tuple[Fill, str]:
        """Return what became of the slot, and the reason if it brought nothing.

        A loss ends a slot for which nothing came, or only a miss: what filled it at the gateway is gone.
        """
        grace = timedelta(seconds=self.question.grace_s)
        row = self.rows.get((task, meter, slot_at))
        if row is None or row.state in _MISSES:
            for loss in self.losses.get((task, meter), ()):
                if loss.covers(slot_at):
                    return Fill.MISSING_FINAL, loss.reason
        if row is None:
            return (Fill.AWAITED if self.question.now <= slot_at + grace else Fill.NOT_HEARD), ""
        if row.state in _FILLS:
            return _FILLS[row.state], row.reason or ""
        return (Fill.LATE if row.received_at > slot_at + grace else Fill.IN_TIME), ""

    def is_conflict(self, task: str, meter: str, slot_at: datetime) -> bool:
        """Return True if different values came for the slot."""
        row = self.rows.get((task, meter, slot_at))
        return row is not None and row.conflict
