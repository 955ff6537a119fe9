"""What is carried over from a store that was set aside, in the first transaction of the new one.

Readings that wait, losses, and the open slots, marks and plans whose checksum holds. A table is read from its beginning
and, where it cannot be read any further, from its end; what lies between is a hole (`holes.py`). Sealed batches stay
behind for the moment: the file is noted, and the forwarder takes them over (`asides.py`). A chain with a hole in it can
not be taken up again, and the epoch that begins is a new one.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from edge.errors import StoreError
from edge.reading.loss import Loss
from edge.store.asides import UNREADABLE, AsideNote, note_aside
from edge.store.holes import Hole, load_holes, note_holes
from edge.store.instants import from_us, to_us
from edge.store.losses import append_loss, read_losses
from edge.store.marks import mend_marks, save_mark
from edge.store.packing import crc_of
from edge.store.plans import newest_plan
from edge.store.redating import keep_undated, load_undated
from edge.store.rows import Cell, Rows

_CHUNK = 500
_ALL = -1
_FIRST, _LAST = -(1 << 62), 1 << 62
_FOREVER = timedelta(days=35)  # how far back a row of the journal may lie if nothing tells
_COLUMNS = (
    "SELECT id, CAST(task AS BLOB), CAST(meter AS BLOB), CAST(slot_us AS INTEGER), CAST(readings AS INTEGER), "
    "CAST(crc AS INTEGER), CAST(body AS BLOB) FROM journal"
)
_FORWARDS = f"{_COLUMNS} WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
_BACKWARDS = f"{_COLUMNS} WHERE id > ? AND id < ? ORDER BY id DESC LIMIT ?"
_KEEP = (
    "INSERT INTO journal (id, task, meter, slot_us, readings, crc, body) "
    "VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?)"
)
_MARKS = "SELECT CAST(task AS BLOB), CAST(meter AS BLOB), CAST(slot_us AS INTEGER), CAST(crc AS INTEGER) FROM mark"
_KEEP_MARK = "INSERT OR IGNORE INTO mark (task, meter, slot_us, crc) VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)"
_Chunk = TypeVar("_Chunk")


def carry_over(old: Rows | None, new: Rows, note: AsideNote) -> int:
    """Copy what can still be read; return how many records of the journal. Needs a transaction on `new`.

    `note`: the file, as it is noted in the new store. Raises StoreError if the new one cannot be written: then all of
    it must be undone, for what was left out would be forgotten.
    """
    if old is None:
        note_aside(new, None, note)
        return 0
    for sql, rows in (
        ("INSERT OR IGNORE INTO slot (task, meter, slot_us, reason, crc) VALUES (?, ?, ?, ?, ?)", _slots),
        ("INSERT INTO plan (id, valid_from_us, crc, body) VALUES (?, ?, ?, ?)", _plans),
    ):
        for chunk in _readable(rows(old)):
            new.change_each(sql, chunk)
    undated = _or_none(lambda: load_undated(old))
    if undated is not None:
        keep_undated(new, undated)
    _carry_marks(old, new, note)
    for losses in _readable(_losses(old)):
        for loss in losses:
            append_loss(new, loss)
    note_holes(new, _or_none(lambda: load_holes(old)) or [])
    records = _carry_journal(old, new, note)
    note_aside(new, old, replace(note, records=records))
    return records


def find_last_epoch(old: Rows) -> bytes | None:
    """Return the epoch that the old store sealed into, if that can still be told."""
    try:
        found = old.rows("SELECT epoch FROM epoch ORDER BY n DESC LIMIT 1")
    except (StoreError, UnicodeError):
        return None
    return found[0][0] if found and isinstance(found[0][0], bytes) else None


def _carry_marks(old: Rows, new: Rows, note: AsideNote) -> None:
    """Copy the marks, safe ones in the place of damaged ones.

    If none can be read, everything that the plan expected up to now counts as settled, and all of it as a hole: to
    settle a year of slots once more would fill the new store with misses.
    """
    marks = _or_none(lambda: old.rows(_MARKS))
    if marks is not None:
        new.change_each(_KEEP_MARK, marks)
        mend_marks(new)
    elif (plan := newest_plan(new)) is not None:
        for task in plan.tasks:
            for meter in task.meters:
                save_mark(new, task.name, meter, to_us(note.at))
        note_holes(new, [Hole(note.at - _FOREVER, note.at)])


def _carry_journal(old: Rows, new: Rows, note: AsideNote) -> int:
    """Copy the waiting records under their numbers, from both ends; what lies between is noted as a hole."""
    records, last, polled = 0, _FIRST, None
    reader = _Reader(old, _FORWARDS)
    for chunk in reader.chunks(_FIRST, _LAST):
        records += new.change_each(_KEEP, [_cells(cells) for cells in chunk])
        last, polled = chunk[-1][0], chunk[-1][3]
    if not reader.has_stopped:
        return records
    for chunk in _Reader(old, _BACKWARDS).chunks(last, _LAST):
        records += new.change_each(_KEEP, [_cells(cells) for cells in chunk])
    since = _instant_or_none(polled) or note.at - _FOREVER
    note_holes(new, [Hole(min(since, note.at), note.at)])
    return records


class _Reader:
    """Rows of the journal in one direction. `has_stopped`: a place could not be read."""

    def __init__(self, old: Rows, sql: str) -> None:
        self._old = old
        self._sql = sql
        self.has_stopped = False

    def chunks(self, low: int, high: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield what lies between two numbers; near a place that cannot be read, row by row."""
        size = _CHUNK
        while True:
            try:
                chunk = self._old.rows(self._sql, low, high, size)
            except UNREADABLE:
                if size == 1:
                    self.has_stopped = True
                    return
                size = 1
                continue
            if not chunk:
                return
            if self._sql is _FORWARDS:
                low = chunk[-1][0]
            else:
                high = chunk[-1][0]
            yield chunk


def _readable(chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
    """Yield chunks until one cannot be read."""
    while True:
        try:
            chunk = next(chunks)
        except (StopIteration, *UNREADABLE):
            return
        yield chunk


def _or_none(load: Callable[[], _Chunk]) -> _Chunk | None:
    try:
        return load()
    except UNREADABLE:
        return None


def _instant_or_none(slot_us: object) -> Any:
    return _or_none(lambda: from_us(slot_us)) if isinstance(slot_us, int) else None


def _cells(cells: tuple[Any, ...]) -> tuple[Cell, ...]:
    """Return a row as it is: a damaged one is found when it is taken, and becomes a loss there."""
    number, task, meter, slot_us, readings, crc, body = cells
    return (number, task or b"", meter or b"", slot_us or 0, readings or 0, crc or 0, body or b"")


def _slots(old: Rows) -> Iterator[list[tuple[Any, ...]]]:
    found = old.rows("SELECT task, meter, slot_us, reason, crc FROM slot")
    yield [row for row in found if row[4] == crc_of(*row[:4])]


def _plans(old: Rows) -> Iterator[list[tuple[Any, ...]]]:
    found = old.rows("SELECT id, valid_from_us, crc, body FROM plan ORDER BY id")
    yield [row for row in found if row[2] == crc_of(row[1], row[3])]


def _losses(old: Rows) -> Iterator[list[Loss]]:
    yield [loss for _, loss in read_losses(old, most=_ALL)]
