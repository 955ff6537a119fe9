"""The ledger in PostgreSQL: the same seam as the SQLite one, for a centre with more gateways than a file should carry.

One row per poll in monthly partitions, and a view with a row per reading (`postgres_schema.py`). The connection is
`postgres_link.py`'s, the way of the polls `postgres_polls.py`'s. Whatever belongs to one envelope is written in one
transaction.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from edge.centre.database_url import DatabaseUrl
from edge.centre.dump import dump_database
from edge.centre.epochs import in_order_of_epochs
from edge.centre.gaps import gaps_of
from edge.centre.ledger import (
    BatchKey,
    Entry,
    EpochState,
    Link,
    PollCounts,
    Polls,
    QuarantineKind,
    ReadingRow,
    SetAside,
    SlotRow,
    Span,
)
from edge.centre.postgres_link import PostgresLink
from edge.centre.postgres_polls import PollWriter, clean
from edge.centre.postgres_schema import VERSION
from edge.centre.rows import instant_text, plan_text, slot_text
from edge.errors import StoreError
from edge.messages.receipt import BROKEN_CHAIN
from edge.reading.loss import Loss
from edge.reading.plan import Plan
from edge.reading.record import SlotState

COPY = "ledger.dump"
_PER_KIND = 200  # envelopes in quarantine, a kind and gateway: at most 12.5 MiB
_SCANNED = 100_000  # batches looked at above `stored` for the list of gaps
_EPOCH_COLUMNS = "gateway, epoch, predecessor, stored, head, oldest, durable, heard_at"
_READING_COLUMNS = ", ".join(field.name for field in fields(ReadingRow))
_KEEP_ENTRIES = """
INSERT INTO batch (gateway, epoch, seq, sha256, prev, replaces, state, reason, received_at, envelope)
SELECT * FROM unnest(%s::text[], %s::bytea[], %s::bigint[], %s::bytea[], %s::bytea[], %s::bytea[], %s::text[],
  %s::text[], %s::timestamptz[], %s::bytea[])
ON CONFLICT (gateway, epoch, seq) DO UPDATE SET
  sha256 = excluded.sha256, prev = excluded.prev, replaces = excluded.replaces, state = excluded.state,
  reason = excluded.reason, received_at = excluded.received_at, envelope = excluded.envelope
RETURNING gateway, epoch, seq, id
"""
_KEEP_LOSS = """
INSERT INTO loss (batch, gateway, task, meter, first_at, last_at, count, reason)
SELECT %(batch)s, %(gateway)s, %(task)s, %(meter)s, %(first)s, %(last)s, %(count)s, %(reason)s
WHERE NOT EXISTS (
  SELECT FROM loss AS told JOIN batch ON batch.id = told.batch
  WHERE told.gateway = %(gateway)s AND first_at = %(first)s AND task = %(task)s AND meter = %(meter)s
    AND last_at = %(last)s AND count = %(count)s AND told.reason = %(reason)s AND batch.epoch <> %(epoch)s
)
"""
_SAVE_EPOCH = """
INSERT INTO epoch (gateway, epoch, predecessor, stored, head, oldest, heard_at) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (gateway, epoch) DO UPDATE SET
  predecessor = excluded.predecessor, stored = excluded.stored, head = excluded.head, oldest = excluded.oldest,
  heard_at = excluded.heard_at, durable = least(epoch.durable, excluded.stored)
