"""Which broker is tried next, and when: each in turn, with pauses that grow after every round. Pure."""

from dataclasses import dataclass

_MOST_DOUBLINGS = 16


@dataclass(slots=True)
class Retry:
    """The endpoints and what came of them. A connection that lasted `steady_s` ends the growing of the pauses."""

    endpoints: tuple[str, ...]
    pause_s: float
    max_pause_s: float
    steady_s: float
    due_s: float = 0.0
    _failures: int = 0

    @property
    def endpoint(self) -> str:
        """The endpoint whose turn it is."""
        return self.endpoints[self._failures % len(self.endpoints)]

    def note_failure(self, now_s: float, lasted_s: float, jitter: float) -> None:
        """Note a connection that ended after `lasted_s` (0: it never stood). `jitter` (0 to 1) spreads the gateways."""
        self._failures = 0 if lasted_s >= self.steady_s else self._failures + 1
        rounds = max(0, self._failures - 1) // len(self.endpoints)
        pause_s = min(self.pause_s * 2 ** min(rounds, _MOST_DOUBLINGS), self.max_pause_s)
        self.due_s = now_s + pause_s * (0.5 + jitter)
