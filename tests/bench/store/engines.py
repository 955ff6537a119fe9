"""One engine for a day of rounds, in a process of its own; prints what it took as one JSON document.

    python -m tests.bench.store.engines ENGINE FOLDER METERS ROUNDS [POLLS A COMMIT]

`edge`: the product's buffer, journal, sealer and outbox, receipts that call each batch durable after its round.
`json`: one JSON message a reading in a SQLite table with the same commits, deleted once sent; `json-each`: a commit a
message. `tinydb`: a document a reading, synced with each commit; `tinydb-each`: as shipped, an insert each, no sync.
"""

import json
import os
import sys
import time
from pathlib import Path

import apsw
from tinydb import JSONStorage, TinyDB

from edge.clock import ManualClock
from edge.forward.sealing import Sealer
from edge.forward.settings import SealRules
from edge.health.model import Health
from edge.messages.signing import Ed25519Signer
from edge.poll.buffer import CommitRule, RecordBuffer
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.receipts import EpochState
from tests.messages.samples import START, rounds_of

_MQTT_HEADER = 7  # fixed header, lengths and packet id of a QoS 1 publish
_TOPIC = "v1/gateway/telemetry"
_GATEWAY, _SIGNER = "gw-bench", Ed25519Signer(b"s" * 32)


class Stopwatch:
    """Seconds of wall and processor, added up over many spans."""

    def __init__(self):
        self.wall = self.cpu = 0.0

    def __enter__(self):
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.wall += time.perf_counter() - self._wall
        self.cpu += time.process_time() - self._cpu


def edge(folder, rounds, polls):
    clock, storing, sealing = ManualClock(now=START), Stopwatch(), Stopwatch()
    wire = readings = 0
    with (
        open_database(folder / "edge.db", max_mib=256, clock=clock) as poller,
        open_database(folder / "edge.db", max_mib=256, check=False, clock=clock) as forwarder,
    ):
        outbox = Outbox(forwarder, clock)
        sealer = Sealer(outbox, _SIGNER, clock, _GATEWAY, SealRules())
        rule, health = CommitRule(polls=polls), Health(clock)
        buffer = RecordBuffer(bus="A", sink=Journal(poller), clock=clock, health=health, rule=rule)
        for number, records in enumerate(rounds, 1):
            readings += sum(len(one.values) for one in records)
            with storing:
                for one in records:
                    buffer.add(one)
                    buffer.commit_if_due(is_idle=False)
                buffer.commit()
            with sealing:
                wire += _deliver(outbox, sealer, number)
            clock.advance(900)
    return {"readings": readings, "storing": storing, "sealing": sealing, "wire": wire}


def _deliver(outbox, sealer, number):
    """Seal all that waits and take the receipt for it, as the forwarder does; return the bytes on the wire."""
    sent = 0
    while (sealed := sealer.seal(0.0)) is not None:
        sent += len(sealed.envelope) + len(f"e1/hz/{_GATEWAY}/up/b/0") + _MQTT_HEADER
        last = sealed
    outbox.mark_receipt(b"run1", number)
    outbox.apply_receipt(EpochState(last.epoch, last.seq, last.seq, last.sha256))
    return sent


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
            wire += sum(len(topic) + len(payload) + _MQTT_HEADER for _, topic, payload in sent)
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


ENGINES = {
    "edge": edge,
    "json": json_table,
    "json-each": lambda folder, rounds, polls: json_table(folder, rounds, 0),
    "tinydb": tinydb,
    "tinydb-each": lambda folder, rounds, polls: tinydb(folder, rounds, 0),
}


def main():
    engine, folder, meters, rounds, polls = sys.argv[1:]
    before = pss_mib()
    found = ENGINES[engine](Path(folder), rounds_of(int(meters), int(rounds)), int(polls))
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
