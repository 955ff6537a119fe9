"""COSE_Sign1 (RFC 9052) as all our signed messages use it.

Shape: tag 18, [protected header, empty unprotected header, payload, signature], in the one way of writing it.
The protected header holds alg (1), content type (3), kid (4) and labels of our own below -65536, the range that
RFC 9052 leaves to private use. The content type names the purpose of the signature, and every reader demands its
own: a receipt can never pass for a batch, even under the same key. The signed bytes are those of RFC 9052, 4.4.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import MessageError
from edge.messages.canonical import decode_strict, encode_canonical
from edge.messages.checks import as_bytes, as_map, as_row
from edge.messages.signing import KID_BYTES, Signer, Verifier

MAX_MESSAGE = 64 * 1024
MAX_HEADER = 1024
SIGNATURE_BYTES = 64

BATCH = "application/edge-batch+cbor"
RECEIPT = "application/edge-receipt+cbor"
BIRTH = "application/edge-birth+cbor"

ALG, CONTENT_TYPE, KID = 1, 3, 4
GATEWAY, EPOCH, SEQ, PREV, RAW_LENGTH, REPLACES, PREDECESSOR = range(-65537, -65544, -1)

_TAG_18 = b"\xd2"
_STANDARD = (ALG, CONTENT_TYPE, KID)


@dataclass(frozen=True, slots=True)
class Opened:
    """A message whose signature holds: our own labels of its protected header, and its payload."""

    labels: Mapping[int, Any]
    payload: bytes


def sign_message(content_type: str, labels: Mapping[int, object], payload: bytes, signer: Signer) -> bytes:
    """Return the message. Raises MessageError E-MSG-103 if it would be longer than 64 KiB."""
    protected = encode_canonical({ALG: signer.alg, CONTENT_TYPE: content_type, KID: signer.kid, **labels})
    signature = signer.sign(_signed_bytes(protected, payload))
    message = _TAG_18 + encode_canonical([protected, {}, payload, signature])
    if len(message) > MAX_MESSAGE:
        raise MessageError("E-MSG-103", size=len(message), limit=MAX_MESSAGE)
    return message


def open_message(
    message: bytes,
    content_type: str,
    verifier_of: Callable[[Mapping[int, Any], bytes], Verifier | None],
    allowed: Collection[int] = (),
    required: Collection[int] = (),
) -> Opened:
    """Return what a message holds, once its signature holds. `verifier_of` gets our labels (unchecked) and the kid.

    Order of checks: size, shape, header in its one form, content type, labels, key known, algorithm, signature.
    Raises MessageError: E-MSG-101 to -103 and -201 to -206; nothing else, whatever the bytes are.
    """
    protected, payload, signature = _parts_of(message)
    header = _header_of(protected, content_type, allowed, required)
    kid = as_bytes(header[KID], "kid", KID_BYTES)
    labels = _ours_of(header)
    verifier = verifier_of(labels, kid)
    if verifier is None or verifier.kid != kid:
        raise MessageError("E-MSG-205", kid=kid.hex())
    if type(header[ALG]) is not int or header[ALG] != verifier.alg:
        raise MessageError("E-MSG-203", found=_shown(header[ALG]), wanted=verifier.alg)
    verifier.verify(signature, _signed_bytes(protected, payload))
    return Opened(labels, payload)


def read_message(
    message: bytes, content_type: str, allowed: Collection[int] = (), required: Collection[int] = ()
) -> Opened:
    """Return what a message holds, whoever signed it: only for bytes that the caller can vouch for.

    Raises MessageError like `open_message`, but for what that says of keys and signatures.
    """
    protected, payload, _ = _parts_of(message)
    return Opened(_ours_of(_header_of(protected, content_type, allowed, required)), payload)


def _header_of(
    protected: bytes, content_type: str, allowed: Collection[int], required: Collection[int]
) -> Mapping[int, Any]:
    fields = decode_strict(protected, limit=MAX_HEADER)
    found = fields.get(CONTENT_TYPE) if type(fields) is dict else None
    if found != content_type:
        raise MessageError("E-MSG-204", found=_shown(found), wanted=content_type)
    return as_map(fields, "protected header", {*_STANDARD, *allowed, *required}, {*_STANDARD, *required})


def _ours_of(header: Mapping[int, Any]) -> Mapping[int, Any]:
    return {label: value for label, value in header.items() if label not in _STANDARD}


def _parts_of(message: bytes) -> tuple[bytes, bytes, bytes]:
    if len(message) > MAX_MESSAGE:
        raise MessageError("E-MSG-103", size=len(message), limit=MAX_MESSAGE)
    if message[:1] != _TAG_18:
        raise MessageError("E-MSG-201", detail="no tag 18 at the start")
    protected, unprotected, payload, signature = as_row(decode_strict(message[1:], limit=MAX_MESSAGE), "message", 4)
    if type(protected) is not bytes or type(payload) is not bytes:
        raise MessageError("E-MSG-201", detail="header or payload is no byte string")
    if type(unprotected) is not dict or unprotected:
        raise MessageError("E-MSG-201", detail="the unprotected header is not empty")
    return protected, payload, as_bytes(signature, "signature", SIGNATURE_BYTES)


def _signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure of RFC 9052, 4.4, with no outside data."""
    return encode_canonical(["Signature1", protected, b"", payload])


def _shown(value: object) -> str:
    return repr(value)[:80]
