"""Setting a damaged file aside, so that the power may fail at any step of it.

In order: a note that says which file becomes which; the file renamed, then its logs, each step on the disk before the
next; a new store, whose first transaction brings the tables, the epoch and everything that could still be read; the
note goes. An opening that finds a note goes on where the power failed. Nothing is deleted.
"""

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.config.aside import sync_folder
from edge.store.ownership import give_to_owner_of

FACT = "carried_over"  # in a store that follows a damaged one: how many records came from there
UNFINISHED = "-unfinished"  # a follower that the power did not let be made
_LOGS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Aside:
    """A file on its way: the name that it gets, and what is wrong with it."""

    name: str
    fault: str


def load_aside(path: Path) -> Aside | None:
    """Return what was begun and not ended; None if there is nothing, or nothing that was written by us."""
    try:
        found = json.loads(_note(path).read_bytes())
        return Aside(str(found["name"]), str(found["fault"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def begin_aside(path: Path, fault: str, at: datetime) -> Aside:
    """Choose a name that was never used and note it. Durable on return. Raises OSError."""
    aside = Aside(free_name(path, at), fault)
    fresh = _note(path).with_suffix(".new")
    with fresh.open("wb") as file:
        os.fchmod(file.fileno(), 0o660)
        give_to_owner_of(path.parent, file.fileno())
        file.write(json.dumps({"name": aside.name, "fault": aside.fault}).encode())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(_note(path))
    sync_folder(path.parent)
    return aside


def move_aside(path: Path, aside: Aside) -> Path:
    """Rename what is not renamed yet; return where the file lies. Durable on return. Raises OSError."""
    moved = path.with_name(aside.name)
    if not moved.exists() and path.exists():
        path.rename(moved)
        sync_folder(path.parent)
    if not path.exists():  # else it is the new store already, and the logs are its own
        _move_logs(path, moved)
    return moved


def make_file(path: Path, at: datetime) -> None:
    """Make an empty file of our own mode: the log and the shared memory copy it. Leaves one that exists alone."""
    if has_orphan(path):
        move_orphan(path, at)
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
    sync_folder(path.parent)


def move_orphan(path: Path, at: datetime) -> None:
    """Rename the logs of a file that is gone: SQLite must not play them into a new one. Durable on return."""
    _move_logs(path, path.with_name(free_name(path, at)))


def end_aside(path: Path) -> None:
    """Take the note away: the new store is complete. Durable on return. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        _note(path).unlink()
    sync_folder(path.parent)


def has_orphan(path: Path) -> bool:
    """Return True if there are logs of a file that is gone."""
    return not path.exists() and any(_beside(path, suffix).exists() for suffix in _LOGS)


def files_aside(path: Path) -> list[Path]:
    """Return the files of this store that were set aside and still lie beside it, the oldest first."""
    found = path.parent.glob(f"{path.name}.bad-*")
    return sorted(one for one in found if not one.name.endswith((*_LOGS, UNFINISHED)))


def free_name(path: Path, at: datetime, word: str = "bad") -> str:
    """Return a name beside the store that nothing has yet."""
    name = f"{path.name}.{word}-{at:%Y%m%dT%H%M%SZ}"
    names, number = name, 1
    while any(_beside(path.with_name(names), suffix).exists() for suffix in ("", *_LOGS)):
        number += 1
        names = f"{name}-{number}"
    return names


def _move_logs(path: Path, moved: Path) -> None:
    for suffix in _LOGS:
        if _beside(path, suffix).exists():
            _beside(path, suffix).rename(_beside(moved, suffix))
    sync_folder(path.parent)


def _note(path: Path) -> Path:
    return _beside(path, ".aside")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
