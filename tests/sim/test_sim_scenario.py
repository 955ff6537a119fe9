"""From a description to meters: counted, scattered, mixed, listed."""

import pytest

from edge.bus.link import LineSettings
from edge.clock import ManualClock
from edge.sim.faults import UnknownFaultError
from edge.sim.scenario import MIXED, WireSpec, build_wire, plan_listed, plan_meters

FIRST = "202600000001"


def test_counted_addresses():
    """Addresses follow one another; every third meter has one phase."""
    meters = plan_meters(FIRST, 3, "2007", ())
    assert [("202600000001", 3), ("202600000002", 3), ("202600000003", 1)] == [(m.address, m.phases) for m in meters]


def test_scattered_addresses():
    """Forty different addresses of twelve digits, the same for the same seed, with nearly all last digits."""
    one, same, other = (plan_meters(FIRST, 40, "2007", (), scatter=seed) for seed in (1, 1, 2))
    addresses = {meter.address for meter in one}
    assert one == same != other
    assert 40 == len(addresses)
    assert all(len(address) == 12 and address.isdecimal() for address in addresses)
    assert len({address[-1] for address in addresses}) >= 8


def test_mixed_versions():
    """Every other meter is of 1997."""
    assert ["2007", "1997", "2007"] == [meter.version for meter in plan_meters(FIRST, 3, MIXED, ())]


def test_list():
    """A head is passed over, as are empty lines; the protocol may be left out."""
    text = "address,protocol\n000000000002, dlt645-1997\n\n000000000001\n"
    meters = plan_listed(text.splitlines(), ("000000000001=dead",), "2007")
    found = [(meter.address, meter.version, [str(fault) for fault in meter.faults]) for meter in meters]
    assert [("000000000002", "1997", []), ("000000000001", "2007", ["dead"])] == found


@pytest.mark.parametrize("line", ["12", "00000000000x", "000000000003,modbus", "000000000001"])
def test_impossible_line(line):
    """A line with no address, an unknown protocol, or an address for the second time is refused, and named."""
    with pytest.raises(UnknownFaultError, match=line.partition(",")[0]):
        plan_listed(["000000000001", line], (), "2007")


def test_second_master_reads_what_it_has_time_for():
    """At 2400 Bd a read takes it 0.3 s: in one second it reads three of ten meters, again and again."""
    clock = ManualClock(monotonic_s=0.0)
    spec = WireSpec(line=LineSettings(), second_master_s=1.0)
    master = build_wire(plan_meters(FIRST, 10, "2007", ()), spec, clock).second_master
    starts = []
    for _ in range(4):
        starts.append(master.next_at)
        master.next_request()
    step_s = 44 * 11 / 2400 + 0.1
    assert [step_s, 2 * step_s, 3 * step_s, step_s + 1] == pytest.approx(starts)


def test_no_second_master_by_default():
    """Nobody else talks on a wire unless it was asked for."""
    assert (
        build_wire(plan_meters(FIRST, 1, "2007", ()), WireSpec(line=LineSettings()), ManualClock()).speaks_at() is None
    )
