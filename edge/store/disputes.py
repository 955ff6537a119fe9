"""Disputed epochs: the centre holds other content under their numbers, so what is in them moves to another epoch.

A batch moves in one transaction: a new envelope around the same payload goes into the current epoch, the old row goes
to quarantine and keeps where its payload went, its bytes go. Lowest number first; the epoch's `durable` mark follows
over what is settled, so that a cut in between leaves exactly the rest to be moved.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from edge.store.epochs import Epoch, begin_epoch, current_epoch, find_epoch, hash_at, save_epoch
from edge.store.meta import load_fact, mark_fact
from edge.store.rows import Rows

MOVED = "resealed into "  # the reason of a batch that lives on under another number
IS_MOVED = f"substr(reason, 1, {len(MOVED)}) = '{MOVED}'"
_DISPUTED = "disputed"
_REMEMBERED = 16  # as many as old epochs are kept
_MOST_MOVED = 256  # so many rows tell where a batch went


def disputed_epochs(rows: Rows) -> list[bytes]:
    """Return the epochs under whose numbers the centre holds other content."""
    return load_fact(rows, _DISPUTED) or []


def is_disputed(rows: Rows, epoch: bytes) -> bool:
    """Return True if the centre holds other content under this epoch's numbers."""
    return epoch in disputed_epochs(rows)


def dispute(rows: Rows, epoch: bytes, at: datetime) -> bytes | None:
    """Note that an epoch is disputed; return the new one if it was the current one. Needs a writing transaction."""
    known = disputed_epochs(rows)
    if epoch not in known:
        mark_fact(rows, _DISPUTED, [*known, epoch][-_REMEMBERED:])
    current = current_epoch(rows)
    if current.epoch != epoch:
        return None
    return begin_epoch(rows, why="receipt_mismatch", predecessor=epoch, at=at).epoch


def next_disputed(rows: Rows, after: int) -> tuple[Any, ...] | None:
    """Return (epoch, seq, lane, sha256, sealed_us, bytes) of the next batch to be moved, in the order of sealing."""
    epochs = disputed_epochs(rows)
    found = rows.rows(
        "SELECT epoch, seq, lane, sha256, sealed_us, envelope.bytes FROM outbox JOIN envelope USING (n) "  # noqa: S608
        f"WHERE epoch IN ({', '.join('?' * len(epochs))}) AND state <> 2 AND n > ? ORDER BY n LIMIT 1",
        *epochs,
        after,
    )
    return found[0] if found else None


def retire(rows: Rows, epoch: bytes, seq: int, reason: str) -> int | None:
    """Put a batch whose payload moved into quarantine without its bytes; return its readings, None if it is not there.

    Needs a writing transaction. The bytes go first, so that the new envelope finds room in a full file.
    """
    found = rows.rows("SELECT n, readings FROM outbox WHERE epoch = ? AND seq = ? AND state <> 2", epoch, seq)
    if not found:
        return None
    number, readings = found[0]
    rows.change("DELETE FROM envelope WHERE n = ?", number)
    rows.change("UPDATE outbox SET state = 2, reason = ? WHERE n = ?", reason, number)
    if (of := find_epoch(rows, epoch)) is not None:
        _advance(rows, of)
    _bound_moved(rows)
    return int(readings)


def _advance(rows: Rows, epoch: Epoch) -> None:
    """Let the mark of what needs nothing more pass over what is settled without a gap."""
    found = rows.rows(
        "SELECT min(seq) FROM outbox WHERE epoch = ? AND seq > ? AND state <> 2", epoch.epoch, epoch.durable
    )
    settled = (epoch.next_seq if found[0][0] is None else int(found[0][0])) - 1
    sha256 = hash_at(rows, epoch, settled)
    if settled > epoch.durable and sha256 is not None:
        save_epoch(rows, replace(epoch, durable=settled, durable_sha256=sha256))


def _bound_moved(rows: Rows) -> None:
    """Keep the newest rows of batches that moved; an older one goes once the mark of its epoch has passed it."""
    old = rows.rows(
        f"SELECT outbox.n FROM outbox JOIN epoch USING (epoch) WHERE state = 2 AND {IS_MOVED} "  # noqa: S608
        "AND seq <= durable ORDER BY outbox.n DESC LIMIT -1 OFFSET ?",
        _MOST_MOVED,
    )
    rows.change_each("DELETE FROM outbox WHERE n = ?", old)
