"""Finding meters on virtual time: scattered addresses whose answers overlap, hidden ones, doubles, odd adapters."""

import json
import random

import pytest

from edge.poll.scan import ScanOrder, scan_run, scan_timing
from edge.poll.scan_state import Candidate, ScanState, state_document, state_of
from edge.protocols.dlt645.frame import Frame, FrameReader, encode_frame
from edge.protocols.drivers import driver
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from tests.poll.virtual_bus import Arrival, VirtualBus, Way, later, without_first_byte

A, B, C = "202311004511", "202311004512", "202312009911"
_STANDARD_S = 0.5  # DL/T 645: the longest delay, which a silent probe cannot do without
_BYTE_S = 11 / 2400


def scattered(count, seed):
    """Return addresses anywhere in the twelve digits."""
    dice = random.Random(seed)
    return sorted({f"{dice.randrange(10**12):012d}" for _ in range(count)})


def meters(addresses, version="2007", **more):
    return [SimMeter(address, version, seed=number, **more) for number, address in enumerate(addresses)]


def scan(bus, version="2007", **order):
    """Run a scan to its end; return its way."""
    way = Way()
    bus.run(scan_run(f"dlt645-{version}", 600, way, ScanOrder(**order)))
    return way


def codes(way):
    return [one["code"] for one in way.last["conditions"]]


@pytest.mark.parametrize("version", ["2007", "1997"])
def test_forty_scattered_meters_are_all_found(version, capsys):
    """Forty addresses anywhere, every answer over the others': all are found, none is invented, none is doubled."""
    addresses = scattered(40, seed=7)
    bus = VirtualBus(meters(addresses, version))
    began = bus.clock.monotonic()
    way = scan(bus, version)
    took = bus.clock.monotonic() - began
    assert addresses == way.last["found"]
    assert ([], [], []) == (way.last["collisions"], way.last["damaged"], codes(way))
    least = sum(_least_s(outcome) for outcome in bus.outcomes)
    with capsys.disabled():
        print(f"\n40 meters, dlt645-{version}: {way.last['probes']} probes, {took:.0f} s; least {least:.0f} s")


def _least_s(outcome):
    """Return what a probe takes at least: the request, and the standard's delay or the answer, whichever is longer."""
    return 16 * _BYTE_S + max(_STANDARD_S, 0.03 + len(outcome.raw) * _BYTE_S)


def test_a_quick_scan_of_clean_overlaps_finds_all_with_fewer_probes():
    """Where answers AND cleanly, leaving out what they do not allow loses nobody, and says how much it left out."""
    addresses = scattered(40, seed=7)
    whole, quick = VirtualBus(meters(addresses)), VirtualBus(meters(addresses))
    scan(whole)
    way = scan(quick, is_quick=True)
    assert addresses == way.last["found"]
    assert quick.asked < whole.asked
    assert way.last["skipped"] > 0


def test_a_meter_hidden_by_another_ones_answer_is_found():
    """Two answers that AND to a sound frame of one of them: the energy registers differ and give it away."""
    hiding, hidden = _pair_that_hides()
    both = VirtualBus(meters([hiding, hidden]))
    alone = both.exchange(driver("dlt645-2007").find("A" * 12, scan_timing(600)))
    assert hiding == alone.address, "this pair does not hide: the test would show nothing"
    assert [hiding, hidden] == scan(both).last["found"]


def _pair_that_hides():
    """Return two addresses whose answers to "who is there" AND to the first one's answer."""
    frame = {number: _own_address(f"2023110045{number:02d}") for number in range(100)}
    for low in range(100):
        for high in range(low + 1, 100):
            if frame[low] == bytes(a & b for a, b in zip(frame[low], frame[high], strict=True)):
                return f"2023110045{low:02d}", f"2023110045{high:02d}"
    raise AssertionError


def _own_address(address):
    return encode_frame(address, 0x93, bytes.fromhex(address)[::-1])


def test_meters_that_answer_at_different_moments_are_found():
    """Drivers that start anywhere within the standard's delay: bytes shift against each other, nobody is lost."""
    dice = random.Random(3)
    addresses = scattered(20, seed=3)
    slow = [SimMeter(one, seed=n, reply_delay_ms=dice.randrange(20, 480)) for n, one in enumerate(addresses)]
    assert addresses == scan(VirtualBus(slow)).last["found"]


