"""A store that is gone: deleted while it was open it comes back whole; deleted before, it is noticed and named."""

import os
from datetime import timedelta

import pytest

from edge.app.aside_watch import AsideWatch
from edge.app.file_watch import FileWatch
from edge.clock import ManualClock
from edge.errors import StoreError
from edge.health.model import Health
from edge.store.ballast import ballast_of
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from tests.store.store_kit import START, plan, record, seal


@pytest.fixture
def path(tmp_path):
    """Return where the store lies."""
    return tmp_path / "edge.db"


def opened(path, **more):
    """Return the store, opened at a time of the tests."""
    return open_database(path, max_mib=16, clock=ManualClock(now=START), **more)


def remove(path):
    """Delete the file and its logs."""
    for one in (path, path.with_name("edge.db-wal"), path.with_name("edge.db-shm")):
        one.unlink(missing_ok=True)


def test_a_store_that_is_deleted_while_it_is_open_comes_back(path):
    """What is written after that is in it too; the last one that closes it puts it back, and nobody before."""
    first, second = opened(path), opened(path, check=False)
    sealed = seal(Outbox(second), content=b"1")
    remove(path)
    assert (False, False) == (first.is_there(), second.is_there())
    Journal(first).append([record(7)])
    first.close()
    assert not path.exists()
    second.close()
    with opened(path) as again:
        assert (None, sealed.epoch, 2) == (again.notice(), Outbox(again).head().epoch, Outbox(again).head().next_seq)
        assert [record(7).slot_at] == [one.slot_at for one in Outbox(again).take(100).records]
        assert again.is_there()
    assert ["ballast.bin", "edge.db", "edge.db.lock"] == sorted(one.name for one in path.parent.iterdir())


def test_another_store_in_its_place_is_left_alone(path):
    """What the deleted one held is kept beside it."""
    with opened(path) as store:
        epoch = Outbox(store).head().epoch
        remove(path)
        path.with_name("edge.db.lock").unlink()
        with opened(path) as other:
            other_epoch = Outbox(other).head().epoch
    (kept,) = path.parent.glob("edge.db.bad-*")
    with opened(path) as here, opened(kept) as there:
        assert (other_epoch, epoch) == (Outbox(here).head().epoch, Outbox(there).head().epoch)


def test_a_store_that_was_moved_is_not_made_twice(path):
    """It still has a name: there is one of it."""
    with opened(path) as store:
        path.rename(path.with_name("moved.db"))
        assert not store.is_there()
    assert not path.exists()


@pytest.mark.parametrize("how", ["deleted", "emptied", "deleted, and the ballast had been given up"])
def test_a_store_that_was_here_is_missed(path, how):
    """The new one names it: a note and an error for the operator, a hole, the old epoch ended and the predecessor."""
    with opened(path) as store:
        old = Outbox(store).head().epoch
    remove(path)
    if how == "emptied":
        path.touch()
    if "ballast" in how:
        ballast_of(path).unlink()
    with opened(path) as store, store.reading():
        outbox = Outbox(store)
        assert ("E-STO-124", old) == (store.notice().code, outbox.head().predecessor)
        assert [old] == [one.epoch for one in outbox.recovery().ended()]
        assert [START] == [hole.until for hole in outbox.recovery().holes()]
        assert [store.gone] == list(path.parent.glob("edge.db.gone-*"))
    with opened(path) as store:
        assert store.notice() is None
    assert 1 == len(list(path.parent.glob("edge.db.gone-*")))


@pytest.mark.parametrize(("laid", "since"), [(10, 10), (100, 35)])
def test_the_slots_of_the_lost_time_are_named_to_the_centre(path, laid, since):
    """Since the store that is gone could have recorded, and no longer back than a month and some days."""
    opened(path).close()
    at_s = (START - timedelta(days=laid)).timestamp()
    os.utime(ballast_of(path), (at_s, at_s))
    remove(path)
    clock = ManualClock(now=START)
    with open_database(path, max_mib=16, clock=clock) as store:
        (hole,) = Outbox(store, clock).recovery().holes()
        assert (START - timedelta(days=since), START) == (hole.since, hole.until)
        Journal(store).append_plan(plan(valid_from=START - timedelta(days=40)))
        named = Outbox(store, clock).recovery().name_losses(lambda *_: [START - timedelta(days=1)])
        assert 1 == named


def test_a_first_start_misses_nothing(path):
    """Nothing shows that a store was here; neither does a file of an opening that the power ended."""
    path.touch()
    path.with_name("edge.db.lock").touch()
    with opened(path) as store:
        assert (None, "first", []) == (store.notice(), Outbox(store).why(), list(path.parent.glob("*gone*")))


def test_it_is_a_condition_until_the_note_is_taken_away(path):
    """That is how the operator says that he has seen it."""
    opened(path).close()
    remove(path)
    opened(path).close()
    clock = ManualClock(now=START)
    health, said = Health(clock), []
    watch = AsideWatch(path, list, clock, health)
    for _ in range(2):
        clock.advance(60)
        watch.tend()
        condition = health.snapshot()["conditions"]["store_is_whole"]
        said.append((condition["answer"], condition["code"]))
        for note in path.parent.glob("edge.db.gone-*"):
            assert "edge.db" in note.read_text()
            note.unlink()
    assert [("no", "E-STO-124"), ("yes", None)] == said


def test_the_daemon_ends_when_its_store_is_gone(path):
    """A look every few seconds; as long as the file is there nothing happens."""
    clock = ManualClock()
    with opened(path) as store:
        watch = FileWatch(path, store.is_there, clock)
        watch.tend()
        remove(path)
        watch.tend()
        clock.advance(5)
        with pytest.raises(StoreError) as caught:
            watch.tend()
    assert "E-STO-123" == caught.value.code
