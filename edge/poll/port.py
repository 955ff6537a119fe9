"""The port of one bus: opened when it is needed, opened again with a growing pause when it was lost.

A port that opens but carries no exchange is as lost as one that does not open: only an exchange ends the growing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from edge.bus.link import LineSettings, Link
from edge.bus.runner import run_exchange
from edge.bus.trace import TraceEvent, TraceRing
from edge.clock import Clock
from edge.config.settings import Bus
from edge.errors import EdgeError, LinkError
from edge.health.model import Health
from edge.poll.damage_hours import DamageHours
from edge.protocols.dlt645.overheard import Overheard
from edge.protocols.exchange import Exchange, Listener
from edge.reading.outcome import Outcome
from edge.reading.verdict import Verdict

log = logging.getLogger(__name__)

_ALONE_AFTER_S = 600.0
_REOPEN_S = (1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(slots=True, kw_only=True)
class BusPort:
    """The way onto one bus. `progress_s`: monotonic time of the last byte in either direction.

    `damage`: in which hours answers were damaged.
    """

    bus: Bus
    clock: Clock
    health: Health
    open_link: Callable[[], Link]
    trace: TraceRing = field(default_factory=lambda: TraceRing(2000))
    listener: Listener = field(default_factory=Overheard)
    progress_s: float = 0.0
    damage: DamageHours = field(default_factory=DamageHours)
    _heard_s: float = inf
    _foreign: int = 0
    _link: Link | None = None
    _reopen_at: float = 0.0
    _failures: int = 0

    @property
    def is_lost(self) -> bool:
        """True from a failure until an exchange has gone through again."""
        return self._failures > 0

    @property
    def line(self) -> LineSettings:
        """The line settings of this bus."""
        return LineSettings(baud=self.bus.baud, parity=self.bus.parity)

    def is_ready(self) -> bool:
        """Return True if the port is open; opens it if it is closed and the pause is over."""
        if self._link is None and self.clock.monotonic() >= self._reopen_at:
            try:
                self._require()
            except LinkError as exc:
                self._lose(exc)
        return self._link is not None

    def exchange(self, exchange: Exchange, line: LineSettings | None = None, quiet_s: float | None = None) -> Outcome:
        """Run one exchange. Raises LinkError if the port is closed and cannot be opened.

        `line`: with the port set like this; `quiet_s`: with so much quiet before it; None: as the bus is set.

        Time: the exchange's timing, once for each of its follow-up frames.
        """
        outcome = run_exchange(
            self._require(),
            exchange,
            self.clock,
            line or self.line,
            gap_s=self.bus.gap_ms / 1000 if quiet_s is None else quiet_s,
            quiet_since_s=self._heard_s,
            tap=self._note,
            listener=self.listener,
        )
        self._report_foreign()
        self.health.count(f"exchanges.{self.bus.name}.{outcome.verdict.value}")
        if outcome.response_ms is not None:
            self.health.observe(f"response.{self.bus.name}", outcome.response_ms / 1000)
        self.damage.note(self.clock.utc_now(), outcome.verdict)
        if outcome.verdict is Verdict.PORT_GONE:
            self._lose(LinkError("E-BUS-104", port=self.bus.port, detail="it vanished while it was in use"))
            return outcome
        self._failures = 0
        if self.health.holds(f"port {self.bus.name}"):
            log.info("bus %s: port %s is open", self.bus.name, self.bus.port)
        return outcome

    def close(self) -> None:
        """Give the port back; the next exchange opens it again."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _require(self) -> Link:
        if self._link is None:
            self._link = self.open_link()
        return self._link

    def _lose(self, error: LinkError) -> None:
        self.close()
        if self.health.fails(f"port {self.bus.name}", error):
            log.warning("bus %s: %s", self.bus.name, error)
        self._reopen_at = self.clock.monotonic() + _REOPEN_S[min(self._failures, len(_REOPEN_S) - 1)]
        self._failures += 1

    def _report_foreign(self) -> None:
        """Keep the condition that nobody else asks on this bus; it holds again after some minutes without."""
        claim = f"bus {self.bus.name} alone"
        if self.listener.foreign != self._foreign:
            self.health.count(f"foreign_requests.{self.bus.name}", self.listener.foreign - self._foreign)
            self._foreign = self.listener.foreign
            error = EdgeError("E-BUS-232", bus=self.bus.name)
            if self.health.fails(claim, error):
                log.warning("%s", error)
            return
        last = self.listener.last_foreign_s
        if last is None or self.clock.monotonic() - last > _ALONE_AFTER_S:
            self.health.holds(claim)

    def _note(self, event: TraceEvent) -> None:
        self.progress_s = event.at_monotonic
        if event.direction == "rx":
            self._heard_s = event.at_monotonic
        self.trace.add(event)
