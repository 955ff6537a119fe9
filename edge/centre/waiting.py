"""A start that waits for the database: again and again while it cannot be reached, with a pause that grows.

Only what time mends is waited for. A wrong login, a name that nobody knows, a newer layout, another centre: each ends
the start at once with its own words. Nothing was asked of the broker by then, which keeps what comes meanwhile.
"""

from collections.abc import Callable
from typing import TypeVar

from edge.centre.worker import FIRST_PAUSE_S, LONGEST_PAUSE_S, Notice, Trouble
from edge.clock import Clock
from edge.errors import StoreError

_NOT_REACHED = "E-CEN-306"
_LOOK_S = 0.5  # between two looks at whether the centre is to stop

_T = TypeVar("_T")


def start_when_there(
    start: Callable[[], _T], clock: Clock, tell: Callable[[Notice], None], is_stopped: Callable[[], bool]
) -> _T | None:
    """Return what `start` returns, once the database is there; None if the centre is stopped before.

    Each try that fails is told while the pause grows, and then no more. Raises StoreError for what waiting does not
    mend.
    """
    pause_s, told_s = FIRST_PAUSE_S, 0.0
    while not is_stopped():
        try:
            return start()
        except StoreError as exc:
            if exc.code != _NOT_REACHED:
                raise
            if pause_s != told_s:
                tell(Trouble(exc, pause_s))
        told_s = pause_s
        _pause(clock, pause_s, is_stopped)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
    return None


def _pause(clock: Clock, pause_s: float, is_stopped: Callable[[], bool]) -> None:
    end = clock.monotonic() + pause_s
    while not is_stopped() and clock.monotonic() < end:
        clock.sleep(min(_LOOK_S, end - clock.monotonic()))
