"""What was on the wire, newest last, in a ring that never grows: for `edge trace` and for faults."""

from collections import deque
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """Bytes of one direction; `at_monotonic` is the start of a `tx` and the moment an `rx` was read."""

    at_monotonic: float
    direction: Literal["tx", "rx"]
    data: bytes


class TraceRing:
    """The last `limit` events of one bus. `add` serves as the runner's tap."""

    def __init__(self, limit: int) -> None:
        self._events: deque[TraceEvent] = deque(maxlen=limit)

    def add(self, event: TraceEvent) -> None:
        """Keep an event; the oldest goes when the ring is full."""
        self._events.append(event)

    def events(self) -> tuple[TraceEvent, ...]:
        """Return what is kept, oldest first."""
        return tuple(self._events.copy())
