"""Many small batches give way to one: what they still say goes into a later number, and their own are left.

Only the oldest of an epoch can go, without a gap from its `durable` mark on, and only those of which nothing more can
be given up alone. One transaction takes them out, moves the mark over their numbers, which the birth then names as not
to come, and puts the new envelopes at the end of the current epoch. To the centre these are batches like any other.
Batches of a disputed epoch wait until they have moved.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edge.errors import StoreError
from edge.store.chain_end import append_sealed
from edge.store.database import Database
from edge.store.disputes import disputed_epochs
from edge.store.epochs import Standing, find_epoch, hash_at, save_epoch, sendable_epochs
from edge.store.merged_numbers import Merged, note_merged
from edge.store.receipts import REJECTED, STORED, UNSENT
from edge.store.sealed import SEALED_COLUMNS, Sealed, Sealing, sealed_of
from edge.store.shedding import Level, Step, count_shed

_EPOCHS = 32  # more than are kept


@dataclass(frozen=True, slots=True)
class Member:
    """A batch that may go into another. `is_stored`: the centre has it, though not for good yet."""

    sealed: Sealed
    is_stored: bool


@dataclass(frozen=True, slots=True)
class Part:
    """An envelope that takes over, the readings that it counts for, and whether it still holds a value."""

    sealing: Sealing
    readings: int
    has_values: bool


class Merging:
    """The part of the outbox that merges. `now`: the time of a sealing."""

    def __init__(
        self, database: Database, write: Callable[[Callable[[], Any]], Any], now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._write = write
        self.now = now

    def runs(self, under_way: Collection[tuple[bytes, int]], least: int, most: int) -> Iterator[tuple[Member, ...]]:
        """Yield the oldest batches of each epoch that may be merged, `least` to `most`, none of them under way.

        The oldest epoch first. Raises StoreError if the bytes of one are not what was put there.
        """
        waiting = disputed_epochs(self._database)
        for one in sendable_epochs(self._database, _EPOCHS):
            if one.epoch not in waiting:
                found = tuple(self._members(one, under_way, most))
                if len(found) >= least:
                    yield found

    def replace(self, members: Sequence[Member], parts: Sequence[Part], lane: int, lost: int) -> None:
        """Put the parts in the place of the members, in one transaction. Durable on return. `lost`: readings that go.

        Raises StoreError, with nothing changed, if a member is no longer what it was, or a part not the next envelope.
        """
        self._write(lambda: self._replace(members, parts, lane, lost))

    def _members(self, of: Standing, under_way: Collection[tuple[bytes, int]], most: int) -> Iterator[Member]:
        """Yield what may go, up to the first that may not. Rejected ones whose bytes went are passed by."""
        found = self._database.rows(
            f"SELECT state, shed, {SEALED_COLUMNS} FROM outbox LEFT JOIN envelope USING (n) "  # noqa: S608 - our own text
            "WHERE epoch = ? AND seq >= ? AND NOT (state = ? AND shed >= ?) ORDER BY seq LIMIT ?",
            *(of.epoch, of.oldest_seq, REJECTED, int(Level.DONE), most),
        )
        for state, level, *row in found:
            if state == REJECTED or level < Level.DONE or (row[0], row[1]) in under_way:
                return
            yield Member(sealed_of(tuple(row), self._database.path), state == STORED)

    def _replace(self, members: Sequence[Member], parts: Sequence[Part], lane: int, lost: int) -> None:
        rows = [self._row_of(member.sealed) for member in members]
        self._leave(members[0].sealed.epoch, members[-1].sealed.seq, [number for number, *_ in rows])
        is_less = bool(lost) or any(state == UNSENT and replaced for _, state, _, replaced in rows)
        is_mended = any(level == Level.MENDED for _, _, level, _ in rows)
        for part in parts:
            sealed = append_sealed(self._database, part.sealing, part.readings, lane, self.now())
            level = Level.MENDED if is_mended else Level.WHOLE if part.has_values else Level.DONE
            self._database.change(
                "UPDATE outbox SET shed = ?, replacement = ? WHERE epoch = ? AND seq = ?",
                *(int(level), sealed.sha256 if is_less else b"", sealed.epoch, sealed.seq),
            )
        count_shed(self._database, Step.MERGED, lost, len(members))

    def _row_of(self, sealed: Sealed) -> tuple[int, int, int, bool]:
        """Return number, state and level of a row, and whether its bytes replaced others; it must be as it was."""
        found = self._database.rows(
            "SELECT n, state, shed, replacement <> x'' FROM outbox JOIN envelope USING (n) "
            "WHERE epoch = ? AND seq = ? AND state <> ? AND bytes = ?",
            *(sealed.epoch, sealed.seq, REJECTED, sealed.envelope),
        )
        if not found:
            raise StoreError("E-STO-109", seq=sealed.seq, detail="a batch that was to be merged is another by now")
        number, state, level, replaced = found[0]
        return number, state, level, bool(replaced)

    def _leave(self, epoch: bytes, last: int, numbers: Sequence[int]) -> None:
        """Take batches out and let the mark of their epoch pass over them; with none between that stays."""
        of = find_epoch(self._database, epoch)
        sha256 = None if of is None else hash_at(self._database, of, last)
        if of is None or sha256 is None or self._count(epoch, of.durable, last) != len(numbers):
            raise StoreError("E-STO-109", seq=last, detail="the batches before it are others by now")
        gone = [(number,) for number in numbers]
        self._database.change_each("DELETE FROM envelope WHERE n = ?", gone)  # first, so that there is room
        self._database.change_each("DELETE FROM outbox WHERE n = ?", gone)
        save_epoch(self._database, replace(of, durable=last, durable_sha256=sha256))
        note_merged(self._database, Merged(epoch, of.durable + 1, last))

    def _count(self, epoch: bytes, durable: int, last: int) -> int:
        found = self._database.rows(
            "SELECT count(*) FROM outbox WHERE epoch = ? AND seq > ? AND seq <= ? AND state <> ?",
            *(epoch, durable, last, REJECTED),
        )
        return int(found[0][0])
