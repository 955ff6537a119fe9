"""How long a store with many readings takes to open, each time in a new process; and what a reading takes in it.

python -m tests.bench.store.opening FOLDER          opens the store there, prints seconds
"""

import subprocess
import sys
import time
from pathlib import Path

from edge.clock import ManualClock
from edge.forward.sealing import Sealer
from edge.forward.settings import SealRules
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from tests.bench.store.delivery import GATEWAY, SIGNER
from tests.messages.samples import START, rounds_of

_TIMES = 5
_MIB = 512
_PER_COMMIT = 2048


def fill(folder, meters, readings):
    """Store so many readings, none sealed; return how many it became."""
    stored, waiting = 0, []
    with open_database(folder / "edge.db", max_mib=_MIB, clock=ManualClock(now=START)) as database:
        journal = Journal(database)
        for records in rounds_of(meters, 10**6):
            waiting += records
            stored += sum(len(one.values) for one in records)
            if len(waiting) >= _PER_COMMIT or stored >= readings:
                journal.append(waiting)
                waiting = []
            if stored >= readings:
                return stored
    raise AssertionError(readings)


def seal_all(folder):
    """Seal all that waits."""
    clock = ManualClock(now=START)
    with open_database(folder / "edge.db", max_mib=_MIB, clock=clock) as database:
        sealer = Sealer(Outbox(database, clock), SIGNER, clock, GATEWAY, SealRules())
        while sealer.seal(0.0) is not None:
            pass


def used_bytes(folder):
    """Return the bytes of pages that hold something."""
    with open_database(folder / "edge.db", max_mib=_MIB) as database:
        return database.room().used


def opening_s(folder):
    """Return the seconds of some openings, shortest first."""
    command = [sys.executable, "-m", __spec__.name, str(folder)]
    return sorted(float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(_TIMES))


def main():
    path = Path(sys.argv[1]) / "edge.db"
    started = time.perf_counter()
    open_database(path, max_mib=_MIB).close()
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
