"""The envelope of a batch: its number, its place in the chain, and the signature over both and the payload.

The payload is compressed (zlib, RFC 1950); the header declares its raw length. Opening checks the signature before it
inflates, and inflates at most the declared length.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from edge.errors import MessageError
from edge.messages import cose
from edge.messages.checks import as_bytes, as_gateway, as_int, refuse
from edge.messages.signing import Signer, Verifier
from edge.reading.chain import EPOCH_BYTES, GENESIS, HASH_BYTES

MAX_RAW = 1024 * 1024
MAX_SEQ = (1 << 63) - 1

_REQUIRED = (cose.GATEWAY, cose.EPOCH, cose.SEQ, cose.PREV, cose.RAW_LENGTH)
_ALLOWED = (cose.REPLACES, cose.PREDECESSOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the signature says beside the payload.

    `seq` counts from 1 within the epoch, without gaps; `prev` is the SHA-256 of the envelope before it, GENESIS for
    the first. `replaces` is the SHA-256 of the original that this envelope stands for. `predecessor` is the epoch
    before this one; only an epoch's first envelope can name it.
    """

    content_type: str = cose.BATCH
    gateway: str
    epoch: bytes
    seq: int
    prev: bytes
    raw_length: int
    replaces: bytes | None = None
    predecessor: bytes | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope whose signature holds: header, inflated payload, and the hash of its exact bytes."""

    header: Header
    raw: bytes
    sha256: bytes


def envelope_hash(data: bytes) -> bytes:
    """Return the SHA-256 of an envelope's exact bytes: its identity, and the next one's `prev`."""
    return sha256(data).digest()


def seal_envelope(header: Header, raw: bytes, signer: Signer) -> bytes:
    """Return the signed envelope of a payload; the same bytes for the same input.

    Raises MessageError: E-MSG-103 if the payload is over 1 MiB or the envelope over 64 KiB (take fewer readings and
    seal again), E-MSG-102 if the header contradicts itself or `raw_length` is not the payload's.
    """
    if len(raw) > MAX_RAW:
        raise MessageError("E-MSG-103", size=len(raw), limit=MAX_RAW)
    if header.raw_length != len(raw):
        refuse("raw length", f"is {len(raw)}, the header says {header.raw_length}")
    labels = _labels_of(header)
    _header_of(header.content_type, labels)
    return cose.sign_message(header.content_type, labels, zlib.compress(raw, 9), signer)


def open_envelope(
    data: bytes,
    verifier_of: Callable[[str, bytes], Verifier | None],
    content_type: str = cose.BATCH,
) -> Opened:
    """Return what an envelope holds. `verifier_of(gateway, kid)` gives the key that is trusted for that gateway.

    Order of checks: those of `edge.messages.cose.open_message`, then the header's values, then the payload.
    Raises MessageError, and nothing else, whatever the bytes are.
    """

    def find(labels: Mapping[int, Any], kid: bytes) -> Verifier | None:
        return verifier_of(as_gateway(labels[cose.GATEWAY]), kid)

    return _opened(data, cose.open_message(data, content_type, find, _ALLOWED, _REQUIRED), content_type)


def read_envelope(data: bytes, content_type: str = cose.BATCH) -> Opened:
    """Return what an envelope holds, whoever signed it: only for bytes that the caller can vouch for.

    Raises MessageError like `open_envelope`, but for what that says of keys and signatures.
    """
    return _opened(data, cose.read_message(data, content_type, _ALLOWED, _REQUIRED), content_type)


def _opened(data: bytes, message: cose.Opened, content_type: str) -> Opened:
    header = _header_of(content_type, message.labels)
    return Opened(header, _inflate(message.payload, header.raw_length), envelope_hash(data))


def _labels_of(header: Header) -> dict[int, object]:
    labels: dict[int, object] = {
        cose.GATEWAY: header.gateway,
        cose.EPOCH: header.epoch,
        cose.SEQ: header.seq,
        cose.PREV: header.prev,
        cose.RAW_LENGTH: header.raw_length,
    }
    if header.replaces is not None:
        labels[cose.REPLACES] = header.replaces
    if header.predecessor is not None:
        labels[cose.PREDECESSOR] = header.predecessor
    return labels


def _header_of(content_type: str, labels: Mapping[int, Any]) -> Header:
    replaces = labels.get(cose.REPLACES)
    predecessor = labels.get(cose.PREDECESSOR)
    header = Header(
        content_type=content_type,
        gateway=as_gateway(labels[cose.GATEWAY]),
        epoch=as_bytes(labels[cose.EPOCH], "epoch", EPOCH_BYTES),
        seq=as_int(labels[cose.SEQ], "seq", 1, MAX_SEQ),
        prev=as_bytes(labels[cose.PREV], "prev", HASH_BYTES),
        raw_length=as_int(labels[cose.RAW_LENGTH], "raw length", 0, MAX_RAW),
        replaces=None if replaces is None else as_bytes(replaces, "replaces", HASH_BYTES),
        predecessor=None if predecessor is None else as_bytes(predecessor, "predecessor", EPOCH_BYTES),
    )
    if (header.seq == 1) != (header.prev == GENESIS):
        refuse("prev", "the first envelope of an epoch, and only that, follows nothing")
    if header.seq > 1 and header.predecessor is not None:
        refuse("predecessor", "only the first envelope of an epoch names one")
    if header.predecessor == header.epoch:
        refuse("predecessor", "an epoch cannot follow itself")
    return header


def _inflate(payload: bytes, raw_length: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(payload, raw_length + 1)
    except zlib.error as exc:
        raise MessageError("E-MSG-207", detail=str(exc)) from exc
    if len(raw) != raw_length:
        raise MessageError("E-MSG-207", detail=f"not the declared {raw_length} bytes")
    if not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
        raise MessageError("E-MSG-207", detail="cut, or followed by other bytes")
    return raw
