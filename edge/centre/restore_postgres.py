"""The place of a ledger that is in a database: `pg_restore` in one transaction, so that a fault changes nothing.

Only the schema that the address names is touched, and in it only what the copy has. Rights that others were given on
the tables are not in the copy's order: they are given anew by whoever gave them.
"""

from pathlib import Path
from typing import Self

from edge.centre.database_url import DatabaseUrl
from edge.centre.dump import load_dump
from edge.centre.ledger_postgres import COPY, PostgresLedger
from edge.centre.postgres_schema import VERSION
from edge.centre.restore import Standing


class DatabasePlace:
    """A database's place."""

    copy, layout = COPY, VERSION

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url
        self._ledger: PostgresLedger | None = None

    def __str__(self) -> str:
        return str(self._url)

    def __enter__(self) -> Self:
        """Be alone there: over a connection that holds the centre's lock. Raises StoreError E-CEN-305."""
        self._ledger = PostgresLedger(self._url)
        try:
            self._ledger.claim()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def look(self, policy: str) -> Standing:
        """Return what is there; tables without a row are nothing."""
        ledger = self._here()
        names, meters = ledger.gateways(), ledger.meters()
        states = [state for name in names for state in ledger.epochs(name)]
        marks = {(one.gateway, one.epoch): one.stored if policy == "commit" else one.durable for one in states}
        words = f"{len(names)} gateways, {len(meters)} meters on the list" if names or meters else ""
        return Standing(words=words, marks=marks)

    def put(self, copy: Path) -> None:
        """Put a copy there, all of it or nothing. Durable. Raises StoreError E-CEN-318."""
        load_dump(self._url, self._here().schema_name(), copy)

    def open(self) -> PostgresLedger:
        """Open what was put there."""
        return PostgresLedger(self._url, must_exist=True)

    def _here(self) -> PostgresLedger:
        if self._ledger is None:
            raise RuntimeError("not entered")
        return self._ledger
