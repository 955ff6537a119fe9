"""Records on their way to the store: kept for a moment, stored in groups, kept for longer while the store refuses.

Rules:
1. What wears the card is the number of commits, so all buses share them: the first bus that finds one due commits for
   all of them, with its own connection to the store.
2. It is due after so many polls of all buses, so long after the first of them, or once no bus has anything else to do.
3. No bus waits for another's commit: it goes on polling, and what it brings meanwhile is of the next one. Only what
   must know that its records are stored waits for its turn.
4. Records stay in the order in which they came. What the store refuses goes back to the front.
"""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Protocol

from edge.clock import Clock
from edge.errors import StoreError
from edge.health.model import Health
from edge.reading.record import PollRecord

log = logging.getLogger(__name__)

_MOST = 8192  # of one bus
_PER_COMMIT = 512  # at most: what a store that is nearly full can still take at once


class Kept(Protocol):
    """What became of records: those of a slot that was settled before are refused."""

    @property
    def refused(self) -> Sequence[PollRecord]:
        """Those that were refused."""


class Sink(Protocol):
    """Where records go: returns after they are durable."""

    def append(self, records: Sequence[PollRecord]) -> Kept:
        """Store the records. Raises StoreError, and then none of them is stored."""

    def forget_after(self, limit: datetime, back_to: datetime | None = None) -> int:
        """Put marks of a later time back to this instant, or to `back_to`. Raises StoreError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRule:
    """When records are committed: after so many polls of all buses, or so many seconds after the first one."""

    polls: int = 16
    after_s: float = 5.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record, the bus that brought it, and the monotonic time of that."""

    record: PollRecord
    bus: str
    since_s: float


@dataclass(slots=True, kw_only=True)
class RecordGroup:
    """The records of all buses of one store; safe to use from several threads.

    `retry_at`: monotonic time before which a store that refused is not asked again.
    """

    clock: Clock
    health: Health
    rule: CommitRule = field(default_factory=CommitRule)
    retry_at: float = 0.0
    _lock: Lock = field(default_factory=Lock)  # held for moments
    _turn: Lock = field(default_factory=Lock)  # held by who commits
    _waiting: list[_Waiting] = field(default_factory=list)
    _held: Counter[str] = field(default_factory=Counter)  # of each bus: waiting, or being committed
    _busy: set[str] = field(default_factory=set)

    def join(self, bus: str) -> None:
        """Take a bus into the group."""
        self._busy.add(bus)

    def held(self, bus: str) -> int:
        """Return how many records of a bus are not stored yet."""
        return self._held[bus]

    def add(self, bus: str, record: PollRecord) -> None:
        """Keep a record until the next commit."""
        with self._lock:
            self._waiting.append(_Waiting(record, bus, self.clock.monotonic()))
            self._held[bus] += 1

    def note(self, bus: str, *, is_idle: bool) -> None:
        """Note whether a bus has anything else to do than to commit."""
        with self._lock:
            (self._busy.discard if is_idle else self._busy.add)(bus)

    def due_s(self) -> float:
        """Return the monotonic time of the next commit (in the past: now); infinite if nothing waits."""
        with self._lock:
            if not self._waiting:
                return math.inf
            if not self._busy or len(self._waiting) >= self.rule.polls:
                return self.retry_at
            return max(self.retry_at, self._waiting[0].since_s + self.rule.after_s)

    def is_due(self) -> bool:
        """Return whether it is time for a commit."""
        return self.due_s() <= self.clock.monotonic()

    def commit(self, sink: Sink) -> None:
        """Store what waits, when a commit that is under way has ended; what the store refuses stays, a condition."""
        with self._turn:
            self._commit(sink)

    def commit_if_due(self, sink: Sink, *, waits: bool) -> None:
        """Store what waits if it is time; `waits`: when a commit that is under way has ended, else not beside it."""
        if not self._turn.acquire(blocking=waits):
            return
        try:
            if self.is_due():
                self._commit(sink)
        finally:
            self._turn.release()

    def _commit(self, sink: Sink) -> None:
        with self._lock:
            going, self._waiting = self._waiting, []
        try:
            while going:
                portion = going[:_PER_COMMIT]
                refused = sink.append([one.record for one in portion]).refused
                going = going[len(portion) :]
                self._note_stored(portion, refused)
        except StoreError as exc:
            self.say(exc)
            self.retry_at = self.clock.monotonic() + self.rule.after_s
        finally:
            with self._lock:
                self._waiting = going + self._waiting

    def say(self, error: StoreError) -> None:
        """Say that the store failed: a condition with a cause and a next act, not a defect of ours."""
        if self.health.fails("store", error):
            log.error("%s", error)

    def _note_stored(self, portion: Sequence[_Waiting], refused: Sequence[PollRecord]) -> None:
        with self._lock:
            self._held.subtract(Counter(one.bus for one in portion))
        self.health.count("records.stored", len(portion) - len(refused))
        for bus, count in sorted(Counter(record.bus for record in refused).items()):
            self.health.count("records.refused", count)
            log.error("bus %s: %d records were of slots that are settled already", bus, count)
        self.health.seen("store")
        self.health.holds("store")


@dataclass(slots=True, kw_only=True)
class RecordBuffer:
    """The share of one bus in the group; `sink`: where this bus stores, for all."""

    bus: str
    sink: Sink
    group: RecordGroup

    def __post_init__(self) -> None:
        self.group.join(self.bus)

    @property
    def is_full(self) -> bool:
        """True when no more may be polled before the store takes some."""
        return self.group.held(self.bus) >= _MOST

    @property
    def due_s(self) -> float:
        """The monotonic time at which somebody must commit; infinite if nothing waits."""
        return self.group.due_s()

    @property
    def is_empty(self) -> bool:
        """True when the store has all records."""
        return not self.group.held(self.bus)

    def add(self, record: PollRecord) -> None:
        """Keep a record until the next commit."""
        self.group.add(self.bus, record)

    def commit_if_due(self, *, is_idle: bool) -> None:
        """Store what all buses have if there is enough of it, if it is old enough, or if none has anything else to do.

        Time: a bus that could poll does not wait for a commit that is under way; one that is idle or full does.
        """
        self.group.note(self.bus, is_idle=is_idle)
        if self.is_full or self.group.is_due():
            self.group.commit_if_due(self.sink, waits=self.is_full or is_idle)

    def commit(self) -> None:
        """Store what all buses have. After it, what this bus had is stored or was refused. Time: waits for its turn."""
        self.group.commit(self.sink)
