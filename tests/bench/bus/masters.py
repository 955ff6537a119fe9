"""The masters on the timed bus, each as a user runs it: the product as a daemon, the PyPI package dlt645 as a loop.

The product reads one task whose period is longer than a round. A round lasts from its first request to the record of
its last meter, and the mean pause between two transactions is added, as if the next round followed at once.
"""

import json
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from edge.store.packing import Row, unpack_record
from tests.bench.bus.bus import ROOT
from tests.bench.bus.items import ITEMS, KEYS, WORKLOAD, members_of
from tests.bench.bus.truth import Taken

_START_S = 3.0  # from the start of the daemon to its first slot
_BEFORE_END_S = 0.25
_SETTINGS = """schema = 1
[gateway]
id = "bench-1"
tenant = "bench"
timezone = "UTC"
state_dir = "{state}"
clock = "rtc"

[[bus]]
name = "A"
port = "{port}"
baud = {baud}
{gap}

[[task]]
name = "load"
every = "{period}s"
items = {items}
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a master: what it read, how long it took, what it cost. `pauses` in seconds."""

    readings: int
    seconds: float
    transactions: int
    pauses: tuple
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Run:
    """What a master did: its rounds, and every value that it took."""

    rounds: tuple
    taken: tuple
    records: tuple = ()


def run_edge(folder, bus, addresses, *, gap_ms, period_s, rounds):
    """Let the product poll for some rounds; return its rounds. The bus is ended for its log."""
    state = Path(folder) / "state"
    config = Path(folder) / "edge.toml"
    gap = "" if gap_ms is None else f"gap_ms = {gap_ms}"
    items = json.dumps(KEYS)
    text = _SETTINGS.format(state=state, port=bus.port, baud=bus.baud, gap=gap, period=period_s, items=items)
    config.write_text(text, encoding="utf-8")
    (Path(folder) / "meters.csv").write_text("address,bus\n" + "".join(f"{one},A\n" for one in addresses))
    _edge("meters", "import", Path(folder) / "meters.csv", "--yes", "--config", config)
    slots, cpu = _poll(folder, config, period_s, rounds)
    bus.end()
    records = _records(state / "edge.db")
    made = tuple(_round(slot, slot + period_s, records, bus.log, spent) for slot, spent in zip(slots, cpu, strict=True))
    return Run(made, tuple(_taken(records)), tuple(records))


def _edge(*arguments):
    subprocess.run([sys.executable, "-m", "edge.cli.main", *map(str, arguments)], check=True, capture_output=True)


def _poll(folder, config, period_s, rounds):
    """Run the poller over so many whole slots; return their instants and the CPU seconds of each."""
    first = (int((time.time() + _START_S) / period_s) + 1) * period_s
    slots = [first + n * period_s for n in range(rounds)]
    time.sleep(first - _START_S - time.time())
    with (Path(folder) / "edge.log").open("wb") as log:
        command = [sys.executable, "-m", "edge.cli.main", "run", "--only", "poll", "--config", str(config)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            time.sleep(first - _BEFORE_END_S - time.time())
            marks = [_cpu_s(process.pid)]
            for slot in slots:
                time.sleep(max(0.0, slot + period_s - _BEFORE_END_S - time.time()))
                marks.append(_cpu_s(process.pid))
            process.terminate()
            assert process.wait(30) == 0, (Path(folder) / "edge.log").read_text()
        finally:
            process.kill()
            process.wait()
    return slots, [after - before for before, after in pairwise(marks)]


def _cpu_s(pid):
    """Return the CPU seconds of a process so far, all its threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _records(path):
    query = "SELECT CAST(task AS BLOB), CAST(meter AS BLOB), slot_us, readings, crc, body FROM journal ORDER BY rowid"
    with sqlite3.connect(path) as store:
        found = [unpack_record(Row(*row)) for row in store.execute(query)]
    store.close()
    return found


def _taken(records):
    for record in records:
        for key, value in record.values.items():
            yield Taken(record.meter, key, value, record.slot_at.timestamp(), record.stamp.at.timestamp())


def _round(begin, until, records, log, cpu_s):
    here = [record for record in records if record.slot_at.timestamp() == begin]
    asked = [one for one in log.requests if begin <= one.start < until]
    pauses = _pauses(asked, log.answers)
    end = max((record.stamp.at.timestamp() for record in here), default=until)
    pause = sum(pauses) / len(pauses) if pauses else 0.0
    return Round(
        readings=sum(value is not None for record in here for value in record.values.values()),
        seconds=end - asked[0].start + pause if asked else 0.0,
        transactions=len([one for one in asked if one.start < end]),
        pauses=pauses,
        cpu_s=cpu_s,
    )


def _pauses(asked, answers):
    """Return the times from the end of each sound answer to the beginning of the next request."""
    end_of = {answer.asked_start: answer.end for answer in answers if answer.is_sound and not answer.fault}
    return tuple(after.start - end_of[one.start] for one, after in pairwise(asked) if one.start in end_of)


def run_dlt645(folder, bus, addresses, *, rounds=1):
    """Let the client of the package read the same registers one after the other; return its rounds."""
    command = [sys.executable, "-m", "tests.bench.bus.dlt645_client", bus.port, str(bus.baud), str(rounds), *addresses]
    with (Path(folder) / "dlt645.log").open("wb") as log:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, check=True, cwd=ROOT)
    bus.end()
    made, taken = [], []
    for line in done.stdout.splitlines():
        found = json.loads(line)
        begin, end = found["begin"], found["end"]
        asked = [one for one in bus.log.requests if begin <= one.start < end]
        read = [one for one in found["read"] if one["value"] is not None]
        made.append(Round(len(read), end - begin, len(asked), _pauses(asked, bus.log.answers), found["cpu_s"]))
        taken += [_taken_by_client(one) for one in read]
    return Run(tuple(made), tuple(taken))


def _taken_by_client(one):
    item = ITEMS[one["di"]]
    value = Decimal(one["value"]).quantize(Decimal(1).scaleb(-item.decimals)).scaleb(item.power)
    return Taken(one["meter"], item.key, value, one["begin"], one["end"])


def expected_readings(addresses):
    """Return how many readings a whole round has."""
    return len(addresses) * len(WORKLOAD)


def totals(rounds):
    """Return some rounds as one."""
    return Round(
        readings=sum(one.readings for one in rounds),
        seconds=sum(one.seconds for one in rounds),
        transactions=sum(one.transactions for one in rounds),
        pauses=tuple(pause for one in rounds for pause in one.pauses),
        cpu_s=sum(one.cpu_s for one in rounds),
    )


def recovered(run, log):
    """Return how many values were read in spite of a fault: an answer that would have brought them failed."""
    found = 0
    for record in run.records:
        begin, end = record.slot_at.timestamp(), record.stamp.at.timestamp()
        broken = [
            answer
            for answer in log.answers
            if answer.meter == record.meter and begin <= answer.end <= end and (answer.fault or not answer.is_sound)
        ]
        keys = {key for answer in broken for key in _keys_of(answer.identifier)}
        found += len(keys & {key for key, value in record.values.items() if value is not None})
    return found


def _keys_of(identifier):
    return {ITEMS[member].key for member in members_of(identifier)}
