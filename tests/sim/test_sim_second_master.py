"""A second master on the wire, on virtual time: what ours hears of it, and what happens when both talk at once."""

from itertools import pairwise

import pytest

from edge.bus.link import LineSettings
from edge.bus.memory_link import MemoryLink
from edge.bus.runner import run_exchange
from edge.clock import ManualClock
from edge.protocols.dlt645.frame import Frame, FrameReader, NeedData, encode_frame
from edge.protocols.dlt645.overheard import Overheard
from edge.protocols.drivers import driver
from edge.protocols.exchange import Request, Timing
from edge.reading.verdict import Verdict
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.sim.second_master import SecondMaster
from edge.sim.wire import SimWire

OURS, THEIRS = "000000000001", "000000000002"
BYTE_S = 11 / 2400
REQUEST = encode_frame(THEIRS, 0x11, bytes.fromhex("00000100"))


class _Bench:
    def __init__(self, *, first_s=1.0, every_s=10.0, faults=(), meters=((THEIRS, "2007"),)):
        self.clock = ManualClock(monotonic_s=0.0)
        master = SecondMaster(meters, begin=first_s, every_s=every_s)
        built = [SimMeter(address, seed=n, faults=faults) for n, address in enumerate((OURS, THEIRS))]
        self.wire = SimWire(built, self.clock, second_master=master)
        self.link = MemoryLink(self.clock, self.wire)

    def listen(self, seconds):
        """Return what is heard in so many seconds, each piece with its instant."""
        end = self.clock.monotonic() + seconds
        heard = []
        while (left := end - self.clock.monotonic()) > 1e-9:
            data = self.link.read(512, left)
            heard += [(self.clock.monotonic(), data)] if data else []
        return heard

    def read(self, address=OURS, listener=None):
        exchange = driver("dlt645-2007").read(address, Request("00010000", ()), Timing(reply_s=0.6))
        return run_exchange(self.link, exchange, self.clock, LineSettings(), gap_s=0.02, listener=listener)


def _frames(data):
    reader = FrameReader()
    reader.receive(data)
    frames = []
    while (event := reader.next_event()) is not NeedData.NEED_DATA:
        frames += [event] if isinstance(event, Frame) else []
    return frames


def test_request_and_answer_are_heard():
    """A listening master hears the other's request byte by byte at its time, then the meter's answer."""
    bench = _Bench()
    heard = bench.listen(5)
    data = b"".join(data for _, data in heard)
    assert REQUEST == data[:20]
    assert [pytest.approx(1 + (n + 1) * BYTE_S) for n in range(20)] == [at for at, _ in heard[:20]]
    assert [(THEIRS, 0x11), (THEIRS, 0x91)] == [(frame.address, frame.control) for frame in _frames(data)]


def test_timetable():
    """Each round asks all its meters, half a second apart, and comes again after its period."""
    bench = _Bench(every_s=4.0, meters=((THEIRS, "2007"), (OURS, "2007")))
    asked = [(frame.address, frame.control) for frame in _frames(b"".join(data for _, data in bench.listen(9.9)))]
    one_round = [(THEIRS, 0x11), (THEIRS, 0x91), (OURS, 0x11), (OURS, 0x91)]
    assert one_round * 3 == asked


def test_round_needs_its_time():
    """More meters than fit into a period are refused."""
    with pytest.raises(ValueError, match="5 meters every 2 s"):
        SecondMaster([(OURS, "2007")] * 5, begin=0.0, every_s=2)


def test_1997_request():
    """A 1997 meter is asked with that version's function and identifier."""
    master = SecondMaster([(THEIRS, "1997")], begin=0.0)
    assert encode_frame(THEIRS, 0x01, bytes.fromhex("1090")) == master.next_request()


def test_between_its_requests_we_read_undisturbed():
    """While the other is quiet, everything is as without it."""
    bench = _Bench(first_s=2.0)
    assert Verdict.OK is bench.read().verdict


