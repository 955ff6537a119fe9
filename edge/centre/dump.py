"""A copy of a PostgreSQL ledger as one file, made by PostgreSQL's own `pg_dump` and put back by its `pg_restore`.

`pg_dump` and not `pg_basebackup`: it needs no right to replicate, works over any connection, takes this ledger and not
the whole server, restores into any newer version, and can be told which snapshot to copy, so that the durable mark
says exactly what is in it. The password goes through its environment, never through its arguments.
"""

import os
import subprocess
from pathlib import Path

from edge.centre.database_url import DatabaseUrl
from edge.errors import StoreError

_SECRETS = {"password": "PGPASSWORD"}  # what the environment can carry


def dump_database(url: DatabaseUrl, snapshot: str, path: Path) -> None:
    """Write what an exported snapshot shows to a new file (custom format, for `pg_restore`).

    Durable: `pg_dump` syncs the file before it ends. Raises StoreError E-CEN-307.
    """
    words = ["pg_dump", "--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={path}"]
    _run(url, [*words, f"--dbname={url.bare}"], "E-CEN-307", path)


def load_dump(url: DatabaseUrl, schema: str, path: Path) -> None:
    """Put such a file into a schema of a database, in the place of what is there, in one transaction.

    Durable. Raises StoreError E-CEN-318, and then the database is as it was.
    """
    words = ["pg_restore", "--clean", "--if-exists", "--single-transaction", "--exit-on-error", "--no-owner"]
    _run(url, [*words, "--no-privileges", f"--schema={schema}", f"--dbname={url.bare}", str(path)], "E-CEN-318", path)


def _run(url: DatabaseUrl, command: list[str], code: str, path: Path) -> None:
    secrets = {name: url.secrets[key] for key, name in _SECRETS.items() if key in url.secrets}
    try:
        done = subprocess.run(  # noqa: S603 - our own words, and an address without its secrets
            command,
            env={**os.environ, **secrets},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as exc:
        raise StoreError(code, path=path, detail=str(exc)) from exc
    if done.returncode != 0:
        raise StoreError(code, path=path, detail=url.masked(" ".join(done.stderr.split())))
