"""The envelope: what is signed, in which order it is checked, and the chain."""

import random
import tracemalloc
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import MessageError
from edge.messages import cose
from edge.messages.canonical import encode_canonical
from edge.messages.envelope import (
    MAX_RAW,
    Header,
    Opened,
    envelope_hash,
    open_envelope,
    seal_envelope,
)
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from edge.reading.chain import GENESIS
from tests.messages.samples import SIGNER, VERIFIER, trusted

EPOCH = b"epoch--1"
RAW = b"a payload, a payload, a payload"


def _header(**changes: Any) -> Header:
    fields = {"gateway": "gw-1", "epoch": EPOCH, "seq": 2, "prev": bytes([7]) * 32, "raw_length": len(RAW)}
    return Header(**{**fields, **changes})


def _code_of(data: bytes, content_type: str = cose.BATCH) -> str:
    with pytest.raises(MessageError) as caught:
        open_envelope(data, trusted, content_type)
    assert caught.value.fact()
    return caught.value.code


@pytest.mark.parametrize(
    "header",
    [
        _header(),
        _header(seq=1, prev=GENESIS),
        _header(seq=1, prev=GENESIS, predecessor=b"epoch--0"),
        _header(seq=(1 << 63) - 1, replaces=bytes([9]) * 32),
    ],
)
def test_an_envelope_brings_back_header_payload_and_hash(header: Header) -> None:
    """What was sealed is what is opened; the hash is that of the exact bytes."""
    data = seal_envelope(header, RAW, SIGNER)
    assert Opened(header, RAW, envelope_hash(data)) == open_envelope(data, trusted, cose.BATCH)


def test_sealing_again_gives_the_same_bytes() -> None:
    """A batch that is sent again from the same content is no fork."""
    assert seal_envelope(_header(), RAW, SIGNER) == seal_envelope(_header(), RAW, SIGNER)


def test_every_flipped_bit_is_found() -> None:
    """No bit of an envelope can be changed: each one is refused, and only ever as MessageError."""
    data = seal_envelope(_header(), RAW, SIGNER)
    for at in range(len(data)):
        for bit in range(8):
            changed = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            with pytest.raises(MessageError):
                open_envelope(changed, trusted, cose.BATCH)


def test_every_cut_and_every_tail_is_found() -> None:
    """An envelope cut anywhere, or with anything after it, is refused."""
    data = seal_envelope(_header(), RAW, SIGNER)
    for size in range(len(data)):
        with pytest.raises(MessageError):
            open_envelope(data[:size], trusted, cose.BATCH)
    assert "E-MSG-101" == _code_of(data + b"\x00")


@settings(max_examples=200)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_refused_as_message_error(data: bytes, as_sign1: bool) -> None:
    """Noise, also behind the right tag: MessageError and nothing else."""
    with pytest.raises(MessageError):
        open_envelope(b"\xd2\x84" + data if as_sign1 else data, trusted, cose.BATCH)


@pytest.mark.parametrize(
    "header",
    [
        _header(gateway=""),
        _header(gateway="gw/1"),
        _header(gateway="g" * 33),
        _header(epoch=b"short"),
        _header(seq=0),
        _header(seq=1 << 63),
        _header(prev=b""),
        _header(prev=GENESIS),
        _header(seq=1),
        _header(raw_length=len(RAW) + 1),
        _header(replaces=b"short"),
        _header(seq=1, prev=GENESIS, predecessor=b"short"),
        _header(seq=1, prev=GENESIS, predecessor=EPOCH),
        _header(predecessor=b"epoch--0"),
    ],
)
def test_a_header_that_contradicts_itself_is_not_sealed(header: Header) -> None:
    """What `open_envelope` would refuse, `seal_envelope` does not sign."""
    with pytest.raises(MessageError) as caught:
        seal_envelope(header, RAW, SIGNER)
    assert "E-MSG-102" == caught.value.code


def test_payload_and_envelope_have_a_size() -> None:
    """Over 1 MiB inflated or 64 KiB sealed: E-MSG-103, so that the forwarder takes fewer readings."""
    long, incompressible = bytes(MAX_RAW + 1), random.Random(1).randbytes(70_000)
    for raw in (long, incompressible):
        with pytest.raises(MessageError) as caught:
            seal_envelope(_header(raw_length=len(raw)), raw, SIGNER)
        assert "E-MSG-103" == caught.value.code
    assert "E-MSG-103" == _code_of(bytes(cose.MAX_MESSAGE + 1))


# --- envelopes that are rightly signed and yet not to be taken

_LABELS: Mapping[int, object] = {
    cose.GATEWAY: "gw-1",
    cose.EPOCH: EPOCH,
    cose.SEQ: 2,
    cose.PREV: bytes([7]) * 32,
    cose.RAW_LENGTH: len(RAW),
}


