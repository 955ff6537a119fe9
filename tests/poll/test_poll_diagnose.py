"""Why a bus does not work, on virtual time: each cause is provoked and comes out as its code."""

from datetime import UTC, datetime, timedelta

import pytest

from edge.bus.link import LineSettings
from edge.errors import EdgeError
from edge.poll.damage_hours import HourOfAnswers
from edge.poll.detect import Combination
from edge.poll.diagnose import DiagnoseRun
from edge.poll.scan_state import Candidate
from edge.protocols.dlt645.frame import encode_frame
from edge.reading.outcome import ForeignMaster
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire
from tests.poll.virtual_bus import Arrival, VirtualBus, Way

METERS = [f"2023110045{number:02d}" for number in range(11, 17)]
A, B = METERS[:2]
USUAL = Combination(2400, "even", "dlt645-2007")


def meters(addresses=METERS, faults=()):
    """Return simulated meters; `faults`: texts ADDRESS=FAULT."""
    wanted = [one.split("=") for one in faults]
    return [
        SimMeter(
            one, seed=number, faults=tuple(parse_fault(fault) for address, fault in wanted if address in (one, "*"))
        )
        for number, one in enumerate(addresses)
    ]


def diagnose(bus, *known, current=USUAL):
    way = Way()
    listed = tuple(Candidate(one, protocol="dlt645-2007") for one in known or METERS)
    bus.run(DiagnoseRun(way, current, listed, 600, "/dev/x"))
    return way.last


def code(document):
    return document["conclusion"] and document["conclusion"]["code"]


def answers(document):
    return {one["check"]: one["answer"] for one in document["checks"]}


def test_a_sound_bus_passes_every_check():
    """Six meters that answer: every check passes, in its order, and there is no cause."""
    document = diagnose(VirtualBus(meters()))
    names = ["port", "quiet", "foreign_master", "echo", "answers", "order", "hours", "twins", "repeats", "settings"]
    assert names == [one["check"] for one in document["checks"]]
    marks = answers(document)
    assert ("unknown", {"pass"}, 6, None) == (
        marks.pop("hours"),
        set(marks.values()),
        document["answered"],
        code(document),
    )
    repeats = document["checks"][8]["values"]
    # A delay of 30 ms and the first byte at 2400 Bd: 34.6 ms; every read the same.
    assert (A, 10, 0, {"min": 35, "avg": 35, "max": 35}) == tuple(
        repeats[key] for key in ("meter", "reads", "damaged", "response_ms")
    )


@pytest.mark.parametrize(
    ("faults", "expected", "failed"),
    [
        ([f"{B}=dead"], "E-BUS-201", {"answers"}),
        ([f"{B}=dead", f"{METERS[3]}=dead"], "E-BUS-223", {"answers"}),
        ([f"{one}=dead" for one in METERS[2:]], "E-BUS-222", {"answers", "order"}),
        ([f"{B}=bad-checksum"], "E-BUS-203", {"answers"}),
        ([f"{B}=garbage"], "E-BUS-202", {"answers"}),
        ([f"{B}=late:900"], "E-BUS-207", {"answers"}),
        ([f"{B}=wrong-address:202399999999"], "E-BUS-204", {"answers"}),
        ([f"{B}=refuse"], "E-BUS-205", set()),
        ([f"{B}=malformed"], "E-BUS-208", set()),
        ([f"{B}=foreign-master:202399999999"], "E-BUS-209", {"answers", "foreign_master"}),
        (["*=bad-checksum@0.4"], "E-BUS-225", {"answers", "repeats"}),
    ],
)
def test_each_cause_has_its_code(faults, expected, failed):
    """One meter, several, all behind a break, the wire itself: the checks that fail and the one cause."""
    document = diagnose(VirtualBus(meters(faults=faults)))
    assert expected == code(document)
    assert failed == {name for name, answer in answers(document).items() if answer == "fail"}


