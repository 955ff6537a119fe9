"""A backup and its mark: only what the copy holds, only once it is there, and nothing where it fails."""

import json
import os
import stat
from pathlib import Path

import pytest

from edge.centre.backup import back_up
from edge.centre.database_url import parse_database_url
from edge.centre.dump import dump_database
from edge.centre.durable import BackupWatch
from edge.centre.ledger import Span
from edge.centre.ledger_sqlite import SqliteLedger
from edge.errors import StoreError
from tests.centre.centre_kit import EPOCH, NEXT_EPOCH, QUARTER, SLOT, Gateway, record, take
from tests.postgres_server import SECRET


@pytest.fixture
def heard(ledgers):
    """Open a ledger with two batches of one epoch and one of another."""
    ledger, gateway = ledgers.open(ledgers.lonely_place()), Gateway()
    other = Gateway("gw-2", signer=gateway.signer, epoch=NEXT_EPOCH)
    take(ledger, gateway, *(gateway.seal(record(SLOT + n * QUARTER)) for n in range(2)))
    take(ledger, other, other.seal(record(SLOT + 5 * QUARTER)))
    ledger.gateway = gateway
    return ledger


def test_a_backup_says_what_it_holds_and_is_whole(heard, ledgers, tmp_path):
    """Named by its instant, closed to others, restorable: the same readings, the same epochs."""
    made = back_up(heard, tmp_path / "b", SLOT)
    assert (tmp_path / "b" / "20261123T080000Z", 0o700) == (made, stat.S_IMODE(made.stat().st_mode))
    about = json.loads((made / "backup.json").read_text(encoding="utf-8"))
    assert {("gw-1", EPOCH.hex(), 2), ("gw-2", NEXT_EPOCH.hex(), 1)} == {
        (one["gateway"], one["epoch"], one["stored"]) for one in about["epochs"]
    }
    assert 2 == len(list(made.iterdir()))  # the copy is one file
    assert {("gw-1", EPOCH): 2, ("gw-2", NEXT_EPOCH): 1} == heard.durables()
    with ledgers.open(ledgers.restore(made), must_exist=True) as copy:
        assert list(heard.readings(Span())) == list(copy.readings(Span()))
        assert {} == copy.durables()


def test_a_batch_that_comes_during_the_copy_is_not_durable(heard, ledgers, tmp_path, monkeypatch):
    """The mark names what the copy holds, not what the ledger holds when the copy is done."""
    whole = type(heard).copy_to

    def copy_and_receive(self, folder):
        states = whole(self, folder)
        take(ledgers.again(heard), heard.gateway, heard.gateway.seal(record(SLOT + 9 * QUARTER)))
        return states

    monkeypatch.setattr(type(heard), "copy_to", copy_and_receive)
    back_up(heard, tmp_path, SLOT)
    assert (2, 3) == (heard.durables()["gw-1", EPOCH], heard.epoch("gw-1", EPOCH).stored)


def test_copy_and_mark_are_of_one_instant(heard, ledgers, tmp_path, monkeypatch):
    """A batch that comes between the snapshot and the reading of the epochs is in neither."""
    if isinstance(heard, SqliteLedger):
        pytest.skip("the epochs of a file's copy are read from the copy")
    read, other = type(heard)._epochs, ledgers.again(heard)

    def receive_and_read(self, where, values):
        if self is heard and where == "TRUE":
            take(other, heard.gateway, heard.gateway.seal(record(SLOT + 9 * QUARTER)))
        return read(self, where, values)

    monkeypatch.setattr(type(heard), "_epochs", receive_and_read)
    made = back_up(heard, tmp_path, SLOT)
    with ledgers.open(ledgers.restore(made), must_exist=True) as copy:
        assert (2, 2) == (heard.durables()["gw-1", EPOCH], copy.epoch("gw-1", EPOCH).stored)


def test_the_mark_comes_after_the_copy_is_synced_and_named(heard, tmp_path, monkeypatch):
    """File, folder, name, folder of the name: all synced before the first word of the mark."""
    done = []
    fsync, mark = os.fsync, type(heard).mark_durable

    def note_sync(handle):
        done.append(("sync", Path(f"/proc/self/fd/{handle}").readlink().name))
        fsync(handle)

    def note_mark(self, states):
        done.append(("mark", sorted(path.name for path in tmp_path.glob("*Z*"))))
        mark(self, states)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(type(heard), "mark_durable", note_mark)
    back_up(heard, tmp_path, SLOT)
    # pg_dump syncs its own file, in a process of its own.
    synced = [name for what, name in done if what == "sync" and name != "ledger.db"]
    assert ["backup.json", ".20261123T080000Z.part", tmp_path.name] == synced
    assert ("mark", ["20261123T080000Z"]) == done[-1]


