"""What is carried over from a store that was set aside: everything that can be read and that is not sealed.

Readings that wait, losses, and the open slots, marks and plans whose checksum holds. Sealed batches stay behind: a
chain with a hole in it can not be taken up again, and the epoch that begins is a new one.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from edge.errors import StoreError
from edge.reading.loss import Loss
from edge.store.packing import crc_of
from edge.store.rows import Cell, Rows
from edge.store.taking import append_loss, read_losses

_CHUNK = 500
_ALL = -1
_JOURNAL = (
    "SELECT id, CAST(task AS BLOB), CAST(meter AS BLOB), CAST(slot_us AS INTEGER), CAST(readings AS INTEGER), "
    "CAST(crc AS INTEGER), CAST(body AS BLOB) FROM journal WHERE id > ? ORDER BY id LIMIT ?"
)
_KEEP = (
    "INSERT INTO journal (task, meter, slot_us, readings, crc, body) "
    "VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?)"
)
_Chunk = TypeVar("_Chunk")


def carry_over(old: Rows, new: Rows) -> int:
    """Copy what can still be read; return how many records of the journal. Needs a transaction on `new`.

    A table of the old store that cannot be read any further ends there, and the others go on. Raises StoreError if the
    new one cannot be written: then all of it must be undone, for what was left out would be forgotten.
    """
    for sql, rows in (
        ("INSERT OR IGNORE INTO mark (task, meter, slot_us, crc) VALUES (?, ?, ?, ?)", _marks),
        ("INSERT OR IGNORE INTO slot (task, meter, slot_us, reason, crc) VALUES (?, ?, ?, ?, ?)", _slots),
        ("INSERT INTO plan (valid_from_us, crc, body) VALUES (?, ?, ?)", _plans),
    ):
        for chunk in _readable(rows(old)):
            new.change_each(sql, chunk)
    for losses in _readable(_losses(old)):
        for loss in losses:
            append_loss(new, loss)
    return sum(new.change_each(_KEEP, [_cells(cells) for cells in chunk]) for chunk in _readable(_journal(old)))


def find_last_epoch(old: Rows) -> bytes | None:
    """Return the epoch that the old store sealed into, if that can still be told."""
    try:
        found = old.rows("SELECT epoch FROM epoch ORDER BY n DESC LIMIT 1")
    except (StoreError, UnicodeError):
        return None
    return found[0][0] if found and isinstance(found[0][0], bytes) else None


def _readable(chunks: Iterator[list[_Chunk]]) -> Iterator[list[_Chunk]]:
    """Yield chunks until one cannot be read."""
    while True:
        try:
            chunk = next(chunks)
        except (StopIteration, StoreError, UnicodeError, TypeError, ValueError):
            return
        yield chunk


def _journal(old: Rows) -> Iterator[list[tuple[Any, ...]]]:
    last = -(1 << 62)
    while chunk := old.rows(_JOURNAL, last, _CHUNK):
        last = chunk[-1][0]
        yield chunk


def _cells(cells: tuple[Any, ...]) -> tuple[Cell, ...]:
    """Return a row as it is: a damaged one is found when it is taken, and becomes a loss there."""
    _, task, meter, slot_us, readings, crc, body = cells
    return (task or b"", meter or b"", slot_us or 0, readings or 0, crc or 0, body or b"")


def _marks(old: Rows) -> Iterator[list[tuple[Any, ...]]]:
    found = old.rows("SELECT task, meter, slot_us, crc FROM mark")
    yield [row for row in found if row[3] == crc_of(row[0], row[1], row[2], b"")]


def _slots(old: Rows) -> Iterator[list[tuple[Any, ...]]]:
    found = old.rows("SELECT task, meter, slot_us, reason, crc FROM slot")
    yield [row for row in found if row[4] == crc_of(*row[:4])]


def _plans(old: Rows) -> Iterator[list[tuple[Any, ...]]]:
    found = old.rows("SELECT valid_from_us, crc, body FROM plan ORDER BY id")
    yield [row for row in found if row[1] == crc_of(row[0], row[2])]


def _losses(old: Rows) -> Iterator[list[Loss]]:
    yield [loss for _, loss in read_losses(old, most=_ALL)]
