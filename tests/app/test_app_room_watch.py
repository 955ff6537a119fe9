"""The watch over the room in the store: a condition with a code at 70 % and at 90 %, and none below."""

import logging

import pytest

from edge.app.room_watch import RoomWatch
from edge.clock import ManualClock
from edge.errors import StoreError
from edge.health.model import Answer, Health
from edge.store.ballast import BALLAST_BYTES, ballast_of
from edge.store.room import Room

CLAIM = "store_has_room"
MIB = 1 << 20


class Store:
    """A store that is as full as somebody says."""

    def __init__(self):
        self.percent = 10

    def room(self):
        if self.percent is None:
            raise StoreError("E-STO-104", path="p", detail="busy")
        return Room(self.percent * MIB, 100 * MIB)


@pytest.fixture
def bench(tmp_path):
    """Return a store, its watch, the clock and the health model."""
    store, clock = Store(), ManualClock()
    health = Health(clock)
    return store, RoomWatch(tmp_path / "edge.db", store.room, clock, health), clock, health


def look(bench, percent):
    """Let the store be that full for a minute; return the answer and its code."""
    store, watch, clock, health = bench
    store.percent = percent
    clock.advance(60)
    watch.tend()
    condition = health.snapshot()["conditions"][CLAIM]
    return condition["answer"], condition["code"]


def test_each_alarm_has_its_code_and_its_line_in_the_log(bench, caplog):
    """70 and 90 are told once each, with the figures; what comes down is fine again without a word."""
    caplog.set_level(logging.WARNING)
    told = [look(bench, percent) for percent in (10, 70, 71, 90, 95, 80, 60)]
    high, nearly = ("no", "E-STO-115"), ("no", "E-STO-116")
    assert [("yes", None), high, high, nearly, nearly, high, ("yes", None)] == told
    assert ["[E-STO-115]", "[E-STO-116]", "[E-STO-115]"] == [one.getMessage().split()[0] for one in caplog.records]
    assert "70 % full: 70.0 of 100.0 MiB" in caplog.text


def test_it_looks_once_a_minute(bench):
    """The main thread turns many times a second; the store is asked at the first turn and then once a minute."""
    store, watch, clock, health = bench
    watch.tend()
    store.percent = 95
    clock.advance(59)
    watch.tend()
    assert Answer.YES is health.answer(CLAIM)


def test_the_ballast_is_laid_again_when_there_is_room(bench, tmp_path):
    """Given up on a full disk, it must lie there before the next one; never while room is short."""
    ballast = ballast_of(tmp_path / "edge.db")
    look(bench, 71)
    assert not ballast.exists()
    look(bench, 10)
    assert BALLAST_BYTES == ballast.stat().st_size


def test_a_store_that_cannot_be_asked_is_not_called_full(bench):
    """Whoever works with it tells what is wrong with it."""
    assert ("unknown", None) == look(bench, None)
