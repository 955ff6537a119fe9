"""Finding speed, parity and protocol on virtual time: what is tried, in which order, and what is said at the end."""

import pytest

from edge.bus.link import LineSettings
from edge.errors import EdgeError
from edge.poll.detect import LIKELY, Combination, DetectRun, combinations
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire
from tests.poll.virtual_bus import Arrival, VirtualBus, Way

A, B = "202311004511", "202311004512"
USUAL = Combination(2400, "even", "dlt645-2007")


def bus_at(meters, **line):
    """Return a bus whose wire is set like this."""
    bus = VirtualBus(meters)
    bus.link._wire = SimWire(meters, bus.clock, line=LineSettings(**line))
    return bus


def detect(bus, **more):
    way = Way()
    more.setdefault("current", USUAL)
    bus.run(DetectRun.over(way, **more))
    return way.last


def code(document):
    return document["condition"] and document["condition"]["code"]


@pytest.mark.parametrize(
    ("line", "version", "expected"),
    [
        ({"baud": 2400}, "2007", None),
        ({"baud": 9600}, "2007", "E-BUS-219"),
        ({"baud": 2400, "parity": "none"}, "2007", "E-BUS-218"),
        ({"baud": 2400}, "1997", "E-BUS-220"),
        ({"baud": 1200}, "1997", "E-BUS-219"),
    ],
)
def test_a_line_is_found_and_what_was_wrong_is_named(line, version, expected):
    """Speed, parity and protocol of the only meter; the setting of the bus that differs has a code of its own."""
    found = detect(bus_at([SimMeter(A, version)], **line))
    assert {"parity": "even", **line, "protocol": f"dlt645-{version}"} == found["found"]
    assert (A, expected) == (found["address"], code(found))


def test_a_silent_line_takes_eight_combinations_and_eleven_seconds_at_most():
    """Nobody there: sixteen requests, each row silent, and the code that says what to look at."""
    bus = VirtualBus()
    began = bus.clock.monotonic()
    found = detect(bus)
    assert bus.clock.monotonic() - began <= 11
    assert (16, 8, {"silence"}) == (bus.asked, len(found["rows"]), {row["verdict"] for row in found["rows"]})
    assert (None, "E-BUS-216") == (found["found"], code(found))


def test_all_combinations_are_tried_if_wanted():
    """Six speeds, three parities, two protocols, each once; a frame does not end it."""
    found = detect(bus_at([SimMeter(A)], baud=2400), is_all=True)
    assert 36 == len({(row["baud"], row["parity"], row["protocol"]) for row in found["rows"]})
    assert ["ok"] == [row["verdict"] for row in found["rows"] if row["verdict"] != "silence"]


def test_what_the_bus_is_set_to_comes_first():
    """The person who set it may be right; the number of combinations stays eight."""
    odd = Combination(600, "odd", "dlt645-1997")
    assert (odd, *LIKELY[:7]) == combinations(odd, is_all=False)
    assert LIKELY == combinations(USUAL, is_all=False)


@pytest.mark.parametrize("version", ["2007", "1997"])
def test_a_bus_of_either_year_is_set_right_whichever_is_found(version):
    """Both years at its speed come first, and finding one of them is no mistake of the settings."""
    either = Combination(2400, "even", "dlt645")
    assert [Combination(2400, "even", f"dlt645-{year}") for year in ("2007", "1997")] == list(
        combinations(either, is_all=False)[:2]
    )
    found = detect(bus_at([SimMeter(A, version)], baud=2400), current=either)
    assert (f"dlt645-{version}", None) == (found["found"]["protocol"], code(found))


def test_many_meters_at_once_prove_the_line():
    """Answers that lie cleanly over each other: several meters, speed and parity right."""
    found = detect(bus_at([SimMeter(A, seed=1), SimMeter(B, seed=2)], baud=9600))
    assert (9600, True) == (found["found"]["baud"], found["is_several"])


