"""Several processes on one file, and processes that are killed."""

import random
import signal
import subprocess
import sys
import threading

from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from tests.store.store_kit import seal

APPENDER = """
import sys
from pathlib import Path
from edge.store.database import open_database
from edge.store.journal import Journal
from tests.store.store_kit import record
path, first, count, size = Path(sys.argv[1]), *map(int, sys.argv[2:])
with open_database(path, max_mib=64) as database:
    journal = Journal(database)
    for slot in range(first, first + count, size):
        journal.append([record(one, meter=f"{first:012d}") for one in range(slot, min(slot + size, first + count))])
        print(slot + size, flush=True)
"""


def appender(path, first, count, size):
    """Start a process that appends records of slots first, first + 1, ... and prints how far they are durable."""
    command = [sys.executable, "-c", APPENDER, str(path), str(first), str(count), str(size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def slots(records):
    """Return (meter, slot) of records."""
    return [(one.meter, one.stamp.boot_s - 1234.5) for one in records]


def test_two_pollers_and_a_forwarder_lose_and_double_nothing(tmp_path):
    """While two processes append, this one seals: every record goes into exactly one batch."""
    path, sealed = tmp_path / "edge.db", []
    with open_database(path, max_mib=64) as database:
        outbox = Outbox(database)
        workers = [appender(path, first, 1500, 8) for first in (0, 10000)]
        try:
            while any(worker.poll() is None for worker in workers) or outbox.waiting().readings:
                taken = outbox.take(500)
                if taken.records:
                    seal(outbox, taken)
                    sealed += slots(taken.records)
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()
        assert [0, 0] == [worker.returncode for worker in workers]
        expected = [(f"{first:012d}", first + number) for first in (0, 10000) for number in range(1500)]
        assert expected == sorted(sealed)
        assert outbox.head().next_seq - 1 == len(outbox.unstored(None, 10000))


def test_threads_with_a_connection_each_share_the_file(tmp_path):
    """Two threads append at once; nothing is lost, nothing fails."""
    path = tmp_path / "edge.db"
    failures = []

    def work(first):
        from tests.store.store_kit import record

        try:
            with open_database(path, max_mib=16) as own:
                for number in range(40):
                    Journal(own).append([record(number, meter=f"{first:012d}")])
        except Exception as exc:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(first,)) for first in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_database(path, max_mib=16) as database:
        assert ([], 120) == (failures, len(Outbox(database).take(1000).records))


def test_a_killed_poller_loses_nothing_that_it_acknowledged(tmp_path):
    """Killed at random, reopened: everything that was printed as stored is there, once, in order."""
    path, chance = tmp_path / "edge.db", random.Random(17)
    for round_number in range(6):
        first = round_number * 100_000
        worker = appender(path, first, 100_000, 3)
        try:
            lines = [worker.stdout.readline() for _ in range(chance.randrange(1, 120))]
            worker.send_signal(signal.SIGKILL)
        finally:
            worker.kill()
            rest, _ = worker.communicate()
        acknowledged = int((b"".join(lines) + rest).split()[-1])
        with open_database(path, max_mib=64) as database:
            outbox = Outbox(database)
            assert None is database.set_aside
            found = [slot for _, slot in slots(outbox.take(1_000_000).records)]
            assert list(range(first, first + len(found))) == found
            assert acknowledged - first <= len(found)
            assert 0 == len(found) % 3
            seal(outbox, outbox.take(1_000_000))
