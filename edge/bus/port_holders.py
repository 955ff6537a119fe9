"""Who has a serial port, told by the system's own lists; no port is opened to find out.

Opening a port, even for reading, raises its modem lines, and on some adapters these switch the bus driver on. So:
1. /proc/PID/fd shows who has a device open. A plain user sees only the own processes there.
2. /proc/locks shows every user's flock with its process; this program locks each port that it opens.
3. Lock files (LCK..ttyUSB0) keep older terminal programs apart; one of a dead process counts for nothing.
Who holds the far end of a pty is its wire, not its user: the simulator keeps both ends open.
TIOCEXCL can be asked only of an open port; whoever set it is found by the first list, or not at all.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_DELETED = " (deleted)"
_PTY_FOLDER = "/dev/pts/"
_MASTERS = ("/dev/ptmx", "/dev/pts/ptmx")
_FIRST_NAMESPACE = "pid:[4026531836]"  # Linux, include/linux/proc_ns.h: PROC_PID_INIT_INO
_LOCK_FIELDS = 8  # "1: FLOCK ADVISORY WRITE 812 00:05:123 0 EOF"; one that waits has "->" after its number


@dataclass(frozen=True, slots=True, order=True)
class Holder:
    """A process that has a port."""

    pid: int
    program: str


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """What the processes of this machine hold, as far as this user may see."""

    by_path: Mapping[str, frozenset[int]]
    by_lock: Mapping[tuple[int, int, int], frozenset[int]]
    is_whole: bool  # False: processes of other users, or those outside our container, were closed to us

    def lost_paths(self, folder: Path) -> tuple[str, ...]:
        """Return the devices of a folder that are held though they are gone."""
        lost = (path.removesuffix(_DELETED) for path in self.by_path if path.endswith(_DELETED))
        return tuple(sorted(path for path in lost if path.startswith(f"{folder}/tty")))


def look_at_processes(proc: Path) -> OpenFiles:
    """Return which device each process has open and which files are locked. Time: some milliseconds; never waits."""
    paths: dict[str, set[int]] = {}
    makers: dict[str, set[int]] = {}
    is_whole = not _is_contained(proc)
    for folder in _processes(proc):
        try:
            _note_files(folder, paths, makers)
        except PermissionError:
            is_whole = False
        except OSError:
            continue  # it ended while we looked
    users = {path: frozenset(pids - makers.get(path, set())) for path, pids in paths.items()}
    return OpenFiles(users, _locks(proc / "locks"), is_whole)


def holders_of(device: Path, files: OpenFiles, proc: Path, lock_folder: Path) -> tuple[Holder, ...]:
    """Return the processes that have a device, lowest number first; a device that is gone may still be held."""
    pids = {*files.by_path.get(str(device), ()), *files.by_path.get(f"{device}{_DELETED}", ())}
    with suppress(OSError):
        found = device.stat()
        pids |= files.by_lock.get((os.major(found.st_dev), os.minor(found.st_dev), found.st_ino), frozenset())
        pids |= _lock_file(lock_folder / f"LCK..{device.name}", proc)
    return tuple(sorted(Holder(pid, _program(proc / str(pid))) for pid in pids))


def printable(text: str) -> str:
    """Return the text safe for a terminal: an adapter and a program choose their own names."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _processes(proc: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from (folder for folder in proc.iterdir() if folder.name.isdecimal())


def _is_contained(proc: Path) -> bool:
    try:
        return str((proc / "self" / "ns" / "pid").readlink()) != _FIRST_NAMESPACE
    except OSError:
        return False


def _note_files(process: Path, paths: dict[str, set[int]], makers: dict[str, set[int]]) -> None:
    for link in (process / "fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(link.readlink())
            if target in _MASTERS:
                makers.setdefault(_pty_of(process / "fdinfo" / link.name), set()).add(int(process.name))
            elif target.startswith("/"):
                paths.setdefault(target, set()).add(int(process.name))


def _pty_of(info: Path) -> str:
    """Return the pty whose far end a process holds. Source: Linux, drivers/tty/pty.c, `tty-index` in fdinfo."""
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "tty-index":
            return _PTY_FOLDER + value.strip()
    return ""


def _locks(file: Path) -> dict[tuple[int, int, int], frozenset[int]]:
    """Return who holds a flock on which (major, minor, inode). Source: proc_locks(5)."""
    found: dict[tuple[int, int, int], frozenset[int]] = {}
    with suppress(OSError):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            fields = line.split()
            if len(fields) == _LOCK_FIELDS and fields[1] == "FLOCK" and int(fields[4]) > 0:
                major, minor, inode = fields[5].split(":")
                key = (int(major, 16), int(minor, 16), int(inode))
                found[key] = found.get(key, frozenset()) | {int(fields[4])}
    return found


def _lock_file(path: Path, proc: Path) -> set[int]:
    """Return the living process named by a lock file. Source: Filesystem Hierarchy Standard 3.0, 5.9."""
    with suppress(OSError, ValueError):
        pid = int(path.read_bytes()[:20])
        if (proc / str(pid)).is_dir():
            return {pid}
    return set()


def _program(process: Path) -> str:
    try:
        return printable((process / "comm").read_text(encoding="utf-8", errors="replace").strip())
    except OSError:
        return "?"
