"""What SQLite and the system say, in our words: the codes of a store that cannot be opened, read or written.

A full disk has many faces: a write that finds no room, a log or a shared memory that cannot be made. So the disk is
asked whether it is full; only then nothing of the card is blamed.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from edge.errors import StoreError

DAMAGED = "E-STO-105"
DISK_FULL = "E-STO-121"
_NO_ROOM_BYTES = 256 << 10  # a write of an envelope, or the shared memory, may find no room where so much is left
_CODES: dict[type[BaseException], str] = {
    apsw.FullError: "E-STO-103",
    apsw.BusyError: "E-STO-104",
    apsw.LockedError: "E-STO-104",
    apsw.CorruptError: DAMAGED,
    apsw.NotADBError: DAMAGED,
    apsw.CantOpenError: "E-STO-101",
    apsw.PermissionsError: "E-STO-101",
    apsw.ReadOnlyError: "E-STO-101",
    apsw.IOError: "E-STO-106",
    OSError: "E-STO-101",
}
_MAY_MEAN_FULL = (apsw.FullError, apsw.CantOpenError, apsw.IOError)


@contextmanager
def translating_sqlite(path: Path, *, is_suspect: bool = False) -> Iterator[None]:
    """Turn the library's exceptions into ours; one that means a defect of our own passes as it is."""
    try:
        yield
    except (apsw.SQLError, apsw.ConstraintError) as exc:
        if not is_suspect:
            raise
        raise StoreError(DAMAGED, path=path, detail=str(exc)) from exc
    except tuple(_CODES) as exc:
        code = next(_CODES[kind] for kind in type(exc).__mro__ if kind in _CODES)
        if _is_for_room(exc, path.parent):
            code = DISK_FULL
        raise StoreError(code, path=path, detail=str(exc)) from exc


def is_disk_full(folder: Path) -> bool:
    """Return True if the disk of a folder has no room left, for bytes or for names."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _NO_ROOM_BYTES or (disk.f_files > 0 and disk.f_favail == 0)


def _is_for_room(exc: BaseException, folder: Path) -> bool:
    if isinstance(exc, OSError):
        return exc.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(exc, _MAY_MEAN_FULL) and is_disk_full(folder)
