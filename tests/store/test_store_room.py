"""How full the store is: the alarms at 70 and 90 %, and what counts as used."""

from types import SimpleNamespace

import pytest

from edge.store import database as door
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.room import Alarm, Room, alarm_of, room_of
from tests.store.store_kit import record, seal

NONE, HIGH, NEARLY = Alarm.NONE, Alarm.HIGH, Alarm.NEARLY_FULL


@pytest.mark.parametrize(
    ("percent", "before", "now"),
    [
        (69, NONE, NONE),
        (70, NONE, HIGH),
        (89, HIGH, HIGH),
        (90, NONE, NEARLY),
        (100, HIGH, NEARLY),
        (86, NEARLY, NEARLY),
        (85, NEARLY, HIGH),
        (66, HIGH, HIGH),
        (65, HIGH, NONE),
        (66, NONE, NONE),
        (20, NEARLY, NONE),
    ],
)
def test_an_alarm_begins_at_its_part_and_ends_five_points_below(percent, before, now):
    """70 and 90; what stands between two values keeps the answer that it had."""
    assert now is alarm_of(Room(percent, 100), before)


def test_the_disk_bounds_the_store_too():
    """What the settings allow is worth nothing where the disk has less."""
    assert (Room(50, 60, is_of_disk=True), Room(50, 100)) == (room_of(50, 100, 10), room_of(50, 100, 1000))
    assert (83, 0) == (room_of(50, 100, 10).percent, Room(0, 0).percent)


def test_pages_that_are_free_again_are_not_used(database):
    """The file never shrinks; what was delivered makes room all the same."""
    journal, outbox = Journal(database), Outbox(database)
    before = database.room()
    journal.append([record(slot, flags=("x" * 90,)) for slot in range(600)])
    full = database.room()
    seal(outbox, outbox.take(10**6))
    after = database.room()
    assert before.used <= after.used < full.used == database.size_bytes()
    assert 16 << 20 == full.limit


def test_a_disk_that_is_nearly_full_shows(database, monkeypatch):
    """The bound is what is used and what is left."""
    disk = SimpleNamespace(f_bavail=2, f_frsize=4096)
    monkeypatch.setattr(door.os, "statvfs", lambda folder: disk)
    room = database.room()
    assert room.used + 8192 == room.limit


def test_free_pages_of_the_file_are_room_on_a_full_disk(tmp_path, monkeypatch):
    """The disk has nothing left, but half of the file is free again: the store is half full, not wholly."""
    with door.open_database(tmp_path / "edge.db", max_mib=16) as database:
        Journal(database).append([record(slot) for slot in range(4000)])
        whole = database.size_bytes()
        database.change("DELETE FROM journal WHERE id > 2000")
        monkeypatch.setattr(door.os, "statvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4096))
        room = database.room()
        assert (whole, whole) == (room.limit, database.size_bytes())
        assert room.used < whole * 0.6
