"""The schema after this one, for trials of the way there: a column, a table, and a change of every waiting row."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from edge.store import database
from edge.store.schema import MIGRATIONS

STEP = (
    "ALTER TABLE loss ADD COLUMN trial INTEGER NOT NULL DEFAULT 0",
    "CREATE TABLE trial (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
    "INSERT INTO trial (bytes) SELECT body FROM journal",
)


@contextmanager
def next_schema(*steps: tuple[str, ...]) -> Iterator[int]:
    """Let the program know more versions than it does, by default one; yield the newest."""
    known = (*MIGRATIONS, *(steps or (STEP,)))
    with patch.multiple(database, MIGRATIONS=known, SCHEMA=len(known)):
        yield len(known)
