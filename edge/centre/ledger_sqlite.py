"""The ledger on one SQLite file: what is kept, and what is found again. The file itself is `sqlite_file.py`'s."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

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
from edge.centre.ledger_schema import VERSION
from edge.centre.once import Once, PollFace, settle
from edge.centre.rows import (
    amounts_text,
    face_of,
    faults_text,
    instant_text,
    items_text,
    parse_face,
    parse_instant,
    plan_text,
    slot_text,
)
from edge.centre.sqlite_file import SqliteFile
from edge.messages.receipt import BROKEN_CHAIN
from edge.reading.loss import Loss
from edge.reading.plan import Plan
from edge.reading.record import PollRecord, SlotState, is_dated

COPY = "ledger.db"
_PER_KIND = 200  # envelopes in quarantine, a kind and gateway: at most 12.5 MiB
_SCANNED = 100_000  # batches looked at above `stored` for the list of gaps
_EPOCH_COLUMNS = "gateway, epoch, predecessor, stored, head, oldest, durable, heard_at"
_READING_COLUMNS = ", ".join(field.name for field in fields(ReadingRow))


class SqliteLedger(SqliteFile):
    """A ledger on a file; close it, or use it as a context manager."""

    layout = VERSION

    def __init__(self, path: Path, *, must_exist: bool = False, to_read: bool = False) -> None:
        self._itemsets: dict[str, int] = {}
        super().__init__(path, must_exist=must_exist, to_read=to_read)

    def links(self, keys: Collection[BatchKey]) -> dict[BatchKey, Link]:
        """Return how the envelopes that are held under these numbers hang in their chains."""
        query = (
            "SELECT gateway, epoch, seq, sha256, prev, replaces, state = 'rejected' AND reason <> ? FROM batch"
            " WHERE gateway = ? AND epoch = ? AND seq BETWEEN ? AND ?"
        )
        chains: dict[tuple[str, bytes], list[int]] = {}
        for key in keys:  # they come in blocks of neighbours: one question a block
            chains.setdefault((key.gateway, key.epoch), []).append(key.seq)
        found = {
            BatchKey(*row[:3]): Link(sha256=row[3], prev=row[4], replaces=row[5], is_unread=bool(row[6]))
            for one, seqs in chains.items()
            for row in self._all(query, BROKEN_CHAIN, *one, min(seqs), max(seqs))
        }
        return {key: found[key] for key in keys if key in found}

    def envelope(self, key: BatchKey) -> bytes | None:
        """Return the exact bytes that are held under a number."""
        row = self._one("SELECT envelope FROM batch WHERE gateway = ? AND epoch = ? AND seq = ?", *_cells(key))
        return row[0] if row else None

    def keep_entries(self, entries: Sequence[Entry]) -> None:
        """Keep envelopes of different numbers; one already held is replaced, its plan and losses are forgotten."""
        for entry in entries:
            self._keep_entry(entry)

    def _keep_entry(self, entry: Entry) -> None:
        link = entry.link
        self._run(
            "INSERT INTO batch (gateway, epoch, seq, sha256, prev, replaces, state, reason, received_at, envelope)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (gateway, epoch, seq) DO UPDATE SET"
            " sha256 = excluded.sha256, prev = excluded.prev, replaces = excluded.replaces, state = excluded.state,"
            " reason = excluded.reason, received_at = excluded.received_at, envelope = excluded.envelope",
            *_cells(entry.key),
            *(link.sha256, link.prev, link.replaces, str(entry.state), entry.reason),
            *(instant_text(entry.received_at), entry.envelope),
        )
        batch = self._batch_id(entry.key)
        self._run("DELETE FROM loss WHERE batch = ?", batch)
        self._run("DELETE FROM plan WHERE batch = ?", batch)

    def keep_polls(self, batches: Sequence[Polls]) -> list[PollCounts]:
        """Keep the polls of batches whose envelopes are kept, in order, each slot once (`once.py`)."""
        return [self._keep_batch(entry, records) for entry, records in batches]

    def _keep_batch(self, entry: Entry, records: Sequence[PollRecord]) -> PollCounts:
        batch = self._batch_id(entry.key)
        readings, repeated, superseded, conflicts = 0, 0, 0, 0
        for record in records:
            once = self._keep_poll(entry.key.gateway, batch, record)
            readings += len(record.values) if once in (Once.COUNT, Once.SUPERSEDE) else 0
            repeated += once is Once.IGNORE
            superseded += once is Once.SUPERSEDE
            conflicts += once is Once.CONFLICT
        return PollCounts(readings, repeated, superseded, conflicts)

    def keep_plan(self, entry: Entry, plan: Plan) -> None:
        """Keep the plan that a batch brought."""
        values = (self._batch_id(entry.key), entry.key.gateway, plan_text(plan))
        self._run("INSERT OR REPLACE INTO plan VALUES (?, ?, ?)", *values)

    def keep_losses(self, entry: Entry, losses: Iterable[Loss]) -> None:
        """Keep what the gateway says is lost for good, but not what it said in another epoch already."""
        batch = self._batch_id(entry.key)
        for loss in losses:
            self._run(
                "INSERT INTO loss (batch, gateway, task, meter, first_at, last_at, count, reason)"
                " SELECT ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE NOT EXISTS (SELECT 1 FROM loss AS told"
                " JOIN batch ON batch.id = told.batch WHERE told.gateway = ?3 AND first_at = ?6 AND task = ?4"
                " AND meter = ?5 AND last_at = ?7 AND count = ?8 AND told.reason = ?9 AND batch.epoch <> ?2)",
                *(batch, entry.key.epoch, entry.key.gateway, loss.task, loss.meter),
                *(slot_text(loss.first_at), slot_text(loss.last_at), loss.count, loss.reason),
            )

    def set_aside(self, kept: SetAside) -> None:
        """Put bytes into quarantine; it is bounded, the oldest of the same kind and gateway go first."""
        self._run(
            "INSERT INTO quarantine (kind, gateway, epoch, seq, reason, raw, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(str(kept.kind), kept.gateway, kept.epoch, kept.seq, kept.reason, kept.raw, instant_text(kept.at)),
        )
        self._run(
            "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE kind = ? AND gateway = ?"
            " ORDER BY id DESC LIMIT -1 OFFSET ?)",
            *(str(kept.kind), kept.gateway, _PER_KIND),
        )

    def quarantine(self) -> Sequence[SetAside]:
        """Return what is in quarantine, oldest first."""
        return [
            SetAside(
                kind=QuarantineKind(kind), gateway=name, epoch=epoch, seq=seq, reason=reason, raw=raw,
                at=parse_instant(at),
            )
            for kind, name, epoch, seq, reason, raw, at in self._all(
                "SELECT kind, gateway, epoch, seq, reason, raw, at FROM quarantine ORDER BY id"
            )
        ]  # fmt: skip

    def count(self, tally: Mapping[tuple[str, str], int], at: datetime) -> None:
        """Count what gateways sent: so many, by (gateway, a short name)."""
        for (gateway, what), count in tally.items():
            self._run(
                "INSERT INTO gateway VALUES (?, ?, ?, ?) ON CONFLICT (name, what) DO UPDATE SET"
                " count = count + excluded.count, last_at = excluded.last_at",
                *(gateway, what, count, instant_text(at)),
            )

    def counts(self, gateway: str) -> dict[str, int]:
        """Return what was counted, by name."""
        return dict(self._all("SELECT what, count FROM gateway WHERE name = ? ORDER BY what", gateway))

    def epoch(self, gateway: str, epoch: bytes) -> EpochState | None:
        """Return how far an epoch has come."""
        return next((state for state in self.epochs(gateway) if state.epoch == epoch), None)

    def save_epochs(self, states: Sequence[EpochState]) -> None:
        """Keep how far epochs have come, `durable` only where `stored` fell; new ones in the order given."""
        for state in states:
            self._run(
                "INSERT INTO epoch (gateway, epoch, predecessor, stored, head, oldest, heard_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (gateway, epoch) DO UPDATE SET"
                " predecessor = excluded.predecessor, stored = excluded.stored, head = excluded.head,"
                " oldest = excluded.oldest, heard_at = excluded.heard_at, durable = min(durable, excluded.stored)",
                *(state.gateway, state.epoch, state.predecessor, state.stored, state.head, state.oldest),
                instant_text(state.heard_at),
            )

    def epochs(self, gateway: str) -> Sequence[EpochState]:
        """Return the epochs of a gateway in the order in which they were first heard of."""
        return self._epochs("gateway = ?", gateway)

    def waiting(self) -> Sequence[EpochState]:
        """Return the epochs with more stored than durable."""
        return self._epochs("stored > durable")

    def mark_durable(self, states: Iterable[EpochState]) -> None:
        """Note that what these states call stored is in a copy: `durable` rises to it, not above what is stored here.

        Durable on return.
        """
        with self.transaction():
            for state in states:
                self._run(
                    "UPDATE epoch SET durable = max(durable, min(stored, ?)) WHERE gateway = ? AND epoch = ?",
                    *(state.stored, state.gateway, state.epoch),
                )

    def durables(self) -> dict[tuple[str, bytes], int]:
        """Return `durable` of each epoch, by (gateway, epoch), where it is above 0."""
        rows = self._all("SELECT gateway, epoch, durable FROM epoch WHERE durable > 0")
        return {(gateway, epoch): durable for gateway, epoch, durable in rows}

    def copy_to(self, folder: Path) -> Sequence[EpochState]:
        """Write a whole copy into a folder, while the centre may go on; return the epochs as the copy holds them.

        Durable: the file is synced on return; its folder is not.
        """
        path = folder / COPY
        self._copy(path)
        with self._reading(path) as copy:
            return _states(copy.execute(f"SELECT {_EPOCH_COLUMNS} FROM epoch ORDER BY id"))  # noqa: S608 - ours

    def _epochs(self, where: str, *values: Any) -> list[EpochState]:
        return _states(self._all(f"SELECT {_EPOCH_COLUMNS} FROM epoch WHERE {where} ORDER BY id", *values))  # noqa: S608 - ours

    def gateways(self) -> Sequence[str]:
        """Return the gateways that were heard, by name."""
        return [name for (name,) in self._all("SELECT DISTINCT gateway FROM epoch ORDER BY gateway")]

    def missing(self, state: EpochState, limit: int) -> tuple[tuple[int, int], ...]:
        """Return the gaps above `stored`, as (first, last), lowest first."""
        rows = self._all(
            "SELECT seq FROM batch WHERE gateway = ? AND epoch = ? AND seq > ? ORDER BY seq LIMIT ?",
            *(state.gateway, state.epoch, state.stored, _SCANNED),
        )
        return tuple(islice(gaps_of(state.stored, (seq for (seq,) in rows)), limit))

    def rejected(self, gateway: str, epoch: bytes, limit: int) -> tuple[tuple[int, str], ...]:
        """Return the latest rejected numbers with their reasons, lowest first."""
        rows = self._all(
            "SELECT seq, reason FROM batch WHERE gateway = ? AND epoch = ? AND state = 'rejected'"
            " ORDER BY seq DESC LIMIT ?",
            *(gateway, epoch, limit),
        )
        return tuple((seq, reason) for seq, reason in reversed(rows))

    def plans(self, gateway: str) -> Sequence[Plan]:
        """Return the plans of a gateway in the order in which it made them."""
        rows = self._all(
            "SELECT epoch, document FROM plan JOIN batch ON batch.id = plan.batch WHERE plan.gateway = ? ORDER BY seq",
            gateway,
        )
        return in_order_of_epochs(rows, self.epochs(gateway))

    def close_gateway(self, gateway: str, at: datetime | None) -> None:
        """Note that nothing is expected any more of the plans that are in force at an instant; None takes it back."""
        with self.transaction():
            self._run("DELETE FROM closed WHERE gateway = ?", gateway)
            if at is not None:
                self._run("INSERT INTO closed VALUES (?, ?)", gateway, instant_text(at))

    def closed(self) -> Mapping[str, datetime]:
        """Return which gateways are closed, and from when on."""
        return {gateway: parse_instant(at) for gateway, at in self._all("SELECT gateway, at FROM closed")}

    def losses(self, gateway: str) -> Sequence[Loss]:
        """Return what a gateway said is lost."""
        rows = self._all(
            "SELECT task, meter, first_at, last_at, count, reason FROM loss WHERE gateway = ? ORDER BY first_at, id",
            gateway,
        )
        return [
            Loss(task, meter, parse_instant(first), parse_instant(last), count, reason)
            for task, meter, first, last, count, reason in rows
        ]

    def slots(self, gateway: str, since: datetime, until: datetime) -> Iterator[SlotRow]:
        """Yield the polls that count, with since <= slot < until."""
        rows = self._stream(
            "SELECT epoch, seq, task, meter, slot_at, poll.state, poll.reason, received_at, conflict"
            " FROM poll JOIN batch ON batch.id = poll.batch"
            " WHERE poll.gateway = ? AND counts = 1 AND slot_at >= ? AND slot_at < ? ORDER BY slot_at",
            *(gateway, slot_text(since), slot_text(until)),
        )
        for epoch, seq, task, meter, slot_at, state, reason, received_at, conflict in rows:
            yield SlotRow(
                epoch=epoch,
                seq=seq,
                task=task,
                meter=meter,
                slot_at=parse_instant(slot_at),
                state=SlotState(state),
                reason=reason,
                received_at=parse_instant(received_at),
                conflict=bool(conflict),
            )

    def readings(self, span: Span) -> Iterator[ReadingRow]:
        """Yield readings in the order of their slots."""
        wanted: dict[str, object] = {
            "slot_at >= ?": span.since and slot_text(span.since),
            "slot_at < ?": span.until and slot_text(span.until),
            "gateway = ?": span.gateway,
            "meter = ?": span.meter,
        }
        asked = {test: value for test, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(asked)}" if asked else ""
        query = f"SELECT {_READING_COLUMNS} FROM reading {where} ORDER BY slot_at, gateway, meter, task, quantity"  # noqa: S608 - columns and tests are ours
        for row in self._stream(query, *asked.values()):
            *columns, assigned, conflict = row
            yield ReadingRow(
                **dict(zip((field.name for field in fields(ReadingRow)), columns, strict=False)),
                assigned=bool(assigned),
                conflict=bool(conflict),
            )

    def import_meters(self, addresses: Iterable[str], *, is_whole: bool = False) -> int:
        """Add meters to the list of those that are known, or take these as the whole list; return how many it has."""
        with self.transaction():
            if is_whole:
                self._run("DELETE FROM meter")
            for address in addresses:
                self._run("INSERT OR IGNORE INTO meter VALUES (?)", address)
        return len(self.meters())

    def meters(self) -> Sequence[str]:
        """Return the list of meters that are known, by address."""
        return [address for (address,) in self._all("SELECT address FROM meter ORDER BY address")]

    def unassigned(self) -> Sequence[str]:
        """Return the meters with readings that are not on the list; none if there is no list."""
        return [
            meter
            for (meter,) in self._all(
                "SELECT DISTINCT meter FROM poll WHERE EXISTS (SELECT 1 FROM meter)"
                " AND meter NOT IN (SELECT address FROM meter) ORDER BY meter"
            )
        ]

    def _forget(self) -> None:
        self._itemsets.clear()

    def _keep_poll(self, gateway: str, batch: int, record: PollRecord) -> Once:
        standing = self._standing(gateway, record)
        ruling = settle(standing[1] if standing else None, face_of(record))
        if ruling.once is Once.IGNORE:
            return ruling.once
        if standing and ruling.once is Once.SUPERSEDE:
            self._run("UPDATE poll SET counts = 0 WHERE id = ?", standing[0])
        if standing and ruling.once is Once.CONFLICT:
            self._run("UPDATE poll SET conflict = 1 WHERE id = ?", standing[0])
        self._insert_poll(gateway, batch, record, ruling.face, ruling.once)
        return ruling.once

    def _standing(self, gateway: str, record: PollRecord) -> tuple[int, PollFace] | None:
        row = self._one(
            "SELECT poll.id, trust, conflict, state, reason, items, amounts, faults FROM poll"
            " JOIN itemset ON itemset.id = poll.itemset"
            " WHERE gateway = ? AND slot_at = ? AND task = ? AND meter = ? AND counts = 1",
            *(gateway, slot_text(record.slot_at), record.task, record.meter),
        )
        if row is None:
            return None
        number, trust, conflict, *rest = row
        return number, parse_face(*rest, is_dated=is_dated(trust), is_flagged=bool(conflict))

    def _insert_poll(self, gateway: str, batch: int, record: PollRecord, face: PollFace, once: Once) -> None:
        self._run(
            "INSERT INTO poll (batch, gateway, meter, task, slot_at, read_at, source, trust, state, reason, flags,"
            " itemset, amounts, faults, counts, conflict) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(batch, gateway, record.meter, record.task, slot_text(record.slot_at), instant_text(record.stamp.at)),
            *(str(record.source), record.stamp.trust, str(record.state), face.reason, " ".join(record.flags)),
            *(self._itemset(items_text(face)), amounts_text(face), faults_text(face)),
            *(once in (Once.COUNT, Once.SUPERSEDE), once is Once.CONFLICT or face.is_flagged),
        )

    def _itemset(self, items: str) -> int:
        if items not in self._itemsets:
            self._run("INSERT OR IGNORE INTO itemset (items) VALUES (?)", items)
            self._itemsets[items] = self._all("SELECT id FROM itemset WHERE items = ?", items)[0][0]
        return self._itemsets[items]

    def _batch_id(self, key: BatchKey) -> int:
        rows = self._all("SELECT id FROM batch WHERE gateway = ? AND epoch = ? AND seq = ?", *_cells(key))
        return int(rows[0][0])


def _states(rows: Iterable[tuple[Any, ...]]) -> list[EpochState]:
    return [
        EpochState(
            gateway=gateway, epoch=epoch, predecessor=predecessor, stored=stored, head=head, oldest=oldest,
            durable=durable, heard_at=parse_instant(heard_at),
        )
        for gateway, epoch, predecessor, stored, head, oldest, durable, heard_at in rows
    ]  # fmt: skip


def _cells(key: BatchKey) -> tuple[str, bytes, int]:
    return key.gateway, key.epoch, key.seq
