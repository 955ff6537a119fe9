"""Taking over what a store that was set aside still holds: one batch at a time, each in one transaction.

The file stays where it is and is only read. What is in a batch, and whether it is what was sealed, its signature tells
to the forwarder; here a batch is opaque. How far a file was taken over stands beside the batch that was sealed for it.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.errors import StoreError
from edge.store.asides import (
    AsideNote,
    Ended,
    Leaf,
    Salvaged,
    ended_epochs,
    finish_aside,
    forget_ended,
    is_after_gap,
    lacks_end,
    load_asides,
    next_leaf,
    note_ended,
    pass_hole,
    save_aside,
)
from edge.store.database import Database, open_aside
from edge.store.holes import Hole, Slots, load_holes, name_losses
from edge.store.sealed import Sealing

Write = Callable[[Callable[[], Any]], Any]


class Recovery:
    """The part of the outbox that takes over."""

    def __init__(self, database: Database, write: Write, take_over: Callable[[Sealing, int, int], Any]) -> None:
        self._database = database
        self._write = write
        self._take_over = take_over
        self._old: Database | None = None
        self._opened: str | None = None

    def note(self) -> AsideNote | None:
        """Return the file that is taken over now; None if there is none left."""
        return next((one for one in load_asides(self._database) if not one.is_done), None)

    def notes(self) -> list[AsideNote]:
        """Return all files that were set aside, the oldest first."""
        return load_asides(self._database)

    def next(self, note: AsideNote) -> Leaf | None:
        """Return the next batch of a file; None if nothing more can be found in it."""
        old = self._open(note.name)
        return None if old is None else next_leaf(old, note.cursor)

    def take_over(self, note: AsideNote, leaf: Leaf, found: Salvaged, sealed: tuple[Sealing, int, int]) -> None:
        """Put an envelope, with its readings and its lane, in the place of an old batch.

        Durable: on the disk on return. Raises StoreError, with nothing changed.
        """
        old = self._open(note.name)

        def work() -> None:
            noted = note
            if note.has_hole or (old is not None and is_after_gap(old, note, found)):
                noted = pass_hole(self._database, note, found.last_at)
            self._take_over(*sealed)
            note_ended(self._database, found.epoch, note.at)
            save_aside(self._database, replace(noted, cursor=leaf.n, last=found, batches=noted.batches + 1))

        self._write(work)

    def pass_over(self, note: AsideNote, leaf: Leaf) -> None:
        """Note that a batch cannot be read: what was polled since the one before it is gone. Durable on return."""
        unread = replace(note, cursor=leaf.n, has_hole=True, unread=note.unread + 1)
        self._write(lambda: save_aside(self._database, unread))

    def finish(self, note: AsideNote) -> AsideNote:
        """Note that nothing more can be read of a file. Durable on return."""
        old = self._open(note.name)
        is_whole = old is not None and not lacks_end(old, note.cursor)
        done: AsideNote = self._write(lambda: finish_aside(self._database, note, is_whole=is_whole))
        self.close()
        return done

    def holes(self) -> list[Hole]:
        """Return the spans of time in which something is gone and whose slots are not named yet."""
        return load_holes(self._database)

    def name_losses(self, slots: Slots) -> int | None:
        """Name the slots of the holes as losses; return how many, None while there is no plan. Durable on return."""
        named: int | None = self._write(lambda: name_losses(self._database, slots))
        return named

    def ended(self) -> list[Ended]:
        """Return the epochs under whose numbers nothing is sent any more, and of which the centre is to be told."""
        return ended_epochs(self._database)

    def forget_ended(self, epoch: bytes) -> None:
        """Note that the centre waits for nothing of an epoch. Durable on return."""
        self._write(lambda: forget_ended(self._database, epoch))

    def close(self) -> None:
        """Close the old file."""
        old, self._old, self._opened = self._old, None, None
        if old is not None:
            with contextlib.suppress(StoreError):  # it was only read
                old.close()

    def _open(self, name: str) -> Database | None:
        if self._opened != name:
            self.close()
            path = self._database.path.with_name(Path(name).name)
            self._old, self._opened = open_aside(path) if path.exists() else None, name
        return self._old
