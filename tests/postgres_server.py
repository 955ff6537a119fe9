"""A PostgreSQL of the tests' own: Debian's programs, a folder that goes away, fsync on, loopback and a Unix socket."""

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

_DEBIAN = Path("/usr/lib/postgresql")
_SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = on
wal_level = replica
max_connections = 40
shared_buffers = '64MB'
log_min_messages = fatal
"""
SECRET_USER, SECRET = "secretary", "s3cr%t/w@rd"


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs."""
    newest = sorted(_DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which(name, path=":".join([*(str(path) for path in reversed(newest)), os.environ.get("PATH", "")]))
    assert found is not None, "these tests need PostgreSQL: scripts/needs"
    return found


def owner() -> str:
    """Return the user that a server runs as: it refuses to be root's."""
    return "postgres" if os.geteuid() == 0 else getpass.getuser()


def run_as_owner(*command: str) -> None:
    """Run a program as the owner, to its end."""
    done = subprocess.run(command, **_as_owner(), cwd="/", capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr


def _as_owner() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(owner())
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@dataclass
class PostgresServer:
    """A server on a folder. It can be killed and started again; what it had committed is there."""

    folder: Path
    port: int = 0
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _count: int = 0

    @property
    def data(self) -> Path:
        """Where its files are."""
        return self.folder / "data"

    def init(self, more: str = "") -> None:
        """Make an empty cluster: nobody needs a password but SECRET_USER."""
        words = ("-U", "edge", "-A", "trust", "-E", "UTF8", "--locale=C")
        run_as_owner(
            program("initdb"), "--no-sync", "-D", str(self.data), *words
        )  # nothing is in it that could be lost
        hba = self.data / "pg_hba.conf"
        rule = f"host all {SECRET_USER} 127.0.0.1/32 scram-sha-256\n"
        hba.write_text(rule + hba.read_text(encoding="utf-8"), encoding="utf-8")
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"{_SETTINGS}unix_socket_directories = '{self.folder}'\n{more}")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.port = self.port or _free_port()
        self._process = subprocess.Popen(
            [program("postgres"), "-D", str(self.data), "-p", str(self.port)],
            **_as_owner(),
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self._answers():
            assert self._process.poll() is None, "PostgreSQL ended"

    def kill(self) -> None:
        """End it as a crash does: SIGQUIT to the one process that ends all others at once."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGINT)

    def url(self, database: str = "postgres", user: str = "edge") -> str:
        """Return the address of a database, by the loopback port."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def new_database(self, more: str = "") -> str:
        """Make an empty database and return its address."""
        self._count += 1
        name = f"t{self._count}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0 {more}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.run(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def new_schema(self) -> str:
        """Make room for one more ledger in the one database, which is quick, and return its address."""
        self._count += 1
        self.run(f"CREATE SCHEMA s{self._count}")
        return f"{self.url()}?options=-csearch_path%3Ds{self._count}"

    def drop_schema(self, url: str) -> None:
        """Take such a ledger away."""
        self.run(f"DROP SCHEMA {url.rpartition('%3D')[2]} CASCADE")

    def run(self, statement: str, database: str = "postgres") -> list[tuple]:
        """Run a statement; return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as db:
            cursor = db.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def make_secret_user(self) -> None:
        """Make the user that needs a password."""
        with psycopg.connect(self.url(), autocommit=True) as db:
            made = sql.SQL("CREATE USER {} SUPERUSER PASSWORD {}")
            db.execute(made.format(sql.Identifier(SECRET_USER), sql.Literal(SECRET)))

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_folder() -> Iterator[Path]:
    """Yield a folder that the server's user owns; the path is short, for a socket's sake."""
    folder = Path(tempfile.mkdtemp(prefix="edge-pg-"))
    shutil.chown(folder, owner())
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_server(more: str = "") -> Iterator[PostgresServer]:
    """Yield a fresh server."""
    with postgres_folder() as folder:
        server = PostgresServer(folder)
        server.init(more)
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
