"""How fast the backlog may leave: so many batches a minute, after a first handful. Pure: `now_s` is given.

After an outage of the broker or the centre every gateway returns with a backlog. What one of them may send at most
keeps them from filling the broker together, and the readings of this moment from waiting behind those of yesterday.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Allowance:
    """A bucket of `burst` batches that fills up at `per_minute`."""

    per_minute: float
    burst: int
    _left: float = 0.0
    _at_s: float = 0.0

    def __post_init__(self) -> None:
        if self.per_minute <= 0 or self.burst < 1:
            raise ValueError(f"{self.per_minute} batches a minute, {self.burst} at once")
        self._left = float(self.burst)

    def is_free(self, now_s: float) -> bool:
        """Return True if one may go now."""
        return self.due_s() <= now_s

    def due_s(self) -> float:
        """Return from when on one may go."""
        lacking = max(0.0, 1.0 - self._left)
        return self._at_s + lacking * 60 / self.per_minute

    def take(self, now_s: float) -> None:
        """Note that one goes."""
        now_s = max(now_s, self._at_s)
        grown = (now_s - self._at_s) * self.per_minute / 60
        self._left = max(0.0, min(float(self.burst), self._left + grown) - 1)
        self._at_s = now_s
