"""What was recorded before the clock was known gets its true time, once it is: by the main thread, while nobody polls.

Plans get their true begins first, for they say which slots were promised; then the rows of each task and meter are
laid anew (`poll/laying.py`), each in a transaction of its own. A cut in between loses nothing: what was laid is dated,
the rest is laid at the next start of the same boot. If the store refuses for two minutes, the rest stays as it is
marked for good, and polling goes on: laid later, it would take the place of what is read meanwhile. A store that
refuses to note even that takes no reading either; it is waited for.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from edge.clock import Clock
from edge.errors import StoreError
from edge.health.model import Health
from edge.poll.laying import Begun, TrueTime, lay_anew, true_begins
from edge.reading.plan import Plan
from edge.reading.record import Stamp
from edge.store.journal import Journal

log = logging.getLogger(__name__)

_LONGEST_S = 120.0


class TimeKeeper:
    """Puts right what was recorded by a time that was not trusted."""

    def __init__(self, clock: Clock, health: Health, journal: Journal) -> None:
        self._clock = clock
        self._health = health
        self._journal = journal
        self._since_s: float | None = None
        self._begun: list[Begun] = []

    def put_right(self) -> None:
        """Give plans and records their true time, if the clock is trusted and there are any. Raises StoreError."""
        if not self._clock.trust().is_good or self._journal.undated_boot() is None:
            return
        true = self._true_time()
        self._journal.redate_plans(lambda plans: self._begins(plans, true))
        moved = dropped = 0
        joined = self._journal.joined_marks(true.boot_id)
        for pair, ids in self._journal.undated_rows(true.boot_id).items():
            lay = partial(lay_anew, plans=self._begun, true=true, joined_at=joined.get(pair))
            laid = self._journal.lay_anew(pair, ids, lay)
            if laid is not None:
                moved, dropped = moved + laid.moved, dropped + laid.dropped
        self._health.count("records.redated", moved)
        self._health.count("records.without_slot", dropped)
        self._end(true)
        log.info("records of the time before the clock was known have their true time")

    def try_to_put_right(self) -> bool:
        """Do it while the daemon runs; return True if polling may go on: done, or left as it is."""
        now_s = self._clock.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        try:
            self.put_right()
        except StoreError as exc:
            if self._health.fails("store", exc):
                log.error("%s", exc)  # noqa: TRY400 - a condition, not a defect of ours
            if now_s - self._since_s < _LONGEST_S or not self._leave():
                return False
        self._since_s = None
        return True

    def _leave(self) -> bool:
        """Leave what was not laid as it is marked; return False if the store refuses that too."""
        try:
            self._end(self._true_time())
        except StoreError:
            return False
        log.warning("what was recorded before the clock was known stays as it is marked: the store refused too long")
        return True

    def _end(self, true: TrueTime) -> None:
        """Put marks back that are of a time that has not come, and note that nothing more is put right.

        What was sealed cannot be laid anew, nor can what an earlier boot named: where the clock was lost, and below
        that, all is of a known time.
        """
        late = self._journal.forget_after(true.now, true.lost_at)
        if late:
            log.error("%s", StoreError("E-STO-111", count=late))
        self._journal.forget_undated(true.boot_id)

    def _begins(self, plans: Sequence[tuple[Plan, Stamp | None]], true: TrueTime) -> list[datetime]:
        self._begun = true_begins(plans, true)
        return [begun.plan.valid_from for begun in self._begun]

    def _true_time(self) -> TrueTime:
        """Return what is known now. Raises StoreError."""
        now, boot_id = self._clock.utc_now(), self._clock.boot_id
        boot_at = now - timedelta(seconds=self._clock.monotonic())
        return TrueTime(
            boot_id=boot_id,
            boot_at=boot_at,
            trust=self._clock.trust().value,
            now=now,
            lost_at=boot_at + timedelta(seconds=self._journal.undated_since(boot_id)),
        )
