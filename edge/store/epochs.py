"""Epochs of the outbox: 8 random bytes, the number that the next batch gets, and the head of its chain.

A new one begins with an empty store, when a damaged store was set aside, and when the centre's receipt shows that
it knows another chain than ours. The newest is the one that is sealed into.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.reading.chain import EPOCH_BYTES, GENESIS
from edge.store.instants import from_us, to_us
from edge.store.packing import crc_of
from edge.store.rows import Rows

_KEPT = 16  # old epochs without batches: receipts name four, the rest is for people who look back
_SELECT = "SELECT n, epoch, predecessor, why, opened_us, next_seq, prev, durable, durable_sha256, crc FROM epoch"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch. `prev`: SHA-256 of its newest envelope; `durable_sha256`: of the newest one that was forgotten."""

    n: int
    epoch: bytes
    predecessor: bytes | None
    why: str
    opened_at: datetime
    next_seq: int
    prev: bytes
    durable: int
    durable_sha256: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an epoch stands: the oldest number that can still be sent, and the next one."""

    epoch: bytes
    oldest_seq: int
    next_seq: int


def begin_epoch(rows: Rows, *, why: str, predecessor: bytes | None, at: datetime) -> Epoch:
    """Open a new epoch and return it. Must run inside a writing transaction."""
    n = int(rows.rows("SELECT coalesce(max(n), 0) + 1 FROM epoch")[0][0])
    epoch = Epoch(n, os.urandom(EPOCH_BYTES), predecessor, why, at, 1, GENESIS, 0, GENESIS)
    rows.change("INSERT INTO epoch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *_cells(epoch))
    rows.change("DELETE FROM epoch WHERE n <= ? AND epoch NOT IN (SELECT epoch FROM outbox)", n - _KEPT)
    return epoch


def save_epoch(rows: Rows, epoch: Epoch) -> None:
    """Write an epoch's new state. Must run inside a writing transaction."""
    rows.change(
        "UPDATE epoch SET next_seq = ?, prev = ?, durable = ?, durable_sha256 = ?, crc = ? WHERE n = ?",
        *_cells(epoch)[5:],
        epoch.n,
    )


def current_epoch(rows: Rows) -> Epoch:
    """Return the epoch that is sealed into."""
    return _epoch(rows.rows(f"{_SELECT} ORDER BY n DESC LIMIT 1")[0])


def find_epoch(rows: Rows, epoch: bytes) -> Epoch | None:
    """Return the epoch of that name; None if it is not of this store."""
    found = rows.rows(f"{_SELECT} WHERE epoch = ?", epoch)
    return _epoch(found[0]) if found else None


def hash_at(rows: Rows, epoch: Epoch, seq: int) -> bytes | None:
    """Return our hash at a number; None if we have no such batch or have forgotten it."""
    if seq == epoch.durable:
        return epoch.durable_sha256 if seq else GENESIS
    found = rows.rows("SELECT sha256 FROM outbox WHERE epoch = ? AND seq = ?", epoch.epoch, seq)
    return bytes(found[0][0]) if found and seq > epoch.durable else None


def sendable_epochs(rows: Rows, limit: int) -> list[Standing]:
    """Return the oldest epochs with batches that can still be sent, oldest first, at most `limit`.

    What is not durable has no gap: the oldest number is the one after the durable mark.
    """
    found = rows.rows(
        "SELECT epoch, durable + 1, next_seq FROM epoch WHERE EXISTS (SELECT 1 FROM outbox "
        "WHERE outbox.epoch = epoch.epoch AND seq > durable AND state <> 2) ORDER BY n LIMIT ?",
        limit,
    )
    return [Standing(*row) for row in found]


def all_epochs(rows: Rows) -> list[Epoch]:
    """Return all epochs, oldest first. Raises ValueError if one is not as it was written."""
    found = rows.rows(f"{_SELECT} ORDER BY n")
    epochs = [_epoch(row) for row in found]
    for row, epoch in zip(found, epochs, strict=True):
        if row[-1] != _cells(epoch)[-1]:
            raise ValueError(f"epoch {row[0]} is not as it was written")
    return epochs


def _epoch(row: tuple[Any, ...]) -> Epoch:
    n, epoch, predecessor, why, opened_us, next_seq, prev, durable, durable_sha256, _ = row
    return Epoch(n, epoch, predecessor, why, from_us(opened_us), next_seq, prev, durable, durable_sha256)


def _cells(epoch: Epoch) -> tuple[Any, ...]:
    cells = (
        epoch.n,
        epoch.epoch,
        epoch.predecessor,
        epoch.why,
        to_us(epoch.opened_at),
        epoch.next_seq,
        epoch.prev,
        epoch.durable,
        epoch.durable_sha256,
    )
    return (*cells, crc_of(*(cell if cell is not None else "-" for cell in cells)))