def test_question_of_the_other_while_we_wait():
    """Our meter dead, the other's request and answer heard instead: a verdict of its own."""
    bench = _Bench(first_s=0.3, faults=(parse_fault("dead"),))
    outcome = bench.read()
    assert Verdict.FOREIGN_MASTER is outcome.verdict
    assert REQUEST in outcome.raw


def test_answer_is_still_ours_when_the_other_asks_behind_it():
    """Our answer came before the other began: it is taken."""
    # The read lasts 20 ms gap, 20 bytes, 30 ms, 24 bytes: 0.252 s.
    assert Verdict.OK is _Bench(first_s=0.26).read().verdict


@pytest.mark.parametrize("first_s", [0.03, 0.06, 0.1])
def test_two_requests_at_once_reach_nobody(first_s):
    """The other begins while we send: neither meter understands, so nobody answers."""
    bench = _Bench(first_s=first_s, every_s=60)
    assert Verdict.OK is not bench.read().verdict
    assert [] == [frame for frame in _frames(b"".join(data for _, data in bench.listen(5))) if frame.is_response]


def test_we_talk_into_its_request():
    """We begin while the other sends: neither meter understands."""
    bench = _Bench(first_s=0.0, every_s=60)
    first = bench.link.read(1, 1.0)
    assert REQUEST[:1] == first
    bench.link.write(encode_frame(OURS, 0x11, bytes.fromhex("00000100")), 1.0)
    heard = b"".join(data for _, data in bench.listen(5))
    assert [] == [frame for frame in _frames(heard) if frame.is_response]


def test_it_talks_into_our_answer():
    """The other begins while our meter answers: the answer arrives damaged, its own meter hears nothing."""
    # Our answer stands from 0.02 + 20 bytes + 0.03 = 0.142 s to 0.252 s.
    bench = _Bench(first_s=0.2, every_s=60)
    outcome = bench.read()
    assert outcome.verdict not in (Verdict.OK, Verdict.SILENCE)
    assert [] == _frames(b"".join(data for _, data in bench.listen(5)))


def test_what_overlaps_is_one_stream():
    """Where the other talks into our answer, one receiver hears one byte at a time, and none of both is whole."""
    bench = _Bench(first_s=0.2 + BYTE_S / 3, every_s=60)
    arrivals = bench.wire.transmit(encode_frame(OURS, 0x11, bytes.fromhex("00000100")), 0.02)
    times = [arrival.at for arrival in arrivals]
    assert all(later - sooner > 10.4 / 2400 for sooner, later in pairwise(times))
    assert [] == _frames(b"".join(arrival.data for arrival in arrivals))


def test_every_request_is_heard_once():
    """An hour with a request every ten seconds: 360 of them, none twice."""
    bench = _Bench()
    asked = [frame for frame in _frames(b"".join(data for _, data in bench.listen(3600))) if not frame.is_response]
    assert 360 == len(asked)


def test_what_the_other_said_before_is_dropped():
    """What is dropped of the other's talk is gone, also what nobody had asked for yet; what it says later is heard."""
    bench = _Bench(every_s=10.0)
    bench.clock.sleep(1.05)  # its request began at 1 s and lasts 92 ms
    bench.link.drop_input()
    rest = b"".join(data for _, data in bench.listen(2))
    assert REQUEST[10:] == rest[:10]
    assert [(THEIRS, 0x91)] == [(frame.address, frame.control) for frame in _frames(rest)]
    bench.clock.sleep(20)
    bench.link.drop_input()
    assert [] == bench.listen(5)


@pytest.mark.parametrize("more", [(), ("refuse",)], ids=["answer", "refusal"])
def test_what_the_meter_owed_the_other_is_not_taken(more):
    """It answers the other so late that we have asked it too: what comes first is of before our question."""
    bench, listener = _Bench(faults=(parse_fault("late:1200"), *map(parse_fault, more))), Overheard()
    bench.clock.sleep(1.5)  # the other's question has been heard, and nobody has answered
    assert Verdict.FOREIGN_MASTER is bench.read(THEIRS, listener).verdict
    assert 1 == listener.foreign
