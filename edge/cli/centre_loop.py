"""The centre's turns, and what the service manager hears of them: ready, alive between two of them, stopping."""

import os
from collections.abc import Callable

from edge import __version__
from edge.centre.worker import CentreWorker
from edge.clock import Clock
from edge.notify import Notifier

_STEP_S = 0.5
_FEED_S = 1.0


class Turns:
    """Asked between two turns whether they are over; being asked feeds the watchdog: a turn that hangs does not ask.

    Waiting for the database is work too, so the centre is ready from the start.
    """

    def __init__(self, clock: Clock, is_stopped: Callable[[], bool]) -> None:
        self._clock, self._is_stopped = clock, is_stopped
        self._notifier = Notifier.from_env(os.environ)
        self._notifier.ready(f"edge {__version__}: centre")
        self._fed_s = clock.monotonic()

    def are_over(self) -> bool:
        """Tell whether the centre is to stop."""
        now = self._clock.monotonic()
        if now - self._fed_s >= _FEED_S:
            self._notifier.alive()
            self._fed_s = now
        return self._is_stopped()

    def close(self) -> None:
        """Say that the end has begun."""
        self._notifier.stopping()


def step_until(worker: CentreWorker, clock: Clock, is_over: Callable[[], bool]) -> None:
    """Step the worker until it is over."""
    while not is_over():
        now = clock.monotonic()
        clock.sleep(min(_STEP_S, max(0.0, worker.step(now) - clock.monotonic())))
