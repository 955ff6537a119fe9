"""Taking rows out of the journal: sound ones become records, damaged ones move aside and become losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.reading.loss import Loss, LossReason
from edge.reading.record import PollRecord
from edge.store.instants import from_us, to_us
from edge.store.packing import DamagedRow, Row, crc_of, unpack_record
from edge.store.rows import Rows

_CHUNK = 256
_MOST_LOSSES = 256
_LOSS_ROWS = (
    "SELECT id, CAST(task AS BLOB), CAST(meter AS BLOB), CAST(first_us AS INTEGER), CAST(last_us AS INTEGER), "
    "CAST(count AS INTEGER), CAST(reason AS BLOB), CAST(crc AS INTEGER) FROM loss ORDER BY id LIMIT ?"
)
JOURNAL_ROWS = (
    "SELECT id, CAST(task AS BLOB), CAST(meter AS BLOB), CAST(slot_us AS INTEGER) AS slot_us, "
    "CAST(readings AS INTEGER), CAST(crc AS INTEGER), CAST(body AS BLOB) FROM journal"
)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A row that is not what was written, and what is wrong with it."""

    number: int
    row: Row
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """What lay next in the journal."""

    ids: tuple[int, ...]
    records: tuple[PollRecord, ...]
    readings: int
    damaged: tuple[Damaged, ...]


def read_journal(rows: Rows, max_readings: int) -> Found:
    """Return the next records in arrival order: as many as fit into `max_readings`, at least one; and damaged rows."""
    ids: list[int] = []
    records: list[PollRecord] = []
    damaged: list[Damaged] = []
    readings, last = 0, -(1 << 62)
    while chunk := rows.rows(f"{JOURNAL_ROWS} WHERE id > ? ORDER BY id LIMIT ?", last, _CHUNK):
        for number, *cells in chunk:
            last, row = number, Row(*cells)
            try:
                record = unpack_record(row)
            except DamagedRow as exc:
                damaged.append(Damaged(number, row, str(exc)))
                continue
            if records and readings + row.readings > max_readings:
                return Found(tuple(ids), tuple(records), readings, tuple(damaged))
            ids.append(number)
            records.append(record)
            readings += row.readings
            if readings >= max_readings:
                return Found(tuple(ids), tuple(records), readings, tuple(damaged))
    return Found(tuple(ids), tuple(records), readings, tuple(damaged))


def move_damaged(rows: Rows, damaged: Sequence[Damaged]) -> None:
    """Move rows aside and note a loss for each. Needs a writing transaction."""
    for one in damaged:
        rows.change("DELETE FROM journal WHERE id = ?", one.number)
        rows.change(
            "INSERT INTO damaged (origin, why, bytes) VALUES ('journal', ?, ?)", one.why, repr(one.row).encode()
        )
        task, meter, slot_us = _identity(rows, one.row)
        append_loss(rows, Loss(task, meter, from_us(slot_us), from_us(slot_us), 1, LossReason.DAMAGED.value))


def append_loss(rows: Rows, loss: Loss) -> None:
    """Note a loss. Needs a writing transaction."""
    cells = (loss.task, loss.meter, to_us(loss.first_at), to_us(loss.last_at), loss.count, loss.reason)
    rows.change(
        "INSERT INTO loss (task, meter, first_us, last_us, count, reason, crc) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *cells,
        crc_of(*cells),
    )


def read_losses(rows: Rows, most: int = _MOST_LOSSES) -> list[tuple[int, Loss]]:
    """Return (id, loss) of the oldest losses. One that is not what was written is a loss of nobody knows what."""
    return [(number, _loss(cells)) for number, *cells in rows.rows(_LOSS_ROWS, most)]


def _loss(cells: list[Any]) -> Loss:
    task, meter, first_us, last_us, count, reason, crc = cells
    if crc != crc_of(*cells[:-1]):
        return Loss("", "", from_us(0), from_us(0), 1, LossReason.DAMAGED.value)
    return Loss(task.decode(), meter.decode(), from_us(first_us), from_us(last_us), count, reason.decode())


def _identity(rows: Rows, row: Row) -> tuple[str, str, int]:
    """Return task, meter and slot of a damaged row: believed only if the store knows this pair and has been there."""
    known: list[tuple[Any, ...]] = rows.rows(
        "SELECT task, meter FROM mark WHERE CAST(task AS BLOB) = ? AND CAST(meter AS BLOB) = ? AND slot_us >= ?",
        row.task,
        row.meter,
        row.slot_us,
    )
    if known and row.slot_us > 0:
        return known[0][0], known[0][1], row.slot_us
    return "", "", _calendar(row.slot_us)


def _calendar(slot_us: int) -> int:
    """Return the instant if it is one, else 1970: a loss must be readable whatever the row holds."""
    try:
        from_us(slot_us)
    except ValueError:
        return 0
    return slot_us
