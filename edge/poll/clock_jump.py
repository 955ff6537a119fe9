"""Notices that the wall clock jumped ahead of the monotonic one: the box was off or asleep, or its clock was set."""

from dataclasses import dataclass

from edge.clock import Clock

_JUMP_S = 120.0


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
