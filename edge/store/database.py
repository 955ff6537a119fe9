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
from edge.store.asides import AsideNote
from edge.store.ballast import ballast_of, drop_ballast, lay_ballast
from edge.store.epochs import begin_epoch, current_epoch
from edge.store.foreign import DAMAGED, DISK_FULL, translating_sqlite
from edge.store.inspection import inspect
from edge.store.locks import InUse, turn
from edge.store.meta import load_fact, mark_fact
from edge.store.migration import migrate, refuse_foreign
from edge.store.room import Room, room_of
from edge.store.rows import Cell
from edge.store.salvage import carry_over, find_last_epoch
from edge.store.schema import MIGRATIONS, SCHEMA
from edge.store.set_aside import (
    FACT,
    UNFINISHED,
    Aside,
    begin_aside,
    end_aside,
    load_aside,
    make_file,
    move_aside,
    move_orphan,
)
from edge.store.vanished import Gone, Held, find_gone, kept_copy, leave_note, note_gone, put_back

LEAST_SQLITE = (3, 51, 3)
_BUSY_MS = 5000
_MIB = 1 << 20
_PAGE_BYTES = 1024  # a commit writes whole pages, and a few polls fill no larger one; an older file keeps its own
_WAL_BYTES = 4 * _MIB
_CHECKPOINT_BYTES = 3_900_000  # of pages in the log: with their heads and one more commit it stays within its bound
_CACHE_KIB = 512  # of each connection; the daemon holds one a bus and more, and reads little twice
_WALL = SystemClock()


class Database:
    """An open store. `set_aside`: where a damaged file went at this opening, `salvaged`: records saved from it.

    `gone`: the note that was left at this opening because the store was no longer there.
    """

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self.salvaged = 0
        self._connection = connection
        self.bound_bytes = 0
        self.is_suspect = True  # until its checks have passed, what SQL cannot do is the file's fault, not ours
        self.gone: Path | None = None
        self._in_use: InUse | None = None
        self._held: Held | None = None

    def rows(self, sql: str, *values: Cell) -> list[tuple[Any, ...]]:
        """Return all rows of a question."""
        with translating_sqlite(self.path, is_suspect=self.is_suspect):
            return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, *values: Cell) -> int:
        """Change rows; return how many."""
        return self.change_each(sql, (values,))

    def change_each(self, sql: str, rows: Iterable[tuple[Cell, ...]]) -> int:
        """Change rows once for each tuple; return how many were changed in all."""
        with translating_sqlite(self.path, is_suspect=self.is_suspect):
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

    def copy_to(self, path: Path) -> None:
        """Write a copy of the store, page by page, into a new file. Raises StoreError."""
        with translating_sqlite(path):
            copy = apsw.Connection(str(path))
            try:
                with copy.backup("main", self._connection, "main") as backup:
                    backup.step(-1)
            finally:
                copy.close()

    def room(self, spare_bytes: int = 0) -> Room:
        """Return how much of the bound is used; pages that are free count as free. Raises StoreError.

        `spare_bytes`: what of the disk's room is left to others.
        """
        free = int(self.rows("PRAGMA freelist_count")[0][0]) * self._page_bytes()
        with translating_sqlite(self.path):
            disk = os.statvfs(self.path.parent)
        on_disk = max(0, disk.f_bavail * disk.f_frsize - spare_bytes)
        return room_of(self.size_bytes() - free, self.bound_bytes, free + on_disk)

    def limit(self, size_bytes: int) -> None:
        """Bound the file for this connection: a write beyond it raises StoreError and leaves everything as it was."""
        self.rows(f"PRAGMA max_page_count = {max(1, size_bytes // self._page_bytes())}")

    def limit_bytes(self) -> int:
        """Return the bound of this connection."""
        return int(self.rows("PRAGMA max_page_count")[0][0]) * self._page_bytes()

    def notice(self) -> StoreError | None:
        """Return what the operator must hear of this opening, as an error to log; else None."""
        if self.gone is not None:
            return StoreError("E-STO-124", path=self.path, note=self.gone)
        if self.set_aside is None:
            return None
        return StoreError("E-STO-110", path=self.set_aside, salvaged=self.salvaged)

    def trust(self, in_use: InUse, held: Held | None = None) -> None:
        """Take over the hold on the store, once the checks have passed; `held`: `close` does not let it vanish."""
        self._in_use = in_use
        self.is_suspect = False
        self._held = held

    def is_there(self) -> bool:
        """Return False if the file was deleted, moved away or replaced since it was opened."""
        return self._held is None or self._held.is_there()

    def close(self) -> None:
        """Close the file; harmless when it is closed. Raises StoreError.

        Durable: if it was deleted meanwhile, the last one to close it puts a copy in its place.
        """
        in_use, self._in_use = self._in_use, None
        held, self._held = self._held, None
        try:
            with translating_sqlite(self.path):
                is_last = held is not None and held.is_deleted() and in_use is not None and in_use.is_alone()
                copy = kept_copy(self.path, self.copy_to) if is_last else None
                self._connection.close()
                if copy is not None:
                    put_back(copy, self.path)
        finally:
            if in_use is not None:
                in_use.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _page_bytes(self) -> int:
        return int(self.rows("PRAGMA page_size")[0][0])


