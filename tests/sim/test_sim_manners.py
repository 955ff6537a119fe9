"""How a meter wants to be talked to: speed, parity, wake-up bytes, quiet; and when it is not there at all."""

import re
from dataclasses import replace

import pytest

from edge.bus.link import LineSettings
from edge.bus.memory_link import MemoryLink
from edge.bus.runner import run_exchange
from edge.clock import ManualClock
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.drivers import driver
from edge.protocols.exchange import Request, Timing
from edge.reading.verdict import Verdict
from edge.sim.faults import UnknownFaultError, parse_fault
from edge.sim.meter import SimMeter
from edge.sim.traits import TRAITS
from edge.sim.wire import Adapter, SimWire

ADDRESS = "202107072529"
OTHER = "202107072530"
LINE = LineSettings()
BYTE_S = 11 / 2400


class _Bench:
    def __init__(self, *faults, adapter=None, line=LINE, **kwargs):
        self.meter = SimMeter(ADDRESS, faults=tuple(map(parse_fault, faults)), **kwargs)
        self.clock = ManualClock()
        self.wire = SimWire([self.meter, SimMeter(OTHER)], self.clock, line=line, adapter=adapter)
        self.link = MemoryLink(self.clock, self.wire)

    def read(self, address=ADDRESS, *, line=LINE, gap_s=0.02, wake=4):
        timing = Timing(reply_s=0.6, gap_s=0.5, wake=wake)
        exchange = driver("dlt645-2007").read(address, Request("00010000", ()), timing)
        return run_exchange(self.link, exchange, self.clock, line, gap_s=gap_s)

    def order(self, control, data, address=ADDRESS, line=LINE):
        """Return the frame that answers, 68H to 16H, as the master hears it."""
        self.link.use(line)
        self.link.write(encode_frame(address, control, data), 5)
        heard = b""
        while more := self.link.read(100, 1.0):
            heard += more
        return heard.lstrip(b"\xfe")


@pytest.mark.parametrize(("own", "asked"), [(9600, 2400), (600, 1200), (2400, 9600)])
def test_meter_of_another_speed_is_deaf(own, asked):
    """A meter at another speed than the master's port hears no question; at its own it answers."""
    bench = _Bench(f"speed:{own}")
    assert Verdict.SILENCE is bench.read(line=LineSettings(baud=asked)).verdict
    assert Verdict.OK is bench.read(line=LineSettings(baud=own)).verdict


def test_meter_of_another_parity_is_deaf():
    """Parity belongs to the line as speed does."""
    bench = _Bench("parity:none")
    assert [Verdict.SILENCE, Verdict.OK] == [
        bench.read(line=replace(LINE, parity=parity)).verdict for parity in ("even", "none")
    ]


def test_answer_takes_the_meters_own_byte_times():
    """At 9600 an answer of 24 bytes ends 24 byte times of 9600 after the meter's delay."""
    bench = _Bench("speed:9600", reply_delay_ms=40)
    arrivals = bench.wire.transmit(encode_frame(ADDRESS, 0x11, bytes(4)), 1000.0, LineSettings(baud=9600))
    assert pytest.approx(1000 + (20 + 24) * 11 / 9600 + 0.04, abs=1e-6) == arrivals[-1].at


def test_changed_speed():
    """17H is confirmed at the old speed; then the meter hears the new one only, its neighbour still the old one."""
    bench = _Bench()
    assert encode_frame(ADDRESS, 0x97, b"\x20", 0) == bench.order(0x17, b"\x20")
    fast = LineSettings(baud=9600)
    verdicts = [bench.read(line=line).verdict for line in (LINE, fast)]
    assert [Verdict.SILENCE, Verdict.OK] == verdicts
    assert Verdict.OK is bench.read(OTHER).verdict


@pytest.mark.parametrize("speeds", [b"\x00", b"\x30", b"\x80", b"\x20\x20", b""])
def test_impossible_speed_is_refused(speeds):
    """A speed byte needs exactly one of the standard's bits; else ERR bit 3, and the speed stays."""
    bench = _Bench()
    assert encode_frame(ADDRESS, 0xD7, b"\x08", 0) == bench.order(0x17, speeds)
    assert Verdict.OK is bench.read().verdict


def test_meter_that_keeps_its_speed():
    """A meter may refuse any change of speed with ERR bit 3."""
    assert encode_frame(ADDRESS, 0xD7, b"\x08", 0) == _Bench("fixed-speed").order(0x17, b"\x20")


def test_same_meter_on_another_wire_keeps_its_new_speed():
    """The speed belongs to the meter: a wire opened anew does not bring the old one back."""
    bench = _Bench()
    bench.order(0x17, b"\x20")
    SimWire([bench.meter], bench.clock)
    assert 9600 == bench.meter.line.baud


def test_wake_up_bytes():
    """A meter that needs two FEH is deaf with one, and hears with two."""
    bench = _Bench("needs-wake:2")
    assert [Verdict.SILENCE, Verdict.OK] == [bench.read(wake=wake).verdict for wake in (1, 2)]


