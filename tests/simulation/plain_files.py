"""What a power cut leaves of the files that the product writes itself: the register, and a store that is set aside.

Rules:
1. A name that was made, moved or removed is durable once its folder was synced; of what was done since, a power cut
   takes back the latest steps, any number of them: a file system brings names to the disk in their order.
2. Of a file that was written and not synced, any part may be there, with zeros or nothing behind it.
3. Each of these calls is an act on the outer world: the machine may die just before or just after it, and a dead one
   reaches the disk no more.
4. What is done outside of a program's own steps (by the test, between two lives) is durable at once.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace

from tests.simulation.disk import Disk

_BLOCK = 4096
_PLENTY = 1 << 30
_WRITTEN_BY_US = ("register.json*", "*.aside", "*.aside.new", "*.new")


@dataclass(slots=True)
class Names:
    """One folder: how to take back what was not synced, and the files whose content is durable, by number."""

    disk: Disk
    random: Random
    undo: list[Callable[[], None]] = field(default_factory=list)
    synced: dict[int, bytes] = field(default_factory=dict)

    def remember(self) -> None:
        """Take everything as durable."""
        self.undo.clear()
        self.synced = {path.stat().st_ino: path.read_bytes() for path in self._ours()}

    def cut_power(self) -> None:
        """Leave what a power cut leaves."""
        for path in self._ours():
            content = path.read_bytes()
            if self.synced.get(path.stat().st_ino) != content:
                self.disk.faults["file of our own torn"] += 1
                kept = content[: self.random.randrange(len(content) + 1)]
                path.write_bytes(kept + self.random.choice((b"", bytes(len(content) - len(kept)))))
        back = self.random.randrange(len(self.undo) + 1)
        self.disk.faults["name not on the disk yet"] += back
        for take_back in self.undo[: -back - 1 : -1]:
            take_back()
        self.remember()

    def _ours(self) -> list[Path]:
        return sorted({path for pattern in _WRITTEN_BY_US for path in self.disk.folder.glob(pattern)})


class PlainFiles:
    """Stands between `os` and the files of simulated disks while a world lives."""

    def __init__(self, disks: dict[str, Disk], random: Random) -> None:
        self._disks = disks
        self._random = random

    def adopt(self, disk: Disk) -> None:
        """Simulate the names of a disk too."""
        disk.names = Names(disk, self._random)

    @contextlib.contextmanager
    def in_place(self) -> Iterator["PlainFiles"]:
        """Take the place of the calls of `os` for as long as the block lasts."""
        calls = {name: getattr(os, name) for name in ("rename", "replace", "link", "unlink", "fsync", "statvfs")}
        self._real = SimpleNamespace(**calls)
        for name in calls:
            setattr(os, name, getattr(self, f"_{name}"))
        try:
            yield self
        finally:
            for name, call in calls.items():
                setattr(os, name, call)

    def _names_of(self, path) -> Names | None:
        """Return the names of a path's folder, if a program is at work there."""
        disk = self._disks.get(os.fspath(path).rpartition("/")[0]) if isinstance(path, str | os.PathLike) else None
        return disk.names if disk is not None and disk.is_in_program else None

    def _rename(self, old, new) -> None:
        self._move(self._real.rename, old, new)

    def _replace(self, old, new) -> None:
        self._move(self._real.replace, old, new)

    def _move(self, call, old, new) -> None:
        names = self._names_of(new)
        if names is None:
            call(old, new)
            return
        old, new = Path(old), Path(new)
        before = _Saved(new)
        with _act(names.disk):
            call(old, new)
            names.disk.rename(str(old), str(new))

            def take_back() -> None:
                self._real.rename(new, old)
                names.disk.rename(str(new), str(old))
                before.put_back(names)

            names.undo.append(take_back)

    def _link(self, old, new) -> None:
        names = self._names_of(new)
        if names is None:
            self._real.link(old, new)
            return
        with _act(names.disk):
            self._real.link(old, new)
            names.undo.append(lambda: Path(new).unlink(missing_ok=True))

    def _unlink(self, path, *more, **named) -> None:
        names = self._names_of(path)
        if names is None:
            self._real.unlink(path, *more, **named)
            return
        before = _Saved(Path(path))
        with _act(names.disk):
            self._real.unlink(path, *more, **named)
            names.undo.append(lambda: before.put_back(names))

    def _fsync(self, file) -> None:
        number = file if isinstance(file, int) else file.fileno()
        path = str(Path(f"/proc/self/fd/{number}").readlink())
        folder = self._disks.get(path)
        if folder is not None and folder.names is not None and folder.is_in_program:
            with _act(folder):
                folder.names.undo.clear()
            return
        names = self._names_of(path)
        if names is None:
            self._real.fsync(file)
            return
        with _act(names.disk):
            names.synced[os.fstat(number).st_ino] = Path(path).read_bytes()

    def _statvfs(self, path):
        disk = self._disks.get(os.fspath(path)) if isinstance(path, str | os.PathLike) else None
        if disk is None or disk.names is None:
            return self._real.statvfs(path)
        free = _PLENTY if disk.room_bytes is None else max(0, disk.room_bytes - disk.used_bytes())
        return SimpleNamespace(
            f_bavail=free // _BLOCK, f_frsize=_BLOCK, f_blocks=_PLENTY // _BLOCK, f_files=0, f_favail=0
        )


class _Saved:
    """What a name stood for, before it stood for something else or nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = path.read_bytes() if path.is_file() else None
        self._number = path.stat().st_ino if self._content is not None else 0

    def put_back(self, names: Names) -> None:
        """Let the name stand for it again; it is as durable as it was."""
        if self._content is None:
            return
        was_synced = names.synced.get(self._number) == self._content
        self._path.write_bytes(self._content)
        if was_synced:
            names.synced[self._path.stat().st_ino] = self._content


@contextlib.contextmanager
def _act(disk: Disk) -> Iterator[None]:
    """Let the machine die before or after what is done in the block."""
    was_dead = disk.life.is_dead
    if was_dead or not disk.life.act():
        raise OSError(errno.EIO, "the machine is dead")
    yield
    if disk.life.is_dead:
        raise OSError(errno.EIO, "the machine is dead")
