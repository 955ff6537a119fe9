"""Files of a stick: found, read with bounds, written so that a pulled stick holds no half file.

A stick is whatever a person plugged in: slow, full, FAT, pulled out in the middle, or filled by somebody else. There
are no hard links and no owners on FAT; a rename within a folder is what makes a file whole. Nothing follows a link,
neither reading nor writing: whoever filled the stick does not say where root writes. Reading never waits at a pipe,
and never takes more bytes than it was told.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.carry.layout import ASIDE, folder_name, gateway_of
from edge.errors import CarryError

_MOST_ENTRIES = 200_000


def find_folders(stick: Path) -> list[tuple[str, Path]]:
    """Return (gateway, folder) of each gateway's folder on a stick, by name; the stick may be such a folder itself.

    Raises CarryError E-CAR-103 if it is no folder.
    """
    own = gateway_of(stick.resolve().name)
    with _told(stick):
        if not stick.is_dir():
            raise CarryError("E-CAR-103", path=stick)
        if own is not None:
            return [(own, stick)]
        found = [(gateway_of(path.name), path) for path in sorted(stick.iterdir()) if is_own_folder(path)]
    return [(gateway, path) for gateway, path in found if gateway is not None]


def folder_of(stick: Path, gateway: str) -> Path:
    """Return where a gateway's files lie, or are to lie, on a stick; nothing is made.

    Raises CarryError: E-CAR-103 no folder, E-CAR-105 its place is taken by another gateway (FAT knows no case),
    E-CAR-203 its place is a link.
    """
    found = find_folders(stick)
    if gateway_of(stick.resolve().name) is not None:
        if found[0][0] != gateway:
            raise CarryError("E-CAR-105", path=stick, found=found[0][0], wanted=gateway)
        return stick
    for name, path in found:
        if name != gateway and name.lower() == gateway.lower():
            raise CarryError("E-CAR-105", path=path, found=name, wanted=gateway)
    place = stick / folder_name(gateway)
    if place.is_symlink():
        raise CarryError("E-CAR-203", path=place, detail="a link")
    return place


def is_own_folder(path: Path) -> bool:
    """Return True for a folder that is one itself, not by a link."""
    return path.is_dir() and not path.is_symlink()


def list_files(folder: Path) -> list[str]:
    """Return the paths of what lies in a gateway's folder, one level deep, by name; links and odd things included."""
    names: list[str] = []
    with _told(folder):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                names += [f"{entry.name}/{inner.name}" for inner in os.scandir(entry.path)]
            else:
                names.append(entry.name)
            if len(names) > _MOST_ENTRIES:
                raise CarryError("E-CAR-101", path=folder, detail=f"more than {_MOST_ENTRIES} files")
    return sorted(name for name in names if not name.endswith(ASIDE))


def read_file(path: Path, limit: int) -> bytes:
    """Return a file's bytes.

    Raises CarryError: E-CAR-201 it cannot be read, E-CAR-203 it is no plain file, E-CAR-202 it is longer than `limit`.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as exc:
        code = "E-CAR-203" if exc.errno in (errno.ELOOP, errno.ENXIO) else "E-CAR-201"
        raise CarryError(code, path=path, detail=exc.strerror or str(exc)) from exc
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise CarryError("E-CAR-203", path=path, detail="no plain file")
        if found.st_size > limit:
            raise CarryError("E-CAR-202", path=path, size=found.st_size, limit=limit)
        return _read(handle, path, limit)
    finally:
        os.close(handle)


def _read(handle: int, path: Path, limit: int) -> bytes:
    content = bytearray()
    try:
        while len(content) <= limit and (chunk := os.read(handle, limit + 1 - len(content))):
            content += chunk
    except OSError as exc:  # a bad sector
        raise CarryError("E-CAR-201", path=path, detail=exc.strerror or str(exc)) from exc
    if len(content) > limit:
        raise CarryError("E-CAR-202", path=path, size=len(content), limit=limit)
    return bytes(content)


def write_file(path: Path, content: bytes) -> None:
    """Write a file aside, sync it, rename it into place; what was there is replaced.

    Durable once `sync_folder` was called for its folder. Raises CarryError: E-CAR-102 the stick is full, E-CAR-203 its
    folder is a link, E-CAR-101 anything else; then the path holds what it held before, and nothing lies beside it.
    """
    aside = path.with_suffix(ASIDE)
    with _told(path):
        if path.parent.is_symlink():
            raise CarryError("E-CAR-203", path=path.parent, detail="a link")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_synced(aside, content)
            aside.replace(path)
        except BaseException:
            _forget(aside)
            raise


def remove_file(path: Path) -> None:
    """Remove a file; harmless if it is not there. Raises CarryError E-CAR-101."""
    with _told(path):
        path.unlink(missing_ok=True)


def remove_aside(folder: Path) -> None:
    """Remove what an interrupted writing left in a gateway's folder. Raises CarryError E-CAR-101."""
    with _told(folder):
        if is_own_folder(folder):
            for path in [*folder.glob(f"*{ASIDE}"), *folder.glob(f"*/*{ASIDE}")]:
                path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Sync a folder, where its file system can do that. Raises CarryError E-CAR-101 for a stick that fails."""
    with _told(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        except OSError as exc:
            if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(handle)


def free_bytes(stick: Path) -> int:
    """Return how many bytes a user may still write. Raises CarryError E-CAR-101."""
    with _told(stick):
        found = os.statvfs(stick)
        return found.f_bavail * found.f_frsize


def block_bytes(stick: Path) -> int:
    """Return the size of the piece in which the stick gives room: a file takes whole ones. Raises CarryError."""
    with _told(stick):
        return max(1, os.statvfs(stick).f_frsize)


def _write_synced(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # the stick is gone; the next export removes it


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        code = "E-CAR-102" if exc.errno in (errno.ENOSPC, errno.EDQUOT) else "E-CAR-101"
        raise CarryError(code, path=path, detail=exc.strerror or str(exc)) from exc