def test_wake_up_bytes_of_a_sleeper():
    """A meter that falls asleep after two idle seconds needs its FEH then, and not before."""
    bench = _Bench("needs-wake:4/2")
    assert Verdict.SILENCE is bench.read(wake=0).verdict
    assert [Verdict.OK, Verdict.OK] == [bench.read(wake=wake).verdict for wake in (4, 0)]
    bench.clock.advance(2.0)
    assert Verdict.SILENCE is bench.read(wake=0).verdict


@pytest.mark.parametrize(("gap_ms", "verdict"), [(0, Verdict.SILENCE), (49, Verdict.SILENCE), (50, Verdict.OK)])
def test_quiet_before_a_request(gap_ms, verdict):
    """A request that begins sooner after the last byte on the wire than the meter bears is not heard."""
    bench = _Bench("needs-quiet:50")
    assert Verdict.OK is bench.read(OTHER).verdict
    assert verdict is bench.read(gap_s=gap_ms / 1000).verdict


def test_reply_delays_spread():
    """Delays lie between the meter's own and that plus the spread, and differ."""
    bench = _Bench("spread:100", reply_delay_ms=40)
    times = [bench.read().response_ms for _ in range(30)]
    assert 40 + 1000 * BYTE_S - 1 <= min(times)
    assert max(times) <= 140 + 1000 * BYTE_S + 1
    assert max(times) - min(times) > 50


def test_lost_answers():
    """About the share of answers is lost: of 200 with one half, from 70 to 130."""
    bench = _Bench("lost:0.5")
    lost = sum(bench.read().verdict is Verdict.SILENCE for _ in range(200))
    assert 70 < lost < 130


def test_request_over_an_answer_is_not_understood():
    """A request that begins while somebody else still answers reaches nobody."""
    bench = _Bench("late:900")
    request = encode_frame(ADDRESS, 0x11, bytes.fromhex("00000100"))
    answer = bench.wire.transmit(request, 1000.0)
    begin = answer[0].at
    assert [] == bench.wire.transmit(encode_frame(OTHER, 0x11, bytes.fromhex("00000100")), begin + 0.01)
    assert [] != bench.wire.transmit(encode_frame(OTHER, 0x11, bytes.fromhex("00000100")), answer[-1].at + 0.2)


def test_latency_of_the_adapter():
    """With 16 ms of latency bytes are handed over at multiples of 16 ms only, none before it was whole."""
    plain, slow = _Bench(), _Bench(adapter=Adapter(latency_s=0.016))
    request = encode_frame(ADDRESS, 0x11, bytes.fromhex("00000100"))
    whole, late = (bench.wire.transmit(request, 1000.0) for bench in (plain, slow))
    assert [a.data for a in whole] == [a.data for a in late]
    assert all(0 <= b.at - a.at < 0.016 for a, b in zip(whole, late, strict=True))
    assert all(pytest.approx(round(b.at / 0.016) * 0.016, abs=1e-9) == b.at for b in late)


@pytest.mark.parametrize("echo", [True, False])
def test_first_byte_after_sending_is_lost(echo):
    """An adapter that loses the first byte after it has sent loses one FEH of four, and a frame's start without FEH."""
    request = encode_frame(ADDRESS, 0x11, bytes.fromhex("00000100"))
    whole, less = (
        b"".join(a.data for a in _Bench(adapter=Adapter(echo=echo, loses_first=lost)).wire.transmit(request, 1000.0))
        for lost in (False, True)
    )
    size = len(request) if echo else 0
    assert whole[:size] + whole[size + 1 :] == less
    assert Verdict.OK is _Bench(adapter=Adapter(echo=echo, loses_first=True)).read().verdict
    assert Verdict.OK is not _Bench(adapter=Adapter(echo=echo, loses_first=True), preamble=0).read().verdict


@pytest.mark.parametrize("trait", ["unplugged", "no-power"])
def test_meter_that_is_away(trait):
    """From 10 s to 20 s after the begin the meter is silent, before and after it answers."""
    bench = _Bench(f"{trait}:10-20")
    verdicts = []
    for _ in range(3):
        verdicts.append(bench.read().verdict)
        bench.clock.advance(10)
    assert [Verdict.OK, Verdict.SILENCE, Verdict.OK] == verdicts


@pytest.mark.parametrize("name", list(TRAITS))
def test_every_trait_is_written_as_it_reads(name):
    """Each trait's name alone is understood, its text is read as the same trait, and a share is refused."""
    fault = parse_fault(name)
    assert fault == parse_fault(str(fault))
    with pytest.raises(UnknownFaultError):
        parse_fault(f"{name}@0.5")


@pytest.mark.parametrize(
    "text",
    [
        *("needs-wake:x", "needs-quiet:-1", "totals-block:1", "load-every:7", "load-every:0", "speed:2401"),
        *("parity:mark", "unplugged:9", "unplugged:9-3", "password:0412", "keeps:long"),
    ],
)
def test_impossible_trait_is_refused(text):
    """A value that the trait cannot have is refused, and the text says what it takes."""
    name = text.partition(":")[0]
    with pytest.raises(UnknownFaultError, match=re.escape(f"{name} takes {TRAITS[name].value or 'no value'}")):
        parse_fault(text)
