"""Marks: the newest slot recorded of each (task, meter). Everything up to it is settled, so a wrong one loses slots.

A row whose checksum does not hold is never believed. Another mark takes its place that lies before the true one: the
newest of the other meters of the task, less a day, for meters of one task are settled side by side. What lies between
is settled once more, which the centre knows to be the same slots. Where no other mark of the task is sound there is
none, and the slots are settled anew from the beginning of the plan. No slot stays open above its mark: what fills it
moves no mark, so the same slot would be settled a second time.
"""

from typing import Any

from edge.store.packing import crc_of
from edge.store.rows import Rows

_LESS_US = 86_400_000_000
_ROWS = "SELECT CAST(task AS BLOB), CAST(meter AS BLOB), CAST(slot_us AS INTEGER), CAST(crc AS INTEGER) FROM mark"
_FORGET_ABOVE = """DELETE FROM slot WHERE NOT EXISTS (
    SELECT 1 FROM mark WHERE mark.task = slot.task AND mark.meter = slot.meter AND mark.slot_us >= slot.slot_us)"""


def is_sound_mark(task: bytes | str, meter: bytes | str, slot_us: int, crc: int) -> bool:
    """Return True if this is the mark that was written."""
    return crc == crc_of(task, meter, slot_us, b"")


def are_marks_sound(rows: Rows) -> bool:
    """Return True if every mark is the one that was written."""
    return all(is_sound_mark(*row) for row in rows.rows(_ROWS))


def load_marks(rows: Rows) -> dict[tuple[str, str], int]:
    """Return the sound marks, in microseconds."""
    return {
        (task.decode(), meter.decode()): slot_us
        for task, meter, slot_us, crc in rows.rows(_ROWS)
        if is_sound_mark(task, meter, slot_us, crc)
    }


def save_mark(rows: Rows, task: str, meter: str, slot_us: int) -> None:
    """Put a mark where it belongs. Needs a writing transaction."""
    rows.change(
        "INSERT INTO mark (task, meter, slot_us, crc) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (task, meter) DO UPDATE SET slot_us = excluded.slot_us, crc = excluded.crc",
        *(task, meter, slot_us, crc_of(task, meter, slot_us, b"")),
    )


def mend_marks(rows: Rows) -> int:
    """Put safe marks in the place of damaged ones, which move to `damaged`; return how many. Needs a transaction."""
    damaged = [row for row in rows.rows(_ROWS) if not is_sound_mark(*row)]
    for row in damaged:
        _move(rows, row)
    sound = load_marks(rows)
    for task, meter, _, _ in damaged:
        others = [slot_us for (of, _), slot_us in sound.items() if of.encode() == task]
        if others:
            save_mark(rows, task.decode(), _text(meter), max(others) - _LESS_US)
    if damaged:
        rows.change(_FORGET_ABOVE)
    return len(damaged)


def _move(rows: Rows, row: tuple[Any, ...]) -> None:
    task, meter, slot_us, _ = row
    rows.change(
        "INSERT INTO damaged (origin, why, bytes) VALUES ('mark', 'the checksum does not hold', ?)", repr(row).encode()
    )
    rows.change(
        "DELETE FROM mark WHERE CAST(task AS BLOB) = ? AND CAST(meter AS BLOB) = ? AND CAST(slot_us AS INTEGER) = ?",
        *(task, meter, slot_us),
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
