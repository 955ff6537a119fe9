"""The real centre beside the forwarder's bench: its worker on a ledger of its own, at the same broker in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from edge.centre.durable import Watch
from edge.centre.ledger import Ledger, Span
from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.receipts import ReceiptDesk
from edge.centre.worker import CentreWorker
from edge.messages.topics import birth_topic
from edge.mqtt.link import Connected, Event, Received, Token
from tests.centre.centre_kit import Keys
from tests.forward.forward_tools import CENTRE_KEY, GATEWAY, GATEWAY_KEY, TENANT, Bench, record


@dataclass
class CentreLink:
    """The centre's connection to the bench's broker: it hears all that was published since it connected."""

    bench: Bench
    events: list[Event] = field(default_factory=list)
    heard: int = 0

    def connect(self) -> None:
        """Connect; the retained birth comes first."""
        self.heard = len(self.bench.broker.published)
        retained = self.bench.broker.retained.get(birth_topic(TENANT, GATEWAY))
        self.events = [Connected(session_present=False)]
        if retained is not None:
            self.events.append(Received(birth_topic(TENANT, GATEWAY), retained, Token(1, 0, 1)))

    def step(self, timeout_s: float) -> list[Event]:
        """Return what came, without waiting: time is the gateway's to move."""
        events, self.events = self.events, []
        new = self.bench.broker.published[self.heard :]
        self.heard += len(new)
        return [*events, *(Received(topic, payload, Token(1, 0, 1)) for topic, payload in new)]

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int:
        """Bring a message to the gateway."""
        self.bench.broker.deliver(topic, payload)
        return 1

    def subscribe(self, topics: list[tuple[str, int]]) -> int:
        """Everything is heard anyway."""
        return 1

    def acknowledge(self, token: Token) -> None:
        """Nothing comes twice."""

    def disconnect(self) -> None:
        """Close."""


class LedgerCentre:
    """A centre on a file. `start` gives it a ledger: its own, an older copy, or an empty one, under a new run."""

    policy = "commit"

    def __init__(self, folder: Path, bench: Bench) -> None:
        self.folder = folder
        self.bench = bench
        self.runs = 0
        self.is_up = True
        self.start("ledger.db")

    def start(self, name: str) -> None:
        """Start the centre anew on this file."""
        self.runs += 1
        self.ledger = self.open(name)
        run = self.runs.to_bytes(8, "big")
        self.worker = CentreWorker(
            link=CentreLink(self.bench),
            ledger=self.ledger,
            keys=Keys({GATEWAY: GATEWAY_KEY}),
            desk=ReceiptDesk(ledger=self.ledger, signer=CENTRE_KEY, run=run, policy=self.policy, watch=self.watch()),
            clock=self.bench.clock,
            tenant=TENANT,
            tell=lambda notice: None,
        )
        self.is_up = True

    def open(self, name: str) -> Ledger:
        """Open a ledger by its name."""
        return SqliteLedger(self.folder / name)

    def watch(self) -> Watch | None:
        """Return what moves `durable`."""
        return None

    def restart(self, name: str) -> None:
        """Stop, and start anew on another file."""
        self.ledger.close()
        self.start(name)

    def copy(self, name: str) -> None:
        """Keep a copy of the ledger as it is now."""
        self.ledger._run("VACUUM INTO ?", str(self.folder / name))

    def run(self, seconds: float) -> None:
        """Let gateway and centre run side by side."""
        end_s = self.bench.clock.monotonic() + seconds
        while (now_s := self.bench.clock.monotonic()) < end_s:
            wake_s = self.bench.worker.step(now_s)
            if self.is_up:
                self.worker.step(self.bench.clock.monotonic())
            self.bench.clock.advance(max(0.0, min(wake_s, now_s + 1) - self.bench.clock.monotonic()))

    def slots(self) -> list[int]:
        """Return the slots of which a value is in the ledger, as often as it counts; fails if a value is another."""
        rows = [row for row in self.ledger.readings(Span()) if row.quantity == "di:02000000"]
        assert not any(row.conflict for row in rows)
        by_value = {str(Decimal(number * 1000) / 10): number for number in range(200)}
        slots = [by_value[str(row.value)] for row in rows]
        texts = [record(number).slot_at.strftime("%Y-%m-%dT%H:%M") for number in slots]
        assert texts == [row.slot_at[:16] for row in rows]
        return slots


@contextmanager
def both(folder: Path) -> Iterator[tuple[Bench, LedgerCentre]]:
    """Yield a gateway and its centre."""
    bench = Bench(folder / "edge.db")
    centre = LedgerCentre(folder, bench)
    try:
        yield bench, centre
    finally:
        bench.close()
        centre.ledger.close()
