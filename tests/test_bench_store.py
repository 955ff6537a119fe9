"""The measurements of the store still run, and count what they say they count."""

import os
from pathlib import Path

from tests.bench.store import __main__ as bench
from tests.bench.store.device import Device, device
from tests.bench.store.page import Opened, Run, page
from tests.messages.samples import KEYS


def run(name, **more):
    figures = {"readings": 1000, "storing_s": 2.0, "storing_cpu_s": 0.1, "sealing_s": 0.5, "wire": 2500}
    memory = {"pss_before_mib": 30.0, "pss_mib": 31.5, "is_whole": True}
    return Run(**{"name": name, "polls": 100, "device": 200_000, **figures, **memory, **more})


def test_the_page_has_each_figure_beside_its_budget():
    """Rates, bytes and the day are worked out of what was measured, and nothing else."""
    opened = [Opened("waiting", 1000, 19_000, [0.1, 0.2, 0.9])]
    paced = run("edge, 2 buses", device=60_000_001, commits=40, longest_s=5.14)
    text = page("counted", 256, 96, [paced, run("edge"), run("other", is_whole=False, wire=0)], opened)
    assert "| edge | 1,000 | 500 | 200 | 0.2 | 2.50 |" in text
    assert "| other | 1,000 | 500 | 200 | at least 59.0 | - |" in text
    assert "| 1,000 readings waiting: opening | 0.20 s (0.10 to 0.90) | 1 s |" in text
    assert "| device bytes a day, edge | 0.2 MB | 60 MB: met |" in text
    assert "| device bytes a day, 2 buses | 60.0 MB | 60 MB: missed |" in text
    assert "| commits, 2 buses | 40, of 2.5 polls; the longest wait 5.1 s | - |" in text
    assert "| CPU from record to disk | 1.000 ms a poll of 12 readings | - |" in text


def test_every_engine_takes_the_same_readings(tmp_path):
    """A short run of all: each stores what it was given, and only those that send have bytes on the wire."""
    short = [(engine, name, number, 4, 2) for engine, name, number, _, _ in bench.RUNS]
    found = [bench._run(Device(tmp_path), one, 2) for one in short]
    assert [(8 * len(KEYS), 8)] * len(found) == [(one.readings, one.polls) for one in found]
    assert [True] * 7 + [False] * 2 == [one.wire > 0 for one in found]
    assert all(one.device > 0 and one.storing_s > 0 for one in found)
    assert [True] * 4 + [False] * 5 == [one.commits > 0 for one in found]


def test_buses_share_their_commits(tmp_path):
    """Two slow buses have as many polls in a commit as both bring in its time, and none waits much longer than that."""
    found = bench._run(Device(tmp_path), ("site", "edge", 2400, 40, 2), 2)
    assert 4 < found.polls / found.commits < 12
    assert 4 < found.longest_s < 6


def test_opening_is_measured_waiting_and_sealed(tmp_path):
    """Both kinds of a full store open, and the sealed one is the smaller."""
    waiting, sealed = bench._open(Device(tmp_path), 4000)
    assert waiting.readings == sealed.readings >= 4000
    assert sealed.used < waiting.used
    assert (5, 5) == (len(waiting.seconds), len(sealed.seconds))


def test_the_device_counts_what_reaches_it():
    """A megabyte that was synced is seen by the device, where there is one."""
    with device() as disk:
        before = disk.written()
        (disk.fresh("x") / "file").write_bytes(os.urandom(1 << 20))
        disk.settle()
        assert before is None or disk.written() - before >= 1 << 20
        assert Path(disk.folder).exists()
