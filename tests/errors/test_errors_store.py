"""Codes of the store that only a disobedient disk provokes."""

import subprocess
import sys

import pytest

from edge.errors import StoreError
from edge.store.database import open_database
from edge.store.register import MeterRegister

# In a process of its own: the limit on the size of files would hit the test runner's own output too.
SCRIPT = """
import resource, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from edge.errors import StoreError
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.store.database import open_database
from edge.store.journal import Journal

path = Path(sys.argv[1])
at = datetime(2026, 3, 1, tzinfo=UTC)

def record(number):
    stamp = Stamp(at, "synchronised", "0" * 32, 1.0)
    slot_at = at + timedelta(minutes=number)
    return PollRecord(
        task="load", slot_at=slot_at, meter="202311000001", bus="A", stamp=stamp, state=SlotState.READ
    )

with open_database(path, max_mib=8) as database:
    journal = Journal(database)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        journal.append([record(number) for number in range(100)])
    except StoreError as exc:
        print(exc.code, exc.values["path"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(journal.append([record(number) for number in range(100)]).stored)
"""


def test_a_disk_that_does_not_obey_is_told(tmp_path):
    """The kernel refuses a write for a reason that is no full disk: told with the path, and nothing counts as kept."""
    path = tmp_path / "edge.db"
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=False)
    assert "" == done.stderr
    assert [f"E-STO-106 {path}", "100"] == done.stdout.splitlines()


@pytest.mark.parametrize(
    ("opening", "file", "code", "leaves_with"),
    [
        (lambda path: open_database(path, max_mib=8), None, "E-STO-101", 9),
        (lambda path: MeterRegister(path).meters(), None, "E-STO-210", 9),
        (lambda path: MeterRegister(path).meters(), b"{}", "E-STO-206", 3),
    ],
)
def test_a_fault_of_the_site_is_no_defect_of_ours(tmp_path, opening, file, code, leaves_with):
    """Exit code 1 asks for a report to us; a folder in a file's place, or a damaged register, is none."""
    path = tmp_path / "file"
    if file is None:
        path.mkdir()
    else:
        path.write_bytes(file)
    with pytest.raises(StoreError) as caught:
        opening(path)
    assert (code, leaves_with) == (caught.value.code, caught.value.exit_code)
