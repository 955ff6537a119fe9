"""The gateway's disk: a small tmpfs that a stranger's file fills to the last byte, and frees again.

Where nothing may be mounted, the kernel's limit on file sizes stands in: then files do not grow, which the store
hears as a failing write (E-STO-106) instead of a full disk (E-STO-121). Which of the two it was is printed.
"""

import contextlib
import resource
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

_MIB = 24
_FILLER = "somebody-elses.log"
_NOT_KEPT = shutil.ignore_patterns("*.sock", _FILLER)
_UNLIMITED = resource.RLIM_INFINITY


class Disk(Protocol):
    """A disk that can be full. `kind`: its name; `code`: what the store says when it is."""

    kind: str
    code: str

    def fill(self, pids: Iterable[int]) -> None:
        """Leave no room; called again and again, it takes what was given up meanwhile, and finds new processes."""

    def free(self, pids: Iterable[int]) -> None:
        """Give all of it back."""


class Tmpfs:
    """A file system of its own."""

    kind, code = "tmpfs", "E-STO-121"

    def __init__(self, folder: Path) -> None:
        self._filler = folder / _FILLER

    def fill(self, pids: Iterable[int]) -> None:
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 9, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size):
                        pass

    def free(self, pids: Iterable[int]) -> None:
        self._filler.unlink(missing_ok=True)


class SizeLimit:
    """Files of the gateway's processes that grow no more: each at most as large as the largest is now."""

    kind, code = "size limit", "E-STO-106"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._most: int | None = None

    def fill(self, pids: Iterable[int]) -> None:
        if self._most is None:
            self._most = max((path.stat().st_size for path in self._folder.rglob("edge.db*")), default=0)
        self._limit(pids, self._most)

    def free(self, pids: Iterable[int]) -> None:
        self._most = None
        self._limit(pids, _UNLIMITED)

    def _limit(self, pids: Iterable[int], most: int) -> None:
        for pid in pids:
            with contextlib.suppress(OSError):  # it may have ended
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, _UNLIMITED))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Yield a disk in a new folder that can be filled. One of its own is gone afterwards; a copy is left beside it."""
    folder.mkdir()
    for right in ([], ["sudo", "-n"]):
        if _does([*right, "mount", "-t", "tmpfs", "-o", f"size={_MIB}m,mode=0777", "edge-kills", str(folder)]):
            try:
                yield Tmpfs(folder)
            finally:
                shutil.copytree(folder, folder.with_name(f"{folder.name}-kept"), ignore=_NOT_KEPT)
                _does([*right, "umount", "-l", str(folder)])
            return
    yield SizeLimit(folder)


def _does(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
