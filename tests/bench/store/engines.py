"""One engine for a day of rounds, in a process of its own; prints what it took as one JSON document.

    python -m tests.bench.store.engines ENGINE FOLDER METERS ROUNDS POLLS-A-COMMIT
    python -m tests.bench.store.engines site FOLDER METERS ROUNDS BAUD

`site`: the polling half on two buses, at the pace of their speed (`site.py`).
`edge`: the product's buffer, journal, sealer and outbox with commits of one size, receipts that call each batch durable
after its round. `json`: one JSON message a reading in a SQLite table with the same commits, deleted once sent;
`json-each`: a commit a message. `tinydb`: a document a reading, synced with each commit; `tinydb-each`: as shipped, an
insert each, no sync.
"""

import json
import os
import sys
from pathlib import Path

import apsw
from tinydb import JSONStorage, TinyDB

from edge.clock import ManualClock
from edge.forward.sealing import Sealer
from edge.forward.settings import SealRules
from edge.health.model import Health
from edge.poll.buffer import CommitRule, RecordBuffer, RecordGroup
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from tests.bench.store import delivery
from tests.bench.store.site import site
from tests.bench.store.stopwatch import Stopwatch
from tests.messages.samples import START, rounds_of

_TOPIC = "v1/gateway/telemetry"


def edge(folder, rounds, polls):
    clock, storing, sealing = ManualClock(now=START), Stopwatch(), Stopwatch()
    wire = readings = 0
    with (
        open_database(folder / "edge.db", max_mib=256, clock=clock) as poller,
        open_database(folder / "edge.db", max_mib=256, check=False, clock=clock) as forwarder,
    ):
        outbox = Outbox(forwarder, clock)
        sealer = Sealer(outbox, delivery.SIGNER, clock, delivery.GATEWAY, SealRules())
        group = RecordGroup(clock=clock, health=Health(clock), rule=CommitRule(polls=polls))
        buffer = RecordBuffer(bus="A", sink=Journal(poller), group=group)
        for number, records in enumerate(rounds, 1):
            readings += sum(len(one.values) for one in records)
            with storing:
                for one in records:
                    buffer.add(one)
                    buffer.commit_if_due(is_idle=False)
                buffer.commit()
            with sealing:
                wire += delivery.deliver(outbox, sealer, number)
            clock.advance(900)
    return {"readings": readings, "storing": storing, "sealing": sealing, "wire": wire}


def json_table(folder, rounds, polls):
    storing, sealing, connection = Stopwatch(), Stopwatch(), apsw.Connection(str(folder / "messages.db"))
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, topic TEXT, payload TEXT)")
    wire = readings = 0
    for records in rounds:
        with storing:
            for group in _groups(records, polls):
                rows = [(_TOPIC, payload) for payload in group]
                readings += len(rows)
                with connection:
                    connection.executemany("INSERT INTO message (topic, payload) VALUES (?, ?)", rows)
        with sealing:
            sent = connection.execute("SELECT id, topic, payload FROM message").fetchall()
            wire += sum(len(topic) + len(payload) + delivery.MQTT_HEADER for _, topic, payload in sent)
            for first in range(0, len(sent), 100):
                with connection:
                    ids = [(one[0],) for one in sent[first : first + 100]]
                    connection.executemany("DELETE FROM message WHERE id = ?", ids)
    connection.close()
    return {"readings": readings, "storing": storing, "sealing": sealing, "wire": wire}


def tinydb(folder, rounds, polls):
    storing = Stopwatch()
    readings = 0
    with TinyDB(folder / "readings.json", storage=_Synced if polls else JSONStorage) as database:
        for records in rounds:
            with storing:
                for group in _groups(records, polls):
                    documents = [json.loads(payload) for payload in group]
                    readings += len(documents)
                    database.insert_multiple(documents)
    return {"readings": readings, "storing": storing, "sealing": Stopwatch(), "wire": 0}


class _Synced(JSONStorage):
    def write(self, data):
        super().write(data)
        os.fsync(self._handle.fileno())


def _groups(records, polls):
    """Yield the messages of so many polls; of one reading each for 0 polls."""
    step = polls or 1
    for first in range(0, len(records), step):
        payloads = [payload for one in records[first : first + step] for payload in _messages(one)]
        if polls:
            yield payloads
        else:
            yield from ([payload] for payload in payloads)


def _messages(record):
    """Return a JSON message for each reading, as telemetry gateways send it."""
    at_ms = int(record.slot_at.timestamp() * 1000)
    for key, value in record.values.items():
        yield json.dumps({record.meter: [{"ts": at_ms, "values": {key: str(value)}}]})


def _given(engine):
    """Return an engine that takes a number of meters, for one that takes their rounds."""
    return lambda folder, meters, rounds, polls: engine(folder, rounds_of(meters, rounds), polls)


ENGINES = {
    "site": site,
    "edge": _given(edge),
    "json": _given(json_table),
    "json-each": _given(lambda folder, rounds, polls: json_table(folder, rounds, 0)),
    "tinydb": _given(tinydb),
    "tinydb-each": _given(lambda folder, rounds, polls: tinydb(folder, rounds, 0)),
}


def main():
    engine, folder, meters, rounds, number = sys.argv[1:]
    before = pss_mib()
    found = ENGINES[engine](Path(folder), int(meters), int(rounds), int(number))
    storing, sealing = found.pop("storing"), found.pop("sealing")
    document = {
        **found,
        "storing_s": storing.wall,
        "storing_cpu_s": storing.cpu,
        "sealing_s": sealing.wall,
        "pss_before_mib": before,
        "pss_mib": pss_mib(),
        "written": write_bytes(),
    }
    print(json.dumps(document))


def pss_mib():
    """Return this process's share of the memory."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def write_bytes():
    """Return what this process had to have written back."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


if __name__ == "__main__":
    main()
