"""What strace wrote becomes calls: those that change files of one folder, and what the processes said meanwhile.

A call begins at one line of the trace and ends at the same or a later one (strace tells "unfinished" and "resumed").
Paths and data are in hex (`-xx`), descriptors carry their path (`-y`), so nothing has to be guessed.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

SAID = "said"  # the file into which the processes say what they have promised
SYSCALLS = (
    *("open", "creat", "openat", "write", "pwrite64", "writev", "pwritev", "pwritev2"),
    *("fsync", "fdatasync", "sync_file_range", "ftruncate", "truncate", "fallocate"),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "copy_file_range", "sendfile"),
)
_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)", re.DOTALL)
_PATH = re.compile(r"(\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_RESULT = re.compile(r"\) += (-?\d+)")
_NUMBER = re.compile(r"(?<=, )(\d+)(?=[,)])")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call on a file: `start` and `end` are lines of the trace; `end` is None if it never returned.

    `what`: create, write, truncate, sync, rename, link, unlink, say. `name` and `to`: within the folder, "" for the
    folder itself.
    """

    what: str
    name: str
    start: int
    end: int | None
    offset: int = 0
    data: bytes = b""
    size: int = 0
    to: str = ""
    word: dict[str, Any] = field(default_factory=dict)

    def is_done(self, moment: int) -> bool:
        """Return True if the call had returned at that line."""
        return self.end is not None and self.end <= moment


def read_trace(lines: Iterable[str], folder: str) -> list[Call]:
    """Return the calls in the order in which they began. Raises ValueError for a call that this cannot follow."""
    reader = _Reader(PurePosixPath(folder))
    for one in _whole(lines):
        reader.take(one)
    return sorted(reader.calls, key=lambda call: call.start)


class _Whole(NamedTuple):
    """A system call as strace shows it, its two halves put together."""

    task: str
    name: str
    text: str
    start: int
    end: int | None

    @property
    def result(self) -> int | None:
        """What it returned; None if it never did."""
        found = _RESULT.search(self.text, max(0, len(self.text) - 20_000))
        return int(found[1]) if found else None

    @property
    def texts(self) -> list[bytes]:
        """Its arguments in quotes: names, or data."""
        return [_hex_bytes(one) for one in _TEXT.findall(self.text)]

    @property
    def last_number(self) -> int:
        """The last argument, a number."""
        return int(_NUMBER.findall(self.text)[-1])


def _whole(lines: Iterable[str]) -> Iterator[_Whole]:
    waiting: dict[str, tuple[str, str, int]] = {}
    for number, line in enumerate(lines):
        found = _LINE.match(line)
        if found is None:
            continue
        task, resumed, name, text = found.groups()
        if resumed:
            name, begun, start = waiting.pop(task)
            yield _Whole(task, name, begun + text, start, number)
        elif text.rstrip().endswith("<unfinished ...>"):
            waiting[task] = (name, text.rstrip().removesuffix("<unfinished ...>").rstrip(), number)
        else:
            yield _Whole(task, name, text, number, number)
    for task, (name, text, start) in waiting.items():
        yield _Whole(task, name, text, start, None)


class _Reader:
    """Follows what each process has open, as far as it is needed to know where a plain `write` lands."""

    def __init__(self, folder: PurePosixPath) -> None:
        self._folder = folder
        self._places: dict[tuple[str, str], int] = {}
        self.calls: list[Call] = []

    def take(self, one: _Whole) -> None:
        """Take the next call; one that failed did nothing."""
        if one.result is not None and one.result < 0:
            return
        if one.name in ("open", "openat", "creat"):
            self._open(one)
        elif one.name in ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"):
            self._name(one)
        else:
            self._file(one)

    def _open(self, one: _Whole) -> None:
        name = self._within(one.texts[0])
        if name is None or one.result is None:
            return
        self._places[one.task, str(one.result)] = 0
        if "O_APPEND" in one.text and name != SAID:
            raise ValueError(f"appending to {name} is not followed")
        if "O_CREAT" in one.text:
            self._add("create", name, one)
        if "O_TRUNC" in one.text:
            self._add("truncate", name, one)

    def _name(self, one: _Whole) -> None:
        names = [self._within(text) for text in one.texts]
        if names[0] is not None and names[-1] is not None:
            what = next(word for word in ("rename", "unlink", "link") if one.name.startswith(word))
            self._add(what, names[0], one, to=names[-1] if len(names) > 1 else "")

    def _file(self, one: _Whole) -> None:
        found = _PATH.match(one.text)
        name = self._within(_hex_bytes(found[2])) if found else None
        if found is None or name is None:
            return
        if one.name == "write":
            self._write(found[1], name, one)
        elif one.name == "pwrite64":
            self._add("write", name, one, offset=one.last_number, data=one.texts[0][: one.result])
        elif one.name in ("fsync", "fdatasync"):
            self._add("sync", name, one)
        elif one.name == "ftruncate":
            self._add("truncate", name, one, size=one.last_number)
        else:
            raise ValueError(f"{one.name} on {name} is not followed")

    def _write(self, descriptor: str, name: str, one: _Whole) -> None:
        data = one.texts[0][: one.result]
        if name == SAID:
            self._add("say", name, one, word=json.loads(data))
            return
        place = self._places[one.task, descriptor]
        self._places[one.task, descriptor] = place + len(data)
        self._add("write", name, one, offset=place, data=data)

    def _add(self, what: str, name: str, one: _Whole, **more: Any) -> None:
        if (name != SAID or what == "say") and not name.endswith(("-shm", ".lock")):
            self.calls.append(Call(what, name, one.start, one.end, **more))

    def _within(self, path: bytes) -> str | None:
        """Return the name within the folder; None if the path is elsewhere, or names a file that is gone."""
        try:
            name = str(PurePosixPath(path.decode()).relative_to(self._folder))
        except ValueError:
            return None
        if name.endswith(" (deleted)"):
            return None
        return "" if name == "." else name


def _hex_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
