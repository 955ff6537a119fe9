"""How full the store is, and when somebody should know: at 70 % and at 90 %. Pure.

The bound is `store.max_mib`, or what the disk has left if that is less. An alarm ends five points below where it
began, so that a store at the edge does not write a line a minute.
"""

from dataclasses import dataclass
from enum import IntEnum

_ENDS_BELOW = 5


class Alarm(IntEnum):
    """How much of a worry it is; the value is the percentage at which it begins."""

    NONE = 0
    HIGH = 70
    NEARLY_FULL = 90


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that hold something, and bytes that there may be at most. `is_of_disk`: the disk sets this bound."""

    used: int
    limit: int
    is_of_disk: bool = False

    @property
    def percent(self) -> int:
        """The part that is used, in whole percent, rounded down."""
        return self.used * 100 // max(1, self.limit)


def room_of(used: int, bound: int, free: int) -> Room:
    """Return the room of a store of `used` bytes: `bound` as the settings say, `free` in the file and on the disk."""
    return Room(used, min(bound, used + free), is_of_disk=used + free < bound)


def alarm_of(room: Room, before: Alarm) -> Alarm:
    """Return the alarm that holds now, after `before`."""
    for alarm in (Alarm.NEARLY_FULL, Alarm.HIGH):
        if room.percent >= alarm or (before >= alarm and room.used * 100 > (alarm - _ENDS_BELOW) * room.limit):
            return alarm
    return Alarm.NONE
