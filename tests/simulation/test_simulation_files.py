"""What a power cut leaves of files that are not SQLite's, and the calendar that the invariants reckon by."""

import os
from collections import Counter
from datetime import time, timedelta
from random import Random

import pytest

from edge.quality.slots import slots_between
from edge.reading.plan import Schedule
from tests.simulation.calendars import CALENDARS, slots_of
from tests.simulation.disk import Disk, Life
from tests.simulation.plain_files import PlainFiles

OLD, NEW = b"old " * 50, b"new " * 50


@pytest.fixture
def disk(tmp_path):
    """Yield a disk with a synced file on it, on which the names are simulated."""
    random = Random("files")
    disks = {str(tmp_path): Disk(tmp_path, random, Counter(), Life(random))}
    found = disks[str(tmp_path)]
    plain = PlainFiles(disks, random)
    plain.adopt(found)
    (tmp_path / "register.json").write_bytes(OLD)
    found.forget()
    with plain.in_place():
        yield found


def write(disk, *, syncs_file=True, syncs_folder=True):
    """Put a new file in the place of the old one, as the register does; then the power goes."""
    path = disk.folder / "register.json"
    fresh = disk.folder / "register.json.new"
    with disk.in_program():
        with fresh.open("wb") as file:
            file.write(NEW)
            file.flush()
            if syncs_file:
                os.fsync(file.fileno())
        fresh.replace(path)
        if syncs_folder:
            folder = os.open(disk.folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    disk.cut_power()
    return path.read_bytes()


def left(disk, **how):
    """Return what is found after many such cuts."""
    found = set()
    for _ in range(40):
        (disk.folder / "register.json").write_bytes(OLD)
        disk.forget()
        found.add(write(disk, **how))
    return found


def test_what_is_synced_survives(disk):
    """File and folder synced: the new content, always."""
    assert {NEW} == left(disk)


def test_a_name_that_is_not_synced_may_go_back(disk):
    """Without the sync of the folder the old file or the new one is there, and both occur; nothing in between."""
    assert {OLD, NEW} == left(disk, syncs_folder=False)


def test_a_content_that_is_not_synced_may_be_torn(disk):
    """Without the sync of the file there is also something that nobody wrote."""
    assert left(disk, syncs_file=False) - {OLD, NEW}


def test_a_dead_machine_reaches_the_disk_no_more(disk):
    """What a program still tries after its death fails, and changes nothing."""
    disk.life.is_dead = True
    with disk.in_program(), pytest.raises(OSError, match="dead"):
        (disk.folder / "register.json").rename(disk.folder / "other")
    assert (disk.folder / "register.json").exists()


def test_a_full_disk_says_so(disk):
    """The room that the simulated disk has left is what `statvfs` tells."""
    disk.room_bytes = disk.used_bytes() + 3 * 4096
    told = os.statvfs(disk.folder)
    assert 3 * 4096 == told.f_bavail * told.f_frsize


@pytest.mark.parametrize("calendar", CALENDARS, ids=lambda one: f"{one.name}, {one.zone}")
@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(every_s=300),
        Schedule(every_s=900),
        Schedule(every_s=1800),
        Schedule(at=time(0, 5)),
        Schedule(at=time(2, 30)),
        Schedule(at=time(0, 30)),
        Schedule(at=time(0, 10), day=1),
    ],
    ids=repr,
)
def test_two_ways_to_reckon_slots_agree(calendar, schedule):
    """What the invariants expect on a difficult day is what the product promises: both are right, or both wrong."""
    window = calendar.begin - timedelta(days=3), calendar.begin + timedelta(days=3)
    assert list(slots_of(schedule, calendar.zone, *window)) == list(slots_between(schedule, calendar.zone, *window))
