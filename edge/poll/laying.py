"""Records made before the clock was known, laid anew: each in the slot in which it was really made. Pure.

For the rows that one boot recorded for one task and meter while its time was not trusted, whether the wall clock was
behind or ahead; the boot-time clock, which never steps, says when each was really made. Nobody polls meanwhile.

1. What the wrong time named is forgotten: the mark goes back to where it was before, or to the begin of the plan. Where
   that cannot be told, for the first slots that it named are sealed, it goes back to where the clock was lost.
2. A reading goes to the slot in which its poll really began, if one was promised there; the first of two counts. So
   does the reason of a poll that failed. A slot that ran out unasked is where its instant really was.
3. Slots before and between them are `gateway_down`. Those after the last one are the poller's to name.
4. A reading that fits no slot, or one that has its reading already, goes.
5. What filled a slot that was missed before stays there if it was really made in it; else that slot is open again.
6. What came from a meter's own memory stands for the slot that it names: it is left as it is. A freeze that was
   ordered is none of that: it was made when it was ordered, however late it was read. One that does not say when that
   was has no true slot.

So each slot ends as one reading or one reason. What was sealed is no longer among the rows, and stays as it was
marked; so do rows of another boot, for nobody knows what its clock should have said.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from edge.poll.records import take_asked
from edge.poll.rounds import live_window
from edge.quality.slots import next_slot, slots_between
from edge.reading.plan import Plan, PlanTask
from edge.reading.record import PollRecord, SlotState, Source, Stamp
from edge.reading.verdict import SlotReason

_NEVER = "none"
_FROZEN_AT = "frozen_at="
_MOMENT = timedelta(microseconds=1)
_RAN_OUT = frozenset({SlotReason.OVERRUN, SlotReason.PORT_GONE})


@dataclass(frozen=True, slots=True)
class TrueTime:
    """What is known now: the boot, the wall time at its beginning, how far that is trusted, and the time now.

    `lost_at`: since when the time was not known.
    """

    boot_id: str
    boot_at: datetime
    trust: str
    now: datetime
    lost_at: datetime

    def stamp(self, stamp: Stamp) -> Stamp:
        """Return when something of this boot really was."""
        return replace(stamp, at=self.boot_at + timedelta(seconds=stamp.boot_s), trust=self.trust)


@dataclass(frozen=True, slots=True)
class Begun:
    """A plan with its true begin, and when it began by the clock of its time."""

    plan: Plan
    said_at: datetime

    @property
    def is_moved(self) -> bool:
        """True if its clock was wrong."""
        return self.plan.valid_from != self.said_at


@dataclass(slots=True)
class Laid:
    """Rows laid anew. `base`: the mark that was before them, None: it stays; `records` settle slots, in their order.

    `kept` stand where they stood; `reopened` are slots that lost what filled them. `moved` and `dropped` readings.
    """

    base: datetime | None = None
    records: list[PollRecord] = field(default_factory=list)
    kept: list[PollRecord] = field(default_factory=list)
    reopened: list[PollRecord] = field(default_factory=list)
    moved: int = 0
    dropped: int = 0


def true_begins(plans: Sequence[tuple[Plan, Stamp | None]], true: TrueTime) -> list[Begun]:
    """Return plans with their true begins; the stamp is of when one was put in force, None where its time was known.

    Of another boot nobody knows it: a time that can be right is believed, else it is the begin of this boot.
    """
    begun: list[Begun] = []
    for plan, stamp in plans:
        begin = plan.valid_from
        if stamp is not None and stamp.boot_id == true.boot_id:
            begin = true.stamp(stamp).at
        elif stamp is not None and (stamp.trust == _NEVER or begin > true.boot_at):
            begin = true.boot_at
        if begun and stamp is not None:
            begin = max(begin, begun[-1].plan.valid_from + _MOMENT)
        begun.append(Begun(replace(plan, valid_from=begin), plan.valid_from))
    return begun


def lay_anew(
    rows: Sequence[PollRecord], plans: Sequence[Begun], true: TrueTime, joined_at: datetime | None = None
) -> Laid:
    """Return the rows of one task and meter as they should have been. `rows`: undated ones of this boot, one at least.

    `plans`: those that are kept, in their order. `joined_at`: the mark of a meter that joined a plan in the wrong time.
    """
    laid = Laid(base=_base(rows, plans, true, joined_at))
    slots, windows = _promised(rows[0], plans, laid.base or true.now, true.now)
    made: dict[datetime, PollRecord] = {}
    for row in sorted(rows, key=lambda one: one.stamp.boot_s):
        if not _is_polled(row):
            laid.kept.append(row)
        elif laid.base is None or (row.state is SlotState.REFILLED and row.slot_at <= laid.base):
            _lay_filling(laid, row, plans, true)
        else:
            _lay(laid, made, row, _slot_of(row, slots, windows, true), true)
    for slot_at in slots[: bisect_right(slots, max(made))] if made else ():
        laid.records.append(made.get(slot_at) or _down(rows[0], slot_at, true))
    return laid


def _lay(
    laid: Laid, made: dict[datetime, PollRecord], row: PollRecord, slot_at: datetime | None, true: TrueTime
) -> None:
    """Put a row into the slot in which it was really made, a reading before a reason."""
    is_read = row.state is not SlotState.MISSING_OPEN
    standing = made.get(slot_at) if slot_at is not None else None
    if slot_at is None or (standing is not None and (standing.reason is None or not is_read)):
        laid.dropped += is_read
        return
    state = SlotState.READ if is_read else SlotState.MISSING_OPEN
    made[slot_at] = replace(_dated(row, true), slot_at=slot_at, state=state)
    laid.moved += is_read and slot_at != row.slot_at


def _lay_filling(laid: Laid, row: PollRecord, plans: Sequence[Begun], true: TrueTime) -> None:
    """Leave a reading in the slot that it filled, if it was made in it; else open that slot again."""
    task = _task_of(plans[-1].plan, row) if plans else None
    window = live_window(task.schedule) if task is not None else timedelta()
    if row.slot_at <= _made_at(row, true) <= row.slot_at + window:
        laid.kept.append(_dated(row, true))
    else:
        laid.reopened.append(_down(row, row.slot_at, true))
        laid.dropped += 1


def _base(
    rows: Sequence[PollRecord], plans: Sequence[Begun], true: TrueTime, joined_at: datetime | None
) -> datetime | None:
    """Return the mark before the first slot that the wrong time named: slots are named one after the other."""
    named = [row.slot_at for row in rows if row.state is not SlotState.REFILLED]
    if not named:
        return None
    first, base = min(named), min(named) - _MOMENT
    had = False
    for begun in plans:
        task = _task_of(begun.plan, rows[0])
        is_new = task is not None and not had
        had = task is not None
        if task is None or not is_new or not begun.is_moved:
            continue
        if next_slot(task.schedule, begun.plan.timezone, begun.said_at) == first:
            base = begun.plan.valid_from
        elif begun.said_at < first:  # the slots between are sealed: they were named after the begin of the plan, too
            base = min(base, begun.plan.valid_from)
    if joined_at is not None:
        base = min(base, joined_at)
    return base if base <= true.now else true.lost_at


def _task_of(plan: Plan, row: PollRecord) -> PlanTask | None:
    return next((task for task in plan.tasks if task.name == row.task and row.meter in task.meters), None)


def _promised(
    row: PollRecord, plans: Sequence[Begun], base: datetime, until: datetime
) -> tuple[list[datetime], list[timedelta]]:
    """Return the slots that were promised after the base, in order, and for how long each is live."""
    slots: list[datetime] = []
    windows: list[timedelta] = []
    ends = [later.plan.valid_from for later in plans[1:]] + [until]
    for begun, end in zip(plans, ends, strict=True) if plans else ():
        task = _task_of(begun.plan, row)
        if task is None:
            continue
        after = max([base, begun.plan.valid_from, *slots[-1:]])
        found = list(slots_between(task.schedule, begun.plan.timezone, after, min(end, until)))
        slots += found
        windows += [live_window(task.schedule)] * len(found)
    return slots, windows


def _slot_of(
    row: PollRecord, slots: Sequence[datetime], windows: Sequence[timedelta], true: TrueTime
) -> datetime | None:
    """Return the promised slot to which a row belongs; None: to none."""
    if row.reason is SlotReason.GATEWAY_DOWN or (row.source is Source.FREEZE and _ordered_at(row) is None):
        return None
    off = true.stamp(row.stamp).at - row.stamp.at
    at = row.slot_at + off if row.reason in _RAN_OUT else _made_at(row, true)
    number = bisect_right(slots, at) - 1
    return slots[number] if number >= 0 and at <= slots[number] + windows[number] else None


def _is_polled(row: PollRecord) -> bool:
    """Return True for what a poll brought, or a slot that was not asked for."""
    if row.state is SlotState.REFILLED:
        return row.source is Source.LIVE or _ordered_at(row) is not None
    return row.state in (SlotState.READ, SlotState.MISSING_OPEN)


def _made_at(row: PollRecord, true: TrueTime) -> datetime:
    """Return the true instant of a reading: of its freeze, if that was ordered, else of the begin of its poll."""
    stamp, ordered_at = true.stamp(row.stamp), _ordered_at(row)
    if ordered_at is not None:
        return ordered_at + (stamp.at - row.stamp.at)
    return stamp.at - take_asked(row.flags)[0]


def _ordered_at(row: PollRecord) -> datetime | None:
    """Return when the freeze that was read had been ordered, by the clock of then; None if none was."""
    said = [flag.removeprefix(_FROZEN_AT) for flag in row.flags if flag.startswith(_FROZEN_AT)]
    return datetime.fromisoformat(said[0]) if said else None


def _dated(row: PollRecord, true: TrueTime) -> PollRecord:
    """Return a row with its true time."""
    stamp = true.stamp(row.stamp)
    off = stamp.at - row.stamp.at
    return replace(row, stamp=stamp, flags=tuple(_moved_flag(flag, off) for flag in take_asked(row.flags)[1]))


def _moved_flag(flag: str, off: timedelta) -> str:
    if not flag.startswith(_FROZEN_AT):
        return flag
    at = datetime.fromisoformat(flag.removeprefix(_FROZEN_AT)) + off
    return f"{_FROZEN_AT}{at.isoformat(timespec='milliseconds')}"


def _down(row: PollRecord, slot_at: datetime, true: TrueTime) -> PollRecord:
    """Return the record of a slot in which nobody asked."""
    return PollRecord(
        task=row.task,
        slot_at=slot_at,
        meter=row.meter,
        bus=row.bus,
        stamp=Stamp(true.now, true.trust, true.boot_id, (true.now - true.boot_at).total_seconds()),
        state=SlotState.MISSING_OPEN,
        reason=SlotReason.GATEWAY_DOWN,
        tries=0,
    )
