"""The simulated wire: requests in pieces, broken ones, overlapping bytes, speed."""

import pytest

from edge.bus.link import LineSettings
from edge.clock import ManualClock
from edge.protocols.dlt645.frame import encode_frame
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire

ADDRESS = "000012345678"
REQUEST = encode_frame(ADDRESS, 0x11, bytes.fromhex("00000100"))
BYTE_S = 11 / 2400


def _wire(*, fast=False, echo=False, delay_ms=30):
    clock = ManualClock()
    return SimWire([SimMeter(ADDRESS, reply_delay_ms=delay_ms)], clock, fast=fast, echo=echo)


def test_answer_comes_byte_by_byte():
    """The first byte is whole one byte time after the meter's delay, and each further one a byte time later."""
    arrivals = _wire().transmit(REQUEST, 1000.0)
    first = 1000 + 20 * BYTE_S + 0.03
    assert [first + (n + 1) * BYTE_S for n in range(24)] == pytest.approx([arrival.at for arrival in arrivals])
    assert {1} == {len(arrival.data) for arrival in arrivals}


def test_request_in_pieces_ends_with_its_last_byte():
    """Pieces handed over at once still take their time on the wire; the answer is the same as to the whole."""
    whole = _wire().transmit(REQUEST, 1000.0)
    wire = _wire()
    pieces = [wire.transmit(REQUEST[n : n + 5], 1000.0) for n in range(0, 20, 5)]
    assert [0, 0, 0, 24] == [len(piece) for piece in pieces]
    assert [a.data for a in whole] == [a.data for a in pieces[-1]]
    assert [a.at for a in whole] == pytest.approx([a.at for a in pieces[-1]])


def test_half_a_request_is_forgotten_after_a_pause():
    """A request that broke off does not swallow the next one."""
    wire = _wire()
    wire.transmit(encode_frame(ADDRESS, 0x11, bytes(190))[:60], 1000.0)
    assert len(wire.transmit(REQUEST, 1002.0)) == 24


def test_fast_wire_is_a_hundred_times_faster():
    """Delay and bytes shrink alike."""
    (*_, last) = _wire(fast=True).transmit(REQUEST, 1000.0)
    assert pytest.approx(1000 + (44 * BYTE_S + 0.03) / 100) == last.at


def test_echo_is_the_request():
    """With an echo the master hears its own bytes first, each when it was on the wire."""
    arrivals = _wire(echo=True).transmit(REQUEST, 1000.0)
    assert REQUEST == b"".join(arrival.data for arrival in arrivals[:20])
    assert pytest.approx(1000 + 20 * BYTE_S) == arrivals[19].at


def test_overlapping_bytes_are_anded():
    """Two meters that answer at the same time are heard as one stream in which the zeros win."""
    clock = ManualClock()
    line = LineSettings()
    meters = [SimMeter(ADDRESS, seed=seed) for seed in (1, 2)]
    one, two = (SimWire([meter], clock, line=line).transmit(REQUEST, 1000.0) for meter in meters)
    both = SimWire(meters, clock, line=line).transmit(REQUEST, 1000.0)
    expected = [bytes((a.data[0] & b.data[0],)) for a, b in zip(one, two, strict=True)]
    assert expected == [arrival.data for arrival in both]
    assert expected != [arrival.data for arrival in one]


@pytest.mark.parametrize("line", [LineSettings(baud=9600), LineSettings(parity="none")])
def test_a_port_that_is_set_otherwise_is_not_understood(line):
    """Another speed, another parity: no answer, an echo at the port's own speed; then the right setting works."""
    wire = _wire(echo=True)
    heard = wire.transmit(REQUEST, 1000.0, line)
    assert REQUEST == b"".join(arrival.data for arrival in heard)
    assert pytest.approx(1000 + 20 * line.byte_time_s) == heard[-1].at
    assert 44 == len(wire.transmit(REQUEST, 1000.5, LineSettings()))
