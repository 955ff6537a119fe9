"""What is carried over from a store that was set aside: everything that can be read and that is not sealed.

Readings that wait, losses, and the open slots, marks and plans whose checksum holds. Sealed batches stay behind: a
chain with a hole in it can not be taken up again, and the epoch that begins is a new one.
"""

from typing import Any

from edge.errors import StoreError
from edge.store.packing import crc_of
from edge.store.rows import Cell, Rows
from edge.store.taking import append_loss, read_losses

_CHUNK = 500
_JOURNAL = (
    "SELECT id, CAST(task AS BLOB), CAST(meter AS BLOB), CAST(slot_us AS INTEGER), CAST(readings AS INTEGER), "
    "CAST(crc AS INTEGER), CAST(body AS BLOB) FROM journal WHERE id > ? ORDER BY id LIMIT ?"
)


def carry_over(old: Rows, new: Rows) -> int:
    """Copy what can still be read; return how many records of the journal. Needs a transaction on `new`."""
    records = 0
    for part in (_copy_marks, _copy_slots, _copy_plans, _copy_losses, _copy_journal):
        try:
            records += part(old, new)
        except (StoreError, UnicodeError, TypeError, ValueError):
            continue  # this table cannot be read any further; the others still may
    return records


def find_last_epoch(old: Rows) -> bytes | None:
    """Return the epoch that the old store sealed into, if that can still be told."""
    try:
        found = old.rows("SELECT epoch FROM epoch ORDER BY n DESC LIMIT 1")
    except (StoreError, UnicodeError):
        return None
    return found[0][0] if found and isinstance(found[0][0], bytes) else None


def _copy_journal(old: Rows, new: Rows) -> int:
    last, copied = -(1 << 62), 0
    while chunk := _next_chunk(old, last):
        last = chunk[-1][0]
        copied += new.change_each(
            "INSERT INTO journal (task, meter, slot_us, readings, crc, body) "
            "VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?)",
            [_cells(cells) for cells in chunk],
        )
    return copied


def _next_chunk(old: Rows, last: int) -> list[tuple[Any, ...]]:
    try:
        return old.rows(_JOURNAL, last, _CHUNK)
    except StoreError:
        return []


def _cells(cells: tuple[Any, ...]) -> tuple[Cell, ...]:
    """Return a row as it is: a damaged one is found when it is taken, and becomes a loss there."""
    _, task, meter, slot_us, readings, crc, body = cells
    return (task or b"", meter or b"", slot_us or 0, readings or 0, crc or 0, body or b"")


def _copy_marks(old: Rows, new: Rows) -> int:
    found = old.rows("SELECT task, meter, slot_us, crc FROM mark")
    sound = [row for row in found if row[3] == crc_of(row[0], row[1], row[2], b"")]
    new.change_each("INSERT OR IGNORE INTO mark (task, meter, slot_us, crc) VALUES (?, ?, ?, ?)", sound)
    return 0


def _copy_slots(old: Rows, new: Rows) -> int:
    found = old.rows("SELECT task, meter, slot_us, reason, crc FROM slot")
    sound = [row for row in found if row[4] == crc_of(*row[:4])]
    new.change_each("INSERT OR IGNORE INTO slot (task, meter, slot_us, reason, crc) VALUES (?, ?, ?, ?, ?)", sound)
    return 0


def _copy_plans(old: Rows, new: Rows) -> int:
    found = old.rows("SELECT valid_from_us, crc, body FROM plan ORDER BY id")
    sound = [row for row in found if row[1] == crc_of(row[0], row[2])]
    new.change_each("INSERT INTO plan (valid_from_us, crc, body) VALUES (?, ?, ?)", sound)
    return 0


def _copy_losses(old: Rows, new: Rows) -> int:
    for _, loss in read_losses(old):
        append_loss(new, loss)
    return 0
