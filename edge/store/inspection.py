"""The checks at opening: whether the file is still what was written into it.

In order: SQLite's own quick check; the text of the tables; the indexes, which the quick check does not compare, and
which are made anew from their tables if they do not lead to every row; the epochs; the chain of the outbox (every link,
and the bytes of all unsent envelopes, some at a time; a replacement stands in the chain for its original). A fault
in these means that the file cannot be trusted. Then the small tables of slots: a row there that is not what was written
is moved to `damaged`, never believed, and the store goes on. Rows of the journal are checked when they are taken.
"""

import logging
from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any, Protocol

from edge.errors import StoreError
from edge.reading.chain import GENESIS
from edge.reading.loss import Loss, LossReason
from edge.store.epochs import Epoch, all_epochs
from edge.store.foreign import DAMAGED
from edge.store.instants import from_us
from edge.store.losses import append_loss
from edge.store.marks import are_marks_sound, load_marks, mend_marks
from edge.store.meta import load_fact
from edge.store.packing import crc_of
from edge.store.rows import Rows
from edge.store.sealed import is_sound

SCHEMA_FACT = "schema"
_PAGE = 32  # envelopes that are in memory at once
_SLOTS = "SELECT CAST(task AS BLOB), CAST(meter AS BLOB), CAST(slot_us AS INTEGER), CAST(reason AS BLOB), crc FROM slot"
_NEXT_SLOTS = (
    f"{_SLOTS} WHERE (task, meter, slot_us) > (CAST(? AS TEXT), CAST(? AS TEXT), ?) "
    "ORDER BY task, meter, slot_us LIMIT ?"
)
_PORTION = 2048
_INDEXED = ("epoch", "outbox")

_LOG = logging.getLogger(__name__)


class Inspected(Rows, Protocol):
    """An open database as the checks see it."""

    def reading(self) -> AbstractContextManager[None]:
        """Hold one view of the file."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold a writing transaction."""


def inspect(database: Inspected) -> str | None:
    """Check the file and mend what can be mended in place; return in a few words what is wrong with it, else None.

    Raises StoreError for what the storage does wrong.
    """
    try:
        with database.reading():  # one view: the forwarder may be sealing meanwhile
            fault = _file_fault(database)
            unsound = () if fault else [table for table in _INDEXED if not _are_indexes_sound(database, table)]
            fault = fault or (None if unsound else _content_fault(database))
        if unsound:
            fault = _mend_indexes(database, unsound)
        if fault is None:
            if not are_slots_sound(database):  # asked before the lock: there may be very many
                with database.writing():
                    heal_slots(database)
            # A sync that failed may have left in the system's memory what no later sync brings to the disk. What is
            # read here is written anew, or a power cut would take it away, with all that was committed after it.
            database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    except StoreError as exc:
        if exc.code != DAMAGED:
            raise
        return str(exc.values.get("detail", "damaged"))
    return fault


def _are_indexes_sound(rows: Rows, table: str) -> bool:
    return bool(rows.rows(f"PRAGMA integrity_check({table})")[0][0] == "ok")


def _mend_indexes(database: Inspected, tables: Collection[str]) -> str | None:
    """Make the indexes of these tables anew; return what is wrong then, else None."""
    _LOG.warning("the indexes of %s in the store are damaged, and are made anew", " and ".join(tables))
    with database.writing():
        for table in tables:
            database.change(f"REINDEX {table}")
    with database.reading():
        return find_fault(database)


def find_fault(rows: Rows) -> str | None:
    """Return what is wrong with the file, in a few words; None if nothing is."""
    return _file_fault(rows) or _content_fault(rows)


def _file_fault(rows: Rows) -> str | None:
    verdict = rows.rows("PRAGMA quick_check(1)")[0][0]
    if verdict != "ok":
        return str(verdict)
    return None if load_fact(rows, SCHEMA_FACT) == schema_crc(rows) else "the tables are not those that were made"


def _content_fault(rows: Rows) -> str | None:
    try:
        epochs = all_epochs(rows)
    except (ValueError, TypeError, UnicodeError) as exc:
        return str(exc)
    if not epochs:
        return "no epoch"
    return _chain_fault(rows, epochs) or _envelope_fault(rows)


