"""Whether a worker must pause: the clock became trusted, and what was recorded without is to be put right first.

From the moment at which the clock is known nothing is polled, and no record that is under way is kept: it would mix
both times. The main thread puts the records right once every worker has paused, and then lets each go on (`go_on`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from edge.clock import Clock
from edge.poll.plan import PolledMeter
from edge.reading.plan import Plan
from edge.reading.record import PollRecord


@dataclass(frozen=True, slots=True)
class GoOn:
    """What a worker goes on with: the plan of its bus, the marks of the store, and the meters.

    `passed`: how many of the plans that it was handed and has not taken yet are no newer than this one.
    """

    plan: Plan
    marks: Mapping[tuple[str, str], datetime]
    meters: Mapping[str, PolledMeter]
    passed: int = 0


@dataclass(slots=True)
class TimeTurn:
    """`was_unknown`: time was not trusted since the records were put right last. `is_held`: the worker has paused."""

    clock: Clock
    was_unknown: bool = False
    is_held: bool = False
    _go_on: GoOn | None = None

    def must_pause(self) -> bool:
        """Return True while the worker must not poll; look at each step."""
        if self.is_held:
            return True
        is_good = self.clock.trust().is_good
        self.was_unknown |= not is_good
        return is_good and self.was_unknown

    def may_keep(self, record: PollRecord) -> bool:
        """Return False for a record that was begun before the time was known and ends after it."""
        if not record.stamp.is_dated:
            self.was_unknown = True
        return not (record.stamp.is_dated and self.was_unknown)

    def go_on(self, what: GoOn) -> None:
        """Let the worker go on at its next step; from any thread."""
        self._go_on = what

    def take(self) -> GoOn | None:
        """Return what to go on with, once."""
        what, self._go_on = self._go_on, None
        if what is not None:
            self.is_held = self.was_unknown = False
        return what
