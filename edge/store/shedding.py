"""What is given up when the store is full: the order, the batch whose turn it is, and what takes its place.

The order, oldest batch first in each step: batches in the archive (the centre has them, though not for good yet); the
bytes of rejected batches; what can go of unsent batches; unsent batches as a whole. An unsent batch is never deleted
here. A smaller envelope of the forwarder takes its place under the same number, in one transaction; `sha256` stays that
of the original, for the chain goes on over it and receipts name it. `replacement` is the hash of the bytes that stand
there now, empty for the original's. A rejected batch needs no place, the centre passed its number: losses that name its
slots take its place in what waits to be sealed, and its row stays with the reason.

Batches of a disputed epoch wait until they have moved: what lies in their archive is not at the centre.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from edge.errors import StoreError
from edge.reading.loss import Loss
from edge.store.database import Database
from edge.store.disputes import disputed_epochs
from edge.store.losses import append_loss
from edge.store.meta import load_fact, mark_fact
from edge.store.receipts import REJECTED, STORED, UNSENT
from edge.store.room import Room
from edge.store.rows import Rows
from edge.store.sealed import SEALED_COLUMNS, Sealed, found_of, sealed_of

_TOTALS = "shed"
_REPACKED = 16  # so many replacements share their pages
_DISK_RESERVE_BYTES = 4 << 20  # what the write-ahead log may take beside the file


class Step(StrEnum):
    """The steps of the order."""

    ARCHIVED = "archived"
    REDUCED = "reduced"
    DROPPED = "dropped"
    QUARANTINED = "quarantined"
    MERGED = "merged"  # many into one, by `merging.py`


class Level(IntEnum):
    """How far a batch has been looked at."""

    WHOLE = 0  # not yet
    LEAN = 1  # what can go alone is gone
    DONE = 2  # nothing more can go
    MENDED = 3  # its bytes were damaged, an empty one stands in its place


# step: state and level of the batches that it takes, and the level that they have afterwards
_ORDER = (
    (Step.ARCHIVED, STORED, Level.WHOLE, Level.DONE),
    (Step.ARCHIVED, STORED, Level.LEAN, Level.DONE),
    (Step.QUARANTINED, REJECTED, Level.WHOLE, Level.DONE),
    (Step.QUARANTINED, REJECTED, Level.LEAN, Level.DONE),
    (Step.REDUCED, UNSENT, Level.WHOLE, Level.LEAN),
    (Step.DROPPED, UNSENT, Level.LEAN, Level.DONE),
)


_STATES = {Step.ARCHIVED: STORED, Step.QUARANTINED: REJECTED}
_PLACES = (
    Step.ARCHIVED,
    Step.REDUCED,
    Step.DROPPED,
    None,
    Step.QUARANTINED,
    Step.MERGED,
)  # in the totals; None: the readings


@dataclass(frozen=True, slots=True)
class Candidate:
    """The batch whose turn it is, in which step, and its level once that is done."""

    step: Step
    sealed: Sealed
    level: Level


@dataclass(frozen=True, slots=True)
class Replacement:
    """The envelope that takes a batch's place, and the readings in it. `lost`: readings that go."""

    envelope: bytes
    readings: int
    lost: int


@dataclass(frozen=True, slots=True)
class ShedTotals:
    """What this store has given up since it began: batches by step, and readings that no centre had confirmed.

    `merged`: batches that went into others.
    """

    archived: int = 0
    reduced: int = 0
    dropped: int = 0
    readings: int = 0
    quarantined: int = 0
    merged: int = 0


