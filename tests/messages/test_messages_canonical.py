"""CBOR in one form: order, and everything that a hostile sender may write instead."""

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import MessageError
from edge.messages.canonical import MAX_DEPTH, decode_strict, encode_canonical

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.binary(max_size=40)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.integers(-70000, 70000) | st.text(st.characters(exclude_categories=("Cs",))), inner, max_size=5
        )
    ),
    max_leaves=20,
)


def test_keys_stand_in_the_order_of_their_bytes() -> None:
    """RFC 8949, 4.2.1: 10, 100, -1, "z", "aa" is the order of its own example, without the kinds we do not have."""
    value = {"aa": 4, "z": 3, -1: 2, 100: 1, 10: 0}
    assert bytes.fromhex("a50a00186401200261" + "7a03" + "62616104") == encode_canonical(value)


@given(_VALUES)
def test_every_value_survives_both_ways(value: object) -> None:
    """What is encoded is read back the same."""
    assert value == decode_strict(encode_canonical(value), limit=100_000)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", ""),
        ("bytes after the value", "0000"),
        ("integer not in its shortest form", "1817"),
        ("length not in its shortest form", "5801ff"),
        ("list of indefinite length", "9f01ff"),
        ("text of indefinite length", "7f6161ff"),
        ("map of indefinite length", "bf0102ff"),
        ("doubled key", "a201020103"),
        ("keys out of order", "a202000100"),
        ("keys in the older order of RFC 7049", "a22000181801"),
        ("key that is a byte string", "a1410000"),
        ("key that is a list", "a1800000"),
        ("not-a-number", "f97e00"),
        ("float", "f93e00"),
        ("infinity", "f97c00"),
        ("undefined", "f7"),
        ("simple value", "e0"),
        ("big integer", "c249010000000000000000"),
        ("decimal fraction with an absurd exponent", "c4821a7fffffff01"),
        ("date", "c100"),
        ("shared reference to itself", "d81c81d81d00"),
        ("string reference", "d9010082616161d81900"),
        ("regular expression", "d8236161"),
        ("tag 18", "d28143010203"),
        ("text that is no UTF-8", "61ff"),
        ("list that promises 2^64 - 1 members", "9bffffffffffffffff"),
        ("map that promises 2^32 members", "ba ffffffff"),
        ("byte string that promises 2^63 bytes", "5b7fffffffffffffff"),
        ("text that promises 2^40 bytes", "7b0000010000000000"),
        ("deep lists", "81" * 5000 + "00"),
        ("deep maps", "a100" * 5000 + "00"),
        ("deep tags", "c1" * 5000 + "00"),
        ("cut", "8201"),
    ],
)
def test_nothing_else_is_taken(what: str, data: str) -> None:
    """Each other way of writing is refused with E-MSG-101 and nothing else."""
    with pytest.raises(MessageError) as caught:
        decode_strict(bytes.fromhex(data), limit=100_000)
    assert caught.value.code == "E-MSG-101", what


def test_shared_references_cannot_multiply() -> None:
    """A hundred bytes that would unfold to 2^60 lists are refused at the first tag."""
    bomb = cbor2.CBORTag(28, [])
    for number in range(60):
        bomb = cbor2.CBORTag(28, [cbor2.CBORTag(29, number), bomb])
    with pytest.raises(MessageError, match="a tag"):
        decode_strict(cbor2.dumps(bomb), limit=100_000)


def test_every_tag_is_refused() -> None:
    """No tag has a meaning here, whichever ones the decoder knows."""
    for tag in [*range(1100), 43000, 55799, 1 << 32]:
        head = cbor2.dumps(cbor2.CBORTag(tag, 0))[:-1]
        for body in ("00", "4101", "6161", "820101", "80", "a0"):
            with pytest.raises(MessageError):
                decode_strict(head + bytes.fromhex(body), limit=100)


def test_depth_is_bounded_both_ways() -> None:
    """As deep as allowed is read back; one deeper is neither written nor read."""
    value: list[object] = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert value == decode_strict(encode_canonical(value), limit=100)
    with pytest.raises(MessageError) as caught:
        encode_canonical([value])
    assert caught.value.code == "E-MSG-104"
    with pytest.raises(MessageError):
        decode_strict(cbor2.dumps([value]), limit=100)


def test_length_is_bounded() -> None:
    """The limit itself is taken, one byte more is not even looked at."""
    assert bytes(9) == decode_strict(encode_canonical(bytes(9)), limit=10)
    with pytest.raises(MessageError) as caught:
        decode_strict(encode_canonical(bytes(10)), limit=10)
    assert caught.value.code == "E-MSG-103"


@pytest.mark.parametrize("value", [1.5, {1, 2}, [object()], {b"key": 0}, 1 << 64, [-(1 << 64) - 1], "\ud800", {1.0: 0}])
def test_other_values_are_not_written(value: object) -> None:
    """What we would not read is not written either."""
    with pytest.raises(MessageError) as caught:
        encode_canonical(value)
    assert caught.value.code == "E-MSG-104"


@settings(max_examples=300)
@given(st.binary(max_size=64))
def test_any_bytes_give_a_value_or_a_message_error(data: bytes) -> None:
    """Whatever comes: a value whose encoding is these bytes, or MessageError."""
    try:
        value = decode_strict(data, limit=64)
    except MessageError:
        return
    assert data == encode_canonical(value)