def schema_crc(rows: Rows) -> int:
    """Return the CRC over the text of all tables and indexes: a flipped bit in it would change what they are."""
    found = rows.rows("SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema ORDER BY rowid")
    return crc_of(*(part or b"" for row in found for part in row))


def are_slots_sound(rows: Rows) -> bool:
    """Return True if every CRC of the small tables holds: then nothing is to be healed. Reads a portion at a time."""
    after: tuple[bytes, bytes, int] = (b"", b"", -(1 << 63))
    while chunk := rows.rows(_NEXT_SLOTS, *after, _PORTION):
        if any(crc != crc_of(*cells) for *cells, crc in chunk):
            return False
        after = chunk[-1][:3]
    return are_marks_sound(rows)


def heal_slots(rows: Rows) -> int:
    """Move rows of the small tables whose CRC does not hold to `damaged`; return how many. Needs a transaction.

    A damaged mark is replaced by a safe one (`marks.py`). An open slot that cannot be told any more is missing for
    good: the slot that the row names gets its loss, if it was settled.
    """
    slots = rows.rows(_SLOTS)  # before the mending, which forgets those above a mark that goes back
    healed = mend_marks(rows)
    for task, meter, slot_us, reason, crc in slots:
        if crc != crc_of(task, meter, slot_us, reason):
            healed += 1
            _move_slot(rows, (task, meter, slot_us, reason))
    return healed


def _move_slot(rows: Rows, cells: tuple[bytes, bytes, int, bytes]) -> None:
    task, meter, slot_us, _ = cells
    rows.change(
        "INSERT INTO damaged (origin, why, bytes) VALUES ('slot', 'the checksum does not hold', ?)",
        repr(cells).encode(),
    )
    condition = "CAST(task AS BLOB) = ? AND CAST(meter AS BLOB) = ? AND CAST(slot_us AS INTEGER) = ?"
    rows.change(f"DELETE FROM slot WHERE {condition}", task, meter, slot_us)  # noqa: S608 - our own text
    known = [
        pair for pair, mark_us in load_marks(rows).items() if _encoded(pair) == (task, meter) and slot_us <= mark_us
    ]
    for name, address in known:
        at = from_us(slot_us)
        append_loss(rows, Loss(name, address, at, at, 1, LossReason.DAMAGED.value))


def _encoded(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    return pair[0].encode(), pair[1].encode()


def _chain_fault(rows: Rows, epochs: list[Epoch]) -> str | None:
    links = rows.rows("SELECT epoch, seq, prev, sha256, state FROM outbox ORDER BY n")
    known = {epoch.epoch for epoch in epochs}
    if any(link[0] not in known for link in links):
        return "a batch of an epoch that was never opened"
    for epoch in epochs:
        own = [link[1:] for link in links if link[0] == epoch.epoch]
        if fault := _epoch_fault(epoch, [link for link in own if link[0] > epoch.durable]):
            return fault
    return None


def _epoch_fault(epoch: Epoch, links: list[tuple[Any, ...]]) -> str | None:
    """Walk what is not durable at the centre: gapless from there to the head, each naming the one before."""
    head, seq = epoch.durable_sha256 if epoch.durable else GENESIS, epoch.durable
    for link_seq, prev, sha256, _ in links:
        if link_seq != seq + 1 or prev != head:
            return f"the chain breaks at batch {seq + 1}"
        head, seq = sha256, link_seq
    if (seq + 1, head) != (epoch.next_seq, epoch.prev):
        return f"the chain ends at batch {seq}, its head says {epoch.next_seq - 1}"
    return None


def _envelope_fault(rows: Rows) -> str | None:
    last = 0
    while found := rows.rows(
        "SELECT n, seq, sha256, replacement, envelope.bytes FROM outbox LEFT JOIN envelope USING (n) "
        "WHERE state = 0 AND n > ? ORDER BY n LIMIT ?",
        *(last, _PAGE),
    ):
        for last, seq, sha256, replacement, envelope in found:  # noqa: B007 - the next page begins after it
            if not is_sound(envelope, sha256, replacement):
                return f"the bytes of batch {seq} are not those that were sealed"
    return None
