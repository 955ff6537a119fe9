"""Whoever is stepped on virtual time."""

from collections.abc import Callable
from dataclasses import dataclass, field


class Stopped(Exception):  # noqa: N818 - no error: the machine died under the program
    """The machine is dead."""


@dataclass(slots=True)
class Actor:
    """A worker: `step` does one thing and returns the true time of the next. `inbox`: when something comes for it.

    `at`: when it wants to be stepped; `free_at`: its own time, up to which its last step has kept it busy.
    """

    name: str
    step: Callable[[], float]
    at: float
    stop: Callable[[], None] | None = None
    inbox: Callable[[], float] | None = None
    free_at: float = field(default=-1.0)

    @property
    def due(self) -> float:
        """When to step it."""
        due = self.at if self.inbox is None else min(self.at, self.inbox())
        return max(due, self.free_at)
