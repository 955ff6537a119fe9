"""Notices that the wall clock jumped.

Ahead of the monotonic one: the box was off or asleep, or its clock was set. Back: it was set right in the middle of a
round of slots that have not come yet.
"""

from dataclasses import dataclass
from datetime import timedelta

from edge.clock import Clock, ClockTrust
from edge.reading.record import PollRecord

_JUMP_S = 120.0
_TOLERANCE = timedelta(minutes=2)  # a time server's small corrections are no wrong clock


def lies_ahead(record: PollRecord) -> bool:
    """Return True for a record of a slot that has not come, by a clock that can be trusted: a wrong one began it.

    What was read is of this moment; kept for that slot, it would stand in the place of the reading that is to come.
    """
    return ClockTrust(record.stamp.trust).is_good and record.slot_at > record.stamp.at + _TOLERANCE


@dataclass(slots=True)
class ClockJump:
    """Compares both clocks from look to look."""

    clock: Clock
    _ahead_s: float | None = None

    def has_jumped(self) -> bool:
        """Return True if more than two minutes passed by the wall clock alone since the last look."""
        ahead_s = self.clock.utc_now().timestamp() - self.clock.monotonic()
        before_s, self._ahead_s = self._ahead_s, ahead_s
        return before_s is not None and ahead_s - before_s > _JUMP_S
