"""What a receipt of the centre does to the outbox. One epoch of a receipt at a time, in one transaction.

In order: an epoch that is not of this store changes nothing. A receipt that knows more than was sealed, or another
hash at its `stored`, or says itself that our chain does not follow its own, is of another chain: no batch changes, the
epoch is disputed (`disputes.py`), and if it was the current one, another begins. A receipt below what was durable is
of the same chain, but the centre has lost batches that it had for good: they are gone, the others are offered. Then:
rejected batches go to quarantine; up to `stored` they are archived; above it they are unsent again,
because a centre that was restored has lost them; up to `durable`, which never falls, they are forgotten. Quarantine
is kept beyond that, bounded.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from edge.store.disputes import dispute, is_disputed
from edge.store.epochs import Epoch, current_epoch, find_epoch, hash_at, save_epoch
from edge.store.merged_numbers import confirmed_durable
from edge.store.rows import Rows

UNSENT, STORED, REJECTED = 0, 1, 2
MOST_QUARANTINED = 256


@dataclass(frozen=True, slots=True)
class EpochState:
    """What the centre says of one epoch: highest gapless number stored, durable, hash at `stored`, rejected ones.

    `is_foreign`: it says that a batch of ours does not follow what it holds.
    """

    epoch: bytes
    stored: int
    durable: int
    head: bytes
    rejected: tuple[tuple[int, str], ...] = ()
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it, in batches. `is_known` False: the epoch is not of this store.

    `fallen`: unsent again. `behind`: durable once, and now lost by the centre. `new_epoch`: opened for the mismatch.
    `is_held`: another chain, too soon after the last one: nothing was done. `is_below`: the centre has come less far
    than the lowest number that can still be sent.
    """

    stored: int = 0
    archived_dropped: int = 0
    rejected: int = 0
    mismatch: bool = False
    fallen: int = 0
    is_known: bool = True
    behind: int = 0
    new_epoch: bytes | None = None
    is_held: bool = False
    is_below: bool = False


def settle_receipt(rows: Rows, receipt: EpochState, at: datetime, *, may_dispute: bool = True) -> Applied:
    """Take one epoch's state; return what it changed. Needs a writing transaction."""
    epoch = find_epoch(rows, receipt.epoch)
    if epoch is None:
        return Applied(is_known=False)
    behind = max(0, confirmed_durable(rows, epoch) - receipt.stored)
    is_below = receipt.stored < epoch.durable  # our hash there is forgotten
    if receipt.is_foreign or (not is_below and hash_at(rows, epoch, receipt.stored) != receipt.head):
        if not may_dispute and epoch.epoch == current_epoch(rows).epoch:
            return Applied(is_held=True)
        return Applied(mismatch=True, new_epoch=dispute(rows, epoch.epoch, at))
    if behind and is_disputed(rows, epoch.epoch):
        behind = 0  # what moved to another epoch was never durable in this one
    rejected = sum(_quarantine(rows, epoch, seq, reason) for seq, reason in receipt.rejected)
    stored = _archive(rows, epoch, receipt.stored)
    fallen = _fall(rows, epoch, receipt)
    forgotten = _forget(rows, epoch, min(receipt.durable, receipt.stored))
    return Applied(stored, forgotten, rejected, fallen=fallen, behind=behind, is_below=is_below)


def reached_in(rows: Rows, epoch: bytes) -> int:
    """Return the highest number of an epoch that a receipt covered; 0 if none, or if the epoch is not of this store."""
    known = find_epoch(rows, epoch)
    if known is None:
        return 0
    found = rows.rows("SELECT seq FROM outbox WHERE epoch = ? AND state = 1 ORDER BY seq DESC LIMIT 1", epoch)
    return max(confirmed_durable(rows, known), int(found[0][0]) if found else 0)


def _archive(rows: Rows, epoch: Epoch, stored: int) -> int:
    """Archive what is stored, from the first unsent batch on: what lies before it may be the archive of a year."""
    first = rows.rows(
        "SELECT seq FROM outbox INDEXED BY outbox_unsent WHERE state = 0 AND epoch = ? ORDER BY n LIMIT 1", epoch.epoch
    )
    if not first:
        return 0
    return rows.change(
        "UPDATE outbox SET state = 1 WHERE epoch = ? AND seq BETWEEN ? AND ? AND state = 0",
        *(epoch.epoch, first[0][0], stored),
    )


def _quarantine(rows: Rows, epoch: Epoch, seq: int, reason: str) -> int:
    return rows.change(
        "UPDATE outbox SET state = 2, reason = ? WHERE epoch = ? AND seq = ? AND state <> 2", reason, epoch.epoch, seq
    )


def _fall(rows: Rows, epoch: Epoch, receipt: EpochState) -> int:
    """Offer again what the centre no longer has: everything above `stored` that is here and that it does not reject."""
    found = rows.rows(
        "SELECT n, seq FROM outbox JOIN envelope USING (n) WHERE epoch = ? AND seq > ? AND state <> 0",
        epoch.epoch,
        max(epoch.durable, receipt.stored),
    )
    rejected = {seq for seq, _ in receipt.rejected}
    again = [(n,) for n, seq in found if seq not in rejected]
    return rows.change_each("UPDATE outbox SET state = 0, reason = '' WHERE n = ?", again)


def _forget(rows: Rows, epoch: Epoch, durable: int) -> int:
    """Let the archive forget up to `durable`; the hash there is kept, the chain goes on from it."""
    if durable <= epoch.durable:
        return 0
    sha256 = hash_at(rows, epoch, durable)
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
