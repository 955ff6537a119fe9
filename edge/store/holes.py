"""Holes: spans of time in which meters were polled, and something of that is gone. Each slot in them gets its loss.

What is gone cannot say which slots it held, and a damaged row is not believed. So every slot that the plans expected in
the span is named, but for those that wait in the journal or were not settled yet. Naming a slot whose reading came in
another batch, or is still to come, does no harm: a loss counts where nothing came, or only a miss. A hole waits until a
plan is here; the marks of (task, meter) bound it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.reading.loss import LossReason, losses_of
from edge.reading.plan import Plan, PlanTask
from edge.store.instants import from_us, to_us
from edge.store.losses import append_loss
from edge.store.marks import load_marks
from edge.store.meta import load_fact, mark_fact
from edge.store.packing import JOURNAL_ROWS, DamagedRow, Row, unpack_record
from edge.store.plans import kept_plans
from edge.store.rows import Rows

_HOLES = "holes"
_MOST = 32
_RARE_WINDOW = timedelta(hours=1)  # how long after its slot a daily or monthly task may be asked
_LOOSE = timedelta(minutes=5)  # buses commit beside each other, each after some seconds
_CHUNK = 500

Slots = Callable[[Plan, PlanTask, datetime, datetime], Iterable[datetime]]  # after < slot <= until


@dataclass(frozen=True, slots=True)
class Hole:
    """What was polled after `since`, up to `until`, may be gone."""

    since: datetime
    until: datetime


def load_holes(rows: Rows) -> list[Hole]:
    """Return the holes whose slots are not named yet."""
    return [Hole(from_us(since), from_us(until)) for since, until in load_fact(rows, _HOLES) or []]


def note_holes(rows: Rows, holes: Iterable[Hole]) -> None:
    """Note holes. Needs a writing transaction. Too many become one: it names more slots, and none less."""
    known = [*load_holes(rows), *holes]
    if len(known) > _MOST:
        known = [Hole(min(one.since for one in known), max(one.until for one in known))]
    mark_fact(rows, _HOLES, [[to_us(one.since), to_us(one.until)] for one in known])


def name_losses(rows: Rows, slots: Slots) -> int | None:
    """Put losses in the place of the holes; return how many slots they name, None while there is no plan.

    Needs a writing transaction.
    """
    holes, plans = load_holes(rows), kept_plans(rows)
    if not holes:
        return 0
    if not plans:
        return None
    known = _accounted(rows, min(one.since for one in holes))
    marks = {pair: from_us(slot_us) for pair, slot_us in load_marks(rows).items()}
    gone = {slot for hole in holes for slot in _expected(plans, hole, marks, slots) if slot not in known}
    for loss in losses_of(((task, meter, from_us(slot_us)) for task, meter, slot_us in gone), LossReason.DAMAGED):
        append_loss(rows, loss)
    mark_fact(rows, _HOLES, [])
    return len(gone)


def _expected(
    plans: list[Plan], hole: Hole, marks: dict[tuple[str, str], datetime], slots: Slots
) -> Iterator[tuple[str, str, int]]:
    """Yield what the plans expected. Before the first that is kept, that one counts: nobody knows an older one."""
    ends = [later.valid_from for later in plans[1:]] + [hole.until]
    begins = [min(plans[0].valid_from, hole.since - timedelta(days=1)), *(plan.valid_from for plan in plans[1:])]
    for plan, begin, end in zip(plans, begins, ends, strict=True):
        for task in plan.tasks:
            every_s = task.schedule.every_s
            window = _RARE_WINDOW if every_s is None else timedelta(seconds=every_s)
            after, until = max(begin, hole.since - window - _LOOSE), min(end, hole.until)
            due = list(slots(plan, task, after, until)) if after < until else []
            for meter in task.meters:
                mark = marks.get((task.name, meter), until)
                yield from ((task.name, meter, to_us(slot_at)) for slot_at in due if slot_at <= mark)


def _accounted(rows: Rows, since: datetime) -> set[tuple[str, str, int]]:
    """Return the slots that wait in the journal. Open ones are not among them: their miss may be what is gone."""
    least = to_us(since - timedelta(days=32))
    known: set[tuple[str, str, int]] = set()
    last = -(1 << 62)
    while chunk := rows.rows(f"{JOURNAL_ROWS} WHERE id > ? ORDER BY id LIMIT ?", last, _CHUNK):
        last = chunk[-1][0]
        for _, *cells in chunk:
            row = Row(*cells)
            if row.slot_us >= least and _is_sound(row):
                known.add((row.task.decode(), row.meter.decode(), row.slot_us))
    return known


def _is_sound(row: Row) -> bool:
    try:
        unpack_record(row)
    except DamagedRow:
        return False
    return True