def _signed(labels: Mapping[int, object] | None = None, payload: bytes = zlib.compress(RAW), **extra: object) -> bytes:
    """Return a message of our key over these labels (... takes one out), whatever they are."""
    merged = {**_LABELS, **(labels or {})}
    return cose.sign_message(
        str(extra.get("content_type", cose.BATCH)),
        {label: value for label, value in merged.items() if value is not ...},
        payload,
        SIGNER,
    )


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("E-MSG-102", _signed({cose.SEQ: 0})),
        ("E-MSG-102", _signed({cose.SEQ: -1})),
        ("E-MSG-102", _signed({cose.SEQ: True})),
        ("E-MSG-102", _signed({cose.SEQ: "2"})),
        ("E-MSG-102", _signed({cose.SEQ: ...})),
        ("E-MSG-102", _signed({cose.EPOCH: "epoch--1"})),
        ("E-MSG-102", _signed({cose.PREV: GENESIS})),
        ("E-MSG-102", _signed({cose.REPLACES: b""})),
        ("E-MSG-102", _signed({cose.PREDECESSOR: b"epoch--0"})),
        ("E-MSG-102", _signed({cose.GATEWAY: 1})),
        ("E-MSG-102", _signed({-65600: 0})),
        ("E-MSG-102", _signed({2: [-65537]})),
        ("E-MSG-102", _signed({cose.RAW_LENGTH: MAX_RAW + 1})),
        ("E-MSG-103", _signed({cose.REPLACES: bytes(2000)})),
        ("E-MSG-203", _signed({cose.ALG: -7})),
        ("E-MSG-203", _signed({cose.ALG: "EdDSA"})),
        ("E-MSG-203", _signed({cose.ALG: None})),
        ("E-MSG-204", _signed(content_type=cose.RECEIPT)),
        ("E-MSG-204", _signed(content_type="application/EDGE-batch+cbor")),
        ("E-MSG-205", _signed({cose.GATEWAY: "gw-2"})),
        ("E-MSG-205", _signed({cose.KID: bytes(8)})),
        ("E-MSG-207", _signed({cose.RAW_LENGTH: len(RAW) - 1})),
        ("E-MSG-207", _signed({cose.RAW_LENGTH: len(RAW) + 1})),
        ("E-MSG-207", _signed(payload=RAW)),
        ("E-MSG-207", _signed(payload=zlib.compress(RAW)[:-1])),
        ("E-MSG-207", _signed(payload=zlib.compress(RAW) + b"\x00")),
        ("E-MSG-207", _signed(payload=zlib.compress(bytes(30_000_000), 9))),
        ("E-MSG-207", _signed({cose.RAW_LENGTH: 0}, payload=b"")),
    ],
)
def test_a_right_signature_is_not_enough(code: str, data: bytes) -> None:
    """Header and payload are held to the rules also if our own key signed them."""
    assert code == _code_of(data)


def _rebuilt(*, protected: bytes | None = None, unprotected: object = None, tag: bytes = b"\xd2") -> bytes:
    """Return a message of our key whose parts were put together by hand."""
    if protected is None:
        protected = encode_canonical({cose.ALG: -8, cose.CONTENT_TYPE: cose.BATCH, cose.KID: VERIFIER.kid, **_LABELS})
    payload = zlib.compress(RAW)
    signature = SIGNER.sign(encode_canonical(["Signature1", protected, b"", payload]))
    return tag + encode_canonical([protected, {} if unprotected is None else unprotected, payload, signature])


def test_the_envelope_put_together_by_hand_is_taken() -> None:
    """The cases below differ from this one only in what their names say."""
    assert RAW == open_envelope(_rebuilt(), trusted, cose.BATCH).raw


def test_an_unprotected_header_is_refused() -> None:
    """Nothing that is not signed is said."""
    assert "E-MSG-201" == _code_of(_rebuilt(unprotected={cose.KID: VERIFIER.kid}))
    assert "E-MSG-201" == _code_of(_rebuilt(unprotected=[]))


def test_another_tag_or_none_is_refused() -> None:
    """Tag 18, once, in its one form."""
    assert ["E-MSG-201"] * 3 == [_code_of(_rebuilt(tag=tag)) for tag in (b"", b"\xd1", b"\xd8\x12")]
    assert "E-MSG-101" == _code_of(_rebuilt(tag=b"\xd2\xd2"))


def test_a_protected_header_in_another_form_is_refused() -> None:
    """Same content, other order of keys: rightly signed, and refused."""
    fields = {cose.CONTENT_TYPE: cose.BATCH, cose.ALG: -8, cose.KID: VERIFIER.kid, **_LABELS}
    protected = bytes([0xA0 | len(fields)]) + b"".join(
        encode_canonical(key) + encode_canonical(value) for key, value in fields.items()
    )
    assert "E-MSG-101" == _code_of(_rebuilt(protected=protected))


def test_nothing_is_inflated_before_the_signature_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forged envelope never reaches zlib."""
    forged = bytearray(_signed())
    forged[-1] ^= 1
    monkeypatch.setattr(zlib, "decompressobj", lambda: pytest.fail("inflated"))
    assert "E-MSG-206" == _code_of(bytes(forged))


def test_a_payload_that_would_grow_is_inflated_no_further_than_declared() -> None:
    """30 MB in 30 KB: refused after the declared few bytes, before the memory is used."""
    bomb = _signed(payload=zlib.compress(bytes(30_000_000), 9))
    tracemalloc.start()
    try:
        assert "E-MSG-207" == _code_of(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_key_given_under_another_id_is_not_used() -> None:
    """A list of keys that answers with the wrong one is not believed."""
    other = Ed25519Verifier(Ed25519Signer(bytes(32)).public)
    with pytest.raises(MessageError) as caught:
        open_envelope(_signed(), lambda _gateway, _kid: other, cose.BATCH)
    assert "E-MSG-205" == caught.value.code
