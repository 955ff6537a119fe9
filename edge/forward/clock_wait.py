"""How long sealing waits for a trusted clock: by accumulated waiting, so that a daily power cut does not begin it anew.

Within a boot the wait counts from the reading of the oldest record, or from the oldest plan; over boots nothing is
known but what was waited in each, which the store remembers. Once the patience is over it stays over until the clock
can be trusted. When it can, the poller puts plans and the records of this boot right first (`poll/laying.py`): that is
waited for, some minutes at most.
"""

from collections.abc import Iterable

from edge.clock import Clock
from edge.reading.record import PollRecord, Stamp
from edge.store.outbox import Outbox

_DATING_S = 300.0  # longer than the poller takes; without one, records go out as they are
_SAVE_S = 60.0  # a power cut costs at most so much of the waiting; each saving is a commit


class ClockWait:
    """Whether records wait, for at most `patience_s`."""

    def __init__(self, outbox: Outbox, clock: Clock, patience_s: float) -> None:
        self._outbox = outbox
        self._clock = clock
        self._patience_s = patience_s
        self._saved_s = outbox.waited_s()
        self._before_s = self._saved_s
        self._since_s: float | None = None
        self._good_since_s: float | None = None

    @property
    def is_on(self) -> bool:
        """True while records of an untrusted time are waiting, or have waited in vain."""
        return self._since_s is not None

    def must_wait(self, records: Iterable[PollRecord], plan: Stamp | None, now_s: float) -> bool:
        """Return True if these are to wait for the clock. Durable: at times what was waited is saved.

        `plan`: when a plan that is to go was put in force, if that time was not trusted.
        """
        if self._clock.trust().is_good:
            self._end()
            return self._is_being_dated(now_s, has_plan=plan is not None)
        self._good_since_s = None
        oldest = next((record.stamp for record in records if not record.stamp.is_dated), plan)
        if oldest is None:
            return False
        if self._since_s is None:
            self._since_s = now_s
        waited_s = max(self._before_s + now_s - self._since_s, self._age_s(oldest))
        if waited_s >= self._saved_s + _SAVE_S:
            self._save(waited_s)
        return waited_s < self._patience_s

    def look(self) -> None:
        """Note that the poller is done, if it is: the next stretch without a clock is waited for anew."""
        if self._good_since_s is not None and self._outbox.undated_boot() is None:
            self._good_since_s = None

    def _is_being_dated(self, now_s: float, *, has_plan: bool) -> bool:
        """Return True while the poller still gives plans, and records of this boot, their true time; not for ever."""
        if not has_plan and self._outbox.undated_boot() != self._clock.boot_id:
            self._good_since_s = None
            return False
        self._good_since_s = now_s if self._good_since_s is None else self._good_since_s
        return now_s - self._good_since_s < _DATING_S

    def _age_s(self, stamp: Stamp) -> float:
        return self._clock.monotonic() - stamp.boot_s if stamp.boot_id == self._clock.boot_id else 0.0

    def _end(self) -> None:
        self._since_s = None
        self._before_s = 0.0
        if self._saved_s:
            self._save(0.0)

    def _save(self, waited_s: float) -> None:
        self._outbox.mark_waited(waited_s)
        self._saved_s = waited_s
