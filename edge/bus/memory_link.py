"""A link without a port: a simulated wire on virtual time. Waiting advances the clock, nothing sleeps.

`write` takes as long as the bytes take on the wire; `read` jumps to the next byte's arrival or to the time-out.
With a `ManualClock` a whole day of polling runs in seconds and every instant is exact.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.errors import LinkError


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes that are complete at the listening end at the monotonic instant `at`."""

    at: float
    data: bytes


class Wire(Protocol):
    """The far side: meters on a wire, as the memory link and the servers of the simulator see it."""

    def transmit(self, data: bytes, at: float, line: LineSettings | None = None) -> Iterable[Arrival]:
        """Take bytes whose first begins at the monotonic instant `at`; return what the master will hear, by time.

        `line`: how the master's port is set, None where nobody can tell: then it is as the wire's.
        """


@runtime_checkable
class TalkingWire(Protocol):
    """A wire on which somebody else may talk, without having been asked by us."""

    def speaks_at(self) -> float | None:
        """Return the instant until which `unasked` brings nothing new; None: it never will."""

    def unasked(self, until: float) -> Iterable[Arrival]:
        """Return what comes to be heard because of what others begin up to the instant `until`, each once, by time.

        Bytes may arrive later than `until`: those of a frame that began before it.
        """


class MemoryLink:
    """A link to a `Wire` in the same process."""

    def __init__(self, clock: Clock, wire: Wire, *, port: str = "memory") -> None:
        self._clock = clock
        self._wire = wire
        self._talking = wire if isinstance(wire, TalkingWire) else None
        self._port = port
        self._line = LineSettings()
        self._coming: deque[Arrival] = deque()
        self._is_gone = False

    @property
    def port(self) -> str:
        """The name given."""
        return self._port

    def use(self, line: LineSettings) -> None:
        """Count transmission times by this line."""
        self._check()
        self._line = line

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Return the bytes that are there; else advance the clock to the next one, or by `timeout_s`."""
        self._check()
        now = self._clock.monotonic()
        wait_s = max(0.0, timeout_s)
        self._hear_others(now + wait_s)
        horizon = max(now, self._coming[0].at if self._coming else now)
        if not self._coming or horizon > now + wait_s:
            self._clock.sleep(wait_s)
            return b""
        self._clock.sleep(horizon - now)
        return self._take(horizon, limit)

    def write(self, data: bytes, timeout_s: float) -> None:
        """Advance the clock by the time that the bytes take. Raises LinkError if that is longer than `timeout_s`."""
        self._check()
        duration_s = len(data) * self._line.byte_time_s
        if duration_s > timeout_s:
            self._clock.sleep(timeout_s)
            raise LinkError("E-BUS-106", port=self._port)
        self.hear(self._wire.transmit(data, self._clock.monotonic(), self._line))
        self._clock.sleep(duration_s)

    def hear(self, arrivals: Iterable[Arrival]) -> None:
        """Put bytes on the way to the master, also unasked ones: noise, another master."""
        self._coming = deque(sorted((*self._coming, *arrivals), key=lambda arrival: arrival.at))

    def drop_input(self) -> None:
        """Forget what has arrived; what is still on the way will come."""
        self._check()
        now = self._clock.monotonic()
        self._hear_others(now)
        while self._coming and self._coming[0].at <= now:
            self._coming.popleft()
            self._hear_others(now)

    def vanish(self) -> None:
        """Let the port be gone, as an unplugged adapter."""
        self._is_gone = True

    def close(self) -> None:
        """Give the port back."""
        self._is_gone = True

    def _hear_others(self, until: float) -> None:
        """Let others on the wire talk up to an instant, but no further than to the next byte that is to be read."""
        talking = self._talking
        while talking is not None and (at := talking.speaks_at()) is not None:
            if at > until or (self._coming and at > self._coming[0].at):
                return
            self.hear(talking.unasked(at))

    def _check(self) -> None:
        if self._is_gone:
            raise LinkError("E-BUS-104", port=self._port, detail="closed")

    def _take(self, horizon: float, limit: int) -> bytes:
        taken = bytearray()
        while self._coming and self._coming[0].at <= horizon and len(taken) < limit:
            arrival = self._coming.popleft()
            room = limit - len(taken)
            taken += arrival.data[:room]
            if len(arrival.data) > room:
                self._coming.appendleft(Arrival(arrival.at, arrival.data[room:]))
        return bytes(taken)
