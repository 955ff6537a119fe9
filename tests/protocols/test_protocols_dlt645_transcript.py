"""Pieces of bytes become lines: frames, what stands between them, what is left over."""

import pytest

from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.transcript import Transcript

A = "202311004511"
ASK = encode_frame(A, 0x11, bytes.fromhex("00000100"))
ANSWER = encode_frame(A, 0x91, bytes.fromhex("0000010078563412"))


def shown(lines):
    return [(line.direction, line.raw, line.frame.address if line.frame else None) for line in lines]


@pytest.mark.parametrize("size", [1, 3, 7, 64])
def test_pieces_of_any_size_give_the_same_lines(size):
    """A frame with its FEH is one line, however the port cut it; its time is that of its first byte."""
    transcript = Transcript()
    lines = transcript.take(1.0, "tx", ASK)
    for at in range(0, len(ANSWER), size):
        lines += transcript.take(1.1 + at / 1000, "rx", ANSWER[at : at + size])
    assert [("tx", ASK, A), ("rx", ANSWER, A)] == shown(lines + transcript.flush())
    assert [1.0, 1.1] == [line.at for line in lines]


def test_noise_before_a_frame_is_a_line_of_its_own():
    """Bytes that belong to no frame are shown where they stood; FEH alone is nothing."""
    lines = Transcript().take(1.0, "rx", b"\x00\x68\x12" + ANSWER)
    assert [("rx", b"\x00\x68\x12", None), ("rx", ANSWER, A)] == shown(lines)
    transcript = Transcript()
    assert [] == transcript.take(1.0, "rx", b"\xfe\xfe") + transcript.flush()


def test_what_is_left_over_ends_with_the_direction_or_with_silence():
    """Half an answer is a line when we ask again, or when 500 ms passed without a byte."""
    transcript = Transcript()
    assert [] == transcript.take(1.0, "rx", ANSWER[:12])
    assert [("rx", ANSWER[:12], None), ("tx", ASK, A)] == shown(transcript.take(1.2, "tx", ASK))
    assert [] == transcript.take(2.0, "rx", ANSWER[:12])
    assert [] == transcript.pass_time(2.4)
    assert [("rx", ANSWER[:12], None)] == shown(transcript.pass_time(2.6))


def test_a_flood_does_not_grow():
    """Bytes without end and without a frame become lines from time to time."""
    transcript = Transcript()
    lines = [line for n in range(100) for line in transcript.take(n / 100, "rx", b"\x68" * 100)]
    assert 2 == len(lines)


def test_both_directions_may_come_as_one():
    """Whoever only listens hears request and answer in one stream: two lines."""
    assert [("rx", ASK, A), ("rx", ANSWER, A)] == shown(Transcript().take(1.0, "rx", ASK + ANSWER))
