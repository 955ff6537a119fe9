"""A store that was set aside is a condition: while it is taken over, and until its file is gone."""

from dataclasses import replace

import pytest

from edge.app.aside_watch import AsideWatch
from edge.clock import ManualClock
from edge.errors import StoreError
from edge.health.model import Health
from edge.store.asides import load_asides, note_aside, save_aside
from edge.store.database import open_database
from tests.store.store_kit import START

CLAIM = "store_is_whole"


@pytest.fixture
def site(tmp_path):
    """Return a store that was damaged and set aside, what watches it, and its health."""
    path, clock = tmp_path / "edge.db", ManualClock(now=START)
    health = Health(clock)
    open_database(path, max_mib=16, clock=clock).close()
    path.write_bytes(b"rubbish" * 1000)
    with open_database(path, max_mib=16, clock=clock) as store:
        yield store, AsideWatch(path, lambda: load_asides(store), clock, health), health, clock


def said(site):
    """Let the watch look; return the answer, its code, and its values."""
    _, watch, health, clock = site
    clock.advance(60)
    watch.tend()
    condition = health.snapshot()["conditions"][CLAIM]
    return condition["answer"], condition["code"], condition["values"]


def test_it_stands_until_the_file_is_gone(site):
    """First it must stay, then it must go; each with what was saved and since when."""
    store, _, _, _ = site
    answer, code, values = said(site)
    assert ("no", "E-STO-117") == (answer, code)
    assert ("2026-11-01T00:00:00+00:00", str(store.set_aside)) == (values["at"], values["path"])
    (note,) = load_asides(store)
    with store.writing():
        save_aside(store, replace(note, batches=7, unread=2, is_done=True))
    answer, code, values = said(site)
    assert ("no", "E-STO-118", 7, 2) == (answer, code, values["batches"], values["unread"])
    store.set_aside.unlink()
    assert ("yes", None, {}) == said(site)


def test_a_file_that_nobody_noted_is_told_apart(site):
    """It lies there from an earlier time; of a follower that was never finished nothing is said."""
    store, _, _, _ = site
    (note,) = load_asides(store)
    with store.writing():
        save_aside(store, replace(note, is_done=True))
    store.set_aside.rename(store.path.with_name("edge.db.bad-20260101T000000Z"))
    assert ("no", "E-STO-119") == said(site)[:2]
    store.path.with_name("edge.db.bad-20260101T000000Z").rename(
        store.path.with_name("edge.db.bad-20260101T000000Z-unfinished")
    )
    assert "yes" == said(site)[0]


def test_a_second_file_is_taken_over_before_the_first_is_praised(site):
    """What the damaged store had noted itself is not forgotten: both files are still to be taken over."""
    store, _, _, clock = site
    (note,) = load_asides(store)
    with open_database(store.path.with_name("next.db"), max_mib=16, clock=clock) as follower, follower.writing():
        note_aside(follower, store, replace(note, name="edge.db.bad-2"))
        assert [note.name, "edge.db.bad-2"] == [one.name for one in load_asides(follower)]


def test_a_store_that_cannot_be_asked_changes_nothing(site):
    """Its condition is another one."""
    _, watch, health, clock = site

    def failing():
        raise StoreError("E-STO-104", path="p", detail="d")

    watch._notes = failing
    clock.advance(60)
    watch.tend()
    assert "unknown" == health.snapshot()["conditions"][CLAIM]["answer"]
