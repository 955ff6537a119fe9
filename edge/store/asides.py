"""What is still to be taken over from stores that were set aside, and what of them is gone.

The sealed batches of such a file are not copied at the opening: the disk may have no room for all of them twice. The
new store notes the file (`note_aside`), and the forwarder takes over one batch after another, each in one transaction
with the note of how far it came: a cut in between leaves exactly the rest. Whatever cannot be read becomes a hole, a
span of time in which meters were polled; `holes.py` names the slots in it.

The epochs of such a file are ended: nothing is sent under their numbers any more. The birth says so until a receipt
shows that the centre waits for none of them.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from edge.errors import StoreError
from edge.reading.chain import EPOCH_BYTES
from edge.store.epochs import all_epochs
from edge.store.holes import Hole, note_holes
from edge.store.instants import from_us, to_us
from edge.store.meta import load_fact, mark_fact
from edge.store.rows import Rows

_ASIDES, _ENDED = "asides", "ended_epochs"
_MOST_ASIDES = 16
_MOST_ENDED = 3  # with the current one as many as a receipt names
_LOOKED_AT = 1000  # rows that are tried one by one at a place that cannot be read
_FOREVER = timedelta(days=35)  # how far back what is lost may lie if nothing can be read: beyond a month's bill
_BEFORE = timedelta(days=2)  # nothing is sealed later after its poll, but for a forwarder that was away
UNREADABLE = (StoreError, UnicodeError, TypeError, ValueError, LookupError)


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What is known of a batch that was read: its old epoch and number, and the newest poll in it."""

    epoch: bytes
    seq: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class AsideNote:
    """A file that was set aside, and how far it was taken over.

    `cursor`: the last row that was dealt with; `last`: the last batch that could be read; `has_hole`: one after it
    could not. `records`: carried over unsealed; `batches`: taken over; `unread`: not readable.
    """

    name: str
    at: datetime
    cursor: int = 0
    last: Salvaged | None = None
    has_hole: bool = False
    records: int = 0
    batches: int = 0
    unread: int = 0
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """A sealed batch in a file that was set aside. `envelope` None: it stood there and cannot be read."""

    n: int
    envelope: bytes | None


@dataclass(frozen=True, slots=True)
class Ended:
    """An epoch under whose numbers nothing is sent any more, since when."""

    epoch: bytes
    at: datetime


def load_asides(rows: Rows) -> list[AsideNote]:
    """Return the files that were set aside, the oldest first."""
    fact = load_fact(rows, _ASIDES) or []
    return [_note_of(cells) for cells in fact]


def note_aside(new: Rows, old: Rows | None, note: AsideNote) -> None:
    """Note a file in the store that follows it, with what it had noted itself. Needs a transaction on `new`."""
    earlier = [] if old is None else _or_nothing(lambda: load_asides(old))
    _save(new, [*earlier, note])
    known = [] if old is None else _or_nothing(lambda: ended_epochs(old))
    own = [] if old is None else _or_nothing(lambda: [Ended(epoch, note.at) for epoch in _epochs_in(old)])
    _save_ended(new, [*known, *own])


def save_aside(rows: Rows, note: AsideNote) -> None:
    """Note how far a file was taken over. Needs a writing transaction."""
    _save(rows, [note if one.name == note.name else one for one in load_asides(rows)])


def finish_aside(rows: Rows, note: AsideNote, *, is_whole: bool) -> AsideNote:
    """Note that nothing more can be read of a file; `is_whole`: nothing is lacking at its end. Needs a transaction."""
    if note.has_hole or not is_whole:
        note = pass_hole(rows, note, note.at, _FOREVER)
    note = replace(note, is_done=True)
    save_aside(rows, note)
    return note


def pass_hole(rows: Rows, note: AsideNote, until: datetime, before: timedelta = _BEFORE) -> AsideNote:
    """Note that what was polled since the last batch that could be read, up to an instant, is gone.

    `before`: how far back that may be if none was read. Needs a writing transaction.
    """
    since = note.last.last_at if note.last is not None else until - before
    note_holes(rows, [Hole(min(since, until), until)])
    return replace(note, has_hole=False)


