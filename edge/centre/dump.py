"""A copy of a PostgreSQL ledger as one file, made by PostgreSQL's own `pg_dump`.

`pg_dump` and not `pg_basebackup`: it needs no right to replicate, works over any connection, takes this ledger and not
the whole server, restores into any newer version, and can be told which snapshot to copy, so that the durable mark
says exactly what is in it. The password goes through its environment, never through its arguments.
"""

import os
import subprocess
from pathlib import Path

from edge.centre.database_url import DatabaseUrl
from edge.errors import StoreError

_PROGRAM = "pg_dump"
_SECRETS = {"password": "PGPASSWORD"}  # what the environment can carry


def dump_database(url: DatabaseUrl, snapshot: str, path: Path) -> None:
    """Write what an exported snapshot shows to a new file (custom format, for `pg_restore`).

    Durable: `pg_dump` syncs the file before it ends. Raises StoreError E-CEN-307.
    """
    secrets = {name: url.secrets[key] for key, name in _SECRETS.items() if key in url.secrets}
    command = [_PROGRAM, "--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={path}"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words, and an address without its secrets
            [*command, f"--dbname={url.bare}"],
            env={**os.environ, **secrets},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as exc:
        raise StoreError("E-CEN-307", path=path, detail=str(exc)) from exc
    if done.returncode != 0:
        raise StoreError("E-CEN-307", path=path, detail=url.masked(" ".join(done.stderr.split())))
