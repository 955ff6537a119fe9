"""The runner by itself: deadlines to the microsecond on virtual time, follow-ups, lost ports, the tap."""

from collections.abc import Sequence

import pytest

from edge.bus.link import LineSettings
from edge.bus.memory_link import Arrival, MemoryLink
from edge.bus.runner import run_exchange
from edge.bus.trace import TraceEvent, TraceRing
from edge.clock import ManualClock
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.drivers import driver
from edge.protocols.exchange import Progress, Request, Timing
from edge.reading.outcome import Garbage, Outcome, Silence
from edge.reading.verdict import Verdict
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire

LINE = LineSettings(baud=2400)
BYTE_S = 11 / 2400
TIMING = Timing(reply_s=0.6, gap_s=0.5)


class _Ask:
    """An exchange that wants so many bytes for each of its requests."""

    timing = TIMING
    longest_reply = 20
    missing = 1

    def __init__(self, *wants: tuple[bytes, int]) -> None:
        self._wants = list(wants)
        self.heard = b""
        self._now = b""
        self.outcome: Outcome | None = None

    def request(self) -> bytes:
        return self._wants[0][0]

    def receive(self, data: bytes) -> Progress:
        self.heard += data
        self._now += data
        if len(self._now) < self._wants[0][1]:
            return Progress.WAIT
        self._wants.pop(0)
        self._now = b""
        if self._wants:
            return Progress.SEND
        self.outcome = Garbage()
        return Progress.DONE

    def give_up(self) -> Outcome:
        return Garbage() if self.heard else Silence()


class _Script:
    """A wire that answers each request with bytes at times counted from the request's computed end."""

    def __init__(self, *answers: Sequence[tuple[float, bytes]]) -> None:
        self._answers = list(answers)
        self.asked_at: list[float] = []

    def transmit(self, data: bytes, at: float, line=None) -> list[Arrival]:
        self.asked_at.append(at)
        ended = at + len(data) * BYTE_S
        return [Arrival(ended + after, said) for after, said in (self._answers.pop(0) if self._answers else ())]


def _run(exchange, wire, *, gap_s=0.02, clock=None, unasked=(), tap=None):
    clock = clock or ManualClock()
    link = MemoryLink(clock, wire)
    link.hear(unasked)
    return run_exchange(link, exchange, clock, LINE, gap_s=gap_s, tap=tap), clock


def test_silence_costs_exactly_gap_request_and_reply_time():
    """A silent meter costs the gap, the request's own time on the wire, and reply_s: nothing else."""
    outcome, clock = _run(_Ask((bytes(16), 1)), _Script())
    assert outcome.verdict is Verdict.SILENCE
    assert pytest.approx(1000 + 0.02 + 16 * BYTE_S + 0.6, abs=1e-9) == clock.monotonic()


def test_no_gap_asks_at_once():
    """With gap 0 the request starts in the same instant."""
    wire = _Script([(0.1, b"x")])
    _run(_Ask((b"q", 1)), wire, gap_s=0)
    assert wire.asked_at == [1000.0]


def test_first_byte_may_come_until_the_deadline():
    """An answer whose first byte comes just inside reply_s is taken; just outside it is not."""
    inside, _ = _run(_Ask((b"q", 1)), _Script([(0.599, b"x")]))
    outside, _ = _run(_Ask((b"q", 1)), _Script([(0.601, b"x")]))
    assert [inside.raw, outside.raw] == [b"x", b""]


def test_every_chunk_moves_the_deadline_by_the_gap():
    """After a byte the next may take gap_s more, beyond reply_s."""
    outcome, _ = _run(_Ask((b"q", 2)), _Script([(0.5, b"a"), (0.99, b"b")]))
    assert outcome.raw == b"ab"


def test_gap_inside_an_answer_ends_it():
    """A byte later than gap_s after the one before is not waited for."""
    outcome, clock = _run(_Ask((b"q", 2)), _Script([(0.5, b"a"), (1.01, b"b")]), gap_s=0)
    assert outcome.raw == b"a"
    assert pytest.approx(1000 + BYTE_S + 1.0, abs=1e-9) == clock.monotonic()


