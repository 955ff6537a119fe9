"""A disk that is really full: the store opens, takes records and seals all the same, and says what is wrong."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.app.room_watch import RoomWatch
from edge.clock import ManualClock
from edge.errors import StoreError
from edge.health.model import Health
from edge.store.room import room_of
from edge.store.safe_storage import SafeStorage

ROOT = Path(__file__).parents[2]
_FILL = """
import os, sys
from pathlib import Path
from edge.errors import StoreError
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.register import RegisterLock
from edge.store.safe_storage import SafeStorage
from tests.store.store_kit import record, seal
folder = Path(sys.argv[1])
def fill():
    junk = os.open(folder / "junk", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (1 << 16, 1 << 9):
        try:
            while True:
                os.write(junk, b"x" * size)
        except OSError:
            pass
    os.close(junk)
with open_database(folder / "edge.db", max_mib=16) as database:
    Journal(database).append([record(0)])
print((folder / "ballast.bin").exists())
fill()
try:
    SafeStorage(folder / "register.json").write({})
except StoreError as exc:
    print(exc.code)
with RegisterLock(folder, "x"), open_database(folder / "edge.db", max_mib=16) as database:
    Journal(database).append([record(1)])
    print(seal(Outbox(database)).seq, database.notice(), (folder / "ballast.bin").exists())
fill()
try:
    open_database(folder / "edge.db", max_mib=16)
except StoreError as exc:
    print(exc.code)
"""


def test_a_full_disk_does_not_keep_the_store_from_opening(tmp_path):
    """The ballast makes the room that an opening needs; where there is none, the disk is named and not the card."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "this test needs unshare: apt-get install util-linux"
    if subprocess.run([unshare, "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of his own")
    script = 'mount -t tmpfs -o size=24m none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", script, "sh", tmp_path, sys.executable, _FILL],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert "" == done.stderr
    assert ["True", "E-STO-121", "1 None False", "E-STO-121"] == done.stdout.splitlines()


@pytest.mark.parametrize(("free", "code"), [(1 << 20, "E-STO-122"), (200 << 20, "E-STO-116")])
def test_a_disk_that_is_nearly_full_is_told_from_a_store_that_is(tmp_path, free, code):
    """Who reads it frees the disk in one case, and brings back the centre in the other."""
    clock = ManualClock()
    health = Health(clock)
    RoomWatch(tmp_path / "edge.db", lambda: room_of(95 << 20, 100 << 20, free), clock, health).tend()
    condition = health.snapshot()["conditions"]["store_has_room"]
    assert code == condition["code"]
    assert StoreError(code, **condition["values"]).fact()


def test_a_register_that_may_not_be_written_is_no_full_disk(tmp_path):
    """Another fault keeps its own code."""
    with pytest.raises(StoreError) as caught:
        SafeStorage(tmp_path / "missing" / "register.json").write({})
    assert "E-STO-210" == caught.value.code
