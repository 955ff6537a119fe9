"""Locks between processes and threads on the state directory: flock, released by the kernel when its holder dies.

`turn`: one opening of the store at a time. `InUse`: everybody who has the store open holds it shared; a file may be
set aside only by somebody who can have it alone, for a writer that goes on in a renamed file would write for nobody.
The database's own file is never opened here: closing it would drop the locks that SQLite holds in this process.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.store.ownership import give_to_owner_of

_MODE = 0o660
_MOST_NOTED = 64


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; waits for as long as another opening takes (its checks, under a second)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_lock_file(path: Path) -> int:
    """Return the descriptor of a lock file, made if it is missing. Raises OSError.

    The group may use it whatever the umask of a command was: the two halves of the daemon are two users.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        found = os.fstat(descriptor)
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != _MODE:
            os.fchmod(descriptor, _MODE)
        give_to_owner_of(path.parent, descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class InUse:
    """A shared hold on the store, from opening to closing."""

    def __init__(self, path: Path) -> None:
        self._descriptor = open_lock_file(path)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def is_alone(self) -> bool:
        """Return True, and hold the store alone, if nobody else has it open."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def share(self) -> None:
        """Let others in again."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def noted(self) -> bytes:
        """Return what was noted in the lock file, empty if nothing was."""
        return os.pread(self._descriptor, _MOST_NOTED, 0)

    def note(self, text: bytes) -> None:
        """Note something in the lock file, which outlives the store; written only if it is new. Never raises."""
        with contextlib.suppress(OSError):  # on a full disk it stays as it was
            if self.noted() != text:
                os.pwrite(self._descriptor, text, 0)
                os.ftruncate(self._descriptor, len(text))
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
