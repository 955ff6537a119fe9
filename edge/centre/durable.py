"""When `durable` rises: by the mark that a backup leaves, or by what a standby has on its disk.

A watch looks now and then, in its own time, and returns the gateways that are to hear of it.

Why a mark of a standby can be trusted: the epochs are read first, the position of the server's log after that, so
everything that the epochs call stored lies before the position. When the standby has written and synced its log up to
there, it has all of it. Over a new connection the positions may be another server's: the mark is taken anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from edge.centre.ledger import EpochState, Ledger

_LOOK_S = 5.0


class Watch(Protocol):
    """Moves `durable`, and tells whose moved."""

    def look(self, now: float) -> Sequence[str]:
        """Return the gateways whose `durable` has risen since; none if it is too early to look again."""


@runtime_checkable
class Replicated(Ledger, Protocol):
    """A ledger whose server has standbys."""

    @property
    def session(self) -> int:
        """The number of the connection; positions of different ones do not compare."""

    def wal_position(self) -> int:
        """Return how far the server has its log on disk: everything that is committed lies before it."""

    def standby_position(self, name: str) -> int | None:
        """Return how far the standby of this name has the log on its disk; None if it does not stream."""

    def check_standbys(self) -> None:
        """Raise StoreError E-CEN-309 if this login may not see the standbys."""


@dataclass(slots=True)
class BackupWatch:
    """Looks for the marks that `edge centre backup`, another process, leaves in the ledger."""

    ledger: Ledger
    _seen: Mapping[tuple[str, bytes], int] = field(default_factory=dict)
    _next_at: float = float("-inf")

    def look(self, now: float) -> Sequence[str]:
        """Return the gateways whose `durable` has risen since; none if it is too early to look again."""
        if now < self._next_at:
            return ()
        self._next_at = now + _LOOK_S
        seen, self._seen = self._seen, self.ledger.durables()
        return sorted({key[0] for key, durable in self._seen.items() if durable > seen.get(key, 0)})


@dataclass(frozen=True, slots=True)
class _Mark:
    """What becomes durable when the standby has passed a position."""

    session: int
    position: int
    states: Sequence[EpochState]


@dataclass(slots=True)
class ReplicaWatch:
    """Follows a standby: one mark at a time, the next one when it has passed. `name`: its application_name."""

    ledger: Replicated
    name: str
    _mark: _Mark | None = None
    _next_at: float = float("-inf")

    def check(self) -> None:
        """Raise StoreError E-CEN-309 if the standbys cannot be seen."""
        self.ledger.check_standbys()

    def look(self, now: float) -> Sequence[str]:
        """Return the gateways whose `durable` has risen since; none if it is too early to look again."""
        if now < self._next_at:
            return ()
        self._next_at = now + _LOOK_S
        passed = self._passed()
        if passed:
            self.ledger.mark_durable(passed)
        if self._mark is None:
            self._take_mark()
        return sorted({state.gateway for state in passed})

    def _passed(self) -> Sequence[EpochState]:
        reached = self.ledger.standby_position(self.name)
        mark = self._mark
        if mark is not None and mark.session != self.ledger.session:
            mark = self._mark = None
        if mark is None or reached is None or reached < mark.position:
            return ()
        self._mark = None
        return mark.states

    def _take_mark(self) -> None:
        states = self.ledger.waiting()
        if states:
            self._mark = _Mark(self.ledger.session, self.ledger.wal_position(), states)
