"""Each knob provokes its verdict, through the runner and the real driver, on virtual time; late answers stay late."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bus.link import LineSettings
from edge.bus.memory_link import MemoryLink
from edge.bus.runner import run_exchange
from edge.clock import ManualClock
from edge.protocols.drivers import driver
from edge.protocols.exchange import Request, Timing
from edge.reading.outcome import Answer
from edge.reading.verdict import Verdict
from edge.sim.faults import KNOBS, OVERLAP_BYTES, UnknownFaultError, parse_fault
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire

ASKED = "202107072529"
OTHER = "202107072530"
TIMING = Timing(reply_s=0.6, gap_s=0.5)
BYTE_S = 11 / 2400


class _Bench:
    """Meters on a wire of virtual time, and a master that reads them."""

    def __init__(self, *meters: SimMeter, protocol: str = "dlt645-2007", echo: bool = False, baud: int = 2400) -> None:
        self.clock = ManualClock()
        self.line = LineSettings(baud=baud)
        self.link = MemoryLink(self.clock, SimWire(meters, self.clock, line=self.line, echo=echo))
        self._driver = driver(protocol)

    def read(self, di, address=ASKED, late_from=frozenset(), gap_s=0.02):
        exchange = self._driver.read(address, Request(di, ()), TIMING, late_from)
        return run_exchange(self.link, exchange, self.clock, self.line, gap_s=gap_s)

    def find(self, pattern):
        return run_exchange(self.link, self._driver.find(pattern, TIMING), self.clock, self.line, gap_s=0.02)


def _with(fault: str, **kwargs) -> _Bench:
    return _Bench(SimMeter(ASKED, faults=(parse_fault(fault),), **kwargs), SimMeter(OTHER, seed=2))


@pytest.mark.parametrize("di", ["00010000", "0001FF00", "02010100", "0203FF00"])
@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ("dead", Verdict.SILENCE),
        ("garbage", Verdict.GARBAGE),
        ("bad-checksum", Verdict.BAD_CHECKSUM),
        ("cut", Verdict.BAD_CHECKSUM),
        ("wrong-address", Verdict.WRONG_ADDRESS),
        ("refuse", Verdict.REFUSED),
        ("malformed", Verdict.MALFORMED),
        ("foreign-master", Verdict.FOREIGN_MASTER),
        ("late", Verdict.SILENCE),
        ("slow", Verdict.OK),
        ("gap", Verdict.OK),
        ("junk", Verdict.OK),
        ("preamble", Verdict.OK),
        ("preamble:9", Verdict.OK),
    ],
)
def test_knob_gives_its_verdict(fault, verdict, di):
    """One turned knob, one verdict, whichever item is read; the neighbour on the wire is not disturbed."""
    bench = _with(fault)
    assert verdict is bench.read(di).verdict
    assert Verdict.OK is bench.read(di, OTHER).verdict


@pytest.mark.parametrize("baud", [600, 2400, 9600])
@pytest.mark.parametrize("di", ["00010000", "0001FF00", "0201FF00"])
def test_duplicate_address_is_collision(di, baud):
    """A second meter of the same address that answers over the first is told from a damaged answer."""
    twin = SimMeter(ASKED, seed=2, faults=(parse_fault("duplicate"),))
    bench = _Bench(SimMeter(ASKED, seed=1), twin, SimMeter(OTHER, seed=3), baud=baud)
    assert bench.read(di).verdict is Verdict.COLLISION
    assert bench.read(di, OTHER).verdict is Verdict.OK


def test_two_meters_behind_wildcards_are_collision():
    """Asking everybody where two meters are is seen as a collision, not as a damaged answer."""
    late_one = SimMeter(OTHER, seed=2, faults=(parse_fault(f"duplicate:{OVERLAP_BYTES}"),))
    assert _Bench(SimMeter(ASKED), late_one).find("A" * 12).verdict is Verdict.COLLISION


def test_late_answer_meets_the_next_question():
    """An answer that comes after its deadline makes the next read late when that one gets nothing else."""
    bench = _with("late:900")
    assert bench.read("00010000").verdict is Verdict.SILENCE
    outcome = bench.read("02010100")
    assert outcome.verdict is Verdict.LATE


def test_late_meter_does_not_spoil_its_neighbour():
    """The late answer of one meter is not taken for another's, and that one is read all the same."""
    bench = _with("late:900")
    assert bench.read("00010000").verdict is Verdict.SILENCE
    outcome = bench.read("00010000", OTHER, late_from=frozenset({ASKED}))
    assert (Verdict.OK, OTHER) == (outcome.verdict, outcome.address)


def test_vanished_port():
    """A port that is gone is an outcome of its own."""
    bench = _Bench(SimMeter(ASKED))
    bench.link.vanish()
    assert bench.read("00010000").verdict is Verdict.PORT_GONE


def test_refused_blocks_leave_single_items_readable():
    """A meter that refuses blocks says so with the standard's words, and answers single items."""
    bench = _with("no-blocks")
    refused = bench.read("0001FF00")
    assert (Verdict.REFUSED, "02", ("no requested data",)) == (refused.verdict, refused.code, refused.reasons)
    assert bench.read("00010000").verdict is Verdict.OK