@pytest.mark.parametrize(
    ("spoil", "preamble"), [(later, 4), (without_first_byte, 4), (without_first_byte, 0), (None, 4)]
)
def test_odd_adapters_are_tolerated(spoil, preamble):
    """An echo, 16 ms more, a lost first byte, even the 68H itself: the same meters are found."""
    addresses = [A, B, C, "202311000068"]
    bus = VirtualBus(meters(addresses, preamble=preamble), echo=spoil is None, spoil=spoil)
    assert sorted(addresses) == scan(bus).last["found"]


def test_a_spark_is_not_a_crowd():
    """One garbled moment in an otherwise silent pattern is asked again, and nothing is searched below it."""
    sparks = iter([[], [Arrival(1000.1, b"\x00\xff\x13")]])

    def spoil(arrivals):
        return arrivals + [Arrival(bus.clock.monotonic() + 0.2, one.data) for one in next(sparks, [])]

    bus = VirtualBus([], spoil=spoil)
    way = scan(bus)
    assert ([], {}) == (way.last["found"], dict(_crowds(way)))
    assert 4 == way.last["probes"]  # nobody's address, everybody with the spark, and twice more


def _crowds(way):
    return [one for one in way.of("state") if one["crowds"]]


def test_two_meters_of_one_address_are_told():
    """Equal addresses hide in each other, their energies do not: a collision at the whole address."""
    twins = [SimMeter(A, seed=1), SimMeter(A, seed=2)]
    way = scan(VirtualBus([*twins, SimMeter(C, seed=3)]))
    assert ([C], [A]) == (way.last["found"], way.last["collisions"])
    assert [A] == scan(VirtualBus(twins), addresses=(A,)).last["collisions"]


def test_a_meter_behind_a_bad_wire_is_named_with_its_verdict():
    """Always damaged, address and energy alike: somebody, but not two with one address."""
    way = scan(VirtualBus([SimMeter(A, faults=(parse_fault("bad-checksum"),))]), addresses=(A, B))
    assert ([], [], [{"meter": A, "verdict": "bad_checksum"}]) == (
        way.last["found"],
        way.last["collisions"],
        way.last["damaged"],
    )


def test_a_meter_that_refuses_everything_is_found():
    """A refusal carries the address: that is all a scan is for."""
    assert [A] == scan(VirtualBus([SimMeter(A, faults=(parse_fault("refuse"),))])).last["found"]


def test_a_known_meter_of_either_year_is_asked_in_the_newer():
    """Nobody can be asked in "either": a meter whose year is not known yet ends no scan."""
    way = scan(VirtualBus(meters([A])), known=(Candidate(A, protocol="dlt645"),), only_known=True)
    assert [{"meter": A, "protocol": "dlt645-2007"}] == way.last["meters"]


def test_known_meters_are_confirmed_first_each_in_its_own_protocol():
    """The register's meters take one probe each, before everybody is asked; those that are silent are named."""
    bus = VirtualBus([SimMeter(A, seed=1), SimMeter(B, "1997", seed=2)])
    known = (
        Candidate(A, protocol="dlt645-2007"),
        Candidate(B, protocol="dlt645-1997"),
        Candidate(C, protocol="dlt645-2007"),
    )
    way = scan(bus, known=known, only_known=True)
    assert [{"meter": A, "protocol": "dlt645-2007"}, {"meter": B, "protocol": "dlt645-1997"}] == way.last["meters"]
    assert ([C], 4) == (way.last["silent"], way.last["probes"])


class AnswersAll:
    """Stands in for a server that answers every address under that address: with an error, or with its value."""

    def __init__(self, control, data):
        self.control, self.data = control, data

    def transmit(self, data, at, line=None):
        reader = FrameReader()
        reader.receive(data)
        frame = reader.next_event()
        assert isinstance(frame, Frame)
        return [Arrival(at + 0.2, encode_frame(frame.address, self.control | frame.function, self.data))]


def test_whoever_answers_for_everybody_is_no_ten_thousand_meters():
    """An address that nobody has is answered: a condition, not a list of meters that are not there."""
    refusing, giving = AnswersAll(0xC0, b"\x02"), AnswersAll(0x80, bytes.fromhex("0000010078563412"))
    for wire, addresses in ((refusing, ()), (giving, ()), (refusing, (A, B)), (giving, (A, B))):
        bus = VirtualBus(wire=wire)
        way = scan(bus, addresses=addresses)
        assert (["E-BUS-214"], []) == (codes(way), way.last["found"])
        assert bus.asked < 10


