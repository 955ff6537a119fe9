"""The simulated disk by itself, and what the store owes to a disk like that."""

import contextlib
from collections import Counter
from random import Random

import apsw
import pytest

from edge.centre.ledger_sqlite import SqliteLedger
from edge.errors import StoreError
from edge.store.database import open_database
from edge.store.meta import load_fact, mark_fact
from tests.simulation.disk import SECTOR, Disk, Life, simulated_disks


@pytest.fixture
def disk(tmp_path):
    """Yield a disk on which SQLite works."""
    random = Random("disk")
    with simulated_disks(random) as disks:
        disks[str(tmp_path)] = found = Disk(tmp_path, random, Counter(), Life(random))
        yield found


def kill(disk, database):
    """End the process: its files are as the system has them."""
    disk.life.is_dead = True
    with contextlib.suppress(apsw.Error, StoreError):
        database.close()
    disk.life = Life(disk.random)


def cut(disk, database):
    """Let the machine die with its files open, and its power go away."""
    kill(disk, database)
    disk.cut_power()


def mark(database, name):
    with database.writing():
        mark_fact(database, name, 1)


@pytest.mark.parametrize("skips", [False, True])
def test_what_is_synced_survives_a_cut(disk, skips):
    """A commit of the store is there after the power cut; on a disk whose syncs do nothing it is gone at some time."""
    found = set()
    for number in range(12):
        path = disk.folder / f"edge-{number}.db"
        disk.skips_syncs = False
        database = open_database(path, max_mib=16)
        disk.skips_syncs = skips
        mark(database, "one")
        cut(disk, database)
        try:
            with open_database(path, max_mib=16) as again:
                found.add(load_fact(again, "one") == 1)
        except StoreError:
            found.add(False)
    assert ({True, False} if skips else {True}) == found


def test_writes_are_torn_by_sectors(disk):
    """After a cut each sector of an un-synced write is as it was before or as it was written, and both occur."""
    path = disk.folder / "plain"
    path.write_bytes(b"." * 8 * SECTOR)
    seen = set()
    for _ in range(20):
        image = disk.image(str(path))
        disk.write(image, 0, b"x" * 8 * SECTOR)
        disk.cut_power()
        content = path.read_bytes()
        seen |= {content[at : at + SECTOR] for at in range(0, len(content), SECTOR)}
        path.write_bytes(b"." * 8 * SECTOR)
    assert {b"." * SECTOR, b"x" * SECTOR} <= seen


def test_a_full_disk_is_what_sqlite_says(disk):
    """Beyond its room a file does not grow, and the store says that the disk is full."""
    database = open_database(disk.folder / "edge.db", max_mib=16)
    disk.room_bytes = disk.used_bytes()
    with pytest.raises(StoreError, match="E-STO-103"):
        mark(database, "more")
    disk.room_bytes = None
    mark(database, "more")
    database.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_commit_whose_sync_failed_takes_no_later_one_with_it(disk, seed):
    """The process ends after a failed sync, the next one commits, the power goes: what was acknowledged is there.

    The failed commit is still in the memory of the system, so the next process sees it in the log; on the disk the log
    has a hole there, and everything behind it would be gone.
    """
    disk.random.seed(seed)
    path = disk.folder / "edge.db"
    database = open_database(path, max_mib=16)
    mark(database, "before")
    disk.bad_syncs = 1
    with pytest.raises(StoreError, match="E-STO-106"):
        mark(database, "failed")
    kill(disk, database)
    database = open_database(path, max_mib=16)
    mark(database, "after")
    cut(disk, database)
    with open_database(path, max_mib=16) as again:
        assert 1 == load_fact(again, "after")


@pytest.mark.parametrize("seed", range(6))
def test_the_ledger_owes_the_same(disk, seed):
    """The centre's ledger after a failed sync, a new process, and a power cut: the meters it acknowledged are there."""
    disk.random.seed(seed)
    path = disk.folder / "ledger.db"
    ledger = SqliteLedger(path)
    ledger.import_meters(["000000000001"])
    disk.bad_syncs = 1
    with pytest.raises(StoreError):
        ledger.import_meters(["000000000002"])
    kill(disk, ledger)
    ledger = SqliteLedger(path)
    assert 3 <= ledger.import_meters(["000000000003", "000000000004"])
    cut(disk, ledger)
    with SqliteLedger(path) as again:
        assert {"000000000003", "000000000004"} <= _meters(again, path)


def _meters(ledger, path):
    del ledger
    db = apsw.Connection(str(path))
    try:
        return {address for (address,) in db.execute("SELECT address FROM meter")}
    finally:
        db.close()
