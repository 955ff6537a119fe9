"""The file of the SQLite ledger: how it is opened, locked, brought to this layout, written, copied. It knows apsw.

WAL, `synchronous=FULL`, every write inside `BEGIN IMMEDIATE`. Others may read at the same time, without writing
anything, and a copy may be made. A file of a newer layout, or of another program, is refused, never changed. An older
one is brought forward in one transaction, when a copy of it lies beside it, and never while a centre runs on it: an
older one would go on in a layout that it does not know.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import apsw

from edge.centre.disk import sync_path
from edge.centre.ledger_schema import SCHEMA, STEPS, VERSION
from edge.errors import EdgeError, StoreError, translating

_BUSY_MS = 5000


class SqliteFile:
    """A ledger's file; close it, or use it as a context manager."""

    def __init__(self, path: Path, *, must_exist: bool = False, to_read: bool = False) -> None:
        self._path = path
        self._lock: int | None = None
        if must_exist and not path.exists():
            raise StoreError("E-CEN-303", path=path)
        with self._translated():
            reader = _reader_of(path) if to_read else None
            self._db = reader or apsw.Connection(str(path))
            try:
                if reader is None:
                    self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, and let another centre have it."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def claim(self) -> None:
        """Be the one centre that runs on this file until it is closed. Raises StoreError E-CEN-305 if one does.

        The system drops the lock with the process.
        """
        lock = lock_beside(self._path)
        if lock is None:
            raise StoreError("E-CEN-305", path=self._path)
        self._lock = lock

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction: durable when the block ends, without a trace when it raises."""
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            self._forget()
            if self._db.in_transaction:
                self._run("ROLLBACK")
            raise

    def _forget(self) -> None:
        """Let go of what was learned inside a transaction that is undone."""

    def _copy(self, path: Path) -> None:
        """Write the file as it is now to another one, in one read transaction: a writer is not held up by it."""
        with self._translated():
            target = apsw.Connection(str(path))
            try:
                with target.backup("main", self._db, "main") as copying:
                    copying.step(-1)
                target.execute("PRAGMA journal_mode = DELETE")  # one file, whole
                said = target.execute("PRAGMA quick_check(1)").fetchall()[0][0]
            finally:
                target.close()
        if said != "ok":
            raise StoreError("E-CEN-307", path=path, detail=said)
        sync_path(path)

    @contextmanager
    def _reading(self, path: Path) -> Iterator[apsw.Connection]:
        """Open another file to read only: nothing is written beside it."""
        with self._translated():
            other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            try:
                yield other
            finally:
                other.close()

    def _prepare(self) -> None:
        self._db.set_busy_timeout(_BUSY_MS)
        found = self._layout()
        self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = FULL")
        self._run("PRAGMA foreign_keys = ON")
        if found == 0:
            self._make()
        elif found < VERSION:
            self._bring_forward(found)
        # What a sync that failed may have left in the system's memory only is written anew; see edge/store/database.py.
        self._run("PRAGMA wal_checkpoint(PASSIVE)")

    def _layout(self) -> int:
        """Return the layout of the file, 0 for an empty one. Raises StoreError for what is not ours to change."""
        found = int(self._all("PRAGMA user_version")[0][0])
        if found > VERSION:
            raise StoreError("E-CEN-304", path=self._path, found=found, known=VERSION)
        if found == 0 and self._all("SELECT 1 FROM sqlite_schema LIMIT 1"):
            raise StoreError("E-CEN-301", path=self._path, detail="a database of another program")
        return found

    def _make(self) -> None:
        with self.transaction():
            if int(self._all("PRAGMA user_version")[0][0]) == 0:  # somebody else may have been quicker
                self._run(SCHEMA)
                self._run(f"PRAGMA user_version = {VERSION}")

    def _bring_forward(self, found: int) -> None:
        """Take an older file forward; a copy of it stays beside it, named by its layout. Durable on return."""
        lock = lock_beside(self._path)
        if lock is None:
            raise StoreError("E-CEN-316", path=self._path, found=found)
        try:
            found = self._layout()  # while the lock was not ours, another may have done it
            if found < VERSION:
                self._keep_copy(found)
                with self.transaction():
                    for step in STEPS[found - 1 :]:
                        self._run(step)
                    self._run(f"PRAGMA user_version = {VERSION}")
        finally:
            os.close(lock)

    def _keep_copy(self, found: int) -> None:
        kept = self._path.with_name(f"{self._path.name}.v{found}")
        part = self._path.with_name(f"{self._path.name}.copy")
        with translating({OSError: StoreError}, "E-CEN-317", path=self._path, found=found):
            room, needed = os.statvfs(self._path.parent), self._path.stat().st_size
            if room.f_bavail * room.f_frsize < 2 * needed:  # the copy, and the log of the steps
                raise StoreError("E-CEN-317", path=self._path, found=found, detail=f"{2 * needed:,} bytes are needed")
            part.unlink(missing_ok=True)
            self._copy(part)
            part.replace(kept)
            sync_path(self._path.parent)

    def _run(self, statement: str, *values: Any) -> None:
        with self._translated():
            self._db.execute(statement, values)

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._db.execute(query, values).fetchall()

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        rows = self._all(query, *values)
        return rows[0] if rows else None

    def _stream(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with self._translated():
            yield from self._db.execute(query, values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except EdgeError:
            raise
        except apsw.FullError as exc:
            raise StoreError("E-CEN-302", path=self._path, detail=str(exc)) from exc
        except apsw.Error as exc:
            raise StoreError("E-CEN-301", path=self._path, detail=str(exc)) from exc


def _reader_of(path: Path) -> apsw.Connection | None:
    """Return a connection that writes nothing, also on a full disk; None for a layout that is not this one.

    Without a log beside the file and without room for the log's index, the file alone is all there is: no centre runs.
    """
    log = path.with_name(path.name + "-wal")
    for more in ("", "&immutable=1"):
        if more and log.exists() and log.stat().st_size:
            break
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        db = apsw.Connection(f"file:{quote(str(path.absolute()))}?mode=ro{more}", flags=flags)
        db.set_busy_timeout(_BUSY_MS)
        try:
            if db.execute("PRAGMA user_version").fetchall() == [(VERSION,)]:
                db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
                return db
        except apsw.Error:
            pass  # the next way; at the end the usual one tells what is wrong
        db.close()
    return None


def lock_beside(path: Path) -> int | None:
    """Return the handle of the lock of a ledger's file, to be closed; None if somebody else has it.

    The lock is a file beside the ledger; the system drops it with the process, so nothing stale can stay.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise StoreError("E-CEN-301", path=beside, detail=str(exc)) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