def open_database(path: Path, *, max_mib: int, check: bool = True, clock: Clock = _WALL) -> Database:
    """Return the open store, made if there is none.

    `check` is for the first opening of a process: it inspects the file and sets a damaged one aside, or ends what an
    earlier opening began; without it a damaged file raises StoreError. Raises StoreError for a file that cannot be
    opened, is of a newer schema, or is damaged while somebody else still writes to it. On a full disk the ballast is
    given up: opening needs some room too. Time: waits for another opening of the same store.
    """
    _demand_sqlite(apsw.sqlitelibversion())
    with translating_sqlite(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with turn(path.parent):
            try:
                database = _open_in_turn(path, max_mib, check=check, clock=clock)
            except StoreError as exc:
                if exc.code != DISK_FULL or not drop_ballast(ballast_of(path)):
                    raise
                database = _open_in_turn(path, max_mib, check=check, clock=clock)
            lay_ballast(ballast_of(path))
    return database


def _open_in_turn(path: Path, max_mib: int, *, check: bool, clock: Clock) -> Database:
    with translating_sqlite(path):
        in_use = InUse(path.with_name(path.name + ".lock"))
        opening = _Opening(path, max_mib, in_use, clock)
        try:
            database = opening.open_sound() if check else opening.open_plain()
        except BaseException:
            in_use.close()
            raise
    database.trust(in_use, Held(path))
    in_use.note(current_epoch(database).epoch.hex().encode())
    return database


def sqlite_version() -> str:
    """Return the version of SQLite that the store uses; it is not Python's own."""
    return str(apsw.sqlitelibversion())


def look_at_database(path: Path, *, max_mib: int) -> Database:
    """Return an existing store, open for questions only; nothing of it changes, whoever has it open beside us.

    Raises StoreError: E-STO-101 if there is none; E-STO-113 for one of an older schema: a command does not change it.
    """
    _demand_sqlite(apsw.sqlitelibversion())
    with translating_sqlite(path):
        in_use = InUse(path.with_name(path.name + ".lock"))
        try:
            database = Database(path, apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY))
            database.trust(in_use)
        except BaseException:
            in_use.close()
            raise
    try:
        database.rows(f"PRAGMA busy_timeout = {_BUSY_MS}")
        refuse_foreign(database, SCHEMA)
        database.bound_bytes = max_mib * _MIB
        _refuse_older(database)
    except BaseException:
        database.close()
        raise
    return database


def open_aside(path: Path) -> Database | None:
    """Return a store that was set aside, open for questions that may fail (E-STO-105); None if it cannot be opened."""
    try:
        return Database(path, apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY))
    except apsw.Error:
        return None


def _refuse_older(database: Database) -> None:
    version = database.rows("PRAGMA user_version")[0][0]
    if version != SCHEMA:
        raise StoreError("E-STO-113", path=database.path, version=version, known=SCHEMA)


