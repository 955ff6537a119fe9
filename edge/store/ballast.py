"""The ballast: a file of real bytes beside the store, given up when the disk is full.

On a full disk even a DELETE fails, because the write-ahead log needs room (measured). Giving up the ballast makes
that room; it is laid again when there is plenty: at an opening, or when the watch over the room finds none missing.
"""

import contextlib
import os
from pathlib import Path

BALLAST_BYTES = 1 << 20
_PLENTY = 16  # laid only where this many times its size is free


def ballast_of(database: Path) -> Path:
    """Return where the ballast of a store lies."""
    return database.with_name("ballast.bin")


def lay_ballast(path: Path, size: int = BALLAST_BYTES) -> bool:
    """Write the ballast if it is missing and the disk has plenty; return True if it lies there. Never raises OSError.

    Random bytes: a file system that packs or leaves out zeros would keep nothing in reserve.
    """
    try:
        if path.exists() and path.stat().st_size == size:
            return True
        room = os.statvfs(path.parent)
        if room.f_bavail * room.f_frsize < size * _PLENTY:
            return False
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o660)
        try:
            os.write(descriptor, os.urandom(size))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        drop_ballast(path)
        return False
    return True


def drop_ballast(path: Path) -> bool:
    """Give up the ballast; return True if there was one."""
    with contextlib.suppress(OSError):
        path.unlink()
        return True
    return False