def test_a_meter_that_refuses_for_all_others_is_found_by_its_values():
    """It answers its own address with values and all others with errors: values count, errors do not."""

    class Busybody(AnswersAll):
        def transmit(self, data, at, line=None):
            reader = FrameReader()
            reader.receive(data)
            frame = reader.next_event()
            if frame.function == 0x13:
                return [Arrival(at + 0.2, encode_frame(A, 0x93, bytes.fromhex(A)[::-1]))]
            if frame.address == A:
                return [Arrival(at + 0.2, encode_frame(A, 0x91, frame.data + bytes(4)))]
            return super().transmit(data, at, line)

    for addresses in ((), (A, B)):
        way = scan(VirtualBus(wire=Busybody(0xC0, b"\x02")), addresses=addresses)
        assert (["E-BUS-214"], [A]) == (codes(way), way.last["found"])


def test_an_address_is_not_learned_from_an_echoed_wildcard():
    """A meter that answers under AAH is asked for its address as data, and found by that."""

    class Echoing:
        def transmit(self, data, at, line=None):
            reader = FrameReader()
            reader.receive(data)
            frame = reader.next_event()
            if not A.endswith(frame.address.lstrip("A")):
                return []
            di = frame.data[:4]
            value = bytes.fromhex(A)[::-1] if frame.function == 0x13 or di == bytes.fromhex("01040004") else bytes(4)
            return [Arrival(at + 0.2, encode_frame(frame.address, frame.function | 0x80, di + value))]

    assert [A] == scan(VirtualBus(wire=Echoing())).last["found"]


def test_1997_meters_that_obey_only_99_are_found_if_alone():
    """No answer to AAH: 99H is tried; one meter tells its address, several are a condition with the way out."""

    class Deaf(SimMeter):
        def _is_asked(self, request):
            return "A" not in request.address and super()._is_asked(request)

    assert [A] == scan(VirtualBus([Deaf(A, "1997")]), "1997").last["found"]
    way = scan(VirtualBus([Deaf(A, "1997", seed=1), Deaf(C, "1997", seed=2)]), "1997")
    assert ([], ["E-BUS-215"]) == (way.last["found"], codes(way))


def test_2007_meters_that_do_not_shorten_are_a_condition():
    """A crowd answers to everybody's address and nobody to a shortened one: the numbers are needed."""

    class Stubborn(SimMeter):
        def _is_asked(self, request):
            return request.address in ("A" * 12, self.address) and super()._is_asked(request)

    way = scan(VirtualBus([Stubborn(A, seed=1), Stubborn(C, seed=2)]))
    assert ([], ["E-BUS-215"]) == (way.last["found"], codes(way))


def test_a_stopped_scan_goes_on_where_it_was():
    """The state that was sent along begins another run: the same meters, and no probe asked twice but the last few."""
    addresses = scattered(12, seed=5)
    whole = scan(VirtualBus(meters(addresses)))
    first = VirtualBus(meters(addresses))
    way = Way()
    run = scan_run("dlt645-2007", 600, way, ScanOrder())
    for _ in range(60):
        run.step(first)
    kept = state_of(way.of("state")[-1])
    assert 0 < len(kept.found) < len(addresses)
    second = VirtualBus(meters(addresses))
    rest = scan(second, kept=kept)
    assert addresses == rest.last["found"]
    assert second.asked <= whole.last["probes"] - 60 + 10


def test_a_probe_that_is_under_way_is_kept_too():
    """At the tenth request a meter was asked once and will be asked again: it is still among those to be asked."""
    silent = [f"2023110099{number:02d}" for number in range(8)]
    bus, way = VirtualBus([SimMeter(A, faults=(parse_fault("bad-checksum"),))]), Way()
    run = scan_run("dlt645-2007", 600, way, ScanOrder(addresses=(*silent, A, B)))
    while not way.of("state"):
        run.step(bus)
    assert [A, B] == [one.pattern for one in state_of(way.of("state")[0]).left]


