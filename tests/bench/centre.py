"""The centre alone: envelopes as they come from the broker, verified, decoded, stored; `make bench-centre`.

Each way has a fresh ledger. The server is the tests' own, on this machine, with fsync on.
"""

import os
import platform
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from edge import __version__
from edge.centre.accept import Uplink, accept
from edge.centre.collector import calm_collector
from edge.centre.database_url import parse_database_url
from edge.centre.ledger_postgres import PostgresLedger
from edge.centre.ledger_sqlite import SqliteLedger
from edge.messages.batch import build_batch, parse_batch
from edge.messages.envelope import Header, envelope_hash, open_envelope, seal_envelope
from edge.messages.signing import Ed25519Signer
from edge.reading.chain import GENESIS
from tests.bench.table import Row, cpu_name
from tests.centre.centre_kit import Keys
from tests.messages.samples import batch_of, load
from tests.postgres_server import running_server

PAGE = Path(__file__).parents[2] / "docs" / "bench-centre.md"
BUDGET = 400_000
_METERS, _ROUNDS, _GATEWAYS, _A_SET = 256, 40, 4, 16
_RUNS = 5
_AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class Fleet:
    """Gateways with a chain of envelopes each, one round of all meters in each envelope, in the order of the rounds."""

    def __init__(self) -> None:
        self.signers = {f"gw-{n}": Ed25519Signer(random.Random(n).randbytes(32)) for n in range(_GATEWAYS)}
        chains = [list(_chain(name, signer, n)) for n, (name, signer) in enumerate(self.signers.items())]
        self.uplinks = [uplink for round_of_all in zip(*chains, strict=True) for uplink in round_of_all]
        self.keys = Keys(dict(self.signers))
        self.readings = sum(len(one.values) for data in self.uplinks for one in _records(data, self.keys))

    def sets(self):
        """Yield what one transaction takes each."""
        for first in range(0, len(self.uplinks), _A_SET):
            yield self.uplinks[first : first + _A_SET]


def _chain(name, signer, seed):
    prev, records = GENESIS, load(_METERS, _ROUNDS, seed)
    for seq in range(1, _ROUNDS + 1):
        raw = build_batch(batch_of(*records[(seq - 1) * _METERS : seq * _METERS]))
        header = Header(gateway=name, epoch=bytes(8), seq=seq, prev=prev, raw_length=len(raw))
        data = seal_envelope(header, raw, signer)
        prev = envelope_hash(data)
        yield Uplink(name, data, _AT)


def _records(uplink, keys):
    return parse_batch(open_envelope(uplink.data, keys.verifier_of).raw).records


