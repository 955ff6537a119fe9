"""The watch over damaged stores that were set aside: a condition from the moment it happened until the file is gone.

While the forwarder still takes over what is in it, the file must stay. After that the condition stands until somebody
has taken the file away: that is how the operator says that he has seen it. A store that was gone leaves a note instead
of a file. Each half of the daemon has one.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.clock import Clock
from edge.errors import StoreError
from edge.health.model import Health
from edge.store.asides import AsideNote
from edge.store.set_aside import files_aside
from edge.store.vanished import notes_left

_LOG = logging.getLogger(__name__)
_EVERY_S = 10.0
_CLAIM = "store_is_whole"


class AsideWatch:
    """Looks every ten seconds. `notes`: the files that were set aside, from the store."""

    def __init__(self, path: Path, notes: Callable[[], Sequence[AsideNote]], clock: Clock, health: Health) -> None:
        self._path = path
        self._notes = notes
        self._clock = clock
        self._health = health
        self._look_s = clock.monotonic()
        health.unknown(_CLAIM)

    def tend(self) -> None:
        """Look if it is time. A store that cannot be asked is somebody else's condition."""
        if self._clock.monotonic() < self._look_s:
            return
        self._look_s = self._clock.monotonic() + _EVERY_S
        try:
            trouble = self._trouble()
        except (StoreError, OSError) as exc:
            _LOG.debug("%s", exc)
            return
        if trouble is None:
            self._health.holds(_CLAIM)
        elif self._health.fails(_CLAIM, trouble):
            _LOG.warning("%s", trouble)

    def _trouble(self) -> StoreError | None:
        """Return what is to be said of the file that is taken over now, else of the newest one that lies here."""
        notes = {note.name: note for note in self._notes()}
        for note in notes.values():
            if not note.is_done:
                return StoreError("E-STO-117", path=self._path.with_name(note.name), **_values_of(note))
        lying = files_aside(self._path)
        if not lying:
            left = notes_left(self._path)
            return StoreError("E-STO-124", path=self._path, note=left[-1]) if left else None
        newest = notes.get(lying[-1].name)
        if newest is None:
            return StoreError("E-STO-119", path=lying[-1])
        return StoreError("E-STO-118", path=lying[-1], **_values_of(newest))


def _values_of(note: AsideNote) -> dict[str, object]:
    at = note.at.isoformat(timespec="seconds")
    return {"at": at, "records": note.records, "batches": note.batches, "unread": note.unread}