def is_after_gap(old: Rows, note: AsideNote, found: Salvaged) -> bool:
    """Return True if numbers are lacking between the last batch that was read and this one."""
    last = note.last
    if last is not None and last.epoch == found.epoch:
        return found.seq != last.seq + 1
    epochs = {one.epoch: one for one in _or_nothing(lambda: all_epochs(old))}
    own, before = epochs.get(found.epoch), epochs.get(last.epoch) if last is not None else None
    begins_late = own is not None and found.seq > own.durable + 1
    return begins_late or (last is not None and before is not None and before.next_seq != last.seq + 1)


def next_leaf(old: Rows, after: int) -> Leaf | None:
    """Return the next sealed batch after a row; None if there is none, or none that can be found.

    A page that cannot be read hides rows: they are tried one by one, and what stands behind them is found again.
    """
    try:
        found = old.rows("SELECT n, CAST(bytes AS BLOB) FROM envelope WHERE n > ? ORDER BY n LIMIT 1", after)
    except UNREADABLE:
        return _beyond(old, after)
    return Leaf(found[0][0], found[0][1]) if found else None


def lacks_end(old: Rows, last: int) -> bool:
    """Return True if the file says that batches were sealed after this row, or if it cannot say."""
    try:
        return bool(old.rows("SELECT 1 FROM outbox WHERE n > ? AND state <> 2 LIMIT 1", last))
    except UNREADABLE:
        return True


def ended_epochs(rows: Rows) -> list[Ended]:
    """Return the epochs that ended and of which the centre is to be told, the newest last."""
    return [Ended(epoch, from_us(at_us)) for epoch, at_us in load_fact(rows, _ENDED) or []]


def note_ended(rows: Rows, epoch: bytes, at: datetime) -> None:
    """Note that nothing is sent under an epoch's numbers any more. Needs a writing transaction."""
    known = ended_epochs(rows)
    if all(one.epoch != epoch for one in known):
        _save_ended(rows, [*known, Ended(epoch, at)])


def forget_ended(rows: Rows, epoch: bytes) -> None:
    """Note that the centre waits for nothing of this epoch. Needs a writing transaction."""
    _save_ended(rows, [one for one in ended_epochs(rows) if one.epoch != epoch])


def _epochs_in(old: Rows) -> list[bytes]:
    """Return the latest epochs that a file names, even in damaged rows: to end an unknown one does no harm."""
    found = old.rows("SELECT CAST(epoch AS BLOB) FROM epoch ORDER BY n DESC LIMIT ?", _MOST_ENDED)
    return [epoch for (epoch,) in reversed(found) if len(epoch) == EPOCH_BYTES]


def _beyond(old: Rows, after: int) -> Leaf | None:
    for n in range(after + 1, min(_top(old), after + _LOOKED_AT) + 1):
        try:
            found = old.rows("SELECT n, CAST(bytes AS BLOB) FROM envelope WHERE n = ?", n)
        except UNREADABLE:
            return Leaf(n, None)
        if found:
            return Leaf(n, found[0][1])
    return None


def _top(old: Rows) -> int:
    """Return the number of the last batch, as far as any table tells; 0 if none does."""
    top = 0
    for table in ("outbox", "envelope"):
        try:
            top = max(top, old.rows(f"SELECT max(n) FROM {table}")[0][0] or 0)  # noqa: S608 - our own names
        except UNREADABLE:
            continue
    return top


def _note_of(cells: list[Any]) -> AsideNote:
    name, at_us, cursor, last, has_hole, records, batches, unread, is_done = cells
    salvaged = None if last is None else Salvaged(last[0], last[1], from_us(last[2]))
    return AsideNote(name, from_us(at_us), cursor, salvaged, has_hole, records, batches, unread, is_done)


def _save(rows: Rows, notes: list[AsideNote]) -> None:
    mark_fact(rows, _ASIDES, [_cells_of(one) for one in notes[-_MOST_ASIDES:]])


def _cells_of(note: AsideNote) -> list[Any]:
    last = None if note.last is None else [note.last.epoch, note.last.seq, to_us(note.last.last_at)]
    counts = (note.records, note.batches, note.unread)
    return [note.name, to_us(note.at), note.cursor, last, note.has_hole, *counts, note.is_done]


def _save_ended(rows: Rows, ended: list[Ended]) -> None:
    mark_fact(rows, _ENDED, [[one.epoch, to_us(one.at)] for one in ended[-_MOST_ENDED:]])


def _or_nothing(load: Any) -> Any:
    try:
        return load()
    except UNREADABLE:
        return []
