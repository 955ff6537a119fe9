"""A receipt of the centre, from its bytes to what it changes in the store.

Order: the signature of the centre whose key we hold; the form; for this gateway; not older than the last one of its
run; not of a run that was left; where two ways of receipts meet, not older than what came by the other way; then one
transaction an epoch, and at last the mark that this receipt was seen. A cut in between leaves work that the same
receipt, which the broker retains and the stick still holds, does again. What fails before that changes nothing.

A receipt that was carried is never older than any that was applied: a stick that lay in a drawer takes nothing back.
One that the broker brings may say less than is known here, for a centre that was restored has less; but not if it
was issued before a carried one, for then it only knows less. What was carried counts as such, whoever brings it again.
"""

from dataclasses import dataclass
from datetime import datetime

from edge.forward.outbox import Confirmed
from edge.messages.receipt import BROKEN_CHAIN, EpochReceipt, Receipt, admit_later, admit_receipt, open_receipt
from edge.messages.signing import Verifier
from edge.store.outbox import Outbox
from edge.store.receipts import EpochState


@dataclass(frozen=True, slots=True)
class Behind:
    """The centre has lost batches of an epoch that it had called durable: gone, unless it finds them."""

    epoch: bytes
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a receipt brought, in batches. `fallen`: the centre lost them, they are unsent again.

    `is_disputed`: it showed another chain than ours in some epoch, whose batches must move; `new_epoch`: opened for
    that. `is_new_run`: the centre was started anew, perhaps with an empty ledger: it wants to hear from which number
    on we can still send. `is_held`: another chain again, too soon to believe it. `is_news`: not the one seen last,
    which the broker retains and brings at each connection. `asks_in_vain`: it wants batches of which this store has
    none, as after an old birth that came late.
    """

    confirmed: tuple[Confirmed, ...]
    stored: int
    rejected: int
    fallen: int
    new_epoch: bytes | None
    is_disputed: bool
    behind: tuple[Behind, ...]
    is_new_run: bool
    is_held: bool
    is_news: bool
    asks_in_vain: bool
    issued_at: datetime


def accept_receipt(
    data: bytes,
    outbox: Outbox,
    verifier: Verifier,
    gateway: str,
    *,
    may_dispute: bool = True,
    is_carried: bool = False,
) -> Accepted:
    """Apply a receipt and return what it brought. Durable on return. `may_dispute`: another chain is believed.

    `is_carried`: it came on a stick, not from the broker. Raises MessageError, with nothing changed, for a receipt
    that is forged, malformed, not ours, or old.
    """
    receipt = open_receipt(data, verifier)
    marks = outbox.marks()
    last = marks.carried if is_carried else marks.brought
    admit_receipt(receipt, last, gateway, marks.left)
    if is_carried or (marks.carried is not None and receipt.run == marks.carried[0]):
        admit_later(receipt, marks.newest_at)
    elif any(one.stored < outbox.reached(one.epoch) for one in receipt.epochs):
        admit_later(receipt, marks.carried_at)
    applied = [(one, outbox.apply_receipt(_state(one), may_dispute=may_dispute)) for one in receipt.epochs]
    outbox.mark_receipt(receipt.run, receipt.n, receipt.issued_at, is_carried=is_carried)
    _settle_ended(outbox, receipt)
    return Accepted(
        confirmed=tuple(_confirmed(one) for one, did in applied if did.is_known and not did.is_held),
        stored=sum(did.stored for _, did in applied),
        rejected=sum(did.rejected for _, did in applied),
        fallen=sum(did.fallen for _, did in applied),
        new_epoch=next((did.new_epoch for _, did in applied if did.new_epoch is not None), None),
        is_disputed=any(did.mismatch for _, did in applied),
        behind=tuple(Behind(one.epoch, one.stored + 1, one.stored + did.behind) for one, did in applied if did.behind),
        is_new_run=last is None or last[0] != receipt.run,
        is_held=any(did.is_held for _, did in applied),
        is_news=last != (receipt.run, receipt.n),
        asks_in_vain=any(one.missing and (did.is_below or not did.is_known) for one, did in applied),
        issued_at=receipt.issued_at,
    )


def _settle_ended(outbox: Outbox, receipt: Receipt) -> None:
    """Let go of epochs that ended with their store, once the centre says after that that it waits for none of them."""
    recovery = outbox.recovery()
    settled = {one.epoch for one in receipt.epochs if not one.missing}
    for ended in recovery.ended():
        if ended.epoch in settled and receipt.issued_at > ended.at:
            recovery.forget_ended(ended.epoch)


def _state(one: EpochReceipt) -> EpochState:
    is_foreign = any(reason == BROKEN_CHAIN for _, reason in one.rejected)
    return EpochState(one.epoch, one.stored, one.durable, one.head, one.rejected, is_foreign)


def _confirmed(one: EpochReceipt) -> Confirmed:
    return Confirmed(one.epoch, one.stored, one.missing, frozenset(seq for seq, _ in one.rejected))