def test_a_break_is_named_by_its_two_meters():
    """The last that answers and the first that does not."""
    document = diagnose(VirtualBus(meters(faults=[f"{one}=dead" for one in METERS[2:]])))
    assert {"last": METERS[1], "first": METERS[2]} == document["conclusion"]["values"]


def test_two_meters_of_one_address():
    """Their energies collide, their address does not: told from a bad wire, at that meter and in its verdict."""
    document = diagnose(VirtualBus([*meters(), SimMeter(B, seed=99)]))
    assert ("E-BUS-206", "fail") == (code(document), answers(document)["twins"])
    assert {"collision"} == {one["verdict"] for one in document["meters"] if one["meter"] == B}


def test_a_line_that_is_not_quiet():
    """Bytes before anything was asked: noise, with how many; two stray bytes at opening are none."""
    for count, expected in ((2, None), (40, "E-BUS-221")):
        bus = VirtualBus(meters())
        bus.link.hear([Arrival(bus.clock.monotonic() + 1 + n / 100, b"\x55") for n in range(count)])
        document = diagnose(bus)
        assert (expected, "fail") == (code(document), answers(document)["quiet"])


def test_a_second_master_is_heard_before_anything_is_asked():
    """A request that nobody here sent: the quiet line is not what is wrong."""
    bus = VirtualBus(meters())
    bus.link.hear([Arrival(bus.clock.monotonic() + 1, encode_frame(A, 0x11, bytes(4)))])
    document = diagnose(bus)
    assert ("E-BUS-209", "pass", "fail") == (
        code(document),
        answers(document)["quiet"],
        answers(document)["foreign_master"],
    )


def test_a_second_master_is_heard_between_repeated_reads():
    """Its request spoils one of the ten reads: that is the cause, not a meter, and its number is told."""

    class Shared(VirtualBus):
        def exchange(self, exchange, line=None):
            outcome = super().exchange(exchange, line)
            return ForeignMaster() if self.asked == 5 else outcome

    document = diagnose(Shared(meters([A])), A)
    repeats = next(one for one in document["checks"] if one["check"] == "repeats")
    assert ("E-BUS-209", "fail", 1) == (code(document), repeats["answer"], repeats["values"]["foreign"])


@pytest.mark.parametrize(
    ("line", "expected"), [({"baud": 9600}, "E-BUS-219"), ({"parity": "none"}, "E-BUS-218"), ({}, "E-BUS-224")]
)
def test_nobody_answers_and_the_search_says_why(line, expected):
    """Another speed, another parity, or meters that are not on the list: only then other settings are tried."""
    others = meters(["202399999901"])
    bus = VirtualBus(others)
    bus.link._wire = SimWire(others, bus.clock, line=LineSettings(**line))
    document = diagnose(bus)
    assert (expected, 0) == (code(document), document["answered"])


def test_nobody_at_all():
    """Silence at every setting: the wire, the power, the adapter."""
    document = diagnose(VirtualBus())
    assert ("E-BUS-216", "unknown", "unknown") == (
        code(document),
        answers(document)["settings"],
        answers(document)["echo"],
    )


def test_nobody_is_known():
    """Without a list everybody is asked: somebody answers, and that is all that can be said."""
    way = Way()
    VirtualBus(meters([A, B])).run(DiagnoseRun(way, USUAL, (), 600, "/dev/x"))
    assert (None, 1) == (code(way.last), way.last["answered"])
    VirtualBus().run(DiagnoseRun(way, USUAL, (), 600, "/dev/x"))
    assert "E-BUS-216" == code(way.last)


def test_meters_whose_year_is_not_known_are_asked_in_each():
    """A bus of either year: both meters answer, the year is seen; where nobody answers the search ends as well."""
    either, way = Combination(2400, "even", "dlt645"), Way()
    known = tuple(Candidate(one, protocol="dlt645") for one in (A, B))
    VirtualBus([SimMeter(A, "1997"), SimMeter(B)]).run(DiagnoseRun(way, either, known, 600, "/dev/x"))
    assert (None, 2) == (code(way.last), way.last["answered"])
    assert ["dlt645-1997", "dlt645-2007"] == [one["protocol"] for one in way.last["meters"]]
    VirtualBus().run(DiagnoseRun(way, either, known, 600, "/dev/x"))
    assert "E-BUS-216" == code(way.last)
    VirtualBus([SimMeter(A)]).run(DiagnoseRun(way, either, (), 600, "/dev/x"))
    assert (None, 1) == (code(way.last), way.last["answered"])


