"""What a receipt of the centre does to the outbox. One epoch of a receipt at a time, in one transaction.

In order: an epoch that is not of this store changes nothing. A receipt that knows more than was sealed, or another
hash at its `stored`, is of another chain: nothing changes, and the caller opens a new epoch (if it was the current
one). Then: rejected batches go to quarantine; up to `stored` they are archived; above it they are unsent again,
because a centre that was restored has lost them; up to `durable`, which never falls, they are forgotten. Quarantine
is kept beyond that, bounded.
"""

from dataclasses import dataclass, replace

from edge.store.epochs import GENESIS, Epoch, find_epoch, save_epoch
from edge.store.rows import Rows

UNSENT, STORED, REJECTED = 0, 1, 2
MOST_QUARANTINED = 256


@dataclass(frozen=True, slots=True)
class EpochState:
    """What the centre says of one epoch: highest gapless number stored, durable, hash at `stored`, rejected ones."""

    epoch: bytes
    stored: int
    durable: int
    head: bytes
    rejected: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it, in batches. `fallen`: unsent again. `is_known` False: the epoch is not of this store."""

    stored: int = 0
    archived_dropped: int = 0
    rejected: int = 0
    mismatch: bool = False
    fallen: int = 0
    is_known: bool = True


def settle_receipt(rows: Rows, receipt: EpochState) -> Applied:
    """Take one epoch's state; return what it changed. Needs a writing transaction."""
    epoch = find_epoch(rows, receipt.epoch)
    if epoch is None:
        return Applied(is_known=False)
    if _hash_at(rows, epoch, receipt.stored) != receipt.head:
        return Applied(mismatch=True)
    rejected = sum(_quarantine(rows, epoch, seq, reason) for seq, reason in receipt.rejected)
    stored = rows.change(
        "UPDATE outbox SET state = 1 WHERE epoch = ? AND seq <= ? AND state = 0", epoch.epoch, receipt.stored
    )
    fallen = _fall(rows, epoch, receipt)
    return Applied(stored, _forget(rows, epoch, min(receipt.durable, receipt.stored)), rejected, fallen=fallen)


def _hash_at(rows: Rows, epoch: Epoch, seq: int) -> bytes | None:
    """Return our hash at a number; None if we have no such batch or have forgotten it."""
    if seq == epoch.durable:
        return epoch.durable_sha256 if seq else GENESIS
    found = rows.rows("SELECT sha256 FROM outbox WHERE epoch = ? AND seq = ?", epoch.epoch, seq)
    return bytes(found[0][0]) if found and seq > epoch.durable else None


def _quarantine(rows: Rows, epoch: Epoch, seq: int, reason: str) -> int:
    return rows.change(
        "UPDATE outbox SET state = 2, reason = ? WHERE epoch = ? AND seq = ? AND state <> 2", reason, epoch.epoch, seq
    )


def _fall(rows: Rows, epoch: Epoch, receipt: EpochState) -> int:
    """Offer again what the centre no longer has: everything above `stored` that it does not reject."""
    found = rows.rows(
        "SELECT n, seq FROM outbox WHERE epoch = ? AND seq > ? AND state <> 0", epoch.epoch, receipt.stored
    )
    rejected = {seq for seq, _ in receipt.rejected}
    again = [(n,) for n, seq in found if seq not in rejected]
    return rows.change_each("UPDATE outbox SET state = 0, reason = '' WHERE n = ?", again)


def _forget(rows: Rows, epoch: Epoch, durable: int) -> int:
    """Let the archive forget up to `durable`; the hash there is kept, the chain goes on from it."""
    if durable <= epoch.durable:
        return 0
    sha256 = _hash_at(rows, epoch, durable)
    if sha256 is None:
        return 0
    save_epoch(rows, replace(epoch, durable=durable, durable_sha256=sha256))
    gone = "SELECT n FROM outbox WHERE epoch = ? AND seq <= ? AND state = 1"
    rows.change(f"DELETE FROM envelope WHERE n IN ({gone})", epoch.epoch, durable)  # noqa: S608 - our own text
    dropped = rows.change("DELETE FROM outbox WHERE epoch = ? AND seq <= ? AND state = 1", epoch.epoch, durable)
    _bound_quarantine(rows)
    return dropped


def _bound_quarantine(rows: Rows) -> None:
    """Keep the newest rejected batches that the centre has passed."""
    old = rows.rows(
        "SELECT outbox.n FROM outbox JOIN epoch USING (epoch) WHERE state = 2 AND seq <= durable "
        "ORDER BY outbox.n DESC LIMIT -1 OFFSET ?",
        MOST_QUARANTINED,
    )
    rows.change_each("DELETE FROM envelope WHERE n = ?", old)
    rows.change_each("DELETE FROM outbox WHERE n = ?", old)