def test_babble_ends_at_the_bound():
    """A wire that never falls silent costs the time of the longest sound answer and one gap more, then it is over."""
    babble = [(0.1 * n, b"\xaa") for n in range(1, 100)]
    exchange = _Ask((b"q", 1000))
    outcome, clock = _run(exchange, _Script(babble), gap_s=0)
    assert outcome.verdict is Verdict.GARBAGE
    assert pytest.approx(1000 + BYTE_S + 0.6 + 20 * BYTE_S + 0.5, abs=1e-9) == clock.monotonic()


def test_echo_does_not_shorten_the_wait():
    """The own request heard back leaves the whole reply_s to the meter, and does not count as its answer."""
    request = bytes(16)
    outcome, _ = _run(_Ask((request, 17)), _Script([(0.0, request), (0.59, b"x")]))
    assert outcome.raw == request + b"x"
    assert outcome.response_ms == 590


def test_response_time_is_the_first_byte_of_the_first_answer():
    """response_ms counts from the request's computed end to the first byte, of the first request."""
    wire = _Script([(0.035, b"a"), (0.2, b"b")], [(0.3, b"c")])
    outcome, _ = _run(_Ask((b"one", 2), (b"two", 1)), wire)
    assert outcome.response_ms == 35
    assert outcome.raw == b"abc"


def test_follow_up_is_asked_at_once():
    """A follow-up request goes out when the answer before is whole, and has its own deadline."""
    wire = _Script([(0.5, b"a")], [(0.55, b"b")])
    outcome, _ = _run(_Ask((b"one", 1), (b"two", 1)), wire, gap_s=0)
    assert outcome.raw == b"ab"
    assert pytest.approx(1000 + 3 * BYTE_S + 0.5, abs=1e-9) == wire.asked_at[1]


def test_an_answer_without_end_is_given_up():
    """However many follow-up frames are announced, half a minute is all that one exchange gets."""
    wire = _Script(*[[(0.4, b"x")] for _ in range(200)])
    _, clock = _run(_Ask(*[(b"q", 1) for _ in range(200)]), wire)
    assert 1030 < clock.monotonic() < 1032


def test_waits_for_quiet_before_asking():
    """Bytes still on their way hold the request back until the wire was silent for the gap; they are not the answer."""
    stale = [Arrival(1000.0 + 0.015 * n, b"s") for n in range(1, 11)]
    wire = _Script([(0.05, b"x")])
    outcome, _ = _run(_Ask((b"q", 1)), wire, unasked=stale)
    assert outcome.raw == b"x"
    assert pytest.approx(1000 + 0.15 + 0.02) == wire.asked_at[0]


def test_stale_bytes_are_dropped_even_without_a_gap():
    """What lay unread before the request is not its answer, also where no quiet is waited for."""
    wire = _Script([(0.05, b"x")])
    outcome, _ = _run(_Ask((b"q", 1)), wire, gap_s=0, unasked=[Arrival(999.0, b"stale")])
    assert outcome.raw == b"x"


def test_endless_noise_does_not_hold_the_request_for_ever():
    """After 2 s of noise the request goes out all the same."""
    noise = [Arrival(1000.0 + 0.01 * n, b"n") for n in range(1000)]
    wire = _Script()
    _run(_Ask((b"q", 10_000)), wire, unasked=noise)
    assert pytest.approx(1002.0, abs=0.02) == wire.asked_at[0]


class _Gone(_Script):
    """A wire whose port vanishes when the request is out."""

    def __init__(self, *answers) -> None:
        super().__init__(*answers)
        self.link: MemoryLink | None = None

    def transmit(self, data, at, line=None):
        self.link.vanish()
        return super().transmit(data, at, line)


def test_vanished_port_is_an_outcome():
    """A port that vanishes in the middle of an exchange gives port_gone and raises nothing."""
    clock, wire = ManualClock(), _Gone([(0.1, b"x")])
    wire.link = MemoryLink(clock, wire)
    outcome = run_exchange(wire.link, _Ask((b"q", 1)), clock, LINE, gap_s=0.02)
    assert outcome.verdict is Verdict.PORT_GONE


