"""What the centre does with an envelope: the rules, and the one transaction around them.

Order of checks: the signature, by the key of the gateway that the envelope names; then that this gateway's topic
brought it; then the number (`judge`): seen, replaced, taken, in its place in the chain; then the payload.

What is not signed by the gateway is put aside and never appears in a receipt. What is signed and in its place but
cannot be read is rejected: it keeps its number, so that the gateway need not send it for ever. A number that is taken
is never given to another envelope, except to the original that a replacement stood for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from edge.centre.keyring import Keyring
from edge.centre.ledger import (
    BatchKey,
    Entry,
    EpochState,
    Held,
    Ledger,
    Link,
    PollCounts,
    QuarantineKind,
    SetAside,
)
from edge.errors import MessageError
from edge.messages import cose
from edge.messages.batch import Batch, parse_batch
from edge.messages.birth import Birth
from edge.messages.envelope import MAX_SEQ, Header, envelope_hash, open_envelope
from edge.messages.receipt import BROKEN_CHAIN
from edge.reading.chain import GENESIS

_EVIDENCE = 64 * 1024  # bytes of a refused message that are put aside; a sound envelope is not longer
_NOT_INFLATED = "E-MSG-207"
_NO_POLLS = PollCounts()
_LABELS = (cose.GATEWAY, cose.EPOCH, cose.SEQ, cose.PREV, cose.RAW_LENGTH)


class Fate(StrEnum):
    """What became of an envelope."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    HELD = "held"  # a replacement, where the original or another replacement is held already
    RESTORED = "restored"  # the original of a replacement that was held
    REJECTED = "rejected"
    FORK = "fork"
    REFUSED = "refused"

    @property
    def is_acknowledged(self) -> bool:
        """True if a receipt answers it: it came from the gateway and is dealt with."""
        return self is not Fate.REFUSED


