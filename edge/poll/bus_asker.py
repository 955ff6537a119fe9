"""How exchanges are run on one bus, for its worker and for the jobs on it."""

from dataclasses import dataclass, field

from edge.bus.link import LineSettings
from edge.config.settings import Bus
from edge.poll.meters_here import MetersHere
from edge.poll.port import BusPort
from edge.protocols.exchange import Exchange, Timing
from edge.reading.outcome import Outcome
from edge.reading.vendor import VendorItem


@dataclass(slots=True, kw_only=True)
class BusAsker:
    """A bus, its port, and what is known of its meters."""

    bus: Bus
    port: BusPort
    _here: MetersHere = field(init=False)

    def ask_as_set(self, bus: Bus, items: tuple[VendorItem, ...]) -> None:
        """Ask from now on as the bus is set now; the same settings change nothing."""
        if (bus, items) != (self.bus, self._here.items):
            self.bus = self.port.bus = bus
            self._here.use_settings(bus, items)

    def exchange(self, exchange: Exchange, line: LineSettings | None = None, quiet_s: float | None = None) -> Outcome:
        """Run one exchange on this bus. Raises LinkError if the port is closed and cannot be opened."""
        return self.port.exchange(exchange, line, quiet_s)

    def line_of(self, address: str) -> LineSettings | None:
        """Return how the port is set for a meter; None: as the bus is set."""
        return self._here.line_of(address)

    @property
    def timing(self) -> Timing:
        """How long this bus waits for answers."""
        return Timing(reply_s=self.bus.reply_ms / 1000)

    @property
    def progress_s(self) -> float:
        """The monotonic time of the last byte on the wire: a long exchange is no standstill."""
        return self.port.progress_s