def test_a_mark_that_may_be_there_names_the_copy_that_counts(heard, tmp_path, monkeypatch):
    """The ledger fails after its commit: the copy stays and is named, for gateways may forget what is in it."""
    mark = type(heard).mark_durable

    def mark_and_fail(self, states):
        mark(self, states)
        raise StoreError("E-CEN-301", path="ledger", detail="the disk is gone")

    monkeypatch.setattr(type(heard), "mark_durable", mark_and_fail)
    with pytest.raises(StoreError) as caught:
        back_up(heard, tmp_path / "b", SLOT)
    (made,) = (tmp_path / "b").iterdir()
    assert ("E-CEN-319", made) == (caught.value.code, caught.value.values["path"])
    assert "the disk is gone" in caught.value.fact()
    assert (made / "backup.json").is_file()


def test_a_copy_that_fails_marks_nothing_and_leaves_nothing(heard, tmp_path, monkeypatch):
    """A folder that cannot be made, a name that is taken, a copy that breaks off."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    back_up(heard, tmp_path / "taken", SLOT)
    heard._run("UPDATE epoch SET durable = 0")
    for target in (tmp_path / "file" / "b", tmp_path / "taken"):
        with pytest.raises(StoreError) as caught:
            back_up(heard, target, SLOT)
        assert "E-CEN-307" == caught.value.code
    name = "_copy" if hasattr(heard, "_copy") else "_epochs"
    monkeypatch.setattr(type(heard), name, _raise)
    with pytest.raises(StoreError):
        back_up(heard, tmp_path / "new", SLOT)
    monkeypatch.undo()
    assert ({}, []) == (heard.durables(), list((tmp_path / "new").iterdir()))


def _raise(*_):
    raise StoreError("E-CEN-302", path="x", detail="full")


def test_a_running_centre_hears_of_a_mark(heard, ledgers, tmp_path):
    """Its gateways are named once, and not looked for more often than every few seconds."""
    watch = BackupWatch(heard)
    assert () == tuple(watch.look(0.0))
    with ledgers.again(heard) as other:
        back_up(other, tmp_path, SLOT)
    assert [] == [*watch.look(1.0)]
    assert ["gw-1", "gw-2"] == [*watch.look(60.0)]
    assert [] == [*watch.look(120.0)]


def test_a_backup_and_a_centre_that_writes_do_not_wait_in_a_ring(heard, ledgers, tmp_path):
    """The mark is written while batches of the same epochs come, again and again: neither fails."""
    import threading

    failed, done = [], threading.Event()

    def mark():
        with ledgers.again(heard) as other:
            while not done.is_set():
                try:
                    other.mark_durable(reversed(other.epochs("gw-1") + other.epochs("gw-2")))
                except StoreError as exc:
                    failed.append(exc)

    second = Gateway("gw-2", signer=heard.gateway.signer)
    thread = threading.Thread(target=mark)
    thread.start()
    try:
        for n in range(10, 60):
            with heard.transaction():
                states = [heard.epoch("gw-1", EPOCH), heard.epoch("gw-2", NEXT_EPOCH)]
                for state in states:
                    heard.save_epochs([state])
            take(heard, second, second.seal(record(SLOT + n * QUARTER)))
    finally:
        done.set()
        thread.join()
    assert [] == failed


def test_a_dump_that_fails_shows_no_password(postgres, tmp_path, monkeypatch):
    """Neither in the error nor in its own arguments: it goes through the environment."""
    arguments = tmp_path / "arguments"
    fake = tmp_path / "pg_dump"
    fake.write_text(f'#!/bin/sh\necho "$@" >{arguments}\necho "no: $PGPASSWORD" >&2\nexit 1\n', encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    url = parse_database_url("postgresql://u:s3cr%25t%2Fw%40rd@h/n")
    with pytest.raises(StoreError) as caught:
        dump_database(url, "1", tmp_path / "ledger.dump")
    assert ("E-CEN-307", False) == (caught.value.code, SECRET in str(caught.value) + str(caught.value.values))
    assert "no: ***" in caught.value.fact()
    assert SECRET not in arguments.read_text(encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(StoreError) as caught:
        dump_database(url, "1", tmp_path / "ledger.dump")
    assert "E-CEN-307" == caught.value.code
