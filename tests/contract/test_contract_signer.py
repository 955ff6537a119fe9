"""What every signer and its verifier promise, whichever algorithm: a new one is added to `PAIRS` and must pass."""

import copy
import pickle
from collections.abc import Callable

import pytest

from edge.errors import MessageError
from edge.messages import cose
from edge.messages.signing import Ed25519Signer, Ed25519Verifier, Signer, Verifier

SECRET = bytes(range(100, 132))


def _ed25519(secret: bytes) -> tuple[Signer, Verifier]:
    signer = Ed25519Signer(secret)
    return signer, Ed25519Verifier(signer.public)


PAIRS = pytest.mark.parametrize("pair", [_ed25519])
Pair = Callable[[bytes], tuple[Signer, Verifier]]


@PAIRS
def test_both_sides_name_the_same_key_and_algorithm(pair: Pair) -> None:
    """The id is 8 bytes, the same on both sides, and another for another key."""
    signer, verifier = pair(SECRET)
    other, _ = pair(bytes(32))
    assert (signer.kid, signer.alg, 8) == (verifier.kid, verifier.alg, len(verifier.kid))
    assert signer.kid != other.kid
    assert (verifier.kid, verifier.alg) == (signer.verifier().kid, signer.verifier().alg)
    signer.verifier().verify(signer.sign(b"data"), b"data")


@PAIRS
@pytest.mark.parametrize("data", [b"", b"x", bytes(70_000)])
def test_a_signature_holds_for_its_bytes_alone(pair: Pair, data: bytes) -> None:
    """Right bytes pass; other bytes, another key, a changed, cut, doubled or empty signature give E-MSG-206."""
    signer, verifier = pair(SECRET)
    _, stranger = pair(bytes(32))
    signature = signer.sign(data)
    verifier.verify(signature, data)
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    cases = [
        (verifier, signature, data + b"\x00"),
        (stranger, signature, data),
        (verifier, flipped, data),
        (verifier, signature[:-1], data),
        (verifier, signature + b"\x00", data),
        (verifier, signature * 2, data),
        (verifier, b"", data),
        (verifier, bytes(64), data),
    ]
    for who, what, over in cases:
        with pytest.raises(MessageError) as caught:
            who.verify(what, over)
        assert "E-MSG-206" == caught.value.code


@PAIRS
def test_a_signature_is_the_same_each_time(pair: Pair) -> None:
    """An envelope that is sealed again after a crash has the same hash: the centre sees a duplicate, not a fork."""
    signer, _ = pair(SECRET)
    assert signer.sign(b"data") == signer.sign(b"data")


@PAIRS
def test_a_signature_fits_the_message_and_is_understood_by_it(pair: Pair) -> None:
    """A COSE_Sign1 made by the signer is opened by its verifier."""
    signer, verifier = pair(SECRET)
    message = cose.sign_message(cose.BIRTH, {}, b"payload", signer)
    assert b"payload" == cose.open_message(message, cose.BIRTH, lambda _labels, _kid: verifier).payload


@PAIRS
def test_the_secret_does_not_leave_the_signer(pair: Pair) -> None:
    """Neither printing, copying nor pickling gives it away."""
    signer, _ = pair(SECRET)
    shown = f"{signer!r} {signer} {[getattr(signer, name) for name in dir(signer) if not name.startswith('_')]}"
    for form in (SECRET.hex(), repr(SECRET), SECRET.decode("latin-1")):
        assert form not in shown
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leave(signer)


def test_ed25519_follows_rfc_8032() -> None:
    """Test 3 of RFC 8032, 7.1."""
    signer = Ed25519Signer(bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"))
    assert "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025" == signer.public.hex()
    assert (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    ) == signer.sign(bytes.fromhex("af82")).hex()


def test_a_second_signature_cannot_be_made_from_the_first() -> None:
    """S + L instead of S is refused: else one batch could have two hashes (RFC 8032, 5.1.7: S below L)."""
    order = (1 << 252) + 27742317777372353535851937790883648493
    signer = Ed25519Signer(SECRET)
    signature = signer.sign(b"data")
    second = int.from_bytes(signature[32:], "little") + order
    with pytest.raises(MessageError):
        Ed25519Verifier(signer.public).verify(signature[:32] + second.to_bytes(32, "little"), b"data")
