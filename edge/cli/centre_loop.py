"""The centre's loop, and what the service manager hears of it: ready, alive after each turn, stopping."""

import os
from collections.abc import Callable

from edge import __version__
from edge.centre.worker import CentreWorker
from edge.clock import Clock
from edge.notify import Notifier

_STEP_S = 0.5
_FEED_S = 1.0


def step_until(worker: CentreWorker, clock: Clock, is_stopped: Callable[[], bool]) -> None:
    """Step the worker until it is told to stop; the watchdog is fed only when a turn has ended."""
    notifier = Notifier.from_env(os.environ)
    notifier.ready(f"edge {__version__}: centre")
    fed_s = float("-inf")
    while not is_stopped():
        now = clock.monotonic()
        clock.sleep(min(_STEP_S, max(0.0, worker.step(now) - clock.monotonic())))
        if now - fed_s >= _FEED_S:
            notifier.alive()
            fed_s = now
    notifier.stopping()
