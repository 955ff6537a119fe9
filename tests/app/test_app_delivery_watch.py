"""A backlog is a condition once its oldest reading has waited for an hour."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from edge.app.delivery_watch import DeliveryWatch
from edge.clock import ManualClock
from edge.errors import StoreError
from edge.health.model import Health

CLAIM = "delivery_current"


@pytest.fixture
def site():
    """Return a watch, its health, its clock, and what the store holds: the age of the oldest reading."""
    clock, held = ManualClock(), SimpleNamespace(oldest_unsent_at=None, unsent=3)
    health = Health(clock)
    return DeliveryWatch(lambda: held, clock, health, has_broker=lambda: True), health, clock, held


def said(site):
    """Let a minute pass; return the answer and the code."""
    watch, health, clock, _ = site
    clock.advance(60)
    watch.tend()
    condition = health.snapshot()["conditions"].get(CLAIM, {})
    return condition.get("answer"), condition.get("code")


def test_an_hour_is_the_limit(site):
    """Nothing waits, a fresh reading, an old one, and none again."""
    _, _, clock, held = site
    assert ("yes", None) == said(site)
    held.oldest_unsent_at = clock.now
    assert ("yes", None) == said(site)
    clock.advance(3600)
    assert ("no", "E-FWD-220") == said(site)
    held.oldest_unsent_at = clock.now - timedelta(minutes=5)
    assert ("yes", None) == said(site)


def test_without_a_broker_nothing_is_late(site):
    """A stick has no timetable; settings that bring a broker later count from then on."""
    _, health, clock, held = site
    has_broker = False
    watch = DeliveryWatch(lambda: held, clock, health, has_broker=lambda: has_broker)
    held.oldest_unsent_at = clock.now - timedelta(days=9)
    watch.tend()
    assert {} == health.snapshot()["conditions"]
    has_broker = True
    watch.tend()
    assert "no" == health.snapshot()["conditions"][CLAIM]["answer"]


def test_a_store_that_cannot_be_asked_is_no_news(site):
    """What was known stays; the store has a condition of its own."""
    _, health, clock, held = site
    held.oldest_unsent_at = clock.now - timedelta(days=9)
    assert ("no", "E-FWD-220") == said(site)

    def broken():
        raise StoreError("E-STO-105", path="edge.db", detail="")

    watch = DeliveryWatch(broken, clock, health, has_broker=lambda: True)
    watch.tend()
    assert "no" == health.snapshot()["conditions"][CLAIM]["answer"]
