"""The connection of the PostgreSQL ledger: opened when it is needed, checked, claimed, and given up when it breaks.

With `postgres_polls.py` the only file that knows psycopg; what it raises is translated here. A connection that is lost
ends the transaction, and whoever asks next gets a new one: with the claim renewed, and with nothing remembered of the
old. The layout is made or brought forward by whoever opens the ledger first, under a lock of its own.
"""

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg import errors as pg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from edge.centre.database_url import DatabaseUrl
from edge.centre.postgres_schema import SCHEMA, STEPS, VERSION
from edge.errors import EdgeError, StoreError

# Locks of a ledger (a schema of a database): as long as a centre runs; as long as the layout is made; and one for each
# transaction that writes, as SQLite's BEGIN IMMEDIATE: what the rules of `accept.py` have read stays true to its end.
_RUNS = "SELECT pg_advisory_lock(1701078885, hashtext(current_schema()))"
_RUNS_NOT = _RUNS.replace("pg_advisory_lock", "pg_advisory_xact_lock")
_WRITES = "SELECT pg_advisory_xact_lock(1701078887, hashtext(current_schema()))"
_PATIENCE = "2s"  # the server may take a moment to see that the process before has ended
_LAYOUT = "SELECT pg_advisory_xact_lock(1701078886, hashtext(current_schema()))"
# A server that vanished is noticed within about a minute, on both sides: its locks go with it.
_CONNECTION: dict[str, Any] = {
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "connect_timeout": 10,
    "client_encoding": "utf8",
    "fallback_application_name": "edge centre",
}
_SETTINGS = (
    "SET TIME ZONE 'UTC'",
    "SET lock_timeout = '30s'",
    "SET jit = off",  # it compiles for half a second what runs for a millisecond
    "SET tcp_keepalives_idle = 20",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)
_FULL = re.compile("too many|connection slots|连接数|連線", re.IGNORECASE)
_NO_SUCH_HOST = (socket.EAI_NONAME, socket.EAI_NODATA)
_BATCH = 5000  # rows of a long answer that are held at once