class _Opening:
    """One opening of the store, while it has its turn."""

    def __init__(self, path: Path, max_mib: int, in_use: InUse, clock: Clock) -> None:
        self._path = path
        self._max_mib = max_mib
        self._in_use = in_use
        self._clock = clock

    def open_plain(self) -> Database:
        """Open a store that somebody has checked before."""
        if load_aside(self._path) is not None:
            raise StoreError(DAMAGED, path=self._path, detail="it is being set aside")
        gone = find_gone(self._path, self._in_use.noted())
        if gone is None:
            return self._open(lambda database: self._begin(database, "first", None))
        note = leave_note(self._path, self._clock.utc_now())
        database = self._open(lambda database: self._begin_after(database, gone))
        database.gone = note
        return database

    def open_sound(self) -> Database:
        """Open and inspect; what is damaged is set aside, and what was begun of that is ended."""
        begun = load_aside(self._path)
        try:
            database = self.open_plain() if begun is None else self._begin_again(begun)
        except StoreError as exc:
            if exc.code != DAMAGED or begun is not None:
                raise
            return self._set_aside(str(exc.values.get("detail", "")))
        try:
            fault = inspect(database)
            if fault is None:
                return database
        except BaseException:
            database.close()
            raise
        database.close()
        return self._set_aside(fault)

    def _set_aside(self, fault: str) -> Database:
        if not self._in_use.is_alone():
            raise StoreError("E-STO-108", path=self._path, detail=fault)
        return self._begin_again(begin_aside(self._path, fault, self._clock.utc_now()))

    def _begin_again(self, aside: Aside) -> Database:
        """Set the file aside, begin a new one, carry over what can still be read; all of it may have been begun."""
        if not self._in_use.is_alone():
            raise StoreError("E-STO-108", path=self._path, detail=aside.fault)
        moved = move_aside(self._path, aside)
        old = open_aside(moved)
        try:
            database = self._open_follower(aside, old)
        finally:
            if old:
                old.close()
        end_aside(self._path)
        self._in_use.share()
        database.set_aside = moved
        return database

    def _open_follower(self, aside: Aside, old: Database | None) -> Database:
        """Return the new store, with what the old one held; complete already if the power failed after that."""
        why = f"the store was damaged ({aside.fault}) and set aside as {aside.name}"

        def begin(new: Database) -> None:
            self._begin(new, why, find_last_epoch(old) if old else None)
            note = AsideNote(aside.name, self._clock.utc_now())
            mark_fact(new, FACT, carry_over(old, new, note))

        try:
            database = self._open(begin)
        except StoreError as exc:
            if exc.code != DAMAGED:
                raise
            self._path.rename(self._path.with_name(f"{aside.name}{UNFINISHED}"))  # the power failed while it was made
            move_orphan(self._path, self._clock.utc_now())
            database = self._open(begin)
        database.salvaged = int(load_fact(database, FACT) or 0)
        return database

    def _begin(self, database: Database, why: str, predecessor: bytes | None) -> None:
        begin_epoch(database, why=why, predecessor=predecessor, at=self._clock.utc_now())

    def _begin_after(self, database: Database, gone: Gone) -> None:
        self._begin(database, f"the store {self._path.name} was gone", gone.epoch)
        note_gone(database, gone, self._clock.utc_now())

    def _open(self, begin: Callable[[Database], None]) -> Database:
        make_file(self._path, self._clock.utc_now())
        with translating_sqlite(self._path):
            connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
        database = Database(self._path, connection)
        try:
            connection.set_busy_timeout(_BUSY_MS)
            refuse_foreign(database, SCHEMA)
            bounds = (f"journal_size_limit = {_WAL_BYTES}", f"cache_size = -{_CACHE_KIB}")
            for pragma in (f"page_size = {_PAGE_BYTES}", "journal_mode = WAL", "synchronous = FULL", *bounds):
                database.rows(f"PRAGMA {pragma}")
            database.rows(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_BYTES // database._page_bytes()}")  # noqa: SLF001 - own module
            # Before the bound: a store that is full to the last page must be able to get a new schema.
            migrate(database, MIGRATIONS, is_alone=self._in_use.is_alone, begin=lambda: begin(database))
            database.bound_bytes = self._max_mib * _MIB
            database.limit(database.bound_bytes)
            self._in_use.share()
        except BaseException:
            connection.close()
            raise
        return database


def _demand_sqlite(version: str) -> None:
    if tuple(int(part) for part in version.split(".")[:3]) < LEAST_SQLITE:
        raise StoreError("E-STO-107", version=version, least=".".join(map(str, LEAST_SQLITE)))