@dataclass(frozen=True, slots=True)
class Uplink:
    """A message as it came in: the gateway of its topic, and its bytes."""

    gateway: str
    data: bytes
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a message. `epoch` and `seq` are known once the signature holds."""

    fate: Fate
    gateway: str
    epoch: bytes | None = None
    seq: int | None = None
    reason: str = ""
    counts: PollCounts = _NO_POLLS


@dataclass(frozen=True, slots=True)
class _Signed:
    """An envelope whose signature holds. `batch` is None if it cannot be read, for `reason`."""

    header: Header
    sha256: bytes
    batch: Batch | None
    reason: str

    @property
    def key(self) -> BatchKey:
        return BatchKey(self.header.gateway, self.header.epoch, self.header.seq)

    @property
    def link(self) -> Link:
        return Link(sha256=self.sha256, prev=self.header.prev, replaces=self.header.replaces)


def accept(ledger: Ledger, uplinks: Iterable[Uplink], keys: Keyring) -> list[Taken]:
    """Take in messages, in one transaction, and return what became of each, in order.

    Durable: on return all of it is; if it raises, none of it.
    """
    with ledger.transaction():
        return [_accept_one(ledger, uplink, keys) for uplink in uplinks]


def accept_birth(ledger: Ledger, birth: Birth, at: datetime) -> None:
    """Note what a verified birth says: the gateway's epochs, and from where on it can still send each.

    Numbers below that which never came are gone for good; `stored` passes them once the first that can come is here.
    The ledger hears of the oldest epoch first: that is the order in which they were opened.
    """
    with ledger.transaction():
        for standing in reversed(birth.standings):
            state = _epoch_of(ledger, birth.gateway, standing.epoch, at)
            oldest = max(state.oldest, standing.oldest_seq)
            ledger.save_epoch(_advanced(ledger, replace(state, oldest=oldest, heard_at=at)))


def judge(new: Link, held: Link | None, before: Link | None, after: Link | None) -> Fate:
    """Return what becomes of a signed envelope, from what is held under its number and beside it.

    Order: the same again; a replacement of what is held; the original of what is held; another one under a taken
    number; one that does not fit its neighbours (the one that came first stays); else it is stored.
    """
    if held is not None:
        return _judge_taken(new, held)
    if before is not None and new.prev != before.mark:
        return Fate.REJECTED
    if after is not None and after.prev != new.mark:
        return Fate.REJECTED
    return Fate.STORED


def _judge_taken(new: Link, held: Link) -> Fate:
    if new.sha256 == held.sha256:
        return Fate.DUPLICATE
    if new.prev != held.prev or new.mark != held.mark:
        return Fate.FORK
    return Fate.HELD if new.replaces is not None else Fate.RESTORED


def _accept_one(ledger: Ledger, uplink: Uplink, keys: Keyring) -> Taken:
    try:
        signed = _open(uplink.data, keys)
    except MessageError as exc:
        return _refuse(ledger, uplink, exc.code, keys)
    if signed.header.gateway != uplink.gateway:
        return _refuse(ledger, uplink, f"topic of another gateway: {signed.header.gateway}", keys)
    fate, reason = _fate_of(ledger, signed)
    counts = _keep(ledger, signed, fate, reason, uplink)
    state = _epoch_of(ledger, signed.header.gateway, signed.header.epoch, uplink.at)
    predecessor = signed.header.predecessor or state.predecessor
    ledger.save_epoch(_advanced(ledger, replace(state, predecessor=predecessor, heard_at=uplink.at)))
    ledger.count(uplink.gateway, str(fate), uplink.at)
    header = signed.header
    return Taken(fate=fate, gateway=header.gateway, epoch=header.epoch, seq=header.seq, reason=reason, counts=counts)


def _open(data: bytes, keys: Keyring) -> _Signed:
    """Return the envelope once its signature holds. Raises MessageError if it does not."""
    try:
        opened = open_envelope(data, keys.verifier_of, cose.BATCH)
    except MessageError as exc:
        if exc.code != _NOT_INFLATED:
            raise
        return _Signed(_header_of_signed(data, keys), envelope_hash(data), None, exc.code)
    try:
        return _Signed(opened.header, opened.sha256, parse_batch(opened.raw), "")
    except MessageError as exc:
        return _Signed(opened.header, opened.sha256, None, exc.code)


def _header_of_signed(data: bytes, keys: Keyring) -> Header:
    """Return the header of an envelope that was found sound up to its payload, which does not inflate."""
    message = cose.open_message(
        data,
        cose.BATCH,
        lambda labels, kid: keys.verifier_of(labels[cose.GATEWAY], kid),
        (cose.REPLACES, cose.PREDECESSOR),
        _LABELS,
    )
    gateway, epoch, seq, prev, raw_length = (message.labels[label] for label in _LABELS)
    return Header(
        gateway=gateway,
        epoch=epoch,
        seq=seq,
        prev=prev,
        raw_length=raw_length,
        replaces=message.labels.get(cose.REPLACES),
        predecessor=message.labels.get(cose.PREDECESSOR),
    )


def _fate_of(ledger: Ledger, signed: _Signed) -> tuple[Fate, str]:
    key = signed.key
    before = ledger.link(replace(key, seq=key.seq - 1)) if key.seq > 1 else None
    after = ledger.link(replace(key, seq=key.seq + 1)) if key.seq < MAX_SEQ else None
    fate = judge(signed.link, ledger.link(key), before, after)
    if fate is Fate.REJECTED:
        return fate, BROKEN_CHAIN
    if fate is Fate.STORED and signed.batch is None:
        return Fate.REJECTED, signed.reason
    if fate is Fate.RESTORED and signed.batch is None:
        return Fate.HELD, signed.reason
    return fate, ""


def _keep(ledger: Ledger, signed: _Signed, fate: Fate, reason: str, uplink: Uplink) -> PollCounts:
    match fate:
        case Fate.FORK:
            ledger.set_aside(_aside(QuarantineKind.FORK, signed.key, "another envelope under this number", uplink))
        case Fate.REJECTED:
            ledger.keep_entry(_entry(signed, Held.REJECTED, reason, uplink))
        case Fate.RESTORED:
            stand_in = ledger.envelope(signed.key) or b""
            ledger.set_aside(_aside(QuarantineKind.REPLACED, signed.key, "the original came", uplink, stand_in))
            return _take_in(ledger, signed, uplink)
        case Fate.STORED:
            return _take_in(ledger, signed, uplink)
    return _NO_POLLS


def _take_in(ledger: Ledger, signed: _Signed, uplink: Uplink) -> PollCounts:
    entry = _entry(signed, Held.STORED, "", uplink)
    ledger.keep_entry(entry)
    if signed.batch is None:
        return _NO_POLLS
    if signed.batch.plan is not None:
        ledger.keep_plan(entry, signed.batch.plan)
    ledger.keep_losses(entry, signed.batch.losses)
    return ledger.keep_polls(entry, signed.batch.records)


def _entry(signed: _Signed, state: Held, reason: str, uplink: Uplink) -> Entry:
    return Entry(
        key=signed.key, link=signed.link, state=state, reason=reason, envelope=uplink.data, received_at=uplink.at
    )


def _aside(kind: QuarantineKind, key: BatchKey, reason: str, uplink: Uplink, raw: bytes | None = None) -> SetAside:
    return SetAside(
        kind=kind,
        gateway=key.gateway,
        epoch=key.epoch,
        seq=key.seq,
        reason=reason,
        raw=(uplink.data if raw is None else raw)[:_EVIDENCE],
        at=uplink.at,
    )


def _refuse(ledger: Ledger, uplink: Uplink, reason: str, keys: Keyring) -> Taken:
    """Put a message aside that is not its gateway's. Gateways that are not enrolled share one bounded place."""
    enrolled = uplink.gateway if keys.knows(uplink.gateway) else ""
    ledger.set_aside(
        SetAside(kind=QuarantineKind.FORGED, gateway=enrolled, reason=reason, raw=uplink.data[:_EVIDENCE], at=uplink.at)
    )
    ledger.count(enrolled, str(Fate.REFUSED), uplink.at)
    return Taken(fate=Fate.REFUSED, gateway=uplink.gateway, reason=reason)


def _epoch_of(ledger: Ledger, gateway: str, epoch: bytes, at: datetime) -> EpochState:
    known = ledger.epoch(gateway, epoch)
    return known or EpochState(gateway=gateway, epoch=epoch, head=GENESIS, heard_at=at)


def _advanced(ledger: Ledger, state: EpochState) -> EpochState:
    """Return the epoch with `stored` moved over everything that is held without a gap."""
    stored, head = state.stored, state.head
    while True:
        link = ledger.link(BatchKey(state.gateway, state.epoch, stored + 1)) if stored < MAX_SEQ else None
        if link is not None:
            stored, head = stored + 1, link.mark
            continue
        first = None
        if stored + 1 < state.oldest:
            first = ledger.link(BatchKey(state.gateway, state.epoch, state.oldest))
        if first is None:
            return replace(state, stored=stored, head=head)
        stored, head = state.oldest - 1, first.prev
