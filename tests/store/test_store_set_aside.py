"""Setting a damaged file aside: the power may fail at each of its steps, and the next opening ends what was begun."""

import os
from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.errors import StoreError
from edge.store import database as door
from edge.store import set_aside
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.set_aside import Aside, begin_aside, load_aside
from tests.store.store_kit import START, record, seal

STEPS = (
    (os, "fsync", 2),
    (os, "fsync", 3),
    (set_aside, "_move_logs", 1),
    (door, "carry_over", 1),
    (door, "mark_fact", 1),
    (door, "end_aside", 1),
    (Path, "unlink", 1),
)


class PowerCutError(Exception):
    """The power failed."""


def opened(path, **more):
    return open_database(path, max_mib=16, clock=ManualClock(now=START), **more)


@pytest.fixture
def damaged(tmp_path):
    """Return the path of a store whose head is wrong, with a batch and five records that wait."""
    path = tmp_path / "edge.db"
    with opened(path) as database:
        Journal(database).append([record(slot) for slot in range(3)])
        seal(Outbox(database))
        Journal(database).append([record(slot) for slot in range(3, 8)])
        database.change("UPDATE epoch SET next_seq = 9")
    return path


def cut_at(monkeypatch, where, name, calls):
    original, left = getattr(where, name), [calls]

    def cut(*arguments, **more):
        left[0] -= 1
        if left[0] == 0:
            raise PowerCutError
        return original(*arguments, **more)

    monkeypatch.setattr(where, name, cut)


@pytest.mark.parametrize(("where", "name", "calls"), STEPS)
def test_what_was_begun_is_ended_by_the_next_opening(damaged, monkeypatch, where, name, calls):
    """Cut before any step: what waited is in the new store, once, the old file is kept, and its name is told."""
    with monkeypatch.context() as patch:
        cut_at(patch, where, name, calls)
        with pytest.raises(PowerCutError):
            opened(damaged)
    with opened(damaged) as database:
        assert [record(slot) for slot in range(3, 8)] == list(Outbox(database).take(100).records)
        assert (5, "E-STO-110") == (database.salvaged, database.notice().code)
        assert [database.set_aside] == list(damaged.parent.glob("edge.db.bad-*Z"))
    with opened(damaged) as again:
        assert (None, 5) == (again.notice(), len(Outbox(again).take(100).records))


def test_whoever_only_looks_does_not_end_it(damaged, monkeypatch):
    """An opening without the check neither makes a new store nor carries anything over."""
    with monkeypatch.context() as patch:
        cut_at(patch, door, "carry_over", 1)
        with pytest.raises(PowerCutError):
            opened(damaged)
    with pytest.raises(StoreError) as caught:
        opened(damaged, check=False)
    assert "E-STO-105" == caught.value.code


def test_a_half_made_new_store_is_made_anew(damaged, monkeypatch):
    """If the disk kept rubbish in the new file's place, the old one is still carried over."""
    with monkeypatch.context() as patch:
        cut_at(patch, door, "carry_over", 1)
        with pytest.raises(PowerCutError):
            opened(damaged)
    for log in damaged.parent.glob("edge.db-*"):
        log.unlink()
    damaged.write_bytes(b"rubbish" * 1000)
    with opened(damaged) as database:
        assert 5 == len(Outbox(database).take(100).records)


def test_a_new_store_that_cannot_be_written_forgets_nothing(damaged, monkeypatch):
    """The disk is full while records are carried over: the opening fails, and the next one carries over all of them."""

    def full(rows):
        yield from ()
        raise StoreError("E-STO-103", path=damaged, detail="full")

    with monkeypatch.context() as patch:
        patch.setattr(door.Database, "change_each", lambda self, sql, rows: next(full(rows)))
        with pytest.raises(StoreError) as caught:
            opened(damaged)
        assert "E-STO-103" == caught.value.code
    with opened(damaged) as database:
        assert 5 == len(Outbox(database).take(100).records)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"name": 1}', b"\xff"])
def test_a_note_that_is_none_is_no_note(tmp_path, content):
    """Only what was written by this program counts."""
    (tmp_path / "edge.db.aside").write_bytes(content)
    assert load_aside(tmp_path / "edge.db") is None
    opened(tmp_path / "edge.db").close()


def test_a_note_comes_back_as_it_was_written(tmp_path):
    """Name and fault, and a name that nothing has yet, not even a log."""
    (tmp_path / "edge.db.bad-20261101T000000Z-wal").write_bytes(b"")
    written = begin_aside(tmp_path / "edge.db", "no epoch", START)
    assert Aside("edge.db.bad-20261101T000000Z-2", "no epoch") == written == load_aside(tmp_path / "edge.db")


def test_an_old_rollback_journal_is_not_played_into_a_new_store(tmp_path):
    """It belongs to a file that is gone, like a log."""
    (tmp_path / "edge.db-journal").write_bytes(b"orphan")
    opened(tmp_path / "edge.db").close()
    assert [b"orphan"] == [one.read_bytes() for one in tmp_path.glob("edge.db.bad-*-journal")]
