"""The time for the meters of a bus, on simulated meters: read, one broadcast, read again."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from edge.bus.link import LineSettings
from edge.bus.memory_link import MemoryLink
from edge.bus.runner import run_exchange
from edge.clock import ClockTrust, ManualClock
from edge.errors import LinkError
from edge.poll.plan import PolledMeter
from edge.poll.time_sync import TimeSyncRun
from edge.protocols.dlt645.order_exchange import OrderExchange
from edge.protocols.dlt645.overheard import Overheard
from edge.protocols.exchange import Timing
from edge.reading.outcome import ForeignMaster
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire

A, B, C = "202311000001", "202311000002", "202311000003"
NOON = datetime(2026, 3, 2, 4, 2, 0, tzinfo=UTC)  # 12:02 in the meters' zone
SYNC = 0x08


class Way:
    def __init__(self):
        self.is_closed, self.documents = False, []

    def end(self, document=None):
        self.documents.append(document)

    def fail(self, error):
        self.documents.append({"error": error.code})


class Line:
    """A bus that counts its exchanges, and the broadcasts among them; a second master keeps the wire from orders."""

    def __init__(self, sims, now=NOON):
        self.clock = ManualClock(now=now)
        self.sims = sims
        self.link = MemoryLink(self.clock, SimWire(sims, self.clock))
        self.exchanges = 0
        self.broadcasts = []
        self.kept_s, self.is_kept = 0.0, False

    def exchange(self, exchange, line=None):
        self.exchanges += 1
        seen = []
        if self.is_kept and isinstance(exchange, OrderExchange):
            return ForeignMaster()
        rival = Overheard()
        rival.busy_until_s = self.clock.monotonic() + (self.kept_s if isinstance(exchange, OrderExchange) else 0)
        line = LineSettings()
        try:
            return run_exchange(self.link, exchange, self.clock, line, gap_s=0.02, tap=seen.append, listener=rival)
        finally:
            requests = [event.data.lstrip(b"\xfe") for event in seen if event.direction == "tx"]
            self.broadcasts += [data for data in requests if data[8] == SYNC]


def meter(address, offset_s=0, version="2007", faults=()):
    sim = SimMeter(address, version, faults=tuple(map(parse_fault, faults)))
    sim.state.clock_error = timedelta(seconds=offset_s)
    return sim


def run(line, **more):
    way = Way()
    polled = [PolledMeter(sim.address, "A", f"dlt645-{sim.version}") for sim in line.sims]
    job = TimeSyncRun(meters=polled, timing=Timing(), clock=line.clock, zone=ZoneInfo("Asia/Shanghai"), way=way, **more)
    while True:
        before = line.exchanges
        goes_on = job.step(line)
        assert line.exchanges - before <= 1
        if not goes_on:
            break
    (document,) = way.documents
    return document.get("result", document)


def results(document):
    return {one["meter"]: one["result"] for one in document["meters"]}


@pytest.mark.parametrize("version", ["2007", "1997"])
def test_a_meter_that_is_off_is_set_and_read_again(version):
    """One broadcast with the local time; the second reading shows that it was obeyed, and the day is remembered."""
    line, days = Line([meter(A, 90, version), meter(B, 1, version)]), []
    document = run(line, on_sent=days.append)
    assert {A: "synchronised", B: "in_time"} == results(document)
    assert (1, [date(2026, 3, 2)], None) == (len(line.broadcasts), days, document["hindrance"])
    first = document["meters"][0]
    assert first["offset_before_s"] in (89, 90)
    assert first["offset_after_s"] in (-1, 0, 1)
    assert abs(line.sims[0].state.clock_error) < timedelta(seconds=1)


def test_meters_that_are_right_are_left_alone():
    """Nothing is sent where nothing is to be mended."""
    line = Line([meter(A, 2), meter(B, -3)])
    document = run(line)
    assert ([], 2, "too_little", None) == (
        line.broadcasts,
        line.exchanges,
        document["hindrance"],
        document["sent"],
    )


def test_a_meter_beyond_five_minutes_is_reported():
    """It does not obey, and its clock stays as it is; its neighbour is set."""
    line = Line([meter(A, 400), meter(B, -40)])
    document = run(line)
    assert {A: "too_far", B: "synchronised"} == results(document)
    assert 399 <= document["meters"][0]["offset_after_s"] <= 400


def test_a_dead_meter_is_unread_and_hinders_nobody():
    """It is asked twice; the document says so with its verdict."""
    line = Line([meter(A, faults=["dead"]), meter(B, 40)])
    document = run(line)
    assert {A: "unread", B: "synchronised"} == results(document)
    assert ["silence", "ok"] == [one["verdict"] for one in document["meters"]]
    assert 2 + 1 + 1 + 1 == line.exchanges


@pytest.mark.parametrize(
    ("trust", "last_on", "now", "hindrance"),
    [
        (ClockTrust.RTC, None, NOON, "untrusted"),
        (ClockTrust.NONE, None, NOON, "untrusted"),
        (ClockTrust.SYNCHRONISED, date(2026, 3, 2), NOON, "done_today"),
        (ClockTrust.SYNCHRONISED, None, datetime(2026, 3, 1, 16, 5, tzinfo=UTC), "near_midnight"),
        (ClockTrust.SYNCHRONISED, None, datetime(2026, 3, 2, 4, 14, 30, tzinfo=UTC), "near_record"),
    ],
)
def test_what_hinders_is_named_and_nothing_is_sent(trust, last_on, now, hindrance):
    """Untrusted clock, done today, midnight of the meters' zone, a record's boundary: read, and leave it at that."""
    line = Line([meter(A, 60)], now)
    line.clock.trusted = trust
    document = run(line, last_on=last_on)
    assert ([], hindrance, {A: "not_sent"}) == (line.broadcasts, document["hindrance"], results(document))


def test_a_meter_that_obeyed_today_already_stays_as_it_is():
    """The broadcast went out and the clock is as it was: unchanged is what the second reading shows."""
    line = Line([meter(A, 60)])
    assert {A: "synchronised"} == results(run(line))
    line.sims[0].state.clock_error = timedelta(seconds=70)
    assert {A: "unchanged"} == results(run(line))


def test_a_port_that_vanishes_fails_the_job():
    """Whoever asked hears the port's error, before and while it is used."""
    line = Line([meter(A, 60)])
    line.link.vanish()
    assert {"error": "E-BUS-104"} == run(line)

    def closed(exchange, line=None):
        raise LinkError("E-BUS-101", port="memory", detail="gone")

    line = Line([meter(A, 60)])
    line.exchange = closed
    assert {"error": "E-BUS-101"} == run(line)