def rows():
    """Yield the figures."""
    fleet = Fleet()
    with running_server() as server, tempfile.TemporaryDirectory() as folder:
        yield from _decoding(fleet)
        runs = [list(_postgres(fleet, server)) for _ in range(_RUNS)]
        runs.sort(key=lambda found: int(found[0].figure.split()[0].replace(",", "")))
        middle = runs[len(runs) // 2]
        span = f"middle of {len(runs)} runs, {runs[0][0].figure} to {runs[-1][0].figure}"
        yield Row(middle[0].what, middle[0].figure, f"{span}; {middle[0].beside}")
        yield middle[1]
        with SqliteLedger(Path(folder) / "ledger.db") as ledger:
            yield from _ledger(fleet, ledger, "SQLite, a row per poll", lambda: _file_size(Path(folder)))
        yield from _row_per_reading(fleet, server)


def _postgres(fleet, server):
    with PostgresLedger(parse_database_url(server.new_database())) as ledger:
        pid = ledger._db.info.backend_pid
        size, server_cpu = (lambda: _database_size(ledger)), (lambda: _cpu_of(pid))
        yield from _ledger(fleet, ledger, "PostgreSQL, a row per poll", size, server_cpu)


def _decoding(fleet):
    started = time.perf_counter()
    for uplink in fleet.uplinks:
        _records(uplink, fleet.keys)
    spent = time.perf_counter() - started
    yield Row("verify and decode alone", _rate(fleet.readings / spent))


def _ledger(fleet, ledger, name, size, server_cpu=lambda: 0.0):
    own, theirs, started = time.process_time(), server_cpu(), time.perf_counter()
    taken = [one for some in fleet.sets() for one in accept(ledger, some, fleet.keys)]
    spent, own, theirs = time.perf_counter() - started, time.process_time() - own, server_cpu() - theirs
    assert {"stored"} == {str(one.fate) for one in taken}
    assert fleet.readings == sum(one.counts.readings for one in taken)
    each = 1e6 / fleet.readings
    shares = f"a reading takes {spent * each:.2f} us: {own * each:.2f} of CPU here, {theirs * each:.2f} in the server"
    beside = f"{shares}; {size() / fleet.readings:.1f} B per reading, evidence included"
    yield Row(f"verify, decode, store in {name}", _rate(fleet.readings / spent), beside)
    started = time.perf_counter()
    again = [one for some in fleet.sets() for one in accept(ledger, some, fleet.keys)]
    spent = time.perf_counter() - started
    assert {"duplicate"} == {str(one.fate) for one in again}
    yield Row(f"a duplicate batch, {name}", f"{1000 * spent / len(again):.2f} ms")


def _row_per_reading(fleet, server):
    """Do as a program without a design of its own: a row per reading, executemany, a transaction a set."""
    insert = "INSERT INTO flat VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
    few = list(fleet.sets())[: max(1, len(fleet.uplinks) // _A_SET // 5)]
    with psycopg.connect(server.new_database()) as db:
        db.execute(
            "CREATE TABLE flat (gateway text, meter text, task text, slot_at timestamptz, quantity text,"
            " value numeric, PRIMARY KEY (gateway, slot_at, meter, task, quantity))"
        )
        db.commit()
        count, started = 0, time.perf_counter()
        for some in few:
            found = [
                (uplink.gateway, one.meter, one.task, one.slot_at, key, value)
                for uplink in some
                for one in _records(uplink, fleet.keys)
                for key, value in one.values.items()
            ]
            db.cursor().executemany(insert, found)
            db.commit()
            count += len(found)
        spent = time.perf_counter() - started
        size = db.execute("SELECT pg_total_relation_size('flat')").fetchone()[0]
    yield Row(
        "verify, decode, store in PostgreSQL, a row per reading, executemany",
        _rate(count / spent),
        f"{size / count:.1f} B per reading, without evidence",
    )


def _rate(figure):
    return f"{figure:,.0f} readings/s"


def _cpu_of(pid):
    """Return the seconds of CPU that a process has had."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _database_size(ledger):
    tables = "pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    return float(ledger._all(f"SELECT sum(pg_total_relation_size(oid)) FROM {tables}")[0][0])


def _file_size(folder):
    return sum(path.stat().st_size for path in folder.iterdir())


def write(found):
    """Write the page and print it."""
    lines = [
        "# Figures of the centre",
        "",
        "Written by `make bench-centre`; do not edit. Rates vary by about a third from run to run on a shared machine;",
        f"ratios and byte counts do not. Budget: {BUDGET:,} readings/s into PostgreSQL on 2 cores.",
        "",
        f"edge {__version__}, Python {platform.python_version()}, {platform.machine()}, {cpu_name()},",
        f"{os.cpu_count()} cores; {_GATEWAYS} gateways x {_METERS} meters x 12 quantities x {_ROUNDS} rounds,",
        f"{_A_SET} envelopes a transaction, fsync on. Other programs were running: load {os.getloadavg()[0]:.1f}.",
        "",
        "| what | figure | beside |",
        "|---|---|---|",
        *(f"| {row.what} | {row.figure} | {row.beside} |" for row in found),
        "",
    ]
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    print("measuring the centre", file=sys.stderr)
    calm_collector()  # as `edge centre run` does
    write(list(rows()))
