"""What was on the wire, newest last: in a ring that never grows, and to whoever follows it (`edge trace`)."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

Direction = Literal["tx", "rx"]


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """Bytes of one direction; `at_monotonic` is the start of a `tx` and the moment an `rx` was read."""

    at_monotonic: float
    direction: Direction
    data: bytes


Follower = Callable[[TraceEvent], bool]


class TraceRing:
    """The last `limit` events of one bus. `add` serves as the runner's tap."""

    def __init__(self, limit: int) -> None:
        self._events: deque[TraceEvent] = deque(maxlen=limit)
        self._followers: tuple[Follower, ...] = ()
        self._changing = Lock()

    def add(self, event: TraceEvent) -> None:
        """Keep an event, the oldest goes when the ring is full; tell the followers, and forget who has enough."""
        if not event.data:
            return  # a request of nothing: somebody only listened
        self._events.append(event)
        for follower in self._followers:
            if not follower(event):
                with self._changing:
                    self._followers = tuple(one for one in self._followers if one is not follower)

    def events(self) -> tuple[TraceEvent, ...]:
        """Return what is kept, oldest first."""
        return tuple(self._events.copy())

    def follow(self, follower: Follower) -> None:
        """Tell every further event to a follower until it returns False. It must not block; from any thread."""
        with self._changing:
            self._followers = (*self._followers, follower)