def test_many_meters_that_make_garbage_are_told_apart_by_shortened_addresses():
    """Meters that start at different moments: no frame to everybody's address, one to a shortened one."""
    crowd = [SimMeter(f"2023110045{low}", seed=low, reply_delay_ms=20 + low) for low in (35, 62, 93)]
    bus = bus_at(crowd, baud=2400, parity="even")
    found = detect(bus)
    assert ({"baud": 2400, "parity": "even", "protocol": "dlt645-2007"}, None) == (found["found"], code(found))


def test_garbage_everywhere_is_not_silence():
    """Bytes come back and never make a frame: said with how many, at which setting."""
    found = detect(bus_at([SimMeter(A, faults=(parse_fault("garbage"),))], baud=2400))
    assert (None, "E-BUS-217") == (found["found"], code(found))
    assert "2400 8E1 dlt645-2007" == found["condition"]["values"]["at"]
    assert found["condition"]["values"]["count"] > 0


def test_requests_of_a_second_master_are_told():
    """No meter answers, but somebody else asks: neither silence nor a wrong speed."""
    meter = SimMeter(A, faults=(parse_fault(f"foreign-master:{B}"),))
    assert "E-BUS-209" == code(detect(bus_at([meter], baud=2400), meter=A))


def test_one_meter_can_be_asked_for():
    """With an address only that meter is asked: its neighbours do not talk."""
    found = detect(bus_at([SimMeter(A, seed=1), SimMeter(B, seed=2)], baud=9600), meter=B)
    assert (B, 9600, False) == (found["address"], found["found"]["baud"], found["is_several"])


class Unwilling(VirtualBus):
    """A port that does not offer some speeds, or is gone."""

    offered = (2400,)

    def exchange(self, exchange, line=None):
        if line.baud not in self.offered:
            self.link.vanish()
        outcome = super().exchange(exchange, line)
        self.link._is_gone = False
        return outcome


def test_a_speed_that_the_port_does_not_offer_is_a_row_and_no_end():
    """The other combinations are tried all the same."""
    bus = Unwilling([])
    bus.offered = (2400, 1200, 4800)
    found = detect(bus)
    assert {9600} == {row["baud"] for row in found["rows"] if row["verdict"] == "port_gone"}
    assert 8 == len(found["rows"])


def test_a_port_that_is_gone_ends_it_with_its_code():
    """Gone at two combinations in a row: the port, not the settings."""
    bus = Unwilling([])
    bus.offered = ()
    assert {"error": "E-BUS-104"} == detect(bus)

    class Closed(VirtualBus):
        def exchange(self, exchange, line=None):
            raise EdgeError("E-BUS-101", port="x", detail="y")

    assert {"error": "E-BUS-101"} == detect(Closed())


def test_rows_fill_in_as_values():
    """A row is announced before it is tried and told when it is done, for whoever draws them."""
    way = Way()
    VirtualBus().run(DetectRun.over(way, current=USUAL))
    kinds = [next(iter(one)) for one in way.documents[:-1]]
    assert ["progress", "result"] * 8 == kinds
    assert {"baud": 2400, "parity": "even", "protocol": "dlt645-2007"}.items() <= way.documents[0]["progress"][
        "row"
    ].items()


def test_noise_at_no_request_of_ours_is_no_frame():
    """A spark in one of two tries leaves a row with garbage, and the next combination is tried."""
    sparks = iter([[Arrival(1000.2, b"\x00\xff\x13")]])
    bus = VirtualBus([], spoil=lambda arrivals: arrivals + next(sparks, []))
    found = detect(bus)
    assert ["garbage"] + ["silence"] * 7 == [row["verdict"] for row in found["rows"]]


@pytest.mark.parametrize("version", ["2007", "1997"])
def test_a_bus_of_either_year_is_right_in_both(version):
    """Nobody can be asked in "either": both years are tried, and whichever answers is no fault of the settings."""
    either = Combination(2400, "even", "dlt645")
    found = detect(bus_at([SimMeter(A, version)], baud=2400), current=either)
    assert (f"dlt645-{version}", None) == (found["found"]["protocol"], code(found))
    assert "E-BUS-219" == code(detect(bus_at([SimMeter(A, version)], baud=9600), current=either, is_all=True))
