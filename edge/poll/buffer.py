"""Records on their way to the store: kept for a moment, stored in groups, kept for longer while the store refuses."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from edge.clock import Clock
from edge.errors import StoreError
from edge.health.model import Health
from edge.reading.record import PollRecord

log = logging.getLogger(__name__)

_MOST = 8192
_PER_COMMIT = 512  # at most: what a store that is nearly full can still take at once


class Kept(Protocol):
    """What became of records: those of a slot that was settled before are refused."""

    @property
    def duplicates(self) -> int:
        """How many were refused."""


class Sink(Protocol):
    """Where records go: returns after they are durable."""

    def append(self, records: Sequence[PollRecord]) -> Kept:
        """Store the records. Raises StoreError, and then none of them is stored."""

    def forget_after(self, limit: datetime, back_to: datetime | None = None) -> int:
        """Put marks of a later time back to this instant, or to `back_to`. Raises StoreError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRule:
    """When records are committed: after so many polls, or so many seconds after the first one."""

    polls: int = 16
    after_s: float = 5.0


@dataclass(slots=True, kw_only=True)
class RecordBuffer:
    """The records of one bus. `retry_at`: monotonic time before which a store that refused is not asked again."""

    bus: str
    sink: Sink
    clock: Clock
    health: Health
    rule: CommitRule
    retry_at: float = 0.0
    _records: list[PollRecord] = field(default_factory=list)
    _since: float = 0.0

    @property
    def is_full(self) -> bool:
        """True when no more may be polled before the store takes some."""
        return len(self._records) >= _MOST

    @property
    def is_empty(self) -> bool:
        """True when the store has all records."""
        return not self._records

    def add(self, record: PollRecord) -> None:
        """Keep a record until the next commit."""
        if not self._records:
            self._since = self.clock.monotonic()
        self._records.append(record)

    def commit_if_due(self, *, is_idle: bool) -> None:
        """Store what is kept if there is enough of it, if it is old enough, or if there is nothing else to do."""
        if not self._records or self.clock.monotonic() < self.retry_at:
            return
        waited = self.clock.monotonic() - self._since
        if len(self._records) >= self.rule.polls or waited >= self.rule.after_s or is_idle:
            self.commit()

    def commit(self) -> None:
        """Store what is kept; what the store refuses stays here, and is a condition."""
        while self._records:
            portion = self._records[:_PER_COMMIT]
            try:
                refused = self.sink.append(portion).duplicates
            except StoreError as exc:
                self.say(exc)
                self.retry_at = self.clock.monotonic() + self.rule.after_s
                return
            self._records = self._records[_PER_COMMIT:]
            self._note_stored(len(portion) - refused, refused)

    def say(self, error: StoreError) -> None:
        """Say that the store failed: a condition with a cause and a next act, not a defect of ours."""
        if self.health.fails("store", error):
            log.error("%s", error)

    def _note_stored(self, stored: int, refused: int) -> None:
        self.health.count("records.stored", stored)
        if refused:
            self.health.count("records.refused", refused)
            log.error("bus %s: %d records were of slots that are settled already", self.bus, refused)
        self.health.seen("store")
        self.health.holds("store")