def test_an_echo_is_seen_and_no_fault():
    """An adapter that hears itself: noted."""
    document = diagnose(VirtualBus(meters(), echo=True))
    assert (None, {"echo": True}) == (code(document), document["checks"][3]["values"])


def test_a_port_that_goes_away():
    """In the middle, or before anything: port_gone for whoever was not asked, and the port's own code."""
    bus = VirtualBus(meters())
    way = Way()
    run = DiagnoseRun(way, USUAL, (Candidate(A, protocol="dlt645-2007"),), 600, "/dev/x")
    run.step(bus)
    bus.link.vanish()
    bus.run(run)
    assert ("E-BUS-210", ["port_gone"]) == (code(way.last), [one["verdict"] for one in way.last["meters"]])

    class Closed(VirtualBus):
        def exchange(self, exchange, line=None):
            raise EdgeError("E-BUS-101", port="/dev/x", detail="no such file")

    document = diagnose(Closed())
    assert ("E-BUS-101", "fail") == (code(document), answers(document)["port"])


def test_a_closed_connection_ends_the_job():
    """Nobody waits for the end any more: no further exchange."""
    way, bus = Way(), VirtualBus(meters())
    run = DiagnoseRun(way, USUAL, (Candidate(A, protocol="dlt645-2007"),))
    run.step(bus)
    way.is_closed = True
    assert not run.step(bus)
    assert 1 == bus.asked


def test_meters_whose_year_is_not_known_are_asked_in_both():
    """A 1997 meter is not called silent because it was asked in the other year; the document says which it speaks."""
    either = Combination(2400, "even", "dlt645")
    way = Way()
    listed = tuple(Candidate(one, protocol="dlt645") for one in (A, B))
    VirtualBus([SimMeter(A), SimMeter(B, "1997")]).run(DiagnoseRun(way, either, listed, 600, "/dev/x"))
    assert ["dlt645-2007", "dlt645-1997"] == [one["protocol"] for one in way.last["meters"]]
    assert (2, None) == (way.last["answered"], code(way.last))


@pytest.mark.parametrize("version", ["2007", "1997"])
def test_a_bus_of_either_year_without_known_meters_is_diagnosed(version):
    """Everybody is asked in both years."""
    way = Way()
    VirtualBus([SimMeter(A, version)]).run(DiagnoseRun(way, Combination(2400, "even", "dlt645"), (), 600, "/dev/x"))
    assert [(A, f"dlt645-{version}")] == [(one["meter"], one["protocol"]) for one in way.last["meters"]]


@pytest.mark.parametrize(("damaged", "mark", "expected"), [(30, "fail", "E-BUS-226"), (2, "pass", None)])
def test_an_hour_of_damage_is_named_where_the_line_is_sound_now(damaged, mark, expected):
    """What the daemon counted of the last day: interference that sleeps while somebody looks."""
    evening = datetime(2026, 3, 1, 18, tzinfo=UTC)
    hours = (HourOfAnswers(evening - timedelta(hours=1), 100, 0), HourOfAnswers(evening, 100, damaged))
    way = Way()
    listed = tuple(Candidate(one, protocol="dlt645-2007") for one in METERS)
    VirtualBus(meters()).run(DiagnoseRun(way, USUAL, listed, 600, "/dev/x", hours))
    assert (mark, expected) == (answers(way.last)["hours"], code(way.last))
    if expected:
        assert {"begin": "2026-03-01T18:00+00:00", "bad": 30, "count": 100} == way.last["conclusion"]["values"]
