"""The watch over the store's file: deleted, moved away or replaced, it ends the daemon, which then begins anew.

Whoever has it open would write for nobody. Ending lets the last one that closes the file put a copy in its place
(`store/vanished.py`); the service starts the daemon again, on that copy. Looked at more often than the service waits
until it starts anew: both halves shall have ended by then. A look is one question to the system, no write.
"""

from collections.abc import Callable
from pathlib import Path

from edge.clock import Clock
from edge.errors import StoreError

_EVERY_S = 3.0


class FileWatch:
    """Looks every few seconds. `is_there`: whether the file is still the one that was opened."""

    def __init__(self, path: Path, is_there: Callable[[], bool], clock: Clock) -> None:
        self._path = path
        self._is_there = is_there
        self._clock = clock
        self._look_s = clock.monotonic()

    def tend(self) -> None:
        """Look if it is time. Raises StoreError E-STO-123, which ends the daemon, if the file is gone."""
        if self._clock.monotonic() < self._look_s:
            return
        self._look_s = self._clock.monotonic() + _EVERY_S
        if not self._is_there():
            raise StoreError("E-STO-123", path=self._path)
