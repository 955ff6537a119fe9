"""The poller's side of the store: records in, marks and open slots out.

Every function that is named `append` has its rows on the disk when it returns. A slot that is settled is settled
once: a second record for it is refused and counted, so nothing is doubled whatever the poller repeats after a cut.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from edge.reading.plan import Plan
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.store.database import Database
from edge.store.instants import from_us, to_us
from edge.store.marks import is_sound_mark, load_marks, mend_marks, save_mark
from edge.store.packing import JOURNAL_ROWS, DamagedRow, Row, crc_of, pack_record, unpack_record
from edge.store.plans import Begins, append_plan, forget_plans_after, kept_plans, newest_plan, redate_plans
from edge.store.poll_state import PollState, mark_poll_state
from edge.store.redating import (
    forget_undated,
    joined_marks,
    note_joined,
    note_undated,
    note_undated_plan,
    undated_boot,
    undated_since,
)
from edge.store.saved_time import note_time
from edge.store.settling import Act, Known, act_on

_NO_REASON = ""
_SAME_TASK = "FROM slot WHERE task = pair.task AND meter > pair.meter ORDER BY meter LIMIT 1"
_NEXT_TASK = "FROM slot WHERE task > pair.task ORDER BY task, meter LIMIT 1"
_OLD_SLOTS = f"""
    WITH RECURSIVE pair(task, meter) AS (
        SELECT task, meter FROM (SELECT task, meter FROM slot ORDER BY task, meter LIMIT 1)
        UNION ALL
        SELECT coalesce((SELECT task {_SAME_TASK}), (SELECT task {_NEXT_TASK})),
            coalesce((SELECT meter {_SAME_TASK}), (SELECT meter {_NEXT_TASK}))
        FROM pair WHERE task IS NOT NULL)
    SELECT task, meter, slot_us, reason FROM pair CROSS JOIN slot USING (task, meter) WHERE slot_us < ? LIMIT ?
    """  # noqa: S608 - our own text; a scan of the table and a sort would grow with all that is open
_FORGET_SLOTS = "DELETE FROM slot WHERE task = ? AND meter = ? AND slot_us > ?"
_LONG_AGO_US = -(2**63)
_PER_LOOK = 256


class LaidRows(Protocol):
    """Rows put right: see `Laid` in `poll/laying.py`."""

    @property
    def base(self) -> datetime | None:
        """The mark that was before them; None: it stays."""

    @property
    def records(self) -> Sequence[PollRecord]:
        """What settles slots, in their order."""

    @property
    def kept(self) -> Sequence[PollRecord]:
        """What stands where it stood."""

    @property
    def reopened(self) -> Sequence[PollRecord]:
        """The misses of slots that lost what filled them."""


AnyLaid = TypeVar("AnyLaid", bound=LaidRows)


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the records of one call: stored, or refused because their slot was settled before."""

    stored: int
    refused: tuple[PollRecord, ...] = ()

    @property
    def duplicates(self) -> int:
        """How many were refused."""
        return len(self.refused)


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A slot that is missing and may still be filled; `reason` says why it was missed."""

    task: str
    meter: str
    slot_at: datetime
    reason: str


class Journal:
    """Records of polls, in arrival order, until the outbox seals them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted_at: datetime | None = None

    def append(self, records: Sequence[PollRecord]) -> Appended:
        """Store records, all or none, and settle their slots; return how many were new.

        Records of a (task, meter) come in the order of their slots, except those that fill an open one.
        Durable: on the disk on return. Time: waits up to 5 s for another writer. Raises StoreError: the store is
        full or fails, and nothing of this call was stored; ValueError for a record that no poll can bring.
        """
        with self._database.writing():
            refused = tuple(record for record in records if not self._settle(record))
            note_undated(self._database, list(records))
            noted_at = note_time(self._database, records, self._noted_at)
        self._noted_at = noted_at
        return Appended(len(records) - len(refused), refused)

    def note_state(self, state: PollState, at: datetime) -> None:
        """Let the other half know how polling goes. Durable on return."""
        with self._database.writing():
            mark_poll_state(self._database, state, at)

    def append_plan(self, plan: Plan, stamp: Stamp | None = None) -> bool:
        """Put a plan in force; return False if it is the plan in force already, whatever its `valid_from`.

        `stamp`: now; if its time is not trusted, the begin of the plan can be put right later.
        """
        with self._database.writing():
            earlier = newest_plan(self._database)
            number = append_plan(self._database, plan)
            if number is not None and stamp is not None:
                note_undated_plan(self._database, number, stamp)
                note_joined(self._database, earlier, plan, stamp)
            return number is not None

    def current_plan(self) -> Plan | None:
        """Return the plan in force; None before the first, or if it can no longer be read (append it again)."""
        return newest_plan(self._database)

    def kept_plans(self) -> list[Plan]:
        """Return the plans that are still kept, in the order in which they came into force; the last is in force."""
        return kept_plans(self._database)

    def settled_marks(self) -> dict[tuple[str, str], datetime]:
        """Return the newest slot recorded of each (task, meter): polling goes on after it. A damaged one is none."""
        return {pair: from_us(slot_us) for pair, slot_us in load_marks(self._database).items()}

    def open_slots(self, limit: int) -> list[OpenSlot]:
        """Return the slots that may still be filled, oldest first, at most `limit`."""
        found = self._database.rows(
            "SELECT task, meter, slot_us, reason FROM slot ORDER BY slot_us, task, meter LIMIT ?", limit
        )
        return [OpenSlot(task, meter, from_us(slot_us), reason) for task, meter, slot_us, reason in found]

    def open_slots_before(self, limit_at: datetime, limit: int) -> list[OpenSlot]:
        """Return slots before an instant that may still be filled, at most `limit`: those of one meter after another.

        Cheap however many lie after it: of each task and meter only its oldest are looked at.
        """
        found = self._database.rows(_OLD_SLOTS, to_us(limit_at), limit)
        return [OpenSlot(task, meter, from_us(slot_us), reason) for task, meter, slot_us, reason in found]

    def open_slots_of(self, task: str, meter: str, after: datetime | None, limit: int) -> list[OpenSlot]:
        """Return the open slots of one task and meter that lie after an instant, oldest first, at most `limit`."""
        found = self._database.rows(
            "SELECT slot_us, reason FROM slot WHERE task = ? AND meter = ? AND slot_us > ? ORDER BY slot_us LIMIT ?",
            task,
            meter,
            _LONG_AGO_US if after is None else to_us(after),
            limit,
        )
        return [OpenSlot(task, meter, from_us(slot_us), reason) for slot_us, reason in found]

    def forget_after(self, limit: datetime, back_to: datetime | None = None) -> int:
        """Forget plans and open slots later than an instant, and put later marks back to it; return how many.

        They were written under a wrong clock: with them, polling would wait until that time. A mark is put back, not
        deleted: without it the whole history of the meter would be settled once more. `back_to`: since when the clock
        was wrong, or found wrong, if that was earlier: what was due since then is still to be settled, so no slot of a
        meter stays open above its mark: what fills it would be forgotten by the mark. Durable on return.
        """
        late, mark_us = to_us(limit), to_us(limit if back_to is None else back_to)
        with self._database.writing():
            mend_marks(self._database)  # a damaged one must not pass for one of a wrong clock
            marks = self._database.rows("SELECT task, meter FROM mark WHERE slot_us > ?", late)
            for task, meter in marks:
                save_mark(self._database, task, meter, mark_us)
            self._database.change_each(_FORGET_SLOTS, ((*pair, mark_us) for pair in marks))
            slots = self._database.change("DELETE FROM slot WHERE slot_us > ?", late)
            return len(marks) + slots + forget_plans_after(self._database, late)

    def undated_boot(self) -> str | None:
        """Return the boot whose records or plans may still get their true time; None if there is none."""
        return undated_boot(self._database)

    def undated_since(self, boot_id: str) -> float:
        """Return since when a boot lacks a trusted time, by its own clock; 0.0 if it recorded nothing dated before."""
        return undated_since(self._database, boot_id)

    def joined_marks(self, boot_id: str) -> dict[tuple[str, str], datetime]:
        """Return the marks that meters had when they joined a plan in a boot whose time was not trusted."""
        return joined_marks(self._database, boot_id)

    def forget_undated(self, boot_id: str) -> None:
        """Note that nothing more will be put right, for the time of this boot is known. Durable on return."""
        with self._database.writing():
            forget_undated(self._database, boot_id)

    def redate_plans(self, begins: Begins) -> list[tuple[Plan, datetime]]:
        """Give the plans that are kept their true begins, once; return each with the begin that it had.

        `begins` is given them in their order, with the stamps of those whose time was not trusted. Durable on return.
        """
        with self._database.writing():
            return redate_plans(self._database, begins)

    def undated_rows(self, boot_id: str) -> dict[tuple[str, str], Sequence[int]]:
        """Return the ids of the rows that a boot recorded by a time that was not trusted, by task and meter."""
        found: dict[tuple[str, str], array[int]] = {}
        last = _LONG_AGO_US
        while rows := self._database.rows(f"{JOURNAL_ROWS} WHERE id > ? ORDER BY id LIMIT ?", last, _PER_LOOK):
            for number, record in _sound(rows):
                if record.stamp.boot_id == boot_id and not record.stamp.is_dated:
                    found.setdefault((record.task, record.meter), array("q")).append(number)
            last = rows[-1][0]
        return dict(found)

    def lay_anew(
        self, pair: tuple[str, str], ids: Sequence[int], lay: Callable[[list[PollRecord]], AnyLaid]
    ) -> AnyLaid | None:
        """Replace rows of a task and meter by what `lay` makes of them; see `poll/laying.py`. None: all are sealed.

        Durable on return: all or nothing. Raises StoreError, with nothing changed.
        """
        with self._database.writing():
            rows = [row for number in ids for row in self._database.rows(f"{JOURNAL_ROWS} WHERE id = ?", number)]
            found = dict(_sound(rows))  # a damaged row stays: whoever takes it finds it
            if not found:
                return None
            laid = lay(list(found.values()))
            self._database.change_each("DELETE FROM journal WHERE id = ?", ((number,) for number in found))
            if laid.base is not None:
                after = (*pair, to_us(laid.base))
                self._database.change(_FORGET_SLOTS, *after)
                save_mark(self._database, *after)
            for record in laid.kept:
                self._insert(record)
            for miss in laid.reopened:
                self._open_again(miss)
            for record in laid.records:
                self._settle(record)
        return laid

    def _open_again(self, miss: PollRecord) -> None:
        slot = (miss.task, miss.meter, to_us(miss.slot_at))
        if self._known(*slot) is Known.SETTLED:
            self._open_slot(miss, slot)
            self._insert(miss)

    def _settle(self, record: PollRecord) -> bool:
        """Do with one record what the rules say; return True if it was stored."""
        slot = (record.task, record.meter, to_us(record.slot_at))
        known = self._known(*slot)
        act = act_on(known, record.state)
        if act is Act.REFUSE:
            return False
        if act in (Act.FILL, Act.CLOSE):
            self._database.change("DELETE FROM slot WHERE task = ? AND meter = ? AND slot_us = ?", *slot)
        if act is Act.KEEP_OPEN:
            self._open_slot(record, slot)
        if known is Known.NEW:
            save_mark(self._database, *slot)
        self._insert(replace(record, state=SlotState.REFILLED) if act is Act.FILL else record)
        return True

    def _known(self, task: str, meter: str, slot_us: int) -> Known:
        is_open = self._database.rows(
            "SELECT 1 FROM slot WHERE task = ? AND meter = ? AND slot_us = ?", task, meter, slot_us
        )
        if is_open:
            return Known.OPEN
        mark = self._mark(task, meter)
        return Known.NEW if mark is None or slot_us > mark else Known.SETTLED

    def _mark(self, task: str, meter: str) -> int | None:
        """Return the mark; a damaged one is mended first. Needs a writing transaction."""
        found = self._database.rows("SELECT slot_us, crc FROM mark WHERE task = ? AND meter = ?", task, meter)
        if not found:
            return None
        if is_sound_mark(task, meter, *found[0]):
            return int(found[0][0])
        mend_marks(self._database)
        return self._mark(task, meter)

    def _insert(self, record: PollRecord) -> None:
        row = pack_record(record)
        self._database.change(
            "INSERT INTO journal (task, meter, slot_us, readings, crc, body) VALUES (?, ?, ?, ?, ?, ?)",
            record.task,
            record.meter,
            row.slot_us,
            row.readings,
            row.crc,
            row.body,
        )

    def _open_slot(self, record: PollRecord, slot: tuple[str, str, int]) -> None:
        reason = record.reason.value if record.reason else _NO_REASON
        self._database.change(
            "INSERT INTO slot (task, meter, slot_us, reason, crc) VALUES (?, ?, ?, ?, ?)",
            *slot,
            reason,
            crc_of(*slot, reason),
        )


def _sound(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, PollRecord]]:
    """Yield ids and records of the rows that are what was written."""
    for number, *cells in rows:
        try:
            yield number, unpack_record(Row(*cells))
        except DamagedRow:
            continue