class PostgresLink:
    """A connection to the database of a ledger; close it, or use it as a context manager."""

    def __init__(self, url: DatabaseUrl, *, must_exist: bool = False) -> None:
        self._url = url
        self._must_exist = must_exist
        self._is_claimed = False
        self._is_writing = False
        self._db: psycopg.Connection[tuple[Any, ...]] | None = None
        self.session = 0  # grows with every connection: what was learned over an older one is worth nothing
        with self._translated():
            self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, and let another centre have the ledger."""
        self._is_claimed = False
        if self._db is not None:
            self._db.close()
            self._db = None

    def claim(self) -> None:
        """Be the one centre that runs on this database until it is closed. Raises StoreError E-CEN-305 if one does.

        The lock lives in the connection that also writes: who has lost the lock cannot commit.
        """
        self._is_claimed = True
        try:
            with self._translated():
                self._hold(self._open())
        except StoreError:
            self._is_claimed = False
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction: durable when the block ends, without a trace when it raises. One at a time may write."""
        with self._transaction(_WRITES):
            yield

    @contextmanager
    def _transaction(self, *first: str) -> Iterator[None]:
        with self._translated():
            db = self._open()
            self._is_writing = True
            try:
                with db.transaction():
                    for statement in first:
                        db.execute(statement.encode())
                    yield
            except BaseException:
                self._forget()
                raise
            finally:
                self._is_writing = False
            if db.closed:  # the library ends a transaction on a lost connection without a word
                raise StoreError("E-CEN-306", path=self._url, detail="the connection was lost before the commit")

    def _forget(self) -> None:
        """Let go of what was learned inside a transaction that is undone, or over a connection that is gone."""

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return the connection, a new one if the last one broke. Inside a transaction it is never exchanged."""
        if self._db is not None and not self._db.closed:
            return self._db
        if self._is_writing:
            raise StoreError("E-CEN-306", path=self._url, detail="the connection was lost within a transaction")
        self._forget()
        db = self._connect()
        try:
            self._prepare(db)
            if self._is_claimed:
                self._hold(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        self.session += 1
        return db

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a new connection.

        Raises StoreError: E-CEN-306 where waiting may help, E-CEN-310 or E-CEN-312 where it does not.
        """
        address = make_conninfo(self._url.bare, **{**_CONNECTION, **self._url.secrets})
        try:
            return psycopg.connect(address, autocommit=True)
        except psycopg.OperationalError as exc:
            raise self._error(_code_of_failure(address, exc), exc) from exc

    def _hold(self, db: psycopg.Connection[tuple[Any, ...]]) -> None:
        try:
            with db.transaction():
                db.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'".encode())
                db.execute(_RUNS)
        except pg.LockNotAvailable as exc:
            raise StoreError("E-CEN-305", path=self._url) from exc

    def _prepare(self, db: psycopg.Connection[tuple[Any, ...]]) -> None:
        for setting in _SETTINGS:
            db.execute(setting)
        shown = {name: _shown(db, name) for name in ("fsync", "server_encoding", "synchronous_commit")}
        if shown["fsync"] != "on" or shown["server_encoding"] != "UTF8":
            detail = f"fsync = {shown['fsync']}, encoding {shown['server_encoding']}"
            raise StoreError("E-CEN-308", path=self._url, detail=detail)
        if shown["synchronous_commit"] == "off":
            db.execute("SET synchronous_commit = 'on'")  # a receipt is a promise
        found = _layout_of(db)
        if found is None and self._must_exist:
            raise StoreError("E-CEN-303", path=self._url)
        if found != VERSION:
            self._bring_forward(db)

    def _bring_forward(self, db: psycopg.Connection[tuple[Any, ...]]) -> None:
        """Make the layout, or take it forward in one transaction, which nobody sees before it is whole.

        Not while a centre of an older version runs: it would go on in a layout that it does not know.
        """
        with db.transaction():
            self._wait_for(db, _LAYOUT, "30s")
            found = _layout_of(db)
            if found is None:
                db.execute(SCHEMA)
            elif found > VERSION:
                raise StoreError("E-CEN-304", path=self._url, found=found, known=VERSION)
            elif found < VERSION:
                self._wait_for(db, _RUNS_NOT, _PATIENCE)
                db.execute("SET LOCAL lock_timeout = '30s'")
                for step in STEPS[found - 1 :]:
                    db.execute(step)
            db.execute("UPDATE layout SET version = %s", [VERSION])

    def _wait_for(self, db: psycopg.Connection[tuple[Any, ...]], lock: str, patience: str) -> None:
        try:
            with db.transaction():
                db.execute(f"SET LOCAL lock_timeout = '{patience}'".encode())
                db.execute(lock.encode())
        except pg.LockNotAvailable as exc:
            raise StoreError("E-CEN-316", path=self._url, found=_layout_of(db) or "-") from exc

    def _run(self, statement: str, values: Sequence[Any] = ()) -> int:
        with self._translated():
            return self._open().execute(statement, values).rowcount

    def _run_each(self, statement: str, rows: Sequence[Sequence[Any] | Mapping[str, Any]]) -> None:
        with self._translated(), self._open().cursor() as cursor:
            cursor.executemany(statement, rows)

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._open().execute(query, values).fetchall()

    def _stream(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        with self._translated():
            db = self._open()
            with db.transaction(), db.cursor(name="rows") as cursor:
                cursor.itersize = _BATCH
                cursor.execute(query, values)
                yield from cursor

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except EdgeError:
            raise
        except (pg.DiskFull, pg.OutOfMemory, pg.InsufficientResources) as exc:
            raise self._error("E-CEN-302", exc) from exc
        except (pg.InsufficientPrivilege, pg.InvalidSchemaName) as exc:
            raise self._error("E-CEN-311", exc) from exc
        except psycopg.OperationalError as exc:
            self._drop_broken()
            raise self._error("E-CEN-306", exc) from exc
        except psycopg.Error as exc:
            raise self._error("E-CEN-301", exc) from exc

    def _drop_broken(self) -> None:
        if self._db is not None and self._db.info.transaction_status is TransactionStatus.UNKNOWN:
            self._db.close()

    def _error(self, code: str, exc: BaseException) -> StoreError:
        detail = " ".join(str(exc).split())
        return StoreError(code, path=self._url, detail=self._url.masked(detail))


def _code_of_failure(address: str, exc: psycopg.OperationalError) -> str:
    """Return what kind of fault kept a connection from being made.

    The server's words come in its own language, so they are not asked: a server that answers a ping and does not take
    the login refuses it. Only that it has no connection left is read from them; that passes.
    """
    if isinstance(exc, pg.ConnectionTimeout):
        return "E-CEN-306"
    if _is_host_unknown(address):
        return "E-CEN-312"
    if pq.PGconn.ping(address.encode()) != pq.Ping.OK or _FULL.search(str(exc)):
        return "E-CEN-306"
    return "E-CEN-310"


def _is_host_unknown(address: str) -> bool:
    """Return True if every host of an address is a name that nobody knows; a resolver that is away may come back."""
    told = conninfo_to_dict(address)
    hosts = [] if told.get("hostaddr") else str(told.get("host") or "").split(",")
    return bool(hosts) and all(map(_is_unknown, hosts))


def _is_unknown(host: str) -> bool:
    if not host or host.startswith(("/", "@")):
        return False
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror as exc:
        return exc.errno in _NO_SUCH_HOST
    except (OSError, UnicodeError):
        return False
    return False


def _shown(db: psycopg.Connection[tuple[Any, ...]], name: str) -> str:
    row = db.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


def _layout_of(db: psycopg.Connection[tuple[Any, ...]]) -> int | None:
    """Return the layout that the database has; None if it holds no ledger."""
    known = "SELECT FROM pg_class WHERE relname = 'layout' AND relnamespace = current_schema()::regnamespace"
    if db.execute(known).fetchone() is None:  # asked of the table: a name's absence is remembered for a transaction
        return None
    found = db.execute("SELECT version FROM layout").fetchone()
    return int(found[0]) if found else None
