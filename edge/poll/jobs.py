"""Jobs that people ask for and that need the bus: read one meter, find who is there. Stepped between the polls.

The same jobs run without a daemon, straight on a port (`edge read --port`): whoever runs them gives `exchange`.
Progress and results go to a `Way` as plain documents, so that command line and page can draw them.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.config.settings import Bus
from edge.errors import EdgeError, LinkError
from edge.poll.meter_poll import ItemReading, MeterPoll
from edge.poll.plan import EITHER_YEAR
from edge.poll.version import VersionSearch
from edge.protocols.drivers import driver
from edge.protocols.exchange import Driver, Exchange, Timing
from edge.reading.outcome import Answer, Outcome
from edge.reading.quantities import expand_item, is_raw_key
from edge.reading.vendor import VendorItem
from edge.reading.verdict import Verdict

_ANYBODY = "A" * 12
_DEEPEST = 12
_MOST_WAITING = 10_100  # as many as may be asked for by hand, and the last hundred


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
                self.poll.take(worker.exchange(self.poll.next_exchange()))
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
    return {
        "quantity": None if is_raw_key(item.name.partition(".")[0]) else item.name,
        "di": item.identifier,
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


@dataclass(slots=True)
class ScanRun:
    """Finds meters: asks each address given; without any, asks everybody and narrows down where answers collide.

    DL/T 645 answers to an address whose high bytes are AA: the tree goes down by two digits from the low end. On a
    wire that is never quiet everything seems to answer: such a scan ends itself.
    """

    driver: Driver
    timing: Timing
    way: Way
    waiting: deque[str]
    tries: int = 2
    found: dict[str, str] = field(default_factory=dict)
    collisions: list[str] = field(default_factory=list)
    probes: int = 0

    @classmethod
    def over(cls, driver: Driver, timing: Timing, way: Way, addresses: Iterable[str] = ()) -> "ScanRun":
        """Return a scan over the addresses, or over everybody."""
        return cls(driver, timing, way, deque(addresses) or deque([_ANYBODY]))

    def step(self, worker: Asker) -> bool:
        """Do one probe; False when done."""
        if self.way.is_closed:
            return False
        if not self.waiting:
            self.way.end({"found": sorted(self.found), "collisions": self.collisions, "probes": self.probes})
            return False
        pattern = self.waiting.popleft()
        try:
            outcome = self._probe(worker.exchange, pattern)
        except EdgeError as exc:
            self.way.fail(exc)
            return False
        if outcome.verdict is Verdict.PORT_GONE:
            self.way.fail(LinkError("E-BUS-104", port="of this bus", detail="it vanished during the scan"))
            return False
        self._take(pattern, outcome)
        if len(self.waiting) > _MOST_WAITING:
            self.way.fail(EdgeError("E-BUS-213", count=self.probes, waiting=len(self.waiting)))
            return False
        return True

    def _probe(self, exchange: Callable[[Exchange], Outcome], pattern: str) -> Outcome:
        self.probes += 1
        return exchange(self.driver.find(pattern, self.timing))

    def _take(self, pattern: str, outcome: Outcome) -> None:
        is_wild = pattern.startswith("A")
        if isinstance(outcome, Answer):
            self.found.setdefault(outcome.address, self.driver.name)
            self.way.put({"result": {"meter": outcome.address, "protocol": self.driver.name}})
        elif is_wild and outcome.verdict is not Verdict.SILENCE:
            self._narrow(pattern)
        elif outcome.verdict is Verdict.COLLISION:
            self.collisions.append(pattern)
        self.way.put({"progress": {"asked": self.probes, "left": len(self.waiting), "found": len(self.found)}})

    def _narrow(self, pattern: str) -> None:
        """Ask the hundred patterns below this one: several meters answered at once."""
        known = pattern.lstrip("A")
        if len(known) < _DEEPEST:
            self.waiting.extend(f"{high:02d}{known}".rjust(_DEEPEST, "A") for high in range(100))
