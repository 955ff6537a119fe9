"""A port for the command line that is simulated meters on virtual time: nothing waits, every instant is exact."""

from dataclasses import dataclass, field

from edge.bus.link import LineSettings, Link
from edge.bus.memory_link import Arrival, MemoryLink
from edge.clock import ManualClock
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire


@dataclass
class SimLine:
    """Stands for every port that a command opens.

    After `vanish_after` requests the port is gone; at request `stop_at` somebody presses Ctrl-C. `line`: of the wire.
    """

    meters: list[SimMeter] = field(default_factory=list)
    vanish_after: int | None = None
    stop_at: int | None = None
    line: LineSettings = field(default_factory=LineSettings)
    clock: ManualClock = field(default_factory=ManualClock)
    heard: list[Arrival] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def open(self, port: str, clock: ManualClock) -> Link:
        self.opened.append(port)
        wire = SimWire(self.meters, self.clock, line=self.line)
        link = _Link(self.clock, wire, self.vanish_after, self.stop_at)
        link.hear(self.heard)
        return link


class _Link(MemoryLink):
    def __init__(self, clock: ManualClock, wire: SimWire, left: int | None, stop_at: int | None) -> None:
        super().__init__(clock, wire)
        self._left = left
        self._stop_at = stop_at

    def write(self, data: bytes, timeout_s: float) -> None:
        if self._stop_at is not None:
            self._stop_at -= 1
            if not self._stop_at:
                raise KeyboardInterrupt
        if self._left == 0:
            self.vanish()
        elif self._left is not None:
            self._left -= 1
        super().write(data, timeout_s)
