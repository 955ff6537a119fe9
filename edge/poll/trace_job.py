"""Tells whoever asked what goes over a bus: a header, the last events, and each further one as it happens.

It asks for nothing and takes no turn on the bus. A beat a second lets the other side see that nothing happens.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edge.bus.trace import TraceEvent
from edge.clock import Clock
from edge.config.settings import Bus
from edge.poll.jobs import Way

SCHEMA = 1
_BEAT_S = 1.0


@dataclass(slots=True)
class TraceFollower:
    """Follows one bus for one asker."""

    way: Way
    clock: Clock
    _beat_at: float = 0.0

    def begin(self, bus: Bus, last: Iterable[TraceEvent]) -> None:
        """Tell how the bus is set and what the time is, then the last events."""
        self.way.put({"result": {"header": trace_header(bus, self.clock)}})
        for event in last:
            self.take(event)

    def take(self, event: TraceEvent) -> bool:
        """Tell an event; False when nobody listens any more. May be called from the bus's thread."""
        if not self.way.is_closed:
            self.way.put({"result": event_document(event)})
        return not self.way.is_closed

    def beat(self) -> bool:
        """Say that time passes, once a second; False when nobody listens any more."""
        now = self.clock.monotonic()
        if now - self._beat_at >= _BEAT_S and not self.way.is_closed:
            self._beat_at = now
            self.way.put({"progress": {"at": now}})
        return not self.way.is_closed


def trace_header(bus: Bus, clock: Clock) -> dict[str, object]:
    """Return what stands before the events: the bus, its line, and the time at a monotonic instant."""
    return {
        "schema": SCHEMA,
        "kind": "edge-trace",
        "bus": bus.name,
        "port": bus.port,
        "baud": bus.baud,
        "parity": bus.parity,
        "protocol": bus.protocol,
        "time": clock.utc_now().isoformat(timespec="milliseconds"),
        "at": round(clock.monotonic(), 6),
    }


def event_document(event: TraceEvent) -> dict[str, object]:
    """Return an event as it stands in a stream and in a file: monotonic seconds, direction, bytes as hex."""
    return {"at": round(event.at_monotonic, 6), "direction": event.direction, "hex": event.data.hex().upper()}
