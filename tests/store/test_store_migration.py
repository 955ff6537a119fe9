"""From an older schema to this one: forwards, with a copy, alone, or not at all."""

import os
from types import SimpleNamespace

import apsw
import pytest

from edge.errors import StoreError
from edge.store import migration
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.schema import SCHEMA
from tests.store.store_kit import record, seal
from tests.torture.next_schema import STEP, next_schema

KEPT = f"edge.db.v{SCHEMA}"


@pytest.fixture
def path(tmp_path):
    """Return the path of a store of this schema with a batch and two records that wait."""
    path = tmp_path / "edge.db"
    with opened(path) as database:
        Journal(database).append([record(1)])
        seal(Outbox(database))
        Journal(database).append([record(2), record(3)])
    return path


def opened(path):
    return open_database(path, max_mib=16)


def version_of(path):
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute("PRAGMA user_version").get
    finally:
        connection.close()


def test_an_older_store_is_brought_forward_with_all_that_is_in_it(path):
    """Records, batches and the chain go on; the change of the schema is there; the checks of the opening hold."""
    with next_schema() as newest, opened(path) as database:
        assert (None, [(newest,)]) == (database.set_aside, database.rows("PRAGMA user_version"))
        assert ([record(2), record(3)], 2) == (
            list(Outbox(database).take(9).records),
            len(database.rows("SELECT * FROM trial")),
        )
        assert 2 == seal(Outbox(database)).seq
    with next_schema(), opened(path) as database:
        assert None is database.set_aside


def test_the_old_store_is_kept_as_a_copy(path):
    """It is of the old version, whole, and what waited is in it; its mode lets the group in and nobody else."""
    with next_schema():
        opened(path).close()
    kept = path.with_name(KEPT)
    assert (SCHEMA, 0o660) == (version_of(kept), kept.stat().st_mode & 0o777)
    with opened(kept) as database:
        assert None is database.set_aside
        assert ([record(2), record(3)], 1) == (
            list(Outbox(database).take(9).records),
            len(Outbox(database).unstored(None, 9)),
        )


def test_only_the_copy_of_the_last_step_is_kept(path):
    """Two steps at once make one copy; the next upgrade takes the older copy away."""
    with next_schema():
        opened(path).close()
    with next_schema(STEP, ("CREATE TABLE other (id INTEGER PRIMARY KEY) STRICT",)):
        opened(path).close()
    assert [f"edge.db.v{SCHEMA + 1}"] == [one.name for one in path.parent.glob("edge.db.v*")]


def test_an_older_program_refuses_the_newer_store_and_leaves_it(path):
    """Refused with both versions named, to the byte as it was."""
    with next_schema() as newest:
        opened(path).close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        opened(path)
    assert ("E-STO-102", newest, SCHEMA) == (
        caught.value.code,
        caught.value.values["version"],
        caught.value.values["known"],
    )
    assert before == path.read_bytes()


def test_a_store_that_an_older_program_has_open_is_not_changed(path):
    """Half of the service was restarted after the upgrade: told, and the other half works on."""
    with opened(path) as older:
        with next_schema(), pytest.raises(StoreError) as caught:
            opened(path)
        assert "E-STO-113" == caught.value.code
        assert 1 == Journal(older).append([record(4)]).stored
    assert (SCHEMA, []) == (version_of(path), list(path.parent.glob("edge.db.v*")))


def test_a_damaged_old_store_is_set_aside_and_not_brought_forward(path):
    """The new schema's checksum would cover the damage up; what waits is carried over into a new store instead."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA writable_schema = 1")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'e = 0', 'e = 1') WHERE name = 'outbox_unsent'")
    connection.close()
    with next_schema() as newest, opened(path) as database:
        assert (2, [(newest,)]) == (len(Outbox(database).take(9).records), database.rows("PRAGMA user_version"))
        assert SCHEMA == version_of(database.set_aside)
    assert [] == list(path.parent.glob("edge.db.v*"))


def test_a_full_store_is_brought_forward_too(path):
    """The bound is for readings: a store that has no page left gets its new schema all the same, within its bound."""
    with opened(path) as database:
        room = (16 << 20) - database.size_bytes() - (1 << 16)
        database.change("INSERT INTO damaged (origin, why, bytes) VALUES ('x', 'x', zeroblob(?))", room)
        with pytest.raises(StoreError) as caught:
            database.change("INSERT INTO damaged (origin, why, bytes) VALUES ('x', 'x', zeroblob(?))", 1 << 17)
        assert "E-STO-103" == caught.value.code
    large = ("CREATE TABLE large (bytes BLOB NOT NULL) STRICT", "INSERT INTO large VALUES (zeroblob(1000000))")
    with next_schema(large) as newest, opened(path) as database:
        assert [(newest,)] == database.rows("PRAGMA user_version")
        assert database.limit_bytes() == max(16 << 20, database.size_bytes())
        assert 2 == len(Outbox(database).take(9).records)


def test_without_room_for_the_copy_nothing_is_changed(path, monkeypatch):
    """The disk has less left than the copy needs: told with the figures, and the older program still works."""
    room = SimpleNamespace(f_bavail=1, f_frsize=4096)
    with monkeypatch.context() as patch, next_schema():
        patch.setattr(migration.os, "statvfs", lambda folder: room)
        with pytest.raises(StoreError) as caught:
            opened(path)
    assert ("E-STO-114", 4096, SCHEMA) == (caught.value.code, caught.value.values["free"], version_of(path))
    with opened(path) as database:
        assert 2 == len(Outbox(database).take(9).records)


def test_a_step_that_fails_undoes_them_all(path):
    """A defect of ours, no damage: the file stays where it is, as old as it was, and the next program may try again."""
    broken = ("CREATE TABLE fine (id INTEGER PRIMARY KEY) STRICT", "INSERT INTO nowhere VALUES (1)")
    with next_schema(STEP, broken), pytest.raises(apsw.SQLError):
        opened(path)
    aside = list(path.parent.glob("edge.db.bad-*"))
    assert (SCHEMA, []) == (version_of(path), aside)
    with next_schema(), opened(path) as database:
        assert 2 == len(Outbox(database).take(9).records)


def test_a_cut_between_copy_and_change_makes_the_copy_again(path, monkeypatch):
    """A half-made copy of an earlier try is no obstacle."""
    path.with_name("edge.db.copy").write_bytes(b"half")
    with monkeypatch.context() as patch, next_schema():
        patch.setattr(os, "fchmod", cut)
        with pytest.raises(KeyboardInterrupt):
            opened(path)
    assert SCHEMA == version_of(path)
    with next_schema() as newest:
        opened(path).close()
    assert (newest, SCHEMA, False) == (
        version_of(path),
        version_of(path.with_name(KEPT)),
        path.with_name("edge.db.copy").exists(),
    )


def cut(*_):
    raise KeyboardInterrupt
