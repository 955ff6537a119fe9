"""Which sealed batches are sent now: the window of what is under way. Pure: no port, no clock, no chance of its own.

Rules, in order:
1. Only a receipt takes a batch out. The broker's acknowledgement releases nothing; it starts the resend timer.
2. At most `size` batches are in the window, sent or about to be. The rest stays in the store.
3. Live batches go before the backlog. A quarter of the window is kept free for them, and they fill at most half of
   it: a receipt cannot always say that the centre holds a batch above a gap, and the gap must still get through.
4. What has no receipt is sent again after `resend_s`, then after twice that, up to `max_resend_s`.
5. A lost connection puts everything back to waiting.
6. A batch that the centre holds above a gap (it is not among its `missing`) is neither stored nor sent again: it
   leaves the window and stays in the store. Should a later receipt not hold it, it is offered again. The same for a
   number that the centre has given to other content: what has no chance of being taken must not fill the window.
7. Of the backlog so many batches a minute go, sent again or not, once a window of them went at once.

Two batches are never mixed up: the key is (epoch, seq).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from edge.forward.allowance import Allowance
from edge.messages.topics import BACKLOG

Key = tuple[bytes, int]
_UNBOUNDED = 60_000.0


class State(Enum):
    """Where a batch of the window is."""

    WAITING = auto()
    SENT = auto()  # handed to the connection; the broker has said nothing yet
    TAKEN = auto()  # the broker has it; that is worth nothing, but the resend timer runs


class Happening(Enum):
    """What can happen to a batch beside a receipt."""

    SEND = auto()
    PUBACK = auto()
    LOST = auto()


NEXT = {
    (State.WAITING, Happening.SEND): State.SENT,
    (State.WAITING, Happening.PUBACK): State.WAITING,
    (State.WAITING, Happening.LOST): State.WAITING,
    (State.SENT, Happening.SEND): State.SENT,
    (State.SENT, Happening.PUBACK): State.TAKEN,
    (State.SENT, Happening.LOST): State.WAITING,
    (State.TAKEN, Happening.SEND): State.SENT,
    (State.TAKEN, Happening.PUBACK): State.TAKEN,
    (State.TAKEN, Happening.LOST): State.WAITING,
}


@dataclass(frozen=True, slots=True)
class Parcel:
    """A sealed batch: its exact bytes, and the lane on which it goes."""

    key: Key
    lane: int
    envelope: bytes
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a receipt says of one epoch: everything to `stored` is there; above it, `missing` (first, last) is not."""

    epoch: bytes
    stored: int
    missing: tuple[tuple[int, int], ...] = ()
    rejected: frozenset[int] = frozenset()

    def is_done(self, seq: int) -> bool:
        """Return True if this batch needs no more sending, whatever comes."""
        return seq <= self.stored or seq in self.rejected

    def is_held(self, seq: int) -> bool:
        """Return True if the centre has this batch, above a gap."""
        return any(first <= seq <= last for first, last in self.held_ranges())

    def held_ranges(self) -> tuple[tuple[int, int], ...]:
        """Return what lies between the gaps; after the last one, only the batch that made it a gap is sure."""
        starts = [last + 1 for _, last in self.missing]
        ends = [first - 1 for first, _ in self.missing[1:]] + starts[-1:]
        below = (self.stored + 1, self.missing[0][0] - 1) if self.missing else (1, 0)
        return tuple((first, last) for first, last in [below, *zip(starts, ends, strict=True)] if first <= last)

    def has_all_of(self, older: "Confirmed") -> bool:
        """Return True if nothing that an older receipt had is lacking here."""
        return (
            older.stored <= self.stored
            and all(seq in self.rejected or seq <= self.stored for seq in older.rejected)
            and all(self._has_range(first, last) for first, last in older.held_ranges())
        )

    def _has_range(self, first: int, last: int) -> bool:
        first = max(first, self.stored + 1)
        return first > last or any(low <= first and last <= high for low, high in self.held_ranges())


@dataclass(frozen=True, slots=True)
class _Entry:
    parcel: Parcel
    state: State
    tries: int
    due_s: float
    was_sent: bool = False  # by this process, on whatever connection


