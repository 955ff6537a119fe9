"""Jobs that people ask for and that need the bus, stepped between the polls; here the reading of one meter.

The same jobs run without a daemon, straight on a port (`edge read --port`): whoever runs them gives `exchange`.
Progress and results go to a `Way` as plain documents, so that command line and page can draw them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.config.settings import Bus
from edge.errors import EdgeError
from edge.poll.meter_poll import ItemReading, MeterPoll
from edge.poll.plan import EITHER_YEAR
from edge.poll.version import VersionSearch
from edge.protocols.drivers import driver
from edge.protocols.exchange import Exchange, Timing
from edge.reading.outcome import Outcome
from edge.reading.quantities import expand_item, is_raw_key
from edge.reading.vendor import VendorItem
from edge.reading.verdict import Verdict


class Way(Protocol):
    """The way back to who asked."""

    is_closed: bool

    def put(self, document: Mapping[str, object]) -> None:
        """Send a document."""

    def end(self, document: Mapping[str, object] | None = None) -> None:
        """Send the last document."""

    def fail(self, error: EdgeError) -> None:
        """Send an error as the last document."""


class Asker(Protocol):
    """Who has the bus."""

    def exchange(self, exchange: Exchange, line: LineSettings | None = None) -> Outcome:
        """Run one exchange; `line`: with the port set like this, None: as the bus is set."""

    def line_of(self, address: str) -> LineSettings | None:
        """Return how the port is set for a meter that was raised to another speed; None: as the bus is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """What is to be read: keys of one meter. `protocol` "dlt645": which year it speaks is found out first."""

    meter: str
    keys: tuple[str, ...]
    protocol: str
    timing: Timing
    tries: int = 2
    extra: tuple[VendorItem, ...] = ()

    @classmethod
    def of(
        cls, meter: str, items: Iterable[str], protocol: str, bus: Bus, extra: tuple[VendorItem, ...] = ()
    ) -> "ReadOrder":
        """Return the order for items of a meter on a bus, groups expanded. `extra`: items of the settings."""
        own = {one.key for one in extra}
        keys = tuple(dict.fromkeys(key for item in items for key in expand_item(item, own)))
        timing = Timing(reply_s=bus.reply_ms / 1000)
        return cls(meter=meter, keys=keys, protocol=protocol, timing=timing, tries=bus.tries, extra=extra)

    def begin(self) -> MeterPoll | VersionSearch:
        """Return what is asked first."""
        if self.protocol == EITHER_YEAR:
            return VersionSearch(self.meter, self.timing)
        return self.poll(self.protocol)

    def poll(self, protocol: str) -> MeterPoll:
        """Return the poll by a protocol."""
        return MeterPoll(self.meter, self.keys, driver(protocol, self.extra), self.timing, self.tries)


@dataclass(slots=True)
class ReadRun:
    """Reads items of one meter and ends with the document of `edge read --json`."""

    order: ReadOrder
    clock: Clock
    way: Way
    poll: MeterPoll | VersionSearch = field(init=False)

    def __post_init__(self) -> None:
        self.poll = self.order.begin()

    def step(self, worker: Asker) -> bool:
        """Do one exchange; False when done."""
        if self.way.is_closed:
            return False
        if not self.poll.is_done:
            try:
                self.poll.take(worker.exchange(self.poll.next_exchange(), worker.line_of(self.order.meter)))
            except EdgeError as exc:
                self.way.fail(exc)
                return False
        if self.poll.is_done and isinstance(self.poll, VersionSearch):
            found = self.poll.found
            self.poll = self.order.poll(found) if found else self.poll.as_poll(self.order.keys)
        if self.poll.is_done and isinstance(self.poll, MeterPoll):
            self.way.end({"result": read_document(self.poll, self.clock)})
            return False
        return True


def read_document(poll: MeterPoll, clock: Clock) -> dict[str, object]:
    """Return what `edge read --json` prints: the readings, then the verdict on the meter as a whole."""
    now = clock.utc_now().isoformat(timespec="seconds")
    readings = [_reading_document(item, now) for item in poll.read.values()]
    missing = [
        {
            "quantity": None if is_raw_key(key) else key,
            "di": key[3:] if is_raw_key(key) else None,
            "value": None,
            "unit": "",
            "time": now,
            "response_ms": None,
            "tries": poll.tried.get(key, 0),
            "verdict": reason.value,
            "detail": poll.details.get(key, ""),
        }
        for key, reason in poll.faults.items()
    ]
    verdict = Verdict.OK.value if readings else str((poll.reason or Verdict.SILENCE).value)
    seen = sum(len(outcome.raw) for outcome in poll.failures)
    return {
        "meter": poll.address,
        "protocol": poll.driver.name,
        "readings": readings + missing,
        "verdict": verdict,
        "bytes_seen": seen,
    }


def _reading_document(item: ItemReading, now: str) -> dict[str, object]:
    """Return a reading as JSON. `field` is there where an identifier has several and no quantity key names them."""
    key, _, part = item.name.partition(".")
    is_raw = is_raw_key(key)
    return {
        "quantity": None if is_raw else item.name,
        "di": item.identifier,
        **({"field": part} if is_raw and part else {}),
        "value": None
        if item.value is None
        else format(item.value, "f")
        if not isinstance(item.value, str)
        else item.value,
        "unit": item.unit,
        "time": now,
        "response_ms": item.response_ms,
        "tries": item.tries,
        "verdict": Verdict.OK.value,
    }