"""
_MARK_DURABLE = """
UPDATE epoch SET durable = greatest(durable, least(stored, %s)) WHERE gateway = %s AND epoch = %s
"""


class PostgresLedger(PostgresLink):
    """A ledger in a database; close it, or use it as a context manager."""

    layout = VERSION

    def __init__(self, url: DatabaseUrl, *, must_exist: bool = False) -> None:
        self._polls = PollWriter()
        self._batches: dict[BatchKey, int] = {}
        super().__init__(url, must_exist=must_exist)

    def links(self, keys: Collection[BatchKey]) -> dict[BatchKey, Link]:
        """Return how the envelopes that are held under these numbers hang in their chains."""
        rows = self._all(
            "SELECT gateway, epoch, seq, sha256, prev, replaces, state = 'rejected' AND reason <> %s FROM batch"
            " JOIN unnest(%s::text[], %s::bytea[], %s::bigint[]) AS asked (gateway, epoch, seq)"
            " USING (gateway, epoch, seq)",
            [BROKEN_CHAIN, *([getattr(key, name) for key in keys] for name in ("gateway", "epoch", "seq"))],
        )
        return {BatchKey(*row[:3]): Link(sha256=row[3], prev=row[4], replaces=row[5], is_unread=row[6]) for row in rows}

    def envelope(self, key: BatchKey) -> bytes | None:
        """Return the exact bytes that are held under a number."""
        rows = self._all(
            "SELECT envelope FROM batch WHERE gateway = %s AND epoch = %s AND seq = %s",
            [key.gateway, key.epoch, key.seq],
        )
        return rows[0][0] if rows else None

    def keep_entries(self, entries: Sequence[Entry]) -> None:
        """Keep envelopes of different numbers; one already held is replaced, its plan and losses are forgotten."""
        rows = [
            (
                *(entry.key.gateway, entry.key.epoch, entry.key.seq),
                *(entry.link.sha256, entry.link.prev, entry.link.replaces, str(entry.state), clean(entry.reason)),
                *(entry.received_at, entry.envelope),
            )
            for entry in entries
        ]
        kept = self._all(_KEEP_ENTRIES, [list(column) for column in zip(*rows, strict=True)])
        self._batches = {BatchKey(gateway, epoch, seq): number for gateway, epoch, seq, number in kept}
        self._run("DELETE FROM loss WHERE batch = ANY(%s)", [list(self._batches.values())])
        self._run("DELETE FROM plan WHERE batch = ANY(%s)", [list(self._batches.values())])

    def keep_polls(self, batches: Sequence[Polls]) -> list[PollCounts]:
        """Keep the polls of batches whose envelopes are kept, in order, each slot once (`once.py`)."""
        with self._translated():
            found = [(self._batch(entry), entry.key.gateway, records) for entry, records in batches]
            return self._polls.write(self._open(), found)

    def keep_plan(self, entry: Entry, plan: Plan) -> None:
        """Keep the plan that a batch brought."""
        self._run(
            "INSERT INTO plan VALUES (%s, %s, %s) ON CONFLICT (batch) DO UPDATE SET document = excluded.document",
            [self._batch(entry), entry.key.gateway, clean(plan_text(plan))],
        )

    def keep_losses(self, entry: Entry, losses: Iterable[Loss]) -> None:
        """Keep what the gateway says is lost for good, but not what it said in another epoch already."""
        batch, key = self._batch(entry), entry.key
        rows = [
            {
                "batch": batch, "epoch": key.epoch, "gateway": key.gateway, "task": clean(loss.task),
                "meter": clean(loss.meter), "first": loss.first_at, "last": loss.last_at, "count": loss.count,
                "reason": clean(loss.reason),
            }
            for loss in losses
        ]  # fmt: skip
        self._run_each(_KEEP_LOSS, rows)

    def set_aside(self, kept: SetAside) -> None:
        """Put bytes into quarantine; it is bounded, the oldest of the same kind and gateway go first."""
        self._run(
            "INSERT INTO quarantine (kind, gateway, epoch, seq, reason, raw, at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [str(kept.kind), kept.gateway, kept.epoch, kept.seq, clean(kept.reason), kept.raw, kept.at],
        )
        self._run(
            "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE kind = %s AND gateway = %s"
            " ORDER BY id DESC OFFSET %s)",
            [str(kept.kind), kept.gateway, _PER_KIND],
        )

    def quarantine(self) -> Sequence[SetAside]:
        """Return what is in quarantine, oldest first."""
        return [
            SetAside(kind=QuarantineKind(kind), gateway=name, epoch=epoch, seq=seq, reason=reason, raw=raw, at=at)
            for kind, name, epoch, seq, reason, raw, at in self._all(
                "SELECT kind, gateway, epoch, seq, reason, raw, at FROM quarantine ORDER BY id"
            )
        ]

    def count(self, tally: Mapping[tuple[str, str], int], at: datetime) -> None:
        """Count what gateways sent: so many, by (gateway, a short name)."""
        self._run_each(
            "INSERT INTO gateway VALUES (%s, %s, %s, %s) ON CONFLICT (name, what) DO UPDATE SET"
            " count = gateway.count + excluded.count, last_at = excluded.last_at",
            [(gateway, what, count, at) for (gateway, what), count in tally.items()],
        )

    def counts(self, gateway: str) -> dict[str, int]:
        """Return what was counted, by name."""
        return dict(self._all("SELECT what, count FROM gateway WHERE name = %s ORDER BY what", [gateway]))

    def epoch(self, gateway: str, epoch: bytes) -> EpochState | None:
        """Return how far an epoch has come."""
        return next(iter(self._epochs("gateway = %s AND epoch = %s", [gateway, epoch])), None)

    def save_epochs(self, states: Sequence[EpochState]) -> None:
        """Keep how far epochs have come, `durable` only where `stored` fell; new ones in the order given."""
        self._run_each(
            _SAVE_EPOCH,
            [
                (one.gateway, one.epoch, one.predecessor, one.stored, one.head, one.oldest, one.heard_at)
                for one in states
            ],
        )

    def epochs(self, gateway: str) -> Sequence[EpochState]:
        """Return the epochs of a gateway in the order in which they were first heard of."""
        return self._epochs("gateway = %s", [gateway])

    def waiting(self) -> Sequence[EpochState]:
        """Return the epochs with more stored than durable."""
        return self._epochs("stored > durable", [])

    def mark_durable(self, states: Iterable[EpochState]) -> None:
        """Note that what these states call stored is in a copy: `durable` rises to it, not above what is stored here.

        Durable on return.
        """
        with self.transaction():
            self._run_each(_MARK_DURABLE, [(one.stored, one.gateway, one.epoch) for one in states])

    def durables(self) -> dict[tuple[str, bytes], int]:
        """Return `durable` of each epoch, by (gateway, epoch), where it is above 0."""
        rows = self._all("SELECT gateway, epoch, durable FROM epoch WHERE durable > 0")
        return {(gateway, epoch): durable for gateway, epoch, durable in rows}

    def copy_to(self, folder: Path) -> Sequence[EpochState]:
        """Write a whole copy into a folder, while the centre may go on; return the epochs as the copy holds them.

        Both look at one snapshot, so the copy holds what is said. Durable: the file is synced on return; its folder
        is not.
        """
        with self._transaction("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"):
            snapshot = self._all("SELECT pg_export_snapshot()")[0][0]
            states = self._epochs("TRUE", [])
            dump_database(self._url, snapshot, folder / COPY)
        return states

    def wal_position(self) -> int:
        """Return how far the server has its log on disk, in bytes: everything that is committed lies before it."""
        return int(self._all("SELECT pg_current_wal_flush_lsn() - '0/0'")[0][0])

    def standby_position(self, name: str) -> int | None:
        """Return how far the standby of this name has the log on its disk; None if it does not stream.

        Where several have the name, all of them have it so far. Who only follows the changes (a logical slot) has no
        copy, whatever its name is; a copy that `pg_basebackup` is making is none yet.
        """
        position = self._all(
            "SELECT min(flush_lsn - '0/0') FROM pg_stat_replication WHERE state = 'streaming'"
            " AND application_name = %s AND application_name <> 'pg_basebackup' AND NOT EXISTS (SELECT FROM"
            " pg_replication_slots WHERE active_pid = pid AND slot_type = 'logical')",
            [name],
        )[0][0]
        return None if position is None else int(position)

    def check_standbys(self) -> None:
        """Raise StoreError E-CEN-309 if this login may not see the standbys."""
        if self._all("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')") != [(True,)]:
            raise StoreError("E-CEN-309", path=self._url)

    def gateways(self) -> Sequence[str]:
        """Return the gateways that were heard, by name."""
        return [name for (name,) in self._all("SELECT DISTINCT gateway FROM epoch ORDER BY gateway")]

    def missing(self, state: EpochState, limit: int) -> tuple[tuple[int, int], ...]:
        """Return the gaps above `stored`, as (first, last), lowest first."""
        rows = self._all(
            "SELECT seq FROM batch WHERE gateway = %s AND epoch = %s AND seq > %s ORDER BY seq LIMIT %s",
            [state.gateway, state.epoch, state.stored, _SCANNED],
        )
        return tuple(islice(gaps_of(state.stored, (seq for (seq,) in rows)), limit))

    def rejected(self, gateway: str, epoch: bytes, limit: int) -> tuple[tuple[int, str], ...]:
        """Return the latest rejected numbers with their reasons, lowest first."""
        rows = self._all(
            "SELECT seq, reason FROM batch WHERE gateway = %s AND epoch = %s AND state = 'rejected'"
            " ORDER BY seq DESC LIMIT %s",
            [gateway, epoch, limit],
        )
        return tuple((seq, reason) for seq, reason in reversed(rows))

    def plans(self, gateway: str) -> Sequence[Plan]:
        """Return the plans of a gateway in the order in which it made them."""
        rows = self._all(
            "SELECT epoch, document FROM plan JOIN batch ON batch.id = plan.batch WHERE plan.gateway = %s ORDER BY seq",
            [gateway],
        )
        return in_order_of_epochs(rows, self.epochs(gateway))

    def close_gateway(self, gateway: str, at: datetime | None) -> None:
        """Note that nothing is expected any more of the plans that are in force at an instant; None takes it back."""
        with self.transaction():
            self._run("DELETE FROM closed WHERE gateway = %s", [gateway])
            if at is not None:
                self._run("INSERT INTO closed VALUES (%s, %s)", [gateway, at])

    def closed(self) -> Mapping[str, datetime]:
        """Return which gateways are closed, and from when on."""
        return dict(self._all("SELECT gateway, at FROM closed"))

    def losses(self, gateway: str) -> Sequence[Loss]:
        """Return what a gateway said is lost."""
        rows = self._all(
            "SELECT task, meter, first_at, last_at, count, reason FROM loss WHERE gateway = %s ORDER BY first_at, id",
            [gateway],
        )
        return [Loss(*row) for row in rows]

    def slots(self, gateway: str, since: datetime, until: datetime) -> Iterator[SlotRow]:
        """Yield the polls that count, with since <= slot < until."""
        rows = self._stream(
            "SELECT batch.epoch, seq, task, meter, slot_at, manner.state, manner.reason, received_at, conflict"
            " FROM poll JOIN series ON series.id = poll.series JOIN manner ON manner.id = poll.manner"
            " JOIN batch ON batch.id = poll.batch"
            " WHERE series.gateway = %s AND counts AND slot_at >= %s AND slot_at < %s ORDER BY slot_at",
            [gateway, since, until],
        )
        for epoch, seq, task, meter, slot_at, state, reason, received_at, conflict in rows:
            yield SlotRow(
                epoch=epoch, seq=seq, task=task, meter=meter, slot_at=slot_at, state=SlotState(state), reason=reason,
                received_at=received_at, conflict=conflict,
            )  # fmt: skip

    def readings(self, span: Span) -> Iterator[ReadingRow]:
        """Yield readings in the order of their slots."""
        wanted: dict[str, object] = {
            "slot_at >= %s": span.since, "slot_at < %s": span.until, "gateway = %s": span.gateway,
            "meter = %s": span.meter,
        }  # fmt: skip
        asked = {test: value for test, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(asked)}" if asked else ""
        query = f"SELECT {_READING_COLUMNS} FROM reading {where} ORDER BY slot_at, gateway, meter, task, quantity"  # noqa: S608 - columns and tests are ours
        for row in self._stream(query, list(asked.values())):
            found = dict(zip((field.name for field in fields(ReadingRow)), row, strict=True))
            yield ReadingRow(**{**found, "slot_at": slot_text(row[3]), "read_at": instant_text(row[4])})

    def import_meters(self, addresses: Iterable[str], *, is_whole: bool = False) -> int:
        """Add meters to the list of those that are known, or take these as the whole list; return how many it has."""
        with self.transaction():
            if is_whole:
                self._run("DELETE FROM meter")
            self._run("INSERT INTO meter SELECT * FROM unnest(%s::text[]) ON CONFLICT DO NOTHING", [list(addresses)])
        return len(self.meters())

    def meters(self) -> Sequence[str]:
        """Return the list of meters that are known, by address."""
        return [address for (address,) in self._all("SELECT address FROM meter ORDER BY address")]

    def schema_name(self) -> str:
        """Return the schema that holds the ledger."""
        return str(self._all("SELECT current_schema()")[0][0])

    def unassigned(self) -> Sequence[str]:
        """Return the meters with readings that are not on the list; none if there is no list."""
        rows = self._all(
            "SELECT DISTINCT meter FROM series WHERE EXISTS (SELECT FROM meter)"
            " AND meter NOT IN (SELECT address FROM meter) ORDER BY meter"
        )
        return [meter for (meter,) in rows]

    def _forget(self) -> None:
        self._polls.forget()
        self._batches.clear()

    def _batch(self, entry: Entry) -> int:
        return self._batches[entry.key]

    def _epochs(self, where: str, values: Sequence[Any]) -> list[EpochState]:
        rows = self._all(f"SELECT {_EPOCH_COLUMNS} FROM epoch WHERE {where} ORDER BY id", values)  # noqa: S608 - ours
        return [
            EpochState(
                gateway=gateway, epoch=epoch, predecessor=predecessor, stored=stored, head=head, oldest=oldest,
                durable=durable, heard_at=heard_at,
            )
            for gateway, epoch, predecessor, stored, head, oldest, durable, heard_at in rows
        ]  # fmt: skip
