"""The watch over the room in the store: a condition at 70 % and at 90 %, long before anything has to go."""

import logging
from collections.abc import Callable
from pathlib import Path

from edge.clock import Clock
from edge.errors import StoreError
from edge.health.model import Health
from edge.store.ballast import ballast_of, lay_ballast
from edge.store.room import Alarm, Room, alarm_of

_LOG = logging.getLogger(__name__)
_EVERY_S = 60.0
_CLAIM = "store_has_room"
_MIB = 1 << 20
_CODES = {Alarm.HIGH: "E-STO-115", Alarm.NEARLY_FULL: "E-STO-116"}
_DISK = "E-STO-122"


class RoomWatch:
    """Looks once a minute; each half of the daemon has one, for either may run alone."""

    def __init__(self, path: Path, room: Callable[[], Room], clock: Clock, health: Health) -> None:
        self._path = path
        self._room = room
        self._clock = clock
        self._health = health
        self._alarm = Alarm.NONE
        self._look_s = clock.monotonic()
        health.unknown(_CLAIM)

    def tend(self) -> None:
        """Look if it is time. A store that cannot be asked is somebody else's condition."""
        if self._clock.monotonic() < self._look_s:
            return
        self._look_s = self._clock.monotonic() + _EVERY_S
        try:
            room = self._room()
        except StoreError as exc:
            _LOG.debug("%s", exc)
            return
        self._alarm = alarm_of(room, self._alarm)
        if self._alarm is Alarm.NONE:
            self._health.holds(_CLAIM)
            lay_ballast(ballast_of(self._path))  # it may have been given up when there was no room
            return
        trouble = self._trouble(room)
        if self._health.fails(_CLAIM, trouble):
            _LOG.warning("%s", trouble)

    def _trouble(self, room: Room) -> StoreError:
        """Return what is to be said: of the store, or of a disk that is nearly full before the store is."""
        used, limit, left = (f"{size / _MIB:.1f}" for size in (room.used, room.limit, room.limit - room.used))
        if room.is_of_disk and self._alarm is Alarm.NEARLY_FULL:
            return StoreError(_DISK, path=self._path, left=left, used=used)
        return StoreError(_CODES[self._alarm], path=self._path, percent=room.percent, used=used, limit=limit)
