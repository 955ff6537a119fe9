"""Frames both ways, and a reader that finds them whatever stands around them and however the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.protocols.dlt645.frame import (
    MAX_FRAME,
    BadFrame,
    Frame,
    FrameError,
    FrameReader,
    NeedData,
    encode_frame,
    parse_flat,
)

_ADDRESSES = st.integers(0, 10**12 - 1).map("{:012d}".format)
_FRAMES = st.builds(encode_frame, _ADDRESSES, st.integers(0, 255), st.binary(max_size=60), st.integers(0, 6))
# Noise that cannot itself be the start of a frame that swallows what follows: any bytes, 68H among them, but few.
_NOISE = st.lists(st.sampled_from([0x00, 0x16, 0x68, 0xFE, 0xFF, 0x91, 0x33]), max_size=20).map(bytes)


def _events(chunks: list[bytes]) -> list[Frame | BadFrame]:
    reader = FrameReader()
    found: list[Frame | BadFrame] = []
    for chunk in chunks:
        reader.receive(chunk)
        found += _drain(reader)
    reader.give_up()
    return found + _drain(reader)


def _drain(reader: FrameReader) -> list[Frame | BadFrame]:
    found = []
    while (event := reader.next_event()) is not NeedData.NEED_DATA:
        found.append(event)
    return found


def _good(events: list[Frame | BadFrame]) -> list[bytes]:
    return [event.raw for event in events if isinstance(event, Frame)]


@given(_ADDRESSES, st.integers(0, 255), st.binary(max_size=255), st.integers(0, 8))
def test_frame_both_ways(address: str, control: int, data: bytes, preamble: int):
    """What was encoded is read back: address, control code, data and the length of the preamble."""
    raw = encode_frame(address, control, data, preamble)
    assert [Frame(address, control, data, raw[preamble:], preamble)] == _events([raw])


@given(st.lists(st.one_of(_FRAMES, _NOISE), max_size=6).map(b"".join), st.lists(st.integers(0, 400), max_size=8))
def test_any_split_gives_the_same_events(stream: bytes, cuts: list[int]):
    """How the bytes are cut into pieces has no influence on what is found."""
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert _events([stream]) == _events(pieces) == _events([bytes((byte,)) for byte in stream])


@settings(max_examples=200)
@given(_NOISE, _FRAMES, _NOISE, _FRAMES, _NOISE)
def test_noise_loses_no_frame(before: bytes, one: bytes, between: bytes, other: bytes, after: bytes):
    """Noise before, between and after frames loses none of them once the deadline has passed."""
    good = _good(_events([before + one + between + other + after]))
    for raw in (one.lstrip(b"\xfe"), other.lstrip(b"\xfe")):
        assert raw in good or any(_hides(found, raw) for found in good)


def _hides(found: bytes, raw: bytes) -> bool:
    """Return whether a frame that noise happened to make lies over the one sought."""
    return any(found.endswith(raw[:size]) for size in range(1, len(raw) + 1))


def test_false_start_is_freed_at_the_deadline():
    """A 68H of noise that seems to announce a long frame holds up the good one only until the deadline."""
    false_start = b"\x68\x01\x02\x03\x04\x05\x06\x68\x91\xff"
    good = encode_frame("000000000161", 0x91, b"\0\0\1\0\x26\0\0\0", 0)
    reader = FrameReader()
    reader.receive(false_start + good)
    assert NeedData.NEED_DATA is reader.next_event()
    reader.give_up()
    first, second = _drain(reader)
    assert isinstance(first, BadFrame)
    assert ("truncated", good) == (first.reason, second.raw)


def test_address_full_of_wake_bytes_swallows_nothing():
    """`68 FE FE FE FE FE FE 68` in front of a good frame does not hide it."""
    good = encode_frame("000000000161", 0x91, b"\x01", 0)
    assert [good] == _good(_events([b"\x68" + b"\xfe" * 6 + good]))


def test_end_is_found_by_length_not_by_16h():
    """16H as address, data and checksum byte does not end a frame early."""
    raw = bytes.fromhex("68610100000000681104333336331616")
    assert [raw] == _good(_events([raw]))
    many = encode_frame("161616161616", 0x91, bytes((0xE3, 0x35)) * 4, 0)
    assert [many] == _good(_events([many]))


@pytest.mark.parametrize(("place", "reason"), [(-1, "end"), (-2, "checksum"), (10, "checksum"), (1, "checksum")])
def test_one_wrong_byte_is_a_bad_frame(place: int, reason: str):
    """A flipped bit at the end, in the checksum, the data or the address is told apart and counted, never raised."""
    raw = bytearray(encode_frame("000000000161", 0x91, b"\1\2\3\4", 0))
    raw[place] ^= 1
    (bad,) = _events([bytes(raw)])
    assert isinstance(bad, BadFrame)
    assert (reason, bytes(raw)) == (bad.reason, bad.raw)


def test_mere_noise_is_no_bad_frame():
    """Bytes that start no frame are counted and give no event; FEH is not even noise."""
    reader = FrameReader()
    reader.receive(b"\xfe\xfe\x00\xff\x68\x12\x34")
    reader.give_up()
    assert [] == _drain(reader)
    assert reader.noise == 5


def test_flood_of_68h_is_worked_off():
    """A line that sends nothing but 68H neither blocks the next frame nor fills the memory."""
    good = encode_frame("000000000161", 0x91, b"\x01", 0)
    events = _events([b"\x68" * 3000 + b"\xfe" * MAX_FRAME + good])
    assert [good] == _good(events)


def test_buffer_is_bounded():
    """Bytes that nobody asks for are dropped beyond the limit, and counted; the newest frame is still found."""
    good = encode_frame("000000000161", 0x91, b"\x01", 0)
    reader = FrameReader()
    for _ in range(3):
        reader.receive(bytes(40_000))
    reader.receive(good)
    assert [good] == _good(_drain(reader))
    assert reader.dropped == 3 * 40_000 + len(good) - 65_536


@pytest.mark.parametrize(
    "address", ["", "12345678901", "1234567890123", "00000000016g", "0000 0000 016", "１２３４５６７８９０１２"]
)
def test_wrong_address_is_refused(address: str):
    """An address that has not 12 digits never reaches the wire."""
    with pytest.raises(ValueError, match=r"address|hex"):
        encode_frame(address, 0x11)


def test_more_data_than_a_length_byte_can_say():
    """256 data bytes make no frame; 255 do."""
    assert len(encode_frame("0" * 12, 0x91, bytes(255), 0)) == MAX_FRAME
    with pytest.raises(ValueError, match="256"):
        encode_frame("0" * 12, 0x91, bytes(256))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [("", "truncated"), ("68", "truncated"), ("FF" * 12, "truncated"), ("00" * 12, "no_start")],
)
def test_parse_flat_takes_exactly_one_frame(raw: str, reason: str):
    """The fast parser refuses what is not exactly one frame, with the reason."""
    with pytest.raises(FrameError) as caught:
        parse_flat(bytes.fromhex(raw))
    assert reason == caught.value.reason


def test_bits_of_the_control_code():
    """Direction, refusal, follow-up and function are bits of one byte."""
    frame = Frame("0" * 12, 0xB1, b"", b"")
    assert (True, False, True, 0x11) == (frame.is_response, frame.is_abnormal, frame.has_more, frame.function)
    assert Frame("0" * 12, 0xD1, b"", b"").is_abnormal
    assert not Frame("0" * 12, 0x51, b"", b"").is_abnormal
