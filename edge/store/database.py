"""The one SQLite file: opened, checked, bounded; the only door to the library.

Rules: SQLite of at least 3.51.3 (older ones can corrupt a write-ahead log that several connections write); every
commit is on the disk before it returns; every write is BEGIN IMMEDIATE (plain BEGIN starved the forwarder); a file
that fails its checks is set aside by renaming, never deleted, and a new one begins in its place. Each thread and
each process opens its own `Database`.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import apsw

from edge.clock import Clock, SystemClock
from edge.errors import StoreError
from edge.store.ballast import ballast_of, lay_ballast
from edge.store.epochs import begin_epoch
from edge.store.inspection import SCHEMA_FACT, find_fault, heal_slots, schema_crc
from edge.store.locks import InUse, turn
from edge.store.meta import mark_fact
from edge.store.ownership import give_to_owner_of
from edge.store.rows import Cell
from edge.store.salvage import carry_over, find_last_epoch
from edge.store.schema import APPLICATION_ID, MIGRATIONS, SCHEMA

LEAST_SQLITE = (3, 51, 3)
_BUSY_MS = 5000
_MIB = 1 << 20
_WAL_BYTES = 4 * _MIB
_WALL = SystemClock()
_DAMAGED = "E-STO-105"
_CODES: dict[type[BaseException], str] = {
    apsw.FullError: "E-STO-103",
    apsw.BusyError: "E-STO-104",
    apsw.LockedError: "E-STO-104",
    apsw.CorruptError: _DAMAGED,
    apsw.NotADBError: _DAMAGED,
    apsw.CantOpenError: "E-STO-101",
    apsw.PermissionsError: "E-STO-101",
    apsw.ReadOnlyError: "E-STO-101",
    apsw.IOError: "E-STO-106",
    OSError: "E-STO-101",
}


class Database:
    """An open store. `set_aside`: where a damaged file went at this opening, `salvaged`: records saved from it."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self.salvaged = 0
        self._connection = connection
        self.bound_bytes = 0
        self._is_suspect = True  # until its checks have passed, what SQL cannot do is the file's fault, not ours
        self._in_use: InUse | None = None

    def rows(self, sql: str, *values: Cell) -> list[tuple[Any, ...]]:
        """Return all rows of a question."""
        with _translating(self.path, is_suspect=self._is_suspect):
            return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, *values: Cell) -> int:
        """Change rows; return how many."""
        return self.change_each(sql, (values,))

    def change_each(self, sql: str, rows: Iterable[tuple[Cell, ...]]) -> int:
        """Change rows once for each tuple; return how many were changed in all."""
        with _translating(self.path, is_suspect=self._is_suspect):
            before = self._connection.total_changes()
            self._connection.executemany(sql, rows)
            return self._connection.total_changes() - before

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold a writing transaction: all of it or, if anything is raised, nothing.

        Durable: on the disk when the block ends. Time: waits up to 5 s for another writer. Raises StoreError.
        """
        self.rows("BEGIN IMMEDIATE")
        try:
            yield
            self.rows("COMMIT")
        finally:
            if self._connection.in_transaction:
                self.rows("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one view of the file over several questions; keep it short, the log cannot shrink meanwhile."""
        self.rows("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self.rows("ROLLBACK")

    def news(self) -> int:
        """Return a number that changes when another connection has committed."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def size_bytes(self) -> int:
        """Return the size of the file, without its log."""
        return int(self.rows("PRAGMA page_count")[0][0]) * self._page_bytes()

    def limit(self, size_bytes: int) -> None:
        """Bound the file for this connection: a write beyond it raises StoreError and leaves everything as it was."""
        self.rows(f"PRAGMA max_page_count = {max(1, size_bytes // self._page_bytes())}")

    def limit_bytes(self) -> int:
        """Return the bound of this connection."""
        return int(self.rows("PRAGMA max_page_count")[0][0]) * self._page_bytes()

    def notice(self) -> StoreError | None:
        """Return what the operator must hear of this opening, as an error to log: a file was set aside; else None."""
        if self.set_aside is None:
            return None
        return StoreError("E-STO-110", path=self.set_aside, salvaged=self.salvaged)

    def trust(self, in_use: InUse) -> None:
        """Take over the hold on the store, once the checks have passed."""
        self._in_use = in_use
        self._is_suspect = False

    def close(self) -> None:
        """Close the file; harmless when it is closed."""
        try:
            self._connection.close()
        finally:
            if self._in_use is not None:
                self._in_use.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _page_bytes(self) -> int:
        return int(self.rows("PRAGMA page_size")[0][0])


def open_database(path: Path, *, max_mib: int, check: bool = True, clock: Clock = _WALL) -> Database:
    """Return the open store, made if there is none.

    `check` is for the first opening of a process: it inspects the file and sets a damaged one aside; without it a
    damaged file raises StoreError. Raises StoreError for a file that cannot be opened, is of a newer schema, or is
    damaged while somebody else still writes to it. Time: waits for another opening of the same store.
    """
    _demand_sqlite(apsw.sqlitelibversion())
    with _translating(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with turn(path.parent):
            in_use = InUse(path.with_name(path.name + ".lock"))
            try:
                database = _open_sound(path, max_mib, in_use, clock) if check else _open(path, max_mib, clock)
            except BaseException:
                in_use.close()
                raise
            database.trust(in_use)
            lay_ballast(ballast_of(path))
    return database


def _open_sound(path: Path, max_mib: int, in_use: InUse, clock: Clock) -> Database:
    try:
        database = _open(path, max_mib, clock)
    except StoreError as exc:
        if exc.code != _DAMAGED:
            raise
        return _begin_again(path, max_mib, in_use, clock, str(exc.values.get("detail", "")))
    try:
        fault = _inspect(database)
        if fault is None:
            return database
    except BaseException:
        database.close()
        raise
    database.close()
    return _begin_again(path, max_mib, in_use, clock, fault)


def _inspect(database: Database) -> str | None:
    try:
        with database.reading():  # one view: the forwarder may be sealing meanwhile
            fault = find_fault(database)
        if fault is None:
            with database.writing():
                heal_slots(database)
            # A sync that failed may have left in the system's memory what no later sync brings to the disk. What is
            # read here is written anew, or a power cut would take it away, with all that was committed after it.
            database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    except StoreError as exc:
        if exc.code != _DAMAGED:
            raise
        return str(exc.values.get("detail", "damaged"))
    return fault


def _begin_again(path: Path, max_mib: int, in_use: InUse, clock: Clock, fault: str) -> Database:
    """Set the file aside, begin a new one, carry over what can still be read."""
    if not in_use.is_alone():
        raise StoreError("E-STO-108", path=path, detail=fault)
    moved = _set_aside(path, clock)
    old = _open_old(moved)
    try:
        predecessor = find_last_epoch(old) if old else None
        why = f"the store was damaged ({fault}) and set aside as {moved.name}"
        database = _open(path, max_mib, clock, why=why, predecessor=predecessor)
        database.set_aside = moved
        if old:
            database.salvaged = _salvage(old, database)
    finally:
        if old:
            old.close()
        in_use.share()
    return database


def _salvage(old: Database, new: Database) -> int:
    try:
        with new.writing():
            return carry_over(old, new)
    except BaseException:
        new.close()
        raise


def _open_old(path: Path) -> Database | None:
    try:
        return Database(path, apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY))
    except apsw.Error:
        return None


def _set_aside(path: Path, clock: Clock) -> Path:
    """Rename the file and its log, to a name that was never used; return the new name."""
    name = f"{path.name}.bad-{clock.utc_now():%Y%m%dT%H%M%SZ}"
    moved, number = path.with_name(name), 1
    while moved.exists():
        number += 1
        moved = path.with_name(f"{name}-{number}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(moved.with_name(moved.name + suffix))
    _sync_folder(path.parent)
    return moved


def _open(path: Path, max_mib: int, clock: Clock, *, why: str = "first", predecessor: bytes | None = None) -> Database:
    _make_file(path, clock)
    with _translating(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    database = Database(path, connection)
    try:
        connection.set_busy_timeout(_BUSY_MS)
        _refuse_newer(database)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", f"journal_size_limit = {_WAL_BYTES}"):
            database.rows(f"PRAGMA {pragma}")
        database.bound_bytes = max_mib * _MIB
        database.limit(database.bound_bytes)
        _migrate(database, lambda: begin_epoch(database, why=why, predecessor=predecessor, at=clock.utc_now()))
    except BaseException:
        connection.close()
        raise
    return database


def _make_file(path: Path, clock: Clock) -> None:
    """Make an empty file of our own mode: the log and the shared memory copy it. Leaves one that exists alone."""
    if not path.exists() and path.with_name(path.name + "-wal").exists():
        _set_aside(path, clock)  # the log of a file that is gone: SQLite must not play it into the new one
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
    except FileExistsError:
        return
    try:
        os.fchmod(descriptor, 0o660)
        give_to_owner_of(path.parent, descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _sync_folder(path.parent)


def _refuse_newer(database: Database) -> None:
    """Raise StoreError for a newer schema, or for a database that somebody else made."""
    version = database.rows("PRAGMA user_version")[0][0]
    owner = database.rows("PRAGMA application_id")[0][0]
    is_empty = not database.rows("SELECT 1 FROM sqlite_schema LIMIT 1")
    if owner != APPLICATION_ID and not is_empty:
        raise StoreError(_DAMAGED, path=database.path, detail="a database of another program")
    if version > SCHEMA:
        raise StoreError("E-STO-102", path=database.path, version=version, known=SCHEMA)


def _migrate(database: Database, begin: Callable[[], object]) -> None:
    """Bring the file to this schema, one version a transaction; a new file gets its first epoch with its tables."""
    if database.rows("PRAGMA user_version")[0][0] == SCHEMA:
        return
    with database.writing():
        version = int(database.rows("PRAGMA user_version")[0][0])  # somebody else may have been faster
        for statement in (statement for step in MIGRATIONS[version:] for statement in step):
            database.rows(statement)
        if version == 0:
            begin()
        mark_fact(database, SCHEMA_FACT, schema_crc(database))
        database.rows(f"PRAGMA application_id = {APPLICATION_ID}")
        database.rows(f"PRAGMA user_version = {SCHEMA}")


def _demand_sqlite(version: str) -> None:
    if tuple(int(part) for part in version.split(".")[:3]) < LEAST_SQLITE:
        raise StoreError("E-STO-107", version=version, least=".".join(map(str, LEAST_SQLITE)))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translating(path: Path, *, is_suspect: bool = False) -> Iterator[None]:
    """Turn the library's exceptions into ours; one that means a defect of our own passes as it is."""
    try:
        yield
    except apsw.SQLError as exc:
        if not is_suspect:
            raise
        raise StoreError(_DAMAGED, path=path, detail=str(exc)) from exc
    except tuple(_CODES) as exc:
        code = next(_CODES[kind] for kind in type(exc).__mro__ if kind in _CODES)
        raise StoreError(code, path=path, detail=str(exc)) from exc
