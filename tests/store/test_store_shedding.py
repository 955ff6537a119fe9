"""Replacements on the disk: found when damaged, whole after a kill at any moment, made in older files too."""

import os
import random
import signal
import subprocess
import sys
from types import SimpleNamespace

import apsw
import pytest

from edge.errors import StoreError
from edge.store import database as door
from edge.store.database import open_database
from edge.store.inspection import find_fault
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.schema import MIGRATIONS, SCHEMA
from edge.store.shedding import Replacement
from tests.store.store_kit import record, seal

SHEDDER = """
import sys
from pathlib import Path
from edge.store.database import open_database
from edge.store.outbox import Outbox
from edge.store.shedding import Replacement
with open_database(Path(sys.argv[1]), max_mib=16) as database:
    shedding = Outbox(database).shedding()
    print("open", flush=True)
    while (candidate := shedding.next()) is not None:
        seq = candidate.sealed.seq
        shedding.replace(candidate, Replacement(b"%d/%d/" % (candidate.level, seq) + bytes(3000 - seq), 1, 1))
        print(candidate.level, seq, flush=True)
"""


def filled(path, count):
    """Make a store of so many unsent batches; return them."""
    sealed = []
    with open_database(path, max_mib=16) as database:
        outbox, journal = Outbox(database), Journal(database)
        for number in range(count):
            journal.append([record(number)])
            sealed.append(seal(outbox, content=bytes(9000)))
    return sealed


def give_up(outbox, envelope=b"less"):
    """Put this in the place of the batch whose turn it is."""
    candidate = outbox.shedding().next()
    outbox.shedding().replace(candidate, Replacement(envelope, 1, 1))


def test_a_killed_shedder_leaves_each_batch_whole_or_replaced(tmp_path):
    """SIGKILL at random, reopened, and on: each batch is its original or a replacement, what was told is done."""
    path, chance = tmp_path / "edge.db", random.Random(4)
    sealed, told, runs = filled(path, 60), {}, 0
    done = False
    while not done:
        runs += 1
        shedder = subprocess.Popen([sys.executable, "-c", SHEDDER, str(path)], stdout=subprocess.PIPE)
        try:
            lines = [shedder.stdout.readline() for _ in range(chance.randrange(2, 30))]
            shedder.send_signal(signal.SIGKILL)
        finally:
            shedder.kill()
            rest, _ = shedder.communicate()
        done = not lines[-1]
        for line in b"".join([*lines[1:], rest]).splitlines():
            level, _, seq = line.decode().partition(" ")
            if seq:
                told[int(seq)] = int(level)
        with open_database(path, max_mib=16) as database:
            assert (None, None) == (database.set_aside, find_fault(database))
            kept = Outbox(database).unstored(None, 99)
        assert [one.sha256 for one in sealed] == [one.sha256 for one in kept]
        for one, original in zip(kept, sealed, strict=True):
            level = 0 if one.envelope == original.envelope else int(one.envelope[:1])
            assert level >= told.get(one.seq, 0)
            assert level == 0 or one.envelope == b"%d/%d/" % (level, one.seq) + bytes(3000 - one.seq)
    assert {2} == {int(one.envelope[:1]) for one in kept}
    assert runs > 3


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE envelope SET bytes = x'6c65737300' WHERE n = 1",
        "UPDATE outbox SET replacement = x'' WHERE n = 1",
        "UPDATE outbox SET replacement = zeroblob(32) WHERE n = 1",
        "UPDATE outbox SET sha256 = replacement WHERE n = 1",
        "DELETE FROM envelope WHERE n = 1",
    ],
)
def test_a_damaged_replacement_is_found_at_opening(tmp_path, damage):
    """Other bytes, another hash, a broken link: the file is set aside, and never sent from."""
    path = tmp_path / "edge.db"
    sealed = filled(path, 3)
    with open_database(path, max_mib=16) as database:
        give_up(Outbox(database))
    changed = apsw.Connection(str(path))
    changed.execute(damage)
    changed.close()
    with open_database(path, max_mib=16) as database:
        assert database.set_aside is not None
        assert sealed[0].epoch == Outbox(database).head().predecessor


def test_bytes_that_changed_under_the_program_are_not_given_up(tmp_path):
    """Damage since the opening: an error that names the file, no replacement of something unknown."""
    path = tmp_path / "edge.db"
    filled(path, 1)
    with open_database(path, max_mib=16) as database:
        database.change("UPDATE envelope SET bytes = x'00'")
        with pytest.raises(StoreError) as caught:
            Outbox(database).shedding().next()
    assert "E-STO-105" == caught.value.code


def test_a_store_of_the_first_version_can_give_up(tmp_path, monkeypatch):
    """Batches that were sealed before this was known are replaced like any others."""
    path = tmp_path / "edge.db"
    with monkeypatch.context() as old:
        old.setattr(door, "MIGRATIONS", MIGRATIONS[:1])
        old.setattr(door, "SCHEMA", 1)
        sealed = filled(path, 3)
    with open_database(path, max_mib=16) as database:
        assert (None, SCHEMA) == (database.set_aside, database.rows("PRAGMA user_version")[0][0])
        outbox = Outbox(database)
        assert sealed == outbox.unstored(None, 9)
        give_up(outbox)
        assert [b"less", sealed[1].envelope, sealed[2].envelope] == [one.envelope for one in outbox.unstored(None, 9)]
    with open_database(path, max_mib=16) as database:
        assert None is database.set_aside


def test_a_full_disk_is_less_room_than_the_bound(tmp_path, monkeypatch):
    """The file cannot grow to its bound: what the disk has left, but for the log's share, is the limit."""
    path = tmp_path / "edge.db"
    filled(path, 3)
    with open_database(path, max_mib=16) as database:
        size = database.size_bytes()
        rooms = []
        for free in (0, 4 << 20, 5 << 20, 1 << 30):
            disk = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096)
            monkeypatch.setattr(os, "statvfs", lambda _path, disk=disk: disk)
            rooms.append(Outbox(database).shedding().room())
        assert [size, size, size + (1 << 20), 16 << 20] == [room.limit for room in rooms]
        assert {size} == {room.used for room in rooms}
