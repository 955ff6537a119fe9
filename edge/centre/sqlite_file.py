"""The file of the SQLite ledger: how it is opened, locked, brought to this layout, written, copied. It knows apsw.

WAL, `synchronous=FULL`, every write inside `BEGIN IMMEDIATE`. Others may read at the same time, and a copy may be
made. A file of a newer layout is refused, never changed; an older one is brought forward in one transaction.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import apsw

from edge.centre.ledger_schema import SCHEMA, STEPS, VERSION
from edge.errors import EdgeError, StoreError

_BUSY_MS = 5000


class SqliteFile:
    """A ledger's file; close it, or use it as a context manager."""

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self._path = path
        self._lock: int | None = None
        if must_exist and not path.exists():
            raise StoreError("E-CEN-303", path=path)
        with self._translated():
            self._db = apsw.Connection(str(path))
            try:
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

        The lock is a file beside the ledger; the system drops it with the process, so nothing stale can stay.
        """
        path = self._path.with_name(self._path.name + ".lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreError("E-CEN-301", path=path, detail=str(exc)) from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(lock)
            raise StoreError("E-CEN-305", path=self._path) from exc
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
        _sync(path)

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
        self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = FULL")
        self._run("PRAGMA foreign_keys = ON")
        with self.transaction():
            found = self._all("PRAGMA user_version")[0][0]
            if found > VERSION:
                raise StoreError("E-CEN-304", path=self._path, found=found, known=VERSION)
            for step in [SCHEMA] if found == 0 else STEPS[found - 1 :]:
                self._run(step)
            self._run(f"PRAGMA user_version = {VERSION}")
        # What a sync that failed may have left in the system's memory only is written anew; see edge/store/database.py.
        self._run("PRAGMA wal_checkpoint(PASSIVE)")

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


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
