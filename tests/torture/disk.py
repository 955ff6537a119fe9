"""What a disk may hold after the power failed: everything that was synced, and of the rest anything.

Bytes: a write is sure when a sync of its file has returned that began after the write had returned. Of the others,
in the order in which they were made: all; none; all up to a random byte; or any subset of their sectors, where a file
may be as long as it was told to be, with zeros or old rubbish in between.
Names: a creation, link, rename or unlink is sure when a sync of the folder has returned that began after it. Of the
others: all, none, the first few, or any subset; each happened whole or not at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.torture.trace import Call

_NAMES = ("create", "link", "rename", "unlink")


@dataclass(slots=True)
class _File:
    """One file whatever its names are: what is sure, and what was asked for since."""

    sure: bytearray = field(default_factory=bytearray)
    pending: list[Call] = field(default_factory=list)


@dataclass(slots=True)
class _Entry:
    """A change of names that is not sure yet."""

    call: Call
    file: int

    @property
    def folder(self) -> str:
        """The folder whose sync makes it sure: that of the name that is new, or that goes."""
        return (self.call.to or self.call.name).rpartition("/")[0]


class Disk:
    """The files of one folder, and of those in it, at one moment of a recording; `cut` says what is left of them."""

    def __init__(self, calls: Iterable[Call], moment: int) -> None:
        self._moment = moment
        self._files: list[_File] = []
        self._names: dict[str, int] = {}  # as the processes see them
        self._sure: dict[str, int] = {}  # as they are on the disk for certain
        self._pending: list[_Entry] = []
        for call in calls:
            if call.start > moment:
                break
            self._take(call)

    @property
    def unsure(self) -> int:
        """How many calls may or may not have reached the disk."""
        return len(self._pending) + sum(len(file.pending) for file in self._files)

    def cut(self, rng: Random) -> dict[str, bytes]:
        """Return name and content of each file that is left. The same generator gives the same files."""
        names = dict(self._sure)
        for entry in _choose_names(self._pending, rng):
            _rename(names, entry)
        kept = self._choose_bytes(rng)
        return {name: bytes(kept[file]) for name, file in sorted(names.items())}

    def _take(self, call: Call) -> None:
        if call.what in _NAMES:
            self._take_name(call)
        elif call.what == "sync" and call.name not in self._names:  # a folder
            if call.is_done(self._moment):
                self._sync_names(call)
        elif call.what == "sync":
            if call.is_done(self._moment):
                self._sync(self._files[self._names[call.name]], call)
        elif call.what in ("write", "truncate"):
            self._files[self._names[call.name]].pending.append(call)

    def _take_name(self, call: Call) -> None:
        if call.what == "create":
            if call.name in self._names:
                return
            self._files.append(_File())
            self._names[call.name] = len(self._files) - 1
        if call.name not in self._names:
            return  # a socket: nothing that a disk keeps
        entry = _Entry(call, self._names[call.name])
        self._pending.append(entry)
        _rename(self._names, entry)

    def _sync_names(self, sync: Call) -> None:
        done = [one for one in self._pending if one.call.is_done(sync.start) and one.folder == sync.name]
        for entry in done:
            _rename(self._sure, entry)
        self._pending = [entry for entry in self._pending if entry not in done]

    @staticmethod
    def _sync(file: _File, sync: Call) -> None:
        for call in file.pending:
            if call.is_done(sync.start):
                _apply(file.sure, call)
        file.pending = [call for call in file.pending if not call.is_done(sync.start)]

    def _choose_bytes(self, rng: Random) -> list[bytearray]:
        left = [bytearray(file.sure) for file in self._files]
        asked = [(call, number) for number, file in enumerate(self._files) for call in file.pending]
        asked.sort(key=lambda one: one[0].start)
        way = rng.choice(("all", "none", "byte", "byte", "sectors", "sectors", "sectors"))
        if way == "all":
            for call, number in asked:
                _apply(left[number], call)
        elif way == "byte":
            _keep_until(left, asked, rng)
        elif way == "sectors":
            _keep_sectors(left, asked, rng)
        return left


def _rename(names: dict[str, int], entry: _Entry) -> None:
    call = entry.call
    if call.what == "create":
        names[call.name] = entry.file
        return
    if call.what == "unlink" or (call.what == "rename" and names.get(call.name) == entry.file):
        names.pop(call.name, None)
    if call.what in ("link", "rename"):
        names[call.to] = entry.file


def _choose_names(pending: Sequence[_Entry], rng: Random) -> list[_Entry]:
    way = rng.choice(("all", "none", "first", "subset"))
    if way == "first":
        return list(pending[: rng.randrange(len(pending) + 1)])
    if way == "subset":
        return [entry for entry in pending if rng.random() < 0.5]
    return list(pending) if way == "all" else []


def _keep_until(left: Sequence[bytearray], asked: Sequence[tuple[Call, int]], rng: Random) -> None:
    whole = rng.randrange(len(asked) + 1)
    for call, number in asked[:whole]:
        _apply(left[number], call)
    for call, number in asked[whole : whole + 1]:
        if call.what == "write":
            _write(left[number], call.offset, call.data[: rng.randrange(len(call.data) + 1)])


def _keep_sectors(left: Sequence[bytearray], asked: Sequence[tuple[Call, int]], rng: Random) -> None:
    size, chance, fill = rng.choice((512, 4096)), rng.choice((0.1, 0.5, 0.9)), rng.choice((b"\0", b"\xa5", None))
    for call, number in asked:
        if call.what == "truncate":
            if rng.random() < chance:
                _apply(left[number], call)
            continue
        for first, piece in _sectors(call, size):
            if rng.random() < chance:
                _write(left[number], first, piece)
            elif fill is not None and first + len(piece) > len(left[number]):
                _write(left[number], first, fill * len(piece))  # the length was kept, the bytes were not


def _sectors(call: Call, size: int) -> Iterable[tuple[int, bytes]]:
    place = 0
    while place < len(call.data):
        first = call.offset + place
        step = size - first % size
        yield first, call.data[place : place + step]
        place += step


def _apply(content: bytearray, call: Call) -> None:
    if call.what == "write":
        _write(content, call.offset, call.data)
    elif call.size <= len(content):
        del content[call.size :]
    else:
        content.extend(bytes(call.size - len(content)))


def _write(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data
