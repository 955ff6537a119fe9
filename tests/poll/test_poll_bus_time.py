"""What the settings and the meters make of a bus's time: the sum of each task, the load, and the warnings."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge.cli.settings_file import load_settings
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.poll.bus_time import load_of, lost_meters, task_times, time_complaints
from edge.poll.learned import Learned
from edge.poll.plan import PolledMeter

EXAMPLE = Path(__file__).parent.parent.parent / "config" / "two-buses-40-meters.toml"
GATEWAY = {"id": "g", "tenant": "t"}
ONE = ("energy_active_import_total",)
# 20 bytes ask (4 FEH, 12 of the frame, 4 of the identifier), 24 answer; a byte has 11 bits; 20 ms quiet, 30 ms delay.
ONE_S = 44 * 11 / 2400 + 0.05


def site(*tasks, items=(), **bus) -> Settings:
    buses = [{"name": "A", "port": "/dev/a", **bus}, {"name": "B", "port": "/dev/b"}]
    named = [{"name": f"t{place}", "items": list(ONE), **task} for place, task in enumerate(tasks)]
    return build_table(Settings, {"gateway": GATEWAY, "bus": buses, "task": named, "item": list(items)})


def meters(count, bus="A", protocol="dlt645-2007", **learned):
    first = 1 if bus == "A" else 500
    return [PolledMeter(f"{first + n:012}", bus, protocol, (), Learned(**learned)) for n in range(count)]


def sums(settings, polled):
    return [(one.task, one.bus, one.meters, pytest.approx(one.sum_s)) for one in task_times(settings, polled)]


def codes(settings, polled):
    return [(one.code, one.path) for one in time_complaints(settings, task_times(settings, polled))]


def test_a_task_needs_what_its_requests_need():
    """By hand, for each bus by itself."""
    found = sums(site({"every": "15m"}), meters(20) + meters(3, "B"))
    assert [("t0", "A", 20, 20 * ONE_S), ("t0", "B", 3, 3 * ONE_S)] == found


def test_a_faster_meter_a_slower_bus_and_the_older_year():
    """The speed that a meter was raised to, the quiet of its bus, and identifiers of two bytes."""
    task = {"every": "15m"}
    assert [("t0", "A", 1, 44 * 11 / 9600 + 0.05)] == sums(site(task), meters(1, baud=9600))
    assert [("t0", "A", 1, ONE_S + 0.08)] == sums(site(task, gap_ms=100), meters(1))
    assert [("t0", "A", 1, 40 * 11 / 2400 + 0.05)] == sums(site(task), meters(1, protocol="dlt645-1997"))


def test_an_item_of_the_settings_costs_what_its_format_says():
    """Two bytes; not the longest answer that there is."""
    own = {"key": "heat", "di": "04A00101", "format": "XXX.X"}
    found = sums(site({"every": "15m", "items": ["heat"]}, items=[own]), meters(1))
    assert [("t0", "A", 1, 42 * 11 / 2400 + 0.05)] == found


def test_a_snapshot_also_asks_for_the_time_of_the_freeze():
    """Each value alone, then the time."""
    plain, frozen = (task_times(site({"every": "15m", "snapshot": one}), meters(1))[0] for one in (False, True))
    assert plain.sum_s * 1.9 < frozen.sum_s < plain.sum_s * 2.2


def test_a_task_longer_than_its_period_is_named_with_its_sum():
    """At its period; a task that just fits is not."""
    settings = site({"every": "15m"}, {"every": "1m"})
    assert [] == codes(settings, meters(200))
    found = list(time_complaints(settings, task_times(settings, meters(300))))
    assert [("E-CFG-080", ("task", 1, "every"))] == [(one.code, one.path) for one in found]
    assert {"task": "t1", "bus": "A", "period": "1m", "count": 300, "each": "0.25 s", "sum": "75.5 s"} == found[
        0
    ].values


def test_a_bus_with_more_to_do_than_time_is_named_with_its_parts():
    """No task is too long by itself; the other bus, with the same tasks and fewer meters, has time."""
    settings = site({"every": "1m"}, {"every": "2m", "items": ["voltage", "current"]}, {"at": "00:05"})
    polled = meters(150) + meters(10, "B")
    found = list(time_complaints(settings, task_times(settings, polled)))
    assert [("E-CFG-081", ("bus", 0, "name"))] == [(one.code, one.path) for one in found]
    shares = {one.task: round(one.share * 100) for one in task_times(settings, polled) if one.bus == "A"}
    ordered = sorted(shares, key=lambda task: -shares[task])
    assert " + ".join(f"{task} {shares[task]} %" for task in ordered) == found[0].values["parts"]
    assert max(shares.values()) < 100 < found[0].values["percent"]


def test_a_daily_task_counts_over_its_day_and_a_monthly_one_over_its_month():
    """Both are small beside a load profile."""
    settings = site({"at": "00:05"}, {"monthly": {"day": 1, "at": "00:10"}})
    shares = [one.share for one in task_times(settings, meters(10))]
    assert [pytest.approx(10 * ONE_S / 86400), pytest.approx(10 * ONE_S / 86400 / 28)] == shares


def test_the_example_with_40_meters_has_time_to_spare():
    """What its comments promise: well under a minute for the load profile, and little of the bus."""
    settings = load_settings(EXAMPLE)
    tagged = [replace(one, tags=("threephase", "maker-x", "billing")) for one in meters(20) + meters(20, "B")]
    times = task_times(settings, tagged)
    assert all(one.sum_s < 30 for one in times if one.task == "load")
    assert 0 < max(load_of(times, bus.name) for bus in settings.bus) < 0.2


def test_meters_on_a_bus_that_is_not_there_are_named():
    """The first three of them; meters on buses that are there are not."""
    places = {f"{n:012}": "C" for n in range(5)} | {"000000000009": "A"}
    found = list(lost_meters(site({"every": "15m"}), places))
    first = "000000000000, 000000000001, 000000000002, …"
    assert [("E-CFG-082", {"bus": "C", "count": 5, "meters": first})] == [(one.code, one.values) for one in found]
