"""Losses that wait to be sealed: slots of which readings were stored, and are gone."""

from typing import Any

from edge.reading.loss import Loss, LossReason
from edge.store.instants import from_us, to_us
from edge.store.packing import crc_of
from edge.store.rows import Rows

_MOST_LOSSES = 256
_LOSS_ROWS = (
    "SELECT id, CAST(task AS BLOB), CAST(meter AS BLOB), CAST(first_us AS INTEGER), CAST(last_us AS INTEGER), "
    "CAST(count AS INTEGER), CAST(reason AS BLOB), CAST(crc AS INTEGER) FROM loss ORDER BY id LIMIT ?"
)


def append_loss(rows: Rows, loss: Loss) -> None:
    """Note a loss. Needs a writing transaction."""
    cells = (loss.task, loss.meter, to_us(loss.first_at), to_us(loss.last_at), loss.count, loss.reason)
    rows.change(
        "INSERT INTO loss (task, meter, first_us, last_us, count, reason, crc) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *cells,
        crc_of(*cells),
    )


def read_losses(rows: Rows, most: int = _MOST_LOSSES) -> list[tuple[tuple[int, int], Loss]]:
    """Return ((id, CRC), loss) of the oldest losses. One that is damaged is a loss of nobody knows what."""
    return [((number, cells[-1]), _loss(cells)) for number, *cells in rows.rows(_LOSS_ROWS, most)]


def _loss(cells: list[Any]) -> Loss:
    task, meter, first_us, last_us, count, reason, crc = cells
    if crc != crc_of(*cells[:-1]):
        return Loss("", "", from_us(0), from_us(0), 1, LossReason.DAMAGED.value)
    return Loss(task.decode(), meter.decode(), from_us(first_us), from_us(last_us), count, reason.decode())
