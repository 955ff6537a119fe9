"""The health model: counters, marks, and claims that are yes, no or unknown."""

import json
from datetime import UTC, datetime
from threading import Thread

from edge.clock import ManualClock
from edge.errors import ForwardError
from edge.health.model import BOUNDS_S, Answer, Health


def make() -> tuple[ManualClock, Health]:
    """Return a health model on a clock that is moved by hand."""
    clock = ManualClock(now=datetime(2026, 11, 23, 8, tzinfo=UTC))
    return clock, Health(clock, claims=("broker_reachable",))


def test_a_claim_that_nobody_looked_at_is_unknown():
    """Neither a declared nor an undeclared claim is fine before somebody looked."""
    _, health = make()
    assert [Answer.UNKNOWN, Answer.UNKNOWN] == [health.answer("broker_reachable"), health.answer("anything")]
    assert health.snapshot()["conditions"]["broker_reachable"]["answer"] == "unknown"


def test_only_a_change_is_news_and_moves_since():
    """The same answer with the same code keeps its `since` and is no news; another code is."""
    clock, health = make()
    refused = ForwardError("E-FWD-102", host="h", port=1)
    assert health.fails("broker_reachable", refused)
    clock.advance(60)
    assert not health.fails("broker_reachable", refused)
    condition = health.snapshot()["conditions"]["broker_reachable"]
    assert condition == {
        "answer": "no",
        "since": "2026-11-23T08:00:00+00:00",
        "for_s": 60.0,
        "code": "E-FWD-102",
        "values": {"host": "h", "port": 1},
    }
    assert health.fails("broker_reachable", ForwardError("E-FWD-103", host="h", port=1))
    assert health.holds("broker_reachable")
    assert not health.holds("broker_reachable")
    assert health.unknown("broker_reachable")
    assert health.snapshot()["conditions"]["broker_reachable"]["for_s"] == 0.0


def test_ages_do_not_follow_the_wall_clock():
    """A stepped wall clock changes the stamp of what comes, never an age."""
    clock, health = make()
    health.seen("receipt")
    clock.step_wall(-3600)
    clock.advance(5)
    assert health.snapshot()["seen"]["receipt"] == {"at": "2026-11-23T08:00:00+00:00", "ago_s": 5.0}


def test_the_snapshot_is_json():
    """Values that JSON does not know become text."""
    clock, health = make()
    health.count("polls")
    health.count("polls", 2)
    health.fails("broker_reachable", ForwardError("E-FWD-205", since=clock.utc_now(), count=3))
    document = json.loads(json.dumps(health.snapshot()))
    assert {"polls": 3} == document["counters"]
    values = document["conditions"]["broker_reachable"]["values"]
    assert values == {"since": "2026-11-23 08:00:00+00:00", "count": 3}


def test_threads_lose_no_count():
    """Counts of several threads add up."""
    _, health = make()
    threads = [Thread(target=lambda: [health.count("n") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert health.snapshot()["counters"] == {"n": 2000}


def test_measures_are_the_last_and_spreads_are_counted():
    """A measure is overwritten; a duration counts at the first bound that holds it, or beyond the last."""
    _, health = make()
    health.measure("clock_offset_s", 3.5)
    health.measure("clock_offset_s", -1.5)
    for seconds in (0.02, 0.021, 5.0, 9.0):
        health.observe("response.A", seconds)
    document = json.loads(json.dumps(health.snapshot()))
    assert {"clock_offset_s": -1.5} == document["gauges"]
    assert {"response.A": {"counts": [1, 1, 0, 0, 0, 0, 0, 1, 1], "sum_s": 14.041}} == document["spreads"]
    assert len(BOUNDS_S) + 1 == len(document["spreads"]["response.A"]["counts"])
