"""From an older schema to this one: forwards only, a copy of the old file kept, one transaction.

In order: nobody else may have the file open, for a program of the old version would go on writing by its own tables;
the file is sound; the copy is made, synced and named, so that it is whole or not there; then all steps and the new
number in one transaction. The copy of the last step is kept (`edge.db.v1` holds version 1), older ones go. There is
no way back: an older program refuses the new file and leaves it as it is.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from edge.config.aside import sync_folder
from edge.errors import StoreError
from edge.store.inspection import SCHEMA_FACT, schema_crc
from edge.store.meta import load_fact, mark_fact
from edge.store.ownership import give_to_owner_of
from edge.store.rows import Rows
from edge.store.schema import APPLICATION_ID

_DAMAGED = "E-STO-105"


class Upgradable(Rows, Protocol):
    """An open database as migration sees it."""

    path: Path
    is_suspect: bool  # True: what SQL cannot do is the file's fault; False: it is a defect of ours

    def writing(self) -> AbstractContextManager[None]:
        """Hold a writing transaction."""

    def size_bytes(self) -> int:
        """Return the size of the file."""

    def copy_to(self, path: Path) -> None:
        """Write a copy, page by page."""


Steps = tuple[tuple[str, ...], ...]


def migrate(database: Upgradable, steps: Steps, *, is_alone: Callable[[], bool], begin: Callable[[], object]) -> None:
    """Bring the file to the schema of `steps`; a new file gets its tables, and `begin` what stands in them at first.

    Durable on return. Raises StoreError: E-STO-102 newer, E-STO-113 somebody else has it open, E-STO-114 no room for
    the copy, E-STO-105 a database of somebody else; nothing was changed then.
    """
    refuse_foreign(database, len(steps))
    version = _version(database)
    if version == len(steps):
        return
    if version > 0:
        if not is_alone():
            raise StoreError("E-STO-113", path=database.path, version=version, known=len(steps))
        _demand_sound(database)
        _keep_copy(database, version)
    was_suspect, database.is_suspect = database.is_suspect, version == 0
    try:
        _take_steps(database, steps, version, begin)
    finally:
        database.is_suspect = was_suspect


def _take_steps(database: Upgradable, steps: Steps, version: int, begin: Callable[[], object]) -> None:
    with database.writing():
        for statement in (statement for step in steps[version:] for statement in step):
            database.rows(statement)
        if version == 0:
            begin()
        mark_fact(database, SCHEMA_FACT, schema_crc(database))
        database.rows(f"PRAGMA application_id = {APPLICATION_ID}")
        database.rows(f"PRAGMA user_version = {len(steps)}")


def refuse_foreign(database: Upgradable, known: int) -> None:
    """Raise StoreError for a newer schema, or for a database that somebody else made."""
    owner = database.rows("PRAGMA application_id")[0][0]
    is_empty = not database.rows("SELECT 1 FROM sqlite_schema LIMIT 1")
    if owner != APPLICATION_ID and not is_empty:
        raise StoreError(_DAMAGED, path=database.path, detail="a database of another program")
    if (version := _version(database)) > known:
        raise StoreError("E-STO-102", path=database.path, version=version, known=known)


def _demand_sound(database: Upgradable) -> None:
    """Raise StoreError for a damaged file: a step that fails after that is our defect, no reason to set it aside."""
    verdict = database.rows("PRAGMA quick_check(1)")[0][0]
    if verdict != "ok":
        raise StoreError(_DAMAGED, path=database.path, detail=str(verdict))
    if load_fact(database, SCHEMA_FACT) != schema_crc(database):
        raise StoreError(_DAMAGED, path=database.path, detail="the tables are not those that were made")


def _keep_copy(database: Upgradable, version: int) -> None:
    path = database.path
    _demand_room(database, version)
    kept, fresh = path.with_name(f"{path.name}.v{version}"), path.with_name(f"{path.name}.copy")
    try:
        fresh.unlink(missing_ok=True)
        database.copy_to(fresh)
        sync_file(fresh)
        fresh.replace(kept)
        sync_folder(path.parent)
        for older in range(1, version):
            path.with_name(f"{path.name}.v{older}").unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError("E-STO-101", path=kept, detail=str(exc)) from exc


def _demand_room(database: Upgradable, version: int) -> None:
    room = os.statvfs(database.path.parent)
    free, needed = room.f_bavail * room.f_frsize, database.size_bytes()
    if free < 2 * needed:  # the copy, and the log of the steps
        raise StoreError("E-STO-114", path=database.path, version=version, needed=2 * needed, free=free)


def sync_file(path: Path) -> None:
    """Give a finished copy the mode and the owner of the store, and put it on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o660)
        give_to_owner_of(path.parent, descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _version(database: Upgradable) -> Any:
    return database.rows("PRAGMA user_version")[0][0]
