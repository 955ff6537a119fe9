"""What the half that polls lets the other half know, and how seldom it writes."""

import pytest

from edge.app.poll_state_watch import PollStateWatch
from edge.clock import ManualClock
from edge.errors import EdgeError, StoreError
from edge.health.model import Health
from edge.store.poll_state import PollState

BUS_OF = {"000000000001": "A", "000000000002": "A", "000000000003": "B"}


@pytest.fixture
def site():
    """Return a watch over two buses, its health and clock, and what it wrote."""
    clock, written = ManualClock(), []
    health = Health(clock)
    return PollStateWatch(lambda: BUS_OF, written.append, clock, health), health, clock, written


def look(site):
    """Let five minutes pass; return what is written by then."""
    watch, _, clock, written = site
    clock.advance(300)
    watch.tend()
    return written


def test_it_tells_success_failing_meters_and_root_causes(site):
    """Of the exchanges since the last look; a dead bus has only failing meters; consequences are not told."""
    _, health, _, _ = site
    health.count("exchanges.A.ok", 3)
    health.count("exchanges.A.silence")
    health.fails("port B", EdgeError("E-BUS-104", port="p"))
    health.fails("bus B answers", EdgeError("E-BUS-233", bus="B"))
    health.fails("meter 000000000001", EdgeError("E-BUS-201", bus="A"))
    assert [PollState((("A", 75),), 2, 3, ("E-BUS-104", "E-BUS-201"))] == look(site)
    health.count("exchanges.A.ok", 7)
    health.holds("meter 000000000001")
    assert PollState((("A", 100),), 1, 3, ("E-BUS-104",)) == look(site)[-1]


def test_it_writes_only_what_is_new_and_once_an_hour(site):
    """A healthy gateway wears no card for it; sooner than every five minutes nothing is looked at."""
    watch, health, clock, written = site
    watch.tend()
    assert [] == written
    for _ in range(11):
        health.count("exchanges.A.ok", 5)
        look(site)
    assert 1 == len(written)
    for _ in range(2):
        health.count("exchanges.A.ok", 5)
        look(site)
    assert 2 == len(written)
    clock.advance(299)
    health.count("exchanges.A.silence", 50)
    watch.tend()
    assert 2 == len(written)


def test_a_store_that_refuses_is_asked_again():
    """The next look writes what could not be written."""
    clock, tried = ManualClock(), []

    def note(state):
        tried.append(state)
        if len(tried) == 1:
            raise StoreError("E-STO-105", path="edge.db", detail="")

    watch = PollStateWatch(lambda: BUS_OF, note, clock, Health(clock))
    for _ in range(3):
        clock.advance(300)
        watch.tend()
    assert [PollState((), 0, 3, ())] * 2 == tried
