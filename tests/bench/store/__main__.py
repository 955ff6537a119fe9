"""Run all measurements and write `docs/bench-store.md`. ROUNDS=n and READINGS=n make it shorter, and write no page."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.bench.store import opening
from tests.bench.store.device import device
from tests.bench.store.page import PAGE, Opened, Run, page

METERS, ROUNDS, READINGS = 256, 96, 1_000_000
# engine, what it is called, speed of the buses or polls a commit, meters, rounds where a day would take hours
RUNS = (
    ("site", "edge, 2 buses of 9600 Bd, 256 meters", 9600, METERS, None),
    ("site", "edge, 2 buses of 2400 Bd, 256 meters", 2400, METERS, None),
    ("site", "edge, 2 buses of 9600 Bd, 80 meters", 9600, 80, None),
    ("site", "edge, 2 buses of 2400 Bd, 80 meters", 2400, 80, None),
    ("edge", "edge, 16 polls a commit", 16, METERS, None),
    ("json", "JSON telemetry in SQLite, 16 polls a commit", 16, METERS, None),
    ("json-each", "JSON telemetry in SQLite, a commit a message", 0, METERS, 1),
    ("tinydb", "TinyDB, synced every 16 polls", 16, METERS, 2),
    ("tinydb-each", "TinyDB as shipped: no sync at all", 0, 100, 1),
)


def main():
    """Measure, print, and write the page if everything was measured."""
    rounds, readings = int(os.environ.get("ROUNDS", ROUNDS)), int(os.environ.get("READINGS", READINGS))
    with device() as disk:
        runs = [_run(disk, run, rounds) for run in RUNS]
        opened = _open(disk, readings)
        text = page(disk.how, METERS, rounds, runs, opened)
    print(text)
    if (rounds, readings) == (ROUNDS, READINGS):
        PAGE.write_text(text, encoding="utf-8")


def _run(disk, run, rounds):
    engine, name, number, meters, shorter = run
    print(f"measuring: {name}", file=sys.stderr)
    folder = disk.fresh(engine)
    disk.settle()
    before = disk.written()
    rounds = shorter or rounds
    command = [sys.executable, "-m", "tests.bench.store.engines", engine, folder, meters, rounds, number]
    done = subprocess.run([str(one) for one in command], check=True, stdout=subprocess.PIPE)
    disk.settle()
    found = json.loads(done.stdout)
    written = found.pop("written") if before is None else disk.written() - before
    found.pop("written", None)
    return Run(name=name, polls=meters * rounds, device=written, is_whole=shorter is None, **found)


def _open(disk, readings):
    print(f"measuring: opening with {readings:,} readings", file=sys.stderr)
    folder: Path = disk.fresh("opening")
    stored = opening.fill(folder, METERS, readings)
    waiting = Opened("waiting, not sealed", stored, opening.used_bytes(folder), opening.opening_s(folder))
    opening.seal_all(folder)
    sealed = Opened("sealed, not sent", stored, opening.used_bytes(folder), opening.opening_s(folder))
    return [waiting, sealed]


if __name__ == "__main__":
    main()