class Shedding:
    """The part of the outbox that gives up."""

    def __init__(self, database: Database, write: Callable[[Callable[[], Any]], Any]) -> None:
        self._database = database
        self._write = write

    def room(self) -> Room:
        """Return how much of the store is in use; what the write-ahead log may take is left to it."""
        return self._database.room(_DISK_RESERVE_BYTES)

    def next(self, under_way: Collection[tuple[bytes, int]] = ()) -> Candidate | None:
        """Return the batch whose turn it is, none of those under way; None if nothing is left to give up.

        Raises StoreError if its bytes are no longer what was put there; see `mending.py`. Those of a rejected batch are
        as the disk gives them.
        """
        waiting = disputed_epochs(self._database)
        for step, state, before, after in _ORDER:
            found = self._database.rows(
                f"SELECT {SEALED_COLUMNS} FROM outbox JOIN envelope USING (n) "  # noqa: S608 - our own text
                f"WHERE state = ? AND shed = ? AND epoch NOT IN ({', '.join('?' * len(waiting))}) ORDER BY n LIMIT ?",
                state,
                before,
                *waiting,
                len(under_way) + 1,
            )
            for row in found:
                if (row[0], row[1]) not in under_way:
                    read = found_of if step is Step.QUARANTINED else sealed_of
                    return Candidate(step, read(row, self._database.path), after)
        return None

    def replace(self, candidate: Candidate, replacement: Replacement) -> None:
        """Put the replacement in, the original out, in one transaction. Durable on return.

        Raises StoreError, with nothing changed, if the batch is no longer what it was.
        """
        self._write(lambda: self._replace(candidate, replacement))

    def give_up(self, candidate: Candidate, losses: Sequence[Loss], lost: int) -> None:
        """Put losses in the place of a rejected batch's bytes, in one transaction. Durable on return.

        `lost`: readings that go. Raises StoreError, with nothing changed, if the batch is no longer what it was.
        """

        def work() -> None:
            number = self._mark(candidate)
            self._database.change("DELETE FROM envelope WHERE n = ?", number)
            for loss in losses:
                append_loss(self._database, loss)
            count_shed(self._database, candidate.step, lost)

        self._write(work)

    def pass_over(self, candidate: Candidate) -> None:
        """Note that this step takes nothing of a batch: it stays as it is. Durable on return."""
        self._write(lambda: self._mark(candidate))

    def totals(self) -> ShedTotals:
        """Return what was given up so far."""
        fact = load_fact(self._database, _TOTALS)
        return ShedTotals(*fact) if fact else ShedTotals()

    def unsettled(self) -> int:
        """Return how many batches that gave way to a smaller one no receipt covers yet."""
        found = self._database.rows(
            "SELECT count(*) FROM outbox WHERE state = 0 AND replacement <> x'' AND shed <> ?", int(Level.MENDED)
        )
        return int(found[0][0])

    def _replace(self, candidate: Candidate, replacement: Replacement) -> None:
        number = self._mark(candidate)
        _put(self._database, [(number, replacement.envelope)])
        self._database.change(
            "UPDATE outbox SET replacement = ?, readings = ? WHERE n = ?",
            hashlib.sha256(replacement.envelope).digest(),
            replacement.readings,
            number,
        )
        if count_shed(self._database, candidate.step, replacement.lost) % _REPACKED == 0:
            _repack(self._database, number)

    def _mark(self, candidate: Candidate) -> int:
        """Set the level of a batch and return its row; it must still hold the bytes that were looked at."""
        sealed = candidate.sealed
        found = self._database.rows(
            "SELECT n FROM outbox JOIN envelope USING (n) WHERE epoch = ? AND seq = ? AND state = ? AND bytes = ?",
            *(sealed.epoch, sealed.seq, _STATES.get(candidate.step, UNSENT), sealed.envelope),
        )
        if not found:
            raise StoreError("E-STO-109", seq=sealed.seq, detail="the batch that was to be given up is another by now")
        self._database.change("UPDATE outbox SET shed = ? WHERE n = ?", int(candidate.level), found[0][0])
        return int(found[0][0])


def count_shed(rows: Rows, step: Step, lost: int, batches: int = 1) -> int:
    """Add to the totals; return how many batches were replaced so far. Needs a writing transaction."""
    fact = load_fact(rows, _TOTALS) or []
    fact += [0] * (len(_PLACES) - len(fact))
    fact[_PLACES.index(step)] += batches
    fact[3] += 0 if step is Step.ARCHIVED else lost
    mark_fact(rows, _TOTALS, fact)
    return int(sum(fact[:3]))


def _repack(rows: Rows, last: int) -> None:
    """Write the latest replacements anew, close together: a page whose rows only shrink is never given back."""
    _put(rows, rows.rows("SELECT n, bytes FROM envelope WHERE n <= ? ORDER BY n DESC LIMIT ?", last, _REPACKED)[::-1])


def _put(rows: Rows, envelopes: Sequence[tuple[int, bytes]]) -> None:
    """Put bytes in the place of what stands there: all of it goes first, so that emptied pages are free."""
    rows.change_each("DELETE FROM envelope WHERE n = ?", [(number,) for number, _ in envelopes])
    rows.change_each("INSERT INTO envelope (n, bytes) VALUES (?, ?)", envelopes)
