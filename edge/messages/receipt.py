"""The receipt: what the centre holds, signed by it. Nothing else releases a batch on the gateway.

Newest epoch first; an older epoch stays in the receipt as long as it has batches that the centre waits for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from edge.errors import MessageError
from edge.messages import cose
from edge.messages.canonical import decode_strict, encode_canonical
from edge.messages.checks import (
    as_bytes,
    as_gateway,
    as_instant,
    as_int,
    as_list,
    as_map,
    as_row,
    as_text,
    instant_of,
    refuse,
)
from edge.messages.envelope import MAX_SEQ
from edge.messages.signing import Signer, Verifier
from edge.reading.chain import EPOCH_BYTES, GENESIS, HASH_BYTES

MAX_RECEIPT = 32 * 1024
MAX_EPOCHS = 4
MAX_MISSING = 256
MAX_REJECTED = 256
MAX_REASON = 64
RUN_BYTES = 8
BROKEN_CHAIN = "chain"  # the reason of a rejected batch that does not follow what the centre holds

_GATEWAY, _RUN, _N, _ISSUED_AT, _POLICY, _EPOCHS = range(1, 7)
_KEYS = (_GATEWAY, _RUN, _N, _ISSUED_AT, _POLICY, _EPOCHS)


@dataclass(frozen=True, slots=True)
class EpochReceipt:
    """What the centre holds of one epoch.

    `stored`: the highest number without a gap before it; rejected ones count as passed. `durable`: up to here the
    archive may forget. `head`: SHA-256 of the envelope `stored` (GENESIS for 0). `missing`: ranges (first, last)
    above `stored`, ascending. `rejected`: (number, reason), ascending; BROKEN_CHAIN says that numbers beside it hold
    other content than the gateway's.
    """

    epoch: bytes
    stored: int
    durable: int
    head: bytes
    missing: tuple[tuple[int, int], ...] = ()
    rejected: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """The centre's word. `run` (8 bytes) is random per start of the centre; `n` grows within a run, from 1."""

    gateway: str
    run: bytes
    n: int
    issued_at: datetime
    policy: str
    epochs: tuple[EpochReceipt, ...]


def sign_receipt(receipt: Receipt, signer: Signer) -> bytes:
    """Return the signed receipt. Raises MessageError E-MSG-102 for one that `open_receipt` would refuse."""
    fields = {
        _GATEWAY: receipt.gateway,
        _RUN: receipt.run,
        _N: receipt.n,
        _ISSUED_AT: instant_of(receipt.issued_at, "issued at"),
        _POLICY: receipt.policy,
        _EPOCHS: [_row_of(epoch) for epoch in receipt.epochs],
    }
    _receipt_of(fields)
    return cose.sign_message(cose.RECEIPT, {}, encode_canonical(fields), signer)


def open_receipt(data: bytes, verifier: Verifier) -> Receipt:
    """Return the receipt, if this key signed it and it is sound. Raises MessageError, and nothing else.

    Whether it may be believed now is another question: `admit_receipt`.
    """
    if len(data) > MAX_RECEIPT:
        raise MessageError("E-MSG-103", size=len(data), limit=MAX_RECEIPT)
    message = cose.open_message(data, cose.RECEIPT, lambda _labels, _kid: verifier)
    return _receipt_of(decode_strict(message.payload, limit=MAX_RECEIPT))


