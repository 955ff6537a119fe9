"""The storage of a simulated machine: real files below an apsw VFS that knows what of them a power cut would leave.

Rules:
1. Every write goes to the real file at once, as into the page cache; it is durable only after a sync of that file.
2. A power cut leaves the durable image and any part of what was written since, torn by sectors of 512 bytes. A file
   that was never synced may be gone; a deletion may be undone, until something is synced.
3. A sync may fail: what it should have brought to the disk is then there in parts, and no later sync brings the rest.
4. A file cannot grow beyond the room that the disk has; the ballast beside a store counts.
5. A dead machine reaches the disk no more: whatever its program still tries fails.
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

import apsw

SECTOR = 512
_NAME = "simulated"
_LOG = "-wal"
_BALLAST = "ballast.bin"


@dataclass(slots=True)
class Life:
    """Whether a program still runs. `countdown`: so many acts on disk and wire from now it dies, within the last."""

    random: Random
    is_dead: bool = False
    countdown: int | None = None

    def act(self) -> bool:
        """Note an act on the outer world; return whether it still happens."""
        if self.is_dead:
            return False
        if self.countdown is not None:
            self.countdown -= 1
            if self.countdown <= 0:
                self.is_dead = True
                return self.random.random() < 0.5  # it died just after, or just before
        return True


@dataclass(slots=True)
class Image:
    """A file: what is durable of it (None: not even its name), and what was written since."""

    path: Path
    durable: bytearray | None
    size: int
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data), or (size, None): truncated

    def sync(self) -> None:
        """Make durable what was written."""
        self.durable = self.after(self.pending)
        self.pending.clear()

    def after(self, writes: list[tuple[int, bytes | None]]) -> bytearray:
        """Return the durable content with these writes on it."""
        content = self.durable if self.durable is not None else bytearray()
        for offset, data in writes:
            if data is None:
                del content[offset:]
                continue
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data
        return content

    def leave_parts(self, random: Random) -> None:
        """Make durable a random part of what was written, torn by sectors, in no order but that of each sector."""
        share = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        kept = [part for write in self.pending for part in _sectors(*write) if random.random() < share]
        if random.random() < 0.3:  # what was written first is there, up to some byte
            kept = list(_up_to(self.pending, random))
        self.durable = self.after(kept)
        self.pending.clear()


class Names(Protocol):
    """What a power cut leaves of names, and of files that are not SQLite's."""

    def cut_power(self) -> None:
        """Leave what a power cut leaves."""

    def remember(self) -> None:
        """Take everything as durable."""


@dataclass(slots=True)
class Disk:
    """The files of one folder. `room_bytes`: None without a bound; `bad_syncs`: so many of the next syncs fail."""

    folder: Path
    random: Random
    faults: Counter
    life: Life
    room_bytes: int | None = None
    bad_syncs: int = 0
    skips_syncs: bool = False  # a broken disk, or a broken program: a sync does nothing
    whose: str = ""  # whose death inside a transaction is counted
    dies_in_commit: int | None = None  # so many writes to a log from now the machine dies in one of them
    is_in_program: bool = False  # a program of this machine is at work, and not the test
    names: "Names | None" = None
    files: dict[str, Image] = field(default_factory=dict)
    deleted: dict[str, bytes] = field(default_factory=dict)

    def image(self, path: str) -> Image:
        """Return the image of a file that is being opened."""
        if path not in self.files:
            found = Path(path)
            is_new = not found.exists()
            # What our own programs made beside SQLite (a new empty store, one renamed) they have synced themselves.
            content = bytearray() if is_new else bytearray(found.read_bytes())
            self.files[path] = Image(found, None if is_new else content, len(content))
        return self.files[path]

    def act(self) -> None:
        """Raise what SQLite hears when the machine is dead."""
        if not self.life.act():
            raise apsw.IOError("the machine is dead")

    def write(self, image: Image, offset: int, data: bytes) -> None:
        """Note a write, or raise because there is no room."""
        self.act()
        if self.dies_in_commit is not None and image.path.name.endswith(_LOG):
            self._die_in_commit(image, offset, data)
        grown = max(0, offset + len(data) - image.size)
        if grown and self.room_bytes is not None and self.used_bytes() + grown > self.room_bytes:
            self.faults["disk full"] += 1
            raise apsw.FullError("no room")
        image.size += grown
        image.pending.append((offset, bytes(data)))

    def _die_in_commit(self, image: Image, offset: int, data: bytes) -> None:
        """Let the machine die in the middle of a transaction, if it is time."""
        self.dies_in_commit -= 1
        if self.dies_in_commit > 0:
            return
        self.dies_in_commit = None
        self.faults[f"{self.whose}died inside a transaction"] += 1
        self.life.is_dead = True
        image.pending.append((offset, bytes(data)))
        raise apsw.IOError("the machine is dead")

    def truncate(self, image: Image, size: int) -> None:
        """Note that a file was made shorter."""
        self.act()
        image.size = size
        image.pending.append((size, None))

    def sync(self, image: Image) -> None:
        """Make a file durable, or fail to."""
        self.act()
        if self.skips_syncs:
            return
        if self.bad_syncs > 0:
            self.bad_syncs -= 1
            self.faults["sync failed"] += 1
            image.leave_parts(self.random)
            raise apsw.IOError("a sync failed")
        image.sync()
        self.deleted.clear()  # the journal of a file system brings what was done to names before it

    def delete(self, path: str, *, is_synced: bool) -> None:
        """Note a deletion."""
        self.act()
        image = self.files.pop(path, None)
        if image is not None and image.durable is not None and not is_synced:
            self.deleted[path] = bytes(image.durable)

    def rename(self, old: str, new: str) -> None:
        """Note that a file has another name; what of it is not durable stays so."""
        image = self.files.pop(old, None)
        if image is not None:
            image.path = Path(new)
            self.files[new] = image

    @contextlib.contextmanager
    def in_program(self) -> Iterator[None]:
        """Note that what happens in the block is done by a program of this machine."""
        self.is_in_program = True
        try:
            yield
        finally:
            self.is_in_program = False

    def used_bytes(self) -> int:
        """Return what the files take."""
        ballast = self.folder / _BALLAST
        return sum(image.size for image in self.files.values()) + (ballast.stat().st_size if ballast.exists() else 0)

    def cut_power(self) -> None:
        """Leave on the real disk what a power cut leaves. Nothing may have these files open."""
        for path, image in list(self.files.items()):
            if not image.path.exists():  # renamed by the program, which syncs the folder
                del self.files[path]
                continue
            self.faults["writes lost or torn"] += bool(image.pending)
            if image.durable is None and self.random.random() < 0.5:
                image.path.unlink()
                del self.files[path]
                continue
            image.leave_parts(self.random)
            image.path.write_bytes(image.durable or b"")
            image.size = len(image.durable or b"")
        for path, content in self.deleted.items():
            if not Path(path).exists() and self.random.random() < 0.5:
                Path(path).write_bytes(content)
        self.deleted.clear()
        for shared in self.folder.glob("*-shm"):
            shared.unlink()
        if self.names is not None:
            self.names.cut_power()
        self.forget()

    def forget(self) -> None:
        """Take what lies on the real disk as durable: the machine is off, nothing is under way."""
        self.files.clear()
        if self.names is not None:
            self.names.remember()