class SendWindow:
    """The batches under way. `size`: batches; times in seconds of the monotonic clock."""

    def __init__(self, size: int, resend_s: float, max_resend_s: float, backlog_per_minute: float = _UNBOUNDED) -> None:
        if size < 1 or not 0 < resend_s <= max_resend_s:
            raise ValueError(f"a window of {size} with timers {resend_s} s to {max_resend_s} s")
        self.size = size
        self._resend_s = resend_s
        self._max_resend_s = max_resend_s
        self._reserve = size // 4
        self._allowance = Allowance(backlog_per_minute, size)
        self._entries: dict[Key, _Entry] = {}
        self._confirmed: dict[bytes, Confirmed] = {}
        self._cursor: Key | None = None

    def keys(self) -> frozenset[Key]:
        """Return the batches that are under way."""
        return frozenset(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def cursor(self) -> Key | None:
        """The last batch of the store that was looked at; ask the store for those after it."""
        return self._cursor

    def room(self) -> int:
        """Return how many batches of the backlog may be loaded."""
        backlog = sum(not one.parcel.is_live for one in self._entries.values())
        return max(0, min(self.size - len(self._entries), self.size - self._reserve - backlog))

    def load(self, parcels: Iterable[Parcel]) -> None:
        """Take the next batches of the store, in its order, as far as there is room; `cursor` says how far."""
        for parcel in parcels:
            if not self._is_known(parcel.key):
                if not self.room():
                    return
                self._entries[parcel.key] = _Entry(parcel, State.WAITING, 0, 0.0)
            self._cursor = parcel.key

    def add_live(self, parcel: Parcel) -> bool:
        """Take a batch that was sealed just now, before the backlog; False: no room, it stays in the store."""
        live = sum(one.parcel.is_live for one in self._entries.values())
        if len(self._entries) >= self.size or live >= self.size // 2:
            return False
        self._entries[parcel.key] = _Entry(replace(parcel, is_live=True), State.WAITING, 0, 0.0)
        return True

    def next_parcel(self, now_s: float) -> Parcel | None:
        """Return what is to be sent now: live ones first, then those that wait, then those whose timer ran out."""
        waiting = [one.parcel for one in self._entries.values() if one.state is State.WAITING]
        live = [parcel for parcel in waiting if parcel.is_live]
        overdue = [one.parcel for one in self._entries.values() if self._is_overdue(one, now_s)]
        may_go = self._allowance.is_free(now_s)
        return next((one for one in [*live, *waiting, *overdue] if may_go or not self._is_bounded(one)), None)

    def next_due_s(self) -> float | None:
        """Return when the next timer runs out, or the next of the backlog may go; None if nothing is to come."""
        return min((self._due_s(one) for one in self._entries.values()), default=None)

    def mark_sent(self, key: Key, now_s: float) -> None:
        """Note that a batch was handed to the connection. As long as the broker is silent, the longest timer runs."""
        one = self._entries[key]
        if self._is_bounded(one.parcel):
            self._allowance.take(now_s)
        state = NEXT[one.state, Happening.SEND]
        self._entries[key] = replace(
            one, state=state, tries=one.tries + 1, due_s=now_s + self._max_resend_s, was_sent=True
        )

    def mark_acknowledged(self, key: Key, now_s: float, jitter: float) -> None:
        """Note the broker's acknowledgement: the resend timer starts, longer by the part `jitter` (0 to 1)."""
        one = self._entries.get(key)
        if one is None or one.state is NEXT[one.state, Happening.PUBACK]:
            return
        pause_s = min(self._resend_s * 2 ** min(one.tries - 1, 16), self._max_resend_s)
        state = NEXT[one.state, Happening.PUBACK]
        self._entries[key] = replace(one, state=state, due_s=now_s + pause_s * (1 + jitter))

    def mark_lost(self) -> None:
        """Note that the connection is gone: nothing is under way any more."""
        for key, one in self._entries.items():
            self._entries[key] = replace(one, state=NEXT[one.state, Happening.LOST], tries=0, due_s=0.0)

    def drop(self, key: Key) -> None:
        """Take out a batch that is no longer what it was; should the store still offer it, it is found anew."""
        if self._entries.pop(key, None) is not None:
            self._cursor = None

    def covers_sent(self, epochs: Sequence[Confirmed]) -> bool:
        """Return True if a receipt speaks of a batch that was sent from here: it was made after that."""
        of_epoch = {one.epoch: one for one in epochs}
        sent = [key for key, one in self._entries.items() if one.was_sent and key[0] in of_epoch]
        return any(of_epoch[epoch].is_done(seq) or of_epoch[epoch].is_held(seq) for epoch, seq in sent)

    def apply_receipt(self, epochs: Sequence[Confirmed]) -> None:
        """Take out what the centre has. Where it has less than it said before, the store is searched anew."""
        new = {confirmed.epoch: confirmed for confirmed in epochs}
        if new.keys() != self._confirmed.keys() or not all(
            confirmed.has_all_of(self._confirmed[epoch]) for epoch, confirmed in new.items()
        ):
            self._cursor = None
        # Only the epochs of the newest receipt are remembered: bounded, and no older word counts.
        self._confirmed = new
        for key in [key for key in self._entries if self._is_confirmed(key)]:
            del self._entries[key]

    def _is_known(self, key: Key) -> bool:
        return key in self._entries or self._is_confirmed(key)

    def _is_confirmed(self, key: Key) -> bool:
        epoch, seq = key
        confirmed = self._confirmed.get(epoch)
        return confirmed is not None and (confirmed.is_done(seq) or confirmed.is_held(seq))

    def _due_s(self, one: _Entry) -> float:
        due_s = 0.0 if one.state is State.WAITING else one.due_s
        return max(due_s, self._allowance.due_s()) if self._is_bounded(one.parcel) else due_s

    @staticmethod
    def _is_bounded(parcel: Parcel) -> bool:
        return parcel.lane == BACKLOG and not parcel.is_live

    @staticmethod
    def _is_overdue(one: _Entry, now_s: float) -> bool:
        return one.state is not State.WAITING and one.due_s <= now_s
