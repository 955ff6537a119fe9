"""When a meter that does not answer is worth asking again. Pure.

A silent meter rests, longer each time, up to a bound; any sign of life ends that. So it costs one short probe a step,
and never its neighbours' time. What is due while it rests is missing with the reason that was found last.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

_FIRST_S = 30.0
_LONGEST_S = 600.0


@dataclass(slots=True)
class _Rest:
    failures: int = 0
    until_s: float = 0.0


@dataclass(slots=True)
class Backoff:
    """The resting meters of one bus; instants are monotonic seconds."""

    first_s: float = _FIRST_S
    longest_s: float = _LONGEST_S
    _resting: dict[str, _Rest] = field(default_factory=dict)

    def is_silent(self, address: str) -> bool:
        """Return True if the meter did not answer the last time: one probe is enough."""
        return address in self._resting

    @property
    def silent(self) -> Collection[str]:
        """The meters that did not answer the last time."""
        return self._resting.keys()

    def is_resting(self, address: str, now_s: float) -> bool:
        """Return True if it is too early to ask again."""
        rest = self._resting.get(address)
        return rest is not None and now_s < rest.until_s

    def failed(self, address: str, now_s: float) -> None:
        """Note that the meter was asked and kept silent."""
        rest = self._resting.setdefault(address, _Rest())
        rest.until_s = now_s + min(self.longest_s, self.first_s * 2**rest.failures)
        rest.failures = min(rest.failures + 1, 32)

    def lives(self, address: str) -> None:
        """Note a sign of life."""
        self._resting.pop(address, None)

    def clear(self) -> None:
        """Let everybody be asked at once: the port came back, or the bus did."""
        self._resting.clear()
