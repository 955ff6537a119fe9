"""Files that take the place of others: written aside, synced, renamed. A cut leaves the old one or the new one."""

import contextlib
import os
from pathlib import Path


def write_aside(path: Path, data: bytes, like: Path | None = None) -> None:
    """Put a file in its place at once, whole. Durable on return. Raises OSError, and then the old file is untouched.

    `like`: the file whose owner and mode the new one gets, where the system lets us.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("xb") as out:
            if like is not None:
                _be_like(out.fileno(), like)
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def sync_folder(folder: Path) -> None:
    """Put the names of a folder on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _be_like(descriptor: int, like: Path) -> None:
    try:
        model = like.stat()
    except OSError:
        return
    with contextlib.suppress(OSError):
        os.fchown(descriptor, model.st_uid, model.st_gid)
    os.fchmod(descriptor, model.st_mode & 0o777)
