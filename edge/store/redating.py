"""Records made before the clock was known get their true time, and the slot in which they were really read.

For the rows of the journal of one boot whose time was not trusted; the boot-time clock, which never steps, says when
each was really read. Where the wall clock had been behind:

1. A miss, and what came from a meter's own memory, stands for the slot that it names: it is left as it is.
2. Read in the very slot that it names: only its time and trust are put right.
3. Else the slot that it names was not read: it is open again, `gateway_down`. If the slot in which it was read is open,
   the reading fills it. If that one is settled, or there is none whose time it fits, the reading has no slot and goes.
4. If nobody has noted that slot yet, the row waits: the poller settles slots in their order, and that one with
   something. Older rows of the same task and meter wait with it, for it may name their slot. One that may not wait any
   longer goes.

The newest row goes first: where the clock was behind, the slot in which a reading belongs may be named by a later one.
So each slot ends as one reading or one reason, whichever order the work is done in. Where the clock had been ahead,
the marks were ahead too, and nobody can tell what was not read: those rows stay, marked with their trust.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from edge.reading.record import PollRecord, SlotState, Source, Stamp
from edge.reading.verdict import SlotReason
from edge.store.meta import load_fact, mark_fact
from edge.store.rows import Rows
from edge.store.settling import Known

_UNDATED = "undated"
_CLOSE = timedelta(seconds=2)  # as near as two readings of the clocks can be
_READ = frozenset({SlotState.READ, SlotState.REFILLED})


@dataclass(frozen=True, slots=True)
class TrueTime:
    """What is known now: the boot, the wall time at its beginning, how far that is trusted, and the time now.

    `slot_of` gives the slot of a record's task in which a reading of this instant may count; None if there is none.
    """

    boot_id: str
    boot_at: datetime
    trust: str
    now: datetime
    slot_of: Callable[[PollRecord, datetime], datetime | None]
    may_wait: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """How far a look through the journal has come: `before` this row, and the (task, meter) of which a row waits."""

    before: int = 2**63 - 1
    waits: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Redated:
    """What became of the rows looked at. `following`: where it goes on; None: there is nothing more."""

    following: Look | None
    moved: int = 0
    dropped: int = 0
    waiting: int = 0


class Fate(Enum):
    """What becomes of a row."""

    LEAVE = auto()
    STAMP = auto()
    FILL = auto()
    DROP = auto()
    WAIT = auto()


def true_stamp(stamp: Stamp, true: TrueTime) -> Stamp:
    """Return when this was, by what is known now."""
    return replace(stamp, at=true.boot_at + timedelta(seconds=stamp.boot_s), trust=true.trust)


def fate_of(record: PollRecord, true: TrueTime, slot_at: datetime | None, known: Known) -> Fate:
    """Return what becomes of a row; `slot_at`: where it was really read, `known`: what is known of that slot."""
    stamp = record.stamp
    if stamp.boot_id != true.boot_id or stamp.is_dated:
        return Fate.LEAVE
    if record.state not in _READ or record.source is not Source.LIVE:
        return Fate.LEAVE
    if true_stamp(stamp, true).at < stamp.at - _CLOSE:
        return Fate.LEAVE
    if slot_at == record.slot_at:
        return Fate.STAMP
    if slot_at is None or known is Known.SETTLED:
        return Fate.DROP
    if known is Known.OPEN:
        return Fate.FILL
    return Fate.WAIT if true.may_wait else Fate.DROP


def gone_slot(record: PollRecord, true: TrueTime) -> PollRecord:
    """Return the miss that takes the place of a reading under a slot in which it was not read."""
    return PollRecord(
        task=record.task,
        slot_at=record.slot_at,
        meter=record.meter,
        bus=record.bus,
        stamp=Stamp(true.now, true.trust, true.boot_id, (true.now - true.boot_at).total_seconds()),
        state=SlotState.MISSING_OPEN,
        reason=SlotReason.GATEWAY_DOWN,
        tries=0,
    )


def undated_boot(rows: Rows) -> str | None:
    """Return the boot whose records may still get their true time; None if there is none."""
    fact = load_fact(rows, _UNDATED)
    return fact if isinstance(fact, str) and fact else None


def note_undated(rows: Rows, records: list[PollRecord]) -> None:
    """Remember the boot of records whose time is not trusted. Needs a writing transaction."""
    boots = [record.stamp.boot_id for record in records if not record.stamp.is_dated]
    if boots and undated_boot(rows) != boots[-1]:
        mark_fact(rows, _UNDATED, boots[-1])


def forget_undated(rows: Rows) -> None:
    """Note that nothing more will be put right. Needs a writing transaction."""
    mark_fact(rows, _UNDATED, "")
