"""The birth: a gateway says that it is there, where its chain stands, and how much it holds. Signed by the batch key.

The gateway's id stands in the protected header, as in an envelope: it says whose key verifies. Older epochs stand in it
only as long as they have batches that can still be sent, or ended with their store and the centre may wait for them;
without any it is the form that never named them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.errors import MessageError
from edge.messages import cose
from edge.messages.box_state import BoxState, decode_box_state, encode_box_state
from edge.messages.canonical import decode_strict, encode_canonical
from edge.messages.checks import (
    as_bytes,
    as_gateway,
    as_instant,
    as_int,
    as_list,
    as_map,
    as_name,
    as_row,
    as_text,
    instant_of,
    refuse,
)
from edge.messages.codes import TRUSTS, number_of
from edge.messages.envelope import MAX_SEQ
from edge.messages.signing import Signer, Verifier
from edge.reading.chain import EPOCH_BYTES, HASH_BYTES

MAX_BIRTH = 4096
MAX_VERSION = 64
BOOT_ID_CHARACTERS = 64
MAX_OLDER = 16

_BOOT_ID, _EPOCH, _OLDEST, _NEXT, _HEAD, _VERSION, _BUFFERED, _SENT_AT, _TRUST = range(1, 10)
_OLDER, _STATE = 10, 11
_REQUIRED = (_BOOT_ID, _EPOCH, _OLDEST, _NEXT, _HEAD, _VERSION, _BUFFERED, _SENT_AT, _TRUST)
_KEYS = (*_REQUIRED, _OLDER, _STATE)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an epoch stands. `oldest_seq`: the oldest batch of it that can still be sent; `next_seq` if there is none.

    Whatever was below `oldest_seq` was durable at the centre once, or is gone with a store that was damaged. An epoch
    of such a store stands at the highest number there is.
    """

    epoch: bytes
    oldest_seq: int
    next_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """Where a gateway stands.

    `epoch`, `oldest_seq`, `next_seq`: the epoch that it seals into. `head`: the SHA-256 of its last envelope, GENESIS
    before the first. `buffered`: readings that are under no receipt. `older`: earlier epochs with batches that can
    still be sent, newest first. `state`: how the gateway is; an older one does not tell.
    """

    gateway: str
    boot_id: str
    epoch: bytes
    oldest_seq: int
    next_seq: int
    head: bytes
    version: str
    buffered: int
    sent_at: datetime
    trust: str
    older: tuple[Standing, ...] = ()
    state: BoxState | None = None

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every epoch that is named, the current one first."""
        return (Standing(self.epoch, self.oldest_seq, self.next_seq), *self.older)


def sign_birth(birth: Birth, signer: Signer) -> bytes:
    """Return the signed birth. Raises MessageError for one that `open_birth` would refuse."""
    fields: dict[int, object] = {
        _BOOT_ID: birth.boot_id,
        _EPOCH: birth.epoch,
        _OLDEST: birth.oldest_seq,
        _NEXT: birth.next_seq,
        _HEAD: birth.head,
        _VERSION: birth.version,
        _BUFFERED: birth.buffered,
        _SENT_AT: instant_of(birth.sent_at, "sent at"),
        _TRUST: number_of(TRUSTS, birth.trust, "trust"),
    }
    if birth.older:
        fields[_OLDER] = [[one.epoch, one.oldest_seq, one.next_seq] for one in birth.older]
    if birth.state is not None:
        fields[_STATE] = encode_box_state(birth.state)
    _birth_of(birth.gateway, fields)
    return cose.sign_message(cose.BIRTH, {cose.GATEWAY: birth.gateway}, encode_canonical(fields), signer)


def open_birth(data: bytes, verifier_of: Callable[[str, bytes], Verifier | None]) -> Birth:
    """Return the birth, if a key that is trusted for its gateway signed it. Raises MessageError, and nothing else."""
    if len(data) > MAX_BIRTH:
        raise MessageError("E-MSG-103", size=len(data), limit=MAX_BIRTH)

    def find(labels: Mapping[int, Any], kid: bytes) -> Verifier | None:
        return verifier_of(as_gateway(labels[cose.GATEWAY]), kid)

    message = cose.open_message(data, cose.BIRTH, find, required=(cose.GATEWAY,))
    return _birth_of(message.labels[cose.GATEWAY], decode_strict(message.payload, limit=MAX_BIRTH))


def _birth_of(gateway: object, value: object) -> Birth:
    fields = as_map(value, "birth", _KEYS, _REQUIRED)
    birth = Birth(
        gateway=as_gateway(gateway),
        boot_id=as_text(fields[_BOOT_ID], "boot id", BOOT_ID_CHARACTERS),
        epoch=as_bytes(fields[_EPOCH], "epoch", EPOCH_BYTES),
        oldest_seq=as_int(fields[_OLDEST], "oldest seq", 1, MAX_SEQ),
        next_seq=as_int(fields[_NEXT], "next seq", 1, MAX_SEQ),
        head=as_bytes(fields[_HEAD], "head", HASH_BYTES),
        version=as_text(fields[_VERSION], "version", MAX_VERSION),
        buffered=as_int(fields[_BUFFERED], "buffered", 0, MAX_SEQ),
        sent_at=as_instant(fields[_SENT_AT], "sent at"),
        trust=as_name(fields[_TRUST], "trust", TRUSTS),
        older=tuple(_standing_of(one) for one in as_list(fields.get(_OLDER, []), "older", MAX_OLDER)),
        state=decode_box_state(fields[_STATE]) if _STATE in fields else None,
    )
    if any(one.oldest_seq > one.next_seq for one in birth.standings):
        refuse("oldest seq", "after the next one")
    if _OLDER in fields and not birth.older:
        refuse("older", "named, but none")
    if len({one.epoch for one in birth.standings}) != len(birth.standings):
        refuse("older", "an epoch stands there twice")
    return birth


def _standing_of(value: object) -> Standing:
    epoch, oldest, following = as_row(value, "older", 3)
    return Standing(
        epoch=as_bytes(epoch, "epoch", EPOCH_BYTES),
        oldest_seq=as_int(oldest, "oldest seq", 1, MAX_SEQ),
        next_seq=as_int(following, "next seq", 1, MAX_SEQ),
    )
