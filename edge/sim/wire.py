"""One simulated RS-485 wire: what the master sends reaches all meters, what they send reaches the master, byte by byte.

1. A byte lasts 11 bits at the wire's speed; a meter begins when the request has ended and its delay is over.
2. Bytes that lie over each other are ANDed, as on a real wire, where a 0 wins.
3. `echo`: the master hears its own request, as with many half-duplex adapters.
4. `fast`: everything goes a hundred times faster, except an answer that is meant to come after the deadline.
5. A master whose port is set otherwise than the wire is not understood: its bytes last as long as its own speed says,
   and every meter drops them for their parity or their nonsense (DL/T 645-2007: no answer).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from edge.bus.link import LineSettings
from edge.bus.memory_link import Arrival
from edge.clock import Clock
from edge.protocols.dlt645.frame import Frame, FrameReader, NeedData
from edge.sim.meter import SimMeter
from edge.sim.reply import Reply

_FASTER = 100
_QUIET_S = 0.5  # bytes of a request further apart than this do not belong together (DL/T 645-2007)


@dataclass(frozen=True, slots=True)
class _OnWire:
    start: float
    end: float
    byte: int


class SimWire:
    """Meters on a wire. Implements `edge.bus.memory_link.Wire`."""

    def __init__(
        self,
        meters: Sequence[SimMeter],
        clock: Clock,
        *,
        line: LineSettings | None = None,
        fast: bool = False,
        echo: bool = False,
    ) -> None:
        self.meters = tuple(meters)
        self.line = line or LineSettings()
        self.is_fast = fast
        self._clock = clock
        self._echo = echo
        self._reader = FrameReader()
        self._heard_until = float("-inf")

    @property
    def byte_time_s(self) -> float:
        """How long one byte lasts on this wire."""
        return self.line.byte_time_s / (_FASTER if self.is_fast else 1)

    def transmit(self, data: bytes, at: float, line: LineSettings | None = None) -> list[Arrival]:
        """Take bytes of the master whose first begins at `at`; return what the master will hear, by time.

        Bytes handed over while earlier ones are still on the wire follow behind them.
        """
        if at > self._heard_until + _QUIET_S:
            self._reader = FrameReader()
        start = max(at, self._heard_until)
        byte_s = self.byte_time_s if line is None or line == self.line else line.byte_time_s
        end = self._heard_until = start + len(data) * byte_s
        if line is not None and line != self.line:
            self._reader = FrameReader()
            return self._heard_echo(data, start, byte_s)
        self._reader.receive(data)
        sent: list[_OnWire] = []
        while (event := self._reader.next_event()) is not NeedData.NEED_DATA:
            if isinstance(event, Frame):
                sent += self._replies(event, end)
        heard = _overlay(sent) + self._heard_echo(data, start, byte_s)
        return sorted(heard, key=lambda arrival: arrival.at)

    def _heard_echo(self, data: bytes, start: float, byte_s: float) -> list[Arrival]:
        if not self._echo:
            return []
        return [Arrival(start + (i + 1) * byte_s, data[i : i + 1]) for i in range(len(data))]

    def _replies(self, request: Frame, end: float) -> list[_OnWire]:
        wall = self._clock.utc_now() + timedelta(seconds=end - self._clock.monotonic())
        replies = [meter.reply(request, wall, end) for meter in self.meters]
        return [byte for reply in replies if reply is not None for byte in self._bytes_of(reply, end)]

    def _bytes_of(self, reply: Reply, end: float) -> list[_OnWire]:
        pace = _FASTER if self.is_fast else 1
        start = end + reply.late_s + reply.delay_s / pace + reply.delay_bytes * self.byte_time_s
        step = self.byte_time_s + reply.gap_s / pace
        return [
            _OnWire(start + i * step, start + i * step + self.byte_time_s, byte)
            for i, byte in enumerate(reply.encode())
        ]


def _overlay(sent: list[_OnWire]) -> list[Arrival]:
    """Return the bytes as one receiver hears them: those that overlap by more than half a byte become one."""
    heard: list[_OnWire] = []
    for byte in sorted(sent, key=lambda each: each.start):
        last = heard[-1] if heard else None
        if last and byte.start < (last.start + last.end) / 2:
            heard[-1] = _OnWire(last.start, last.end, last.byte & byte.byte)
        else:
            heard.append(byte)
    return [Arrival(byte.end, bytes((byte.byte,))) for byte in heard]
