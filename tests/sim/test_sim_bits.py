"""Bytes on a wire, bit by bit: what a receiver makes of several senders, or of one at another speed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bus.link import LineSettings
from edge.sim.bits import Stream, hear

LINE = LineSettings(baud=1000)  # a bit lasts 1 ms, a byte 11 ms
LINES = st.builds(
    LineSettings, baud=st.sampled_from([600, 2400, 9600]), parity=st.sampled_from(["even", "odd", "none"])
)


def _heard(*streams, line=LINE):
    return b"".join(each.data for each in hear(streams, line))


def test_one_sender_is_heard_as_it_sent():
    """A byte is there when its stop bit is over: 11 ms a byte, and the pauses between."""
    arrivals = hear([Stream(1.0, b"\x68\x01", LINE, pause_s=0.004)], LINE)
    assert [(b"\x68", pytest.approx(1.011)), (b"\x01", pytest.approx(1.026))] == [(a.data, a.at) for a in arrivals]


@given(one=st.binary(min_size=1, max_size=20), data=st.data())
def test_same_instant_is_the_and_of_the_bytes(one, data):
    """Two that talk bit for bit at the same time are heard as the AND of their bytes."""
    two = data.draw(st.binary(min_size=len(one), max_size=len(one)))
    expected = bytes(a & b for a, b in zip(one, two, strict=True))
    assert expected == _heard(Stream(0.0, one, LINE), Stream(0.0, two, LINE))


def test_shift_by_two_bits():
    """FFH and, two bits later, FFH: a start bit, then the second start bit as data bit 1."""
    # Wire from 0 ms, bit by bit: 0 1 0 1 1 1 1 1 1 (parity of FFH is 0) 0 1 0, then idle. As the first byte: data bits
    # 1 0 1 1 1 1 1 1 = FDH, parity 0, stop 1; the second's own parity bit at 11 ms is taken for a start bit: FFH.
    assert b"\xfd\xff" == _heard(Stream(0.0, b"\xff", LINE), Stream(0.002, b"\xff", LINE))


def test_long_zero_is_one_byte():
    """Where a second sender holds the stop bit at 0, the receiver gives what it saw and waits for the next edge."""
    # 00H holds the wire at 0 for 10 bits (start, data, parity); another 00H half a byte later makes it 15.5 in one go.
    assert b"\x00" == _heard(Stream(0.0, b"\x00", LINE), Stream(0.0055, b"\x00", LINE))


def test_glitch_is_no_start_bit():
    """A 0 shorter than half a bit is not taken for a start bit, and the byte behind it is heard."""
    fast = LineSettings(baud=10_000, parity="none")
    assert b"\x55" == _heard(Stream(0.0, b"\xff", fast), Stream(0.005, b"\x55", LINE))


def test_another_speed_is_garbage():
    """A sender at half the speed: each of its bits is seen twice."""
    # 55H at 500 Bd, 2 ms a bit: 0 1 0 1 0 1 ...; seen in the middle of each ms: 0 | 0 1 1 0 0 1 1 0, that is 66H.
    slow = LineSettings(baud=500)
    assert b"\x66" == _heard(Stream(0.0, b"\x55", slow))[:1]


@given(data=st.binary(min_size=1, max_size=30), line=LINES, pace=st.sampled_from([1.0, 100.0]))
def test_sampling_agrees_with_what_was_sent(data, line, pace):
    """Looking bit by bit at a sender alone brings its bytes, at the instants at which they are whole."""
    alone = Stream(5.0, data, line, pace)
    silent_twin = Stream(5.0, data, line, pace)  # the same bits once more change nothing, but make it look at bits
    straight, sampled = (hear(streams, line, pace) for streams in ([alone], [alone, silent_twin]))
    assert [a.data for a in straight] == [a.data for a in sampled]
    assert [a.at for a in straight] == pytest.approx([a.at for a in sampled], abs=1e-9)


@given(
    streams=st.lists(
        st.builds(Stream, start=st.floats(0, 0.3), data=st.binary(max_size=12), line=LINES), min_size=1, max_size=4
    )
)
def test_any_mixture_is_heard_in_order(streams):
    """However senders overlap, bytes come one after the other, no two closer than a byte lasts, none before a start."""
    arrivals = [a.at for a in hear(streams, LINE)]
    assert all(later - sooner > 10.4e-3 for sooner, later in pairwise(arrivals))
    assert all(at >= min(s.start for s in streams if s.data) for at in arrivals)


@pytest.mark.parametrize(("checks", "expected"), [(True, b"\x68\x00\x16"), (False, b"\x68\x11\x16")])
@pytest.mark.parametrize("others", [(), (Stream(9.0, b"\x01", LINE),)])
def test_a_port_that_checks_gives_zero_for_a_byte_with_wrong_parity(checks, expected, others):
    """A byte hit in one data bit has a parity bit that does not fit; only a port that checks notices, alone or not."""
    hit = Stream(0.0, b"\x68\x11\x16", LINE, odd=frozenset({1}))
    heard = b"".join(each.data for each in hear([hit, *others], LINE, checks=checks))
    assert expected == heard[:3]


@pytest.mark.parametrize("begin", [0.0, 0.0015])
def test_a_port_that_checks_looks_at_the_parity_of_overlapping_bytes(begin):
    """Where two talk, the parity bit is the AND of theirs: bytes that it does not fit are given as 00H."""
    both = [Stream(0.0, b"\x07", LINE), Stream(begin, b"\x0e", LINE)]
    plain, checked = (b"".join(each.data for each in hear(both, LINE, checks=checks)) for checks in (False, True))
    assert plain != checked
    assert {0} >= {there for here, there in zip(plain, checked, strict=True) if here != there}


def test_without_parity_nothing_is_checked():
    """On a line set to no parity a hit byte comes through."""
    line = LineSettings(baud=1000, parity="none")
    heard = hear([Stream(0.0, b"\x11", line, odd=frozenset({0}))], line, checks=True)
    assert [b"\x11"] == [each.data for each in heard]