def admit_receipt(
    receipt: Receipt, last: tuple[bytes, int] | None, gateway: str, left: Mapping[bytes, int] | None = None
) -> None:
    """Return if the receipt may be applied.

    `last` is (run, n) of the one applied last, `left` are the runs before, each with its last n.
    Order of checks: E-MSG-401 it is for another gateway; E-MSG-402 it is older than the last one of the same run;
    E-MSG-404 another run was applied since, and this one says nothing new of its own: an old receipt that somebody
    sends again takes effect once at most, and cannot shut out the centre that goes on. The very same receipt may come
    again (the broker retains it) and changes nothing. A run that is new here is believed: the centre was started anew,
    perhaps from a backup, and `stored` may have fallen.
    """
    if receipt.gateway != gateway:
        raise MessageError("E-MSG-401", found=receipt.gateway, wanted=gateway)
    if last is not None and receipt.run == last[0] and receipt.n < last[1]:
        raise MessageError("E-MSG-402", n=receipt.n, last=last[1])
    if left is not None and receipt.n <= left.get(receipt.run, -1):
        raise MessageError("E-MSG-404", run=receipt.run.hex(), issued=receipt.issued_at.isoformat(timespec="seconds"))


def admit_later(receipt: Receipt, newest_at: datetime | None) -> None:
    """Return if the receipt was not issued before the newest one that was applied, of whatever run.

    Runs that reach a gateway in two ways (broker and stick) have no other order than the centre's clock. Raises
    MessageError E-MSG-403.
    """
    if newest_at is not None and receipt.issued_at < newest_at:
        issued, newest = (at.isoformat(timespec="seconds") for at in (receipt.issued_at, newest_at))
        raise MessageError("E-MSG-403", issued=issued, newest=newest)


def _row_of(epoch: EpochReceipt) -> list[object]:
    missing = [list(one) for one in epoch.missing]
    rejected = [list(one) for one in epoch.rejected]
    return [epoch.epoch, epoch.stored, epoch.durable, epoch.head, missing, rejected]


def _receipt_of(value: object) -> Receipt:
    fields = as_map(value, "receipt", _KEYS, _KEYS)
    epochs = tuple(_epoch_of(one) for one in as_list(fields[_EPOCHS], "epochs", MAX_EPOCHS))
    if len({one.epoch for one in epochs}) != len(epochs):
        refuse("epochs", "one stands there twice")
    return Receipt(
        gateway=as_gateway(fields[_GATEWAY]),
        run=as_bytes(fields[_RUN], "run", RUN_BYTES),
        n=as_int(fields[_N], "n", 1, MAX_SEQ),
        issued_at=as_instant(fields[_ISSUED_AT], "issued at"),
        policy=as_text(fields[_POLICY], "policy", 32),
        epochs=epochs,
    )


def _epoch_of(value: object) -> EpochReceipt:
    epoch, stored, durable, head, missing, rejected = as_row(value, "epoch", 6)
    receipt = EpochReceipt(
        epoch=as_bytes(epoch, "epoch", EPOCH_BYTES),
        stored=as_int(stored, "stored", 0, MAX_SEQ),
        durable=as_int(durable, "durable", 0, MAX_SEQ),
        head=as_bytes(head, "head", HASH_BYTES),
        missing=tuple(_range_of(one) for one in as_list(missing, "missing", MAX_MISSING)),
        rejected=tuple(_rejected_of(one) for one in as_list(rejected, "rejected", MAX_REJECTED)),
    )
    _check_epoch(receipt)
    return receipt


def _range_of(value: Any) -> tuple[int, int]:
    first, last = as_row(value, "missing", 2)
    first = as_int(first, "missing", 1, MAX_SEQ)
    return first, as_int(last, "missing", first, MAX_SEQ)


def _rejected_of(value: Any) -> tuple[int, str]:
    seq, reason = as_row(value, "rejected", 2)
    return as_int(seq, "rejected", 1, MAX_SEQ), as_text(reason, "reason", MAX_REASON)


def _check_epoch(one: EpochReceipt) -> None:
    if one.durable > one.stored:
        refuse("durable", "more than is stored")
    if (one.stored == 0) != (one.head == GENESIS):
        refuse("head", "does not fit what is stored")
    above = one.stored
    for first, last in one.missing:
        if first <= above:
            refuse("missing", "not ascending above what is stored")
        above = last
    seqs = [seq for seq, _ in one.rejected]
    if any(later <= earlier for earlier, later in pairwise(seqs)):
        refuse("rejected", "not ascending")
