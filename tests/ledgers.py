"""Ledgers of both kinds for tests: a file, or a database of the tests' own server."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.centre.database_url import parse_database_url
from edge.centre.ledger_postgres import PostgresLedger
from edge.centre.ledger_sqlite import SqliteLedger
from tests.postgres_server import PostgresServer, program

KINDS = ("sqlite", "postgres")

Opened = SqliteLedger | PostgresLedger


@dataclass
class Ledgers:
    """Makes empty ledgers of one kind, and opens them again as another process does; closes and drops them all."""

    folder: Path
    server: PostgresServer | None
    stack: ExitStack = field(default_factory=ExitStack)
    count: int = 0

    def new(self) -> Opened:
        """Return an empty ledger."""
        return self.open(self.place())

    def place(self) -> str:
        """Return where an empty ledger may be made: a path, or a database's address."""
        self.count += 1
        if self.server is None:
            return str(self.folder / f"ledger-{self.count}.db")
        url = self.server.new_schema()
        self.stack.callback(self.server.drop_schema, url)
        return url

    def lonely_place(self) -> str:
        """Return where an empty ledger may be made with nothing beside it, as a backup wants it."""
        if self.server is None:
            return self.place()
        url = self.server.new_database()
        self.stack.callback(self.server.drop, url)
        return url

    def restore(self, backup: Path) -> str:
        """Make a ledger of a backup, as the operator's guide says, and return where it is."""
        place = self.lonely_place()
        if self.server is None:
            shutil.copy(backup / "ledger.db", place)
        else:
            command = [program("pg_restore"), "--no-owner", "--exit-on-error", "--dbname", place]
            subprocess.run([*command, str(backup / "ledger.dump")], check=True)
        return place

    def open(self, place: str, *, must_exist: bool = False) -> Opened:
        """Open a ledger."""
        if self.server is None:
            return self.stack.enter_context(SqliteLedger(Path(place), must_exist=must_exist))
        return self.stack.enter_context(PostgresLedger(parse_database_url(place), must_exist=must_exist))

    def again(self, ledger: Opened) -> Opened:
        """Open the same ledger a second time."""
        return self.open(str(ledger._path if isinstance(ledger, SqliteLedger) else ledger._url))


@contextmanager
def ledgers_of(request: pytest.FixtureRequest, folder: Path) -> Iterator[Ledgers]:
    """Yield a maker of ledgers of the kind that the fixture's parameter names."""
    server = request.getfixturevalue("postgres") if request.param == "postgres" else None
    made = Ledgers(folder, server)
    with made.stack:
        yield made