def test_found_meters_come_early():
    """What the overlap allows and found meters resemble goes first: all are found in the first half of the probes."""
    addresses = [f"2023110{number:05d}" for number in random.Random(2).sample(range(10**4), 30)]
    way = scan(VirtualBus(meters(addresses)))
    last = max(at for at, one in enumerate(way.documents) if "meter" in one.get("result", {}))
    assert last < len(way.documents) * 0.75


def test_a_silent_probe_waits_for_the_standards_delay_only():
    """500 ms and a margin; less where the bus was told so, more where it was told to wait longer than usual."""
    assert [0.55, 0.3, 2.0] == [scan_timing(ms).reply_s for ms in (600, 300, 2000)]


def test_progress_says_how_much_is_left():
    """Asked, left, found and the time left, as numbers that a page can draw."""
    way = scan(VirtualBus(meters([A])), addresses=(A, B, C))
    assert [(2, 2, 1), (3, 1, 1), (4, 0, 1)] == [
        (one["asked"], one["left"], one["found"]) for one in way.of("progress")
    ]
    assert [1, 1, 0] == [one["left_s"] for one in way.of("progress")]


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"left": 3},
        {"left": [1]},
        {"left": [["12", True, ""]]},
        {"left": [["AAAAAAAAAAA1", True, ""]]},
        {"left": [["AAAAAAAAAA１１", True, ""]]},
        {"left": [[A, True, "modbus"]]},
        {"protocol": []},
        {"found": {"x": "dlt645-2007"}},
        {"probes": float("inf")},
        {"conditions": []},
        {"conditions": {"of no code": {}}},
    ],
)
def test_a_state_that_is_none_is_refused(changes):
    """What comes from a file or a socket is checked whole: nothing of it can reach the wire, or end the worker."""
    sound = state_document(ScanState(left=[Candidate(A)]))
    assert [Candidate(A)] == state_of(sound).left
    with pytest.raises(ValueError):
        state_of({**sound, **changes})
    for other in ([], None, 3, "x"):
        with pytest.raises(ValueError):
            state_of(other)


def test_a_resumed_scan_stays_with_its_protocol():
    """A state of 1997 meters goes on as 1997, whatever the bus is set to."""
    kept = ScanState(protocol="dlt645-1997", left=[Candidate(A)], is_begun=True)
    assert [{"meter": A, "protocol": "dlt645-1997"}] == scan(VirtualBus([SimMeter(A, "1997")]), kept=kept).last[
        "meters"
    ]


def test_a_bus_of_either_year_is_scanned_in_both():
    """Those who speak 2007 are found first, then those who speak 1997; the one address of each list likewise."""
    mixed = [*meters([A, B]), *meters([C], "1997")]
    for addresses in ((), (A, B, C)):
        way = Way()
        VirtualBus(mixed).run(scan_run("dlt645", 600, way, ScanOrder(addresses=addresses)))
        found = [(one["meter"], one["protocol"]) for one in way.last["meters"]]
        assert [(A, "dlt645-2007"), (B, "dlt645-2007"), (C, "dlt645-1997")] == found


def test_a_meter_that_refuses_in_both_years_is_found_without_a_year():
    """A refusal says that somebody is there, not which year it speaks."""
    way = Way()
    refusing = [*meters([A], faults=(parse_fault("refuse"),)), *meters([B])]
    VirtualBus(refusing).run(scan_run("dlt645", 600, way, ScanOrder(addresses=(A, B))))
    assert [(A, "dlt645"), (B, "dlt645-2007")] == [(one["meter"], one["protocol"]) for one in way.last["meters"]]


def test_a_scan_that_is_stopped_in_the_first_year_goes_on_to_the_second():
    """What is kept of it says what is still to come."""
    bus, way = VirtualBus([*meters([A]), *meters([C], "1997")]), Way()
    run = scan_run("dlt645", 600, way, ScanOrder())
    while not run.state.found:
        run.step(bus)
    kept = state_of(json.loads(json.dumps(state_document(run.state))))
    way = Way()
    bus.run(scan_run("dlt645-2007", 600, way, ScanOrder(kept=kept)))
    assert [A, C] == way.last["found"]


@pytest.mark.parametrize("field", [{"years": ["dlt645"]}, {"years": [7]}, {"wanted": ["12"]}, {"wanted": 3}])
def test_a_kept_scan_of_years_that_are_none_is_refused(field):
    """A file that a hand changed is no state."""
    with pytest.raises(ValueError, match=r"."):
        state_of({**state_document(ScanState()), **field})