def test_a_job_that_nobody_waits_for_ends():
    """The way back is closed: nothing is asked any more."""
    line, way = Line([meter(A)]), Way()
    way.is_closed = True
    job = TimeSyncRun(
        meters=[PolledMeter(A, "A", "dlt645-2007")],
        timing=Timing(),
        clock=line.clock,
        zone=ZoneInfo("Asia/Shanghai"),
        way=way,
    )
    assert (False, 0) == (job.step(line), line.exchanges)


def test_a_bus_without_meters_ends_at_once():
    """Nobody there, nothing to send."""
    assert [] == run(Line([]))["meters"]


def test_a_broadcast_that_has_to_wait_gives_the_time_of_its_sending():
    """A second master keeps the wire for some seconds: no meter is set back by them."""
    line = Line([meter(A, 60)])
    line.kept_s = 8.0
    assert {A: "synchronised"} == results(run(line))
    assert abs(line.sims[0].state.clock_error) < timedelta(seconds=2)


def test_a_broadcast_that_never_went_out_is_not_the_one_of_today():
    """The wire was never free: nothing was sent, the day is not used up, and the reason has its name."""
    line, days = Line([meter(A, 60)]), []
    line.is_kept = True
    document = run(line, on_sent=days.append)
    assert ([], [], None, "foreign_master") == (line.broadcasts, days, document["sent"], document["hindrance"])
    assert {A: "not_sent"} == results(document)
