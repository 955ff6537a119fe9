"""Taking rows out of the journal: sound ones become records, damaged ones move aside and become losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from edge.reading.loss import Loss, LossReason
from edge.reading.record import PollRecord
from edge.store.holes import Hole, note_holes
from edge.store.instants import from_us
from edge.store.losses import append_loss
from edge.store.packing import JOURNAL_ROWS, DamagedRow, Row, unpack_record
from edge.store.rows import Rows

_CHUNK = 256
_LOOKED_AT = 64  # rows beside a damaged one
_BEFORE = timedelta(days=1)  # as long as sealing waits for a clock


@dataclass(frozen=True, slots=True)
class Damaged:
    """A row that is not what was written, and what is wrong with it."""

    number: int
    row: Row
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """What lay next in the journal. `ids`: of each record its row, and the CRC that stands there."""

    ids: tuple[tuple[int, int], ...]
    records: tuple[PollRecord, ...]
    readings: int
    damaged: tuple[Damaged, ...]


def read_journal(rows: Rows, max_readings: int) -> Found:
    """Return the next records in arrival order: as many as fit into `max_readings`, at least one; and damaged rows."""
    ids: list[tuple[int, int]] = []
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
            ids.append((number, row.crc))
            records.append(record)
            readings += row.readings
            if readings >= max_readings:
                return Found(tuple(ids), tuple(records), readings, tuple(damaged))
    return Found(tuple(ids), tuple(records), readings, tuple(damaged))


def move_damaged(rows: Rows, damaged: Sequence[Damaged], now: datetime) -> None:
    """Move rows aside; what they held becomes holes and losses. Needs a writing transaction.

    A damaged row is not believed about its slot: whatever was polled between its neighbours may have been in it.
    """
    note_holes(rows, [_hole(rows, one.number, now) for one in damaged])
    for one in damaged:
        rows.change("DELETE FROM journal WHERE id = ?", one.number)
        rows.change(
            "INSERT INTO damaged (origin, why, bytes) VALUES ('journal', ?, ?)", one.why, repr(one.row).encode()
        )
        append_loss(rows, _own_loss(rows, one.row))


def _hole(rows: Rows, number: int, now: datetime) -> Hole:
    """Return the span in which a row was polled: rows arrive in the order of their polls."""
    until = _polled_beside(rows, "id > ? ORDER BY id", number) or now
    since = _polled_beside(rows, "id < ? ORDER BY id DESC", number)
    if since is None:
        found = rows.rows("SELECT max(sealed_us) FROM outbox")
        sealed_at = until if found[0][0] is None else from_us(found[0][0])
        since = min(sealed_at, until) - _BEFORE
    return Hole(min(since, until), until)


def _polled_beside(rows: Rows, where: str, number: int) -> datetime | None:
    """Return when the nearest sound row on one side was polled."""
    for _, *cells in rows.rows(f"{JOURNAL_ROWS} WHERE {where} LIMIT ?", number, _LOOKED_AT):
        try:
            return unpack_record(Row(*cells)).stamp.at
        except DamagedRow:
            continue
    return None


def _own_loss(rows: Rows, row: Row) -> Loss:
    """Return a loss of the slot that a damaged row names, if it may be that one, or of nobody knows what.

    An open slot too: it may still be filled, but until then the row may have been all that was said of it.
    """
    task, meter, slot_us = _identity(rows, row)
    return Loss(task, meter, from_us(slot_us), from_us(slot_us), 1, LossReason.DAMAGED.value)


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
