"""The jobs that people gave to a bus: stepped between the polls, turn about with them, so that neither starves."""

from collections import deque
from typing import Protocol

from edge.poll.jobs import Asker


class BusJob(Protocol):
    """A job of the control socket that needs the bus."""

    def step(self, worker: Asker) -> bool:
        """Do at most one exchange through `worker.exchange`. Return False when the job has ended."""


class JobQueue(deque[BusJob]):
    """One job after the other; `append` may be called from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._had_turn = False

    def takes_turn(self, *, is_poll_waiting: bool) -> bool:
        """Return True if a job goes next: every other time while polls are waiting."""
        if not self:
            return False
        self._had_turn = not self._had_turn
        return self._had_turn or not is_poll_waiting

    def step(self, worker: Asker) -> None:
        """Step the first job; one that has ended leaves."""
        if not self[0].step(worker):
            self.popleft()
