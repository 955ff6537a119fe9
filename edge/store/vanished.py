"""A store that is gone: deleted or moved away while edge runs, or while it was stopped.

While it runs: whoever has it open writes into a file without a name. The last one to close it puts a copy in its place
(`kept_copy`, `put_back`), so nothing of it is lost. While it was stopped nothing can be saved. That a store was here
shows in what lies beside it: the ballast, laid only after a store was made, and the lock file, which names the epoch.
Then a note for the operator is left (`leave_note`): he takes it away when he has seen it. What was polled in the time
of the lost store becomes a hole (`holes.py`), its epoch is ended for the centre (`asides.py`).
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.config.aside import sync_folder
from edge.reading.chain import EPOCH_BYTES
from edge.store.asides import note_ended
from edge.store.ballast import ballast_of
from edge.store.holes import Hole, note_holes
from edge.store.migration import sync_file
from edge.store.ownership import give_to_owner_of
from edge.store.rows import Rows
from edge.store.set_aside import free_name

_NOTE = (
    "edge: the store {name} was deleted, moved away or emptied while edge was stopped. A new one was begun at {at}.\n"
    "What had not reached the centre is lost, and is named to the centre. Delete this note when you have seen it.\n"
)
_FOREVER = timedelta(days=35)  # how far back what is lost may lie: beyond a month's bill


@dataclass(frozen=True, slots=True)
class Gone:
    """What is known of a store that is gone: its epoch if that can be told, and since when it may have recorded."""

    epoch: bytes | None
    since: datetime


def find_gone(path: Path, noted: bytes) -> Gone | None:
    """Return what is known of the store that was here; None if the file is here, or nothing shows that one was.

    `noted`: what the lock file says of it.
    """
    if _holds_something(path):
        return None
    ballast, lock = ballast_of(path), path.with_name(f"{path.name}.lock")
    if not noted and not ballast.exists():
        return None
    times = [_written_at(one) for one in (ballast, lock) if one.exists()]
    try:
        epoch = bytes.fromhex(noted.decode("ascii"))
    except ValueError:
        epoch = b""
    return Gone(epoch if len(epoch) == EPOCH_BYTES else None, min(times))


def leave_note(path: Path, at: datetime) -> Path:
    """Leave the note for the operator, and return where it lies. Durable on return. Raises OSError."""
    note = path.with_name(free_name(path, at, "gone"))
    with note.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o660)
        give_to_owner_of(path.parent, file.fileno())
        file.write(_NOTE.format(name=path.name, at=at.isoformat(timespec="seconds")))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
    return note


def notes_left(path: Path) -> list[Path]:
    """Return the notes that nobody has taken away yet, the oldest first."""
    return sorted(path.parent.glob(f"{path.name}.gone-*"))


def note_gone(rows: Rows, gone: Gone, now: datetime) -> None:
    """Note in a new store what the lost one may have held, and that its epoch ended. Needs a transaction."""
    note_holes(rows, [Hole(min(max(gone.since, now - _FOREVER), now), now)])
    if gone.epoch is not None:
        note_ended(rows, gone.epoch, now)


class Held:
    """The file that a store was opened on, by its device and inode: whether it still has its name, or any at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identity_of(path)

    def is_there(self) -> bool:
        """Return False if the file was deleted, moved away or replaced."""
        return _identity_of(self._path) == self._identity

    def is_deleted(self) -> bool:
        """Return True if it has no name any more under which it could be found again. Only while it is open."""
        return not self.is_there() and self._links() == 0

    def _links(self) -> int | None:
        with contextlib.suppress(OSError):
            for one in Path("/proc/self/fd").iterdir():  # to open it would let go of the locks that SQLite holds
                with contextlib.suppress(OSError):
                    found = one.stat()
                    if (found.st_dev, found.st_ino) == self._identity:
                        return found.st_nlink
        return None


def kept_copy(path: Path, copy: Callable[[Path], None]) -> Path:
    """Return where a copy of the store lies, whole and on the disk. Raises StoreError, OSError."""
    fresh = path.with_name(f"{path.name}.copy")
    fresh.unlink(missing_ok=True)
    try:
        copy(fresh)
        sync_file(fresh)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


def put_back(fresh: Path, path: Path) -> Path:
    """Give the copy the store's name, or if another store has it by now, that of one set aside; return it."""
    target = path
    try:
        os.link(fresh, target)
    except FileExistsError:
        target = path.with_name(free_name(path, datetime.now(UTC)))
        os.link(fresh, target)
    fresh.unlink()
    sync_folder(path.parent)
    return target


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _holds_something(path: Path) -> bool:
    """Return True if there is a file with bytes in it, or an empty one with a log that may bring some."""
    log = path.with_name(f"{path.name}-wal")
    return path.exists() and any(one.exists() and one.stat().st_size > 0 for one in (path, log))


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
