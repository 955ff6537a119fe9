"""A receipt of the centre, from its bytes to what it changes in the store.

Order: the signature of the centre whose key we hold; the form; for this gateway; not older than the last one of its
run; then one transaction an epoch, and at last the mark that this receipt was seen. A cut in between leaves work that
the same receipt, which the broker retains, does again. What fails before the transactions changes nothing.
"""

from dataclasses import dataclass

from edge.forward.outbox import Confirmed
from edge.messages.receipt import EpochReceipt, admit_receipt, open_receipt
from edge.messages.signing import Verifier
from edge.store.outbox import Outbox
from edge.store.receipts import EpochState


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a receipt brought, in batches. `fallen`: the centre lost them, they are unsent again.

    `new_epoch`: it showed another chain than ours, so that a new epoch was opened. `is_new_run`: the centre was
    started anew, perhaps with an empty ledger: it wants to hear from which number on we can still send.
    """

    confirmed: tuple[Confirmed, ...]
    stored: int
    rejected: int
    fallen: int
    new_epoch: bytes | None
    is_new_run: bool


def accept_receipt(data: bytes, outbox: Outbox, verifier: Verifier, gateway: str) -> Accepted:
    """Apply a receipt and return what it brought. Durable on return.

    Raises MessageError, with nothing changed, for a receipt that is forged, malformed, not ours, or old.
    """
    receipt = open_receipt(data, verifier)
    last = outbox.last_receipt()
    admit_receipt(receipt, last, gateway)
    current = outbox.head().epoch
    confirmed: list[Confirmed] = []
    stored = rejected = fallen = 0
    new_epoch: bytes | None = None
    for one in receipt.epochs:
        applied = outbox.apply_receipt(EpochState(one.epoch, one.stored, one.durable, one.head, one.rejected))
        stored, rejected, fallen = stored + applied.stored, rejected + applied.rejected, fallen + applied.fallen
        if applied.is_known and not applied.mismatch:
            confirmed.append(_confirmed(one))
        if applied.mismatch and one.epoch == current:
            new_epoch = outbox.open_epoch("receipt_mismatch")
    outbox.mark_receipt(receipt.run, receipt.n)
    return Accepted(tuple(confirmed), stored, rejected, fallen, new_epoch, last is None or last[0] != receipt.run)


def _confirmed(one: EpochReceipt) -> Confirmed:
    return Confirmed(one.epoch, one.stored, one.missing, frozenset(seq for seq, _ in one.rejected))