class _File(apsw.VFSFile):
    """A file of a simulated disk. Locks and shared memory are those of the real one."""

    def __init__(self, name, flags, disk: Disk) -> None:
        self._disk = disk
        self._image = disk.image(name.filename() if isinstance(name, apsw.URIFilename) else name)
        super().__init__("unix", name, flags)

    def xRead(self, amount, offset):  # noqa: N802 - SQLite's names
        if self._disk.life.is_dead:
            raise apsw.IOError("the machine is dead")
        return super().xRead(amount, offset)

    def xWrite(self, data, offset):  # noqa: N802
        self._disk.write(self._image, offset, data)
        super().xWrite(data, offset)

    def xTruncate(self, size):  # noqa: N802
        self._disk.truncate(self._image, size)
        super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802
        self._disk.sync(self._image)


class _Vfs(apsw.VFS):
    def __init__(self, random: Random) -> None:
        self.disks: dict[str, Disk] = {}
        self._random = random
        super().__init__(_NAME, "unix", makedefault=True)

    def xOpen(self, name, flags):  # noqa: N802
        disk = self._disk_of(name)
        return super().xOpen(name, flags) if disk is None else _File(name, flags, disk)

    def xDelete(self, name, syncdir):  # noqa: N802
        disk = self._disk_of(name)
        if disk is not None:
            disk.delete(name, is_synced=bool(syncdir))
        super().xDelete(name, syncdir)

    def xRandomness(self, numbytes):  # noqa: N802
        return self._random.randbytes(numbytes)

    def _disk_of(self, name) -> Disk | None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return None if path is None else self.disks.get(path.rpartition("/")[0])


@contextlib.contextmanager
def simulated_disks(random: Random) -> Iterator[dict[str, Disk]]:
    """Let SQLite find simulated disks below the folders that are put into the dictionary; others are as ever."""
    vfs = _Vfs(random)
    apsw.randomness(0)  # chance is the seed's
    usual, sys.unraisablehook = sys.unraisablehook, _bury
    try:
        yield vfs.disks
    finally:
        sys.unraisablehook = usual
        vfs.unregister()
        apsw.randomness(0)


def _bury(unraisable) -> None:
    """Say nothing of a connection that cannot be closed because its machine is dead."""
    if not isinstance(unraisable.exc_value, apsw.IOError):
        sys.__unraisablehook__(unraisable)


def _sectors(offset: int, data: bytes | None) -> Iterator[tuple[int, bytes | None]]:
    """Yield a write by the sectors of the disk."""
    if data is None:
        yield offset, None
        return
    at = 0
    while at < len(data):
        step = SECTOR - (offset + at) % SECTOR
        yield offset + at, data[at : at + step]
        at += step


def _up_to(writes: list[tuple[int, bytes | None]], random: Random) -> Iterator[tuple[int, bytes | None]]:
    """Yield the writes up to a random byte."""
    whole = sum(len(data or b"") for _, data in writes)
    left = random.randrange(whole + 1)
    for offset, data in writes:
        if data is not None and len(data) > left:
            yield offset, data[:left]
            return
        yield offset, data
        left -= len(data or b"")