def test_port_that_was_gone_before_is_an_outcome():
    """A port that vanished between two exchanges gives port_gone at once."""
    clock = ManualClock()
    link = MemoryLink(clock, _Script())
    link.vanish()
    outcome = run_exchange(link, _Ask((b"q", 1)), clock, LINE, gap_s=0.02)
    assert (outcome.verdict, clock.monotonic()) == (Verdict.PORT_GONE, 1000.0)


def test_tap_sees_both_directions():
    """The tap gets the request with the start of its transmission, and the answer with the moment it was read."""
    ring = TraceRing(10)
    _run(_Ask((b"ask", 1)), _Script([(0.1, b"x")]), gap_s=0.02, tap=ring.add)
    sent, heard = ring.events()
    assert TraceEvent(1000.02, "tx", b"ask") == sent
    assert (heard.direction, heard.data) == ("rx", b"x")
    assert pytest.approx(1000.02 + 3 * BYTE_S + 0.1) == heard.at_monotonic


def test_trace_ring_forgets_the_oldest():
    """The ring keeps the last events, oldest first."""
    ring = TraceRing(2)
    events = [TraceEvent(float(n), "rx", b"x") for n in range(3)]
    for event in events:
        ring.add(event)
    assert tuple(events[1:]) == ring.events()


def test_byte_time_counts_parity_and_stop_bits():
    """8E1 has 11 bits a byte, 8N1 ten, 7O2 eleven."""
    assert pytest.approx(11 / 2400) == LineSettings().byte_time_s
    assert pytest.approx(10 / 9600) == LineSettings(baud=9600, parity="none").byte_time_s
    assert pytest.approx(11 / 300) == LineSettings(baud=300, parity="odd", data_bits=7, stop_bits=2).byte_time_s


def test_a_frame_under_way_is_slept_through(monkeypatch):
    """While bytes arrive that decide nothing, nobody looks; the answer is taken at the instant it is complete."""
    reads = []

    class Counting(MemoryLink):
        def read(self, limit, timeout_s):
            reads.append(super().read(limit, timeout_s))
            return reads[-1]

    outcomes = []
    for awake in (2, 1000):
        monkeypatch.setattr("edge.bus.runner._AWAKE_FOR", awake)
        reads.clear()
        clock = ManualClock()
        link = Counting(clock, SimWire([SimMeter("202107072529")], clock))
        exchange = driver("dlt645-2007").read("202107072529", Request("0001FF00", ()), Timing())
        outcome = run_exchange(link, exchange, clock, LineSettings(), gap_s=0)
        outcomes.append((outcome.raw, outcome.response_ms, round(clock.monotonic(), 6), len(reads)))
    (slept, awake) = outcomes
    assert slept[:3] == awake[:3]
    assert slept[3] < awake[3] / 3


def test_a_frame_that_breaks_off_is_not_slept_for_longer_than_its_gap():
    """A meter that announces two hundred bytes at 600 Bd and sends twelve is given up in time."""
    clock = ManualClock()
    head = encode_frame("202107072529", 0x91, bytes(200))[:16]
    line = LineSettings(baud=600)

    class Broken:
        def transmit(self, data, at, line=None):
            end = at + len(data) * 11 / 600 + 0.03
            return [Arrival(end + (n + 1) * 11 / 600, head[n : n + 1]) for n in range(len(head))]

    exchange = driver("dlt645-2007").read("202107072529", Request("00010000", ()), Timing())
    before = clock.monotonic()
    outcome = run_exchange(MemoryLink(clock, Broken()), exchange, clock, line, gap_s=0)
    assert Verdict.BAD_CHECKSUM is outcome.verdict
    sent_s, heard_s = 20 * 11 / 600, 0.03 + 16 * 11 / 600
    assert clock.monotonic() - before <= sent_s + heard_s + 0.5 + 0.25
