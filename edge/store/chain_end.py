"""The end of the chain: an envelope that was sealed comes to stand there, and the head of its epoch moves.

All of it needs a writing transaction.
"""

import hashlib
from dataclasses import replace
from datetime import datetime

from edge.errors import StoreError
from edge.store.epochs import Epoch, current_epoch, save_epoch
from edge.store.instants import to_us
from edge.store.rows import Rows
from edge.store.sealed import Sealed, Sealing


def demand_next(rows: Rows, sealing: Sealing) -> Epoch:
    """Return the current epoch. Raises StoreError if the envelope is not the next one of it."""
    epoch = current_epoch(rows)
    if (sealing.epoch, sealing.seq) != (epoch.epoch, epoch.next_seq):
        raise StoreError("E-STO-109", seq=sealing.seq, detail=f"the next number is {epoch.next_seq}")
    return epoch


def append_sealed(rows: Rows, sealing: Sealing, readings: int, lane: int, at: datetime) -> Sealed:
    """Put an envelope at the end of the current epoch, and move the head. Raises StoreError like `demand_next`."""
    epoch = demand_next(rows, sealing)
    sha256 = hashlib.sha256(sealing.envelope).digest()
    rows.change(
        "INSERT INTO outbox (epoch, seq, lane, state, prev, sha256, sealed_us, readings, reason) "
        "VALUES (?, ?, ?, 0, ?, ?, ?, ?, '')",
        epoch.epoch,
        sealing.seq,
        lane,
        epoch.prev,
        sha256,
        to_us(at),
        readings,
    )
    rows.change("INSERT INTO envelope (n, bytes) VALUES (last_insert_rowid(), ?)", sealing.envelope)
    save_epoch(rows, replace(epoch, next_seq=epoch.next_seq + 1, prev=sha256))
    return Sealed(epoch.epoch, sealing.seq, lane, sha256, sealing.envelope, at)