@pytest.mark.parametrize("di", ["00010000", "0001FF00", "09999999"])
def test_echo_changes_nothing(di):
    """With an echo on the line the outcome is the same as without, the response time too."""
    meter = {"faults": (), "seed": 5}
    plain, echoed = _Bench(SimMeter(ASKED, **meter)), _Bench(SimMeter(ASKED, **meter), echo=True)
    without, with_echo = plain.read(di), echoed.read(di)
    assert (without.verdict, without.response_ms) == (with_echo.verdict, with_echo.response_ms)
    assert getattr(without, "items", None) == getattr(with_echo, "items", None)


def test_echo_alone_is_silence():
    """A dead meter on a line with an echo is silent: the own request is no answer."""
    bench = _Bench(SimMeter(ASKED, faults=(parse_fault("dead"),)), echo=True)
    assert bench.read("00010000").verdict is Verdict.SILENCE


def test_silence_lasts_exactly_its_deadline():
    """Gap, 20 bytes of request, reply_s: to the microsecond."""
    bench = _with("dead")
    bench.read("00010000")
    assert pytest.approx(1000 + 0.02 + 20 * BYTE_S + 0.6, abs=1e-9) == bench.clock.monotonic()


def test_healthy_read_lasts_what_the_wire_needs():
    """Gap, request, the meter's delay, the answer's bytes: nothing more."""
    bench = _Bench(SimMeter(ASKED, reply_delay_ms=40))
    outcome = bench.read("0001FF00")
    assert pytest.approx(1000 + 0.02 + (20 + 40) * BYTE_S + 0.04, abs=1e-9) == bench.clock.monotonic()
    assert round(1000 * (0.04 + BYTE_S)) == outcome.response_ms


def test_noise_never_gives_a_wrong_value():
    """On a noisy wire every accepted value is the meter's truth; several verdicts show up."""
    meter = SimMeter(ASKED, faults=(parse_fault("noise:0.03"),))
    bench = _Bench(meter)
    verdicts = set()
    for _ in range(200):
        outcome = bench.read("0001FF00", gap_s=0)
        verdicts.add(outcome.verdict)
        if isinstance(outcome, Answer):
            assert meter.answered[-1].values == tuple(item.value for item in outcome.items)
    assert {Verdict.OK, Verdict.BAD_CHECKSUM} <= verdicts


def test_fault_hits_its_share():
    """A fault with a share hits some answers and spares others, the same ones for the same seed."""

    def verdicts():
        bench = _with("bad-checksum@0.5")
        return [bench.read("00010000").verdict for _ in range(40)]

    first = verdicts()
    assert {Verdict.OK, Verdict.BAD_CHECKSUM} == set(first)
    assert first == verdicts()


_DIS = ["00010000", "00010100", "0001FF00", "02010100", "0201FF00", "02030000", "04000401"]


@settings(max_examples=60)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([ASKED, OTHER]), st.sampled_from(_DIS), st.sampled_from([0.0, 0.02, 0.3])),
        min_size=2,
        max_size=12,
    ),
    late_ms=st.tuples(st.integers(0, 2500), st.integers(0, 2500)),
    seed=st.integers(0, 1000),
    frame_data=st.sampled_from([10, 200]),
)
def test_late_answer_is_never_another_ones_value(steps, late_ms, seed, frame_data):
    """However answers drag into later reads, an accepted value was held by the meter asked, for the item asked."""
    meters = {
        address: SimMeter(
            address, seed=seed + n, frame_data=frame_data, faults=(parse_fault(f"late:{late_ms[n]}@0.6"),)
        )
        for n, address in enumerate((ASKED, OTHER))
    }
    bench = _Bench(*meters.values())
    for address, di, gap_s in steps:
        outcome = bench.read(di, address, frozenset(meters), gap_s)
        if isinstance(outcome, Answer):
            held = {answered.values for answered in meters[address].answered if answered.di == di}
            assert address == outcome.address
            assert tuple(item.value for item in outcome.items) in held


@pytest.mark.parametrize("text", list(KNOBS))
def test_every_knob_is_written_as_it_reads(text):
    """Each knob's name alone is a fault, and the text of a fault is read as the same fault."""
    fault = parse_fault(text)
    assert fault == parse_fault(str(fault))
    assert parse_fault(f"{fault}@0.25").share == 0.25


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", '"" is no fault; known: dead, '),
        ("daed", '"daed" is no fault; known: dead, '),
        ("dead:1", "dead takes no value, and a share from 0 to 1"),
        ("dead@2", "dead takes no value, and a share from 0 to 1"),
        ("dead@x", "dead takes no value"),
        ("noise:much", "noise takes share of bytes"),
        ("slow:-1", "slow takes ms"),
        ("wrong-address:12", "wrong-address takes address"),
        ("refuse:xx", "refuse takes ERR, hex"),
        ("late:soon", "late takes ms"),
        ("garbage:lots", "garbage takes bits per byte"),
    ],
)
def test_wrong_fault_is_refused(text, says):
    """A fault that is none, or a value its knob cannot take, is refused with a text that helps."""
    with pytest.raises(UnknownFaultError) as caught:
        parse_fault(text)
    assert says in str(caught.value)
