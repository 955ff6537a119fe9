"""What the centre does with an envelope: the rules, and the one transaction around them.

Order of checks: the signature, by the key of the gateway that the envelope names; then that this gateway's topic
brought it; then the number (`judge`): seen, replaced, taken, in its place in the chain; then the payload.

What is not signed by the gateway is put aside and never appears in a receipt. What is signed and in its place but
cannot be read is rejected: it keeps its number, so that the gateway need not send it for ever; when the same bytes
come again to a centre that can read them, they are stored (`reread.py` brings them again). A number that is taken
is never given to another envelope, except to the original that a replacement stood for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import takewhile

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
from edge.centre.sheet import Sheet
from edge.errors import MessageError
from edge.messages import cose
from edge.messages.batch import Batch, parse_batch
from edge.messages.birth import MAX_OLDER, Birth
from edge.messages.envelope import Header, envelope_hash, open_envelope
from edge.messages.receipt import BROKEN_CHAIN

_EVIDENCE = 64 * 1024  # bytes of a refused message that are put aside; a sound envelope is not longer
_NOT_INFLATED = "E-MSG-207"
_NO_POLLS = PollCounts()
_ALL = 1_000_000  # gaps: more than a ledger looks for
_MOST_POLLS = 20_000  # that wait to be written together: some tens of MiB, whatever gateways send
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
    """What became of a message. `epoch` and `seq` are known once the signature holds.

    `times`: how often the like was refused in this run; not each is told.
    """

    fate: Fate
    gateway: str
    epoch: bytes | None = None
    seq: int | None = None
    reason: str = ""
    counts: PollCounts = _NO_POLLS
    times: int = 1


@dataclass(slots=True)
class _Signed:
    """An envelope whose signature holds. `raw` is None if it does not inflate; `reason` says why it is no batch."""

    header: Header
    sha256: bytes
    raw: bytes | None
    batch: Batch | None = None
    reason: str = ""

    def can_be_read(self) -> bool:
        """Read the payload, which a duplicate is spared, and return True if it is a batch."""
        if self.raw is not None:
            try:
                self.batch = parse_batch(self.raw)
            except MessageError as exc:
                self.reason = exc.code
            self.raw = None
        return self.batch is not None

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
        sitting = _Sitting(ledger, keys)
        for uplink in uplinks:
            sitting.take(uplink)
        return sitting.close()


def accept_birth(ledger: Ledger, birth: Birth, at: datetime) -> None:
    """Note what a verified birth says: the gateway's epochs, and from where on it can still send each.

    Numbers below that which never came are gone for good; `stored` passes such a gap once the batch behind it is here.
    The ledger hears of the oldest epoch first: that is the order in which they were opened. An epoch that was heard
    before the current one and is not named any more is closed: nothing of it can be sent, as after the exchange of the
    box, and `stored` passes its gaps.

    What is gone stays gone, whatever an earlier birth says that came late; but if the current epoch is not the newest
    that was heard, an older store is back, and what it says it can send is asked for again. If it was a late birth
    after all, the gateway finds itself asked for what it cannot send, and says again where it stands.
    """
    with ledger.transaction():
        sheet = Sheet(ledger)
        is_back = any(state.epoch == birth.epoch for state in ledger.epochs(birth.gateway)[:-1])
        for state in _closed_by(ledger, birth):
            sheet.note(state)
        for standing in reversed(birth.standings):
            state = replace(sheet.epoch(birth.gateway, standing.epoch, at), heard_at=at)
            if standing.oldest_seq > state.oldest:
                state = replace(state, oldest=standing.oldest_seq)
            elif is_back and standing.oldest_seq < state.oldest:
                state = sheet.reopened(state, standing.oldest_seq)
            sheet.note(state)
        sheet.save()


def _closed_by(ledger: Ledger, birth: Birth) -> Iterator[EpochState]:
    """Yield the epochs with gaps of which this birth says that nobody can fill them any more."""
    named = {standing.epoch for standing in birth.standings}
    if len(birth.older) >= MAX_OLDER:
        return  # there may be more than it could name
    for state in takewhile(lambda state: state.epoch != birth.epoch, ledger.epochs(birth.gateway)):
        gaps = () if state.epoch in named else ledger.missing(state, _ALL)
        if gaps:
            yield replace(state, oldest=max(state.oldest, gaps[-1][1] + 1))


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


def _open(data: bytes, keys: Keyring) -> _Signed:
    """Return the envelope once its signature holds. Raises MessageError if it does not."""
    try:
        opened = open_envelope(data, keys.verifier_of, cose.BATCH)
    except MessageError as exc:
        if exc.code != _NOT_INFLATED:
            raise
        return _Signed(_header_of_signed(data, keys), envelope_hash(data), None, reason=exc.code)
    return _Signed(opened.header, opened.sha256, opened.raw)


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


@dataclass(frozen=True, slots=True)
class _Kept:
    """What waits to be written: the place of its answer, the envelope, what it brought."""

    index: int
    entry: Entry
    batch: Batch | None


@dataclass(slots=True)
class _Sitting:
    """One transaction's work: messages are judged one by one, what is kept goes to the ledger in sets."""

    ledger: Ledger
    keys: Keyring
    sheet: Sheet = field(init=False)
    done: list[Taken] = field(default_factory=list)
    tally: dict[tuple[str, str], int] = field(default_factory=dict)
    waiting: dict[BatchKey, _Kept] = field(default_factory=dict)
    weight: int = 0  # polls that wait
    last_at: datetime | None = None

    def __post_init__(self) -> None:
        self.sheet = Sheet(self.ledger)

    def take(self, uplink: Uplink) -> None:
        """Judge a message; what is to be kept of it waits for the set to be full."""
        try:
            signed = _open(uplink.data, self.keys)
        except MessageError as exc:
            return self._refuse(uplink, exc.code)
        if signed.header.gateway != uplink.gateway:
            return self._refuse(uplink, f"topic of another gateway: {signed.header.gateway}")
        fate, reason = self._fate_of(signed)
        self._keep(signed, fate, reason, uplink)
        self._note(signed.header, uplink.at)
        key = signed.key
        self._tell(Taken(fate=fate, gateway=key.gateway, epoch=key.epoch, seq=key.seq, reason=reason), uplink)
        if self.weight >= _MOST_POLLS:
            self._flush()
        return None

    def close(self) -> list[Taken]:
        """Write what still waits, and return what became of each message."""
        self._flush()
        self.sheet.save()
        if self.last_at is not None:
            self.ledger.count(self.tally, self.last_at)
        return self.done

    def _fate_of(self, signed: _Signed) -> tuple[Fate, str]:
        key = signed.key
        held, before, after = (self.sheet.link(replace(key, seq=key.seq + step)) for step in (0, -1, 1))
        fate = judge(signed.link, held, before, after)
        if fate is Fate.REJECTED:
            return fate, BROKEN_CHAIN
        if fate is Fate.DUPLICATE and held is not None and held.is_unread and signed.can_be_read():
            return Fate.STORED, ""
        if fate is Fate.STORED and not signed.can_be_read():
            return Fate.REJECTED, signed.reason
        if fate is Fate.RESTORED and not signed.can_be_read():
            return Fate.HELD, signed.reason
        return fate, ""

    def _keep(self, signed: _Signed, fate: Fate, reason: str, uplink: Uplink) -> None:
        match fate:
            case Fate.FORK:
                fork = _aside(QuarantineKind.FORK, signed.key, "another envelope under this number", uplink)
                self.ledger.set_aside(fork)
            case Fate.REJECTED:
                self._wait(signed, _entry(signed, Held.REJECTED, reason, uplink), None)
            case Fate.RESTORED:
                self._flush()  # the one that stood for it may still wait
                stand_in = self.ledger.envelope(signed.key) or b""
                self.ledger.set_aside(
                    _aside(QuarantineKind.REPLACED, signed.key, "the original came", uplink, stand_in)
                )
                self._wait(signed, _entry(signed, Held.STORED, "", uplink), signed.batch)
            case Fate.STORED:
                self._wait(signed, _entry(signed, Held.STORED, "", uplink), signed.batch)

    def _wait(self, signed: _Signed, entry: Entry, batch: Batch | None) -> None:
        self.sheet.put(signed.key, signed.link)
        self.waiting[signed.key] = _Kept(len(self.done), entry, batch)
        self.weight += len(batch.records) if batch is not None else 0

    def _flush(self) -> None:
        """Write what waits: envelopes first, then plans and losses, then all polls, in the order of their coming."""
        waiting, self.waiting, self.weight = list(self.waiting.values()), {}, 0
        if waiting:
            self.ledger.keep_entries([one.entry for one in waiting])
        read = [(one, one.batch) for one in waiting if one.batch is not None]
        for one, batch in read:
            if batch.plan is not None:
                self.ledger.keep_plan(one.entry, batch.plan)
            if batch.losses:
                self.ledger.keep_losses(one.entry, batch.losses)
        brought = [(one, batch.records) for one, batch in read if batch.records]
        found = self.ledger.keep_polls([(one.entry, records) for one, records in brought]) if brought else ()
        for (one, _), counts in zip(brought, found, strict=True):
            self.done[one.index] = replace(self.done[one.index], counts=counts)

    def _note(self, header: Header, at: datetime) -> None:
        state = self.sheet.epoch(header.gateway, header.epoch, at)
        self.sheet.note(replace(state, predecessor=header.predecessor or state.predecessor, heard_at=at))

    def _refuse(self, uplink: Uplink, reason: str) -> None:
        """Put a message aside that is not its gateway's. Gateways that are not enrolled share one bounded place."""
        enrolled = uplink.gateway if self.keys.knows(uplink.gateway) else ""
        raw = uplink.data[:_EVIDENCE]
        self.ledger.set_aside(
            SetAside(kind=QuarantineKind.FORGED, gateway=enrolled, reason=reason, raw=raw, at=uplink.at)
        )
        self._tell(Taken(fate=Fate.REFUSED, gateway=uplink.gateway, reason=reason), uplink, enrolled)

    def _tell(self, taken: Taken, uplink: Uplink, gateway: str | None = None) -> None:
        self.done.append(taken)
        what = (uplink.gateway if gateway is None else gateway, str(taken.fate))
        self.tally[what] = self.tally.get(what, 0) + 1
        self.last_at = uplink.at


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
