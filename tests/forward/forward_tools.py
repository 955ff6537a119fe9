"""What the forwarder's tests share: a broker in memory, a tiny centre, a real store, and a way to let time run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from edge.clock import ManualClock
from edge.errors import ForwardError
from edge.forward.settings import ForwardSettings, SealRules
from edge.forward.worker import ForwardWorker
from edge.health.model import Health
from edge.messages.batch import Batch, parse_batch
from edge.messages.envelope import Header, envelope_hash, open_envelope
from edge.messages.receipt import EpochReceipt, Receipt, sign_receipt
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from edge.messages.topics import parse_batch_topic, receipt_topic
from edge.mqtt.link import Connected, Disconnected, Event, Published, Received, Subscribed, Token
from edge.reading.chain import GENESIS
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.store.database import Database, open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
GATEWAY, TENANT = "gw-hz-0001", "hz"
RECEIPTS = receipt_topic(TENANT, GATEWAY)
GATEWAY_KEY = Ed25519Signer(b"g" * 32)
CENTRE_KEY = Ed25519Signer(b"c" * 32)
PLAN = Plan(AT, "Asia/Shanghai", (PlanTask("load", Schedule(every_s=900), ("voltage_l1",), ("202107072529",)),))


def record(number: int, *, trust: str = "synchronised", values: int = 3, text: str | None = None) -> PollRecord:
    """Return the record of one poll; `number` is its slot."""
    slot_at = AT + timedelta(minutes=15 * number)
    names = [f"di:020{index:05X}" for index in range(values)]
    return PollRecord(
        task="load",
        slot_at=slot_at,
        meter="202107072529",
        bus="A",
        stamp=Stamp(slot_at, trust, "ab" * 16, 1000.0 + number),
        state=SlotState.READ,
        values={name: text or Decimal(number * 1000 + index) / 10 for index, name in enumerate(names)},
        units=dict.fromkeys(names, "V"),
    )


@dataclass
class MemoryBroker:
    """A broker whose faults are set by hand. `published` is all that it ever took, in order."""

    clock: ManualClock
    is_up: bool = True
    acknowledges: bool = True
    refuses_topics: bool = False
    refuses_messages: bool = False
    answers_subscriptions: bool = True
    published: list[tuple[str, bytes]] = field(default_factory=list)
    retained: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    links: list["MemoryBrokerLink"] = field(default_factory=list)

    def link(self, url: str, will: tuple[str, bytes, int, bool]) -> "MemoryBrokerLink":
        """Return a link that is not connected yet."""
        self.asked.append(url)
        self.links.append(MemoryBrokerLink(self, will))
        return self.links[-1]

    def deliver(self, topic: str, payload: bytes) -> None:
        """Bring a retained message to the gateway, now and after each subscription."""
        self.retained[topic] = payload
        for link in self.links:
            link.bring(topic, payload)

    def break_connections(self) -> None:
        """Drop everybody."""
        for link in self.links:
            if link.is_connected:
                link.is_connected = False
                link.events.append(Disconnected(ForwardError("E-FWD-106", host="h", port=1, detail="gone")))

    def envelopes(self) -> list[bytes]:
        """Return the batches that were published, in order."""
        return [payload for topic, payload in self.published if parse_batch_topic(topic)]

    def lanes(self) -> list[int]:
        """Return the lanes of the batches that were published, in order."""
        return [found[2] for topic, _ in self.published if (found := parse_batch_topic(topic))]


class MemoryBrokerLink:
    """A connection to the broker in memory; waiting moves the clock."""

    is_plain = False

    def __init__(self, broker: MemoryBroker, will: tuple[str, bytes, int, bool]) -> None:
        self.broker = broker
        self.will = will
        self.is_connected = False
        self.topics: list[str] = []
        self.events: list[Event] = []
        self.acknowledged: list[Token] = []
        self.number = 0

    def connect(self) -> None:
        """Connect, or be refused."""
        if not self.broker.is_up:
            raise ForwardError("E-FWD-102", host="h", port=1)
        self.is_connected = True
        self.events = [Connected(session_present=False)]

    def step(self, timeout_s: float) -> list[Event]:
        """Return what happened; without anything, time goes by."""
        if not self.events:
            self.broker.clock.advance(timeout_s)
        events, self.events = self.events, []
        return events

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int:
        """Take a message and acknowledge it."""
        if not self.is_connected:
            raise ForwardError("E-FWD-106", host="h", port=1, detail="not connected")
        self.number += 1
        self.broker.published.append((topic, payload))
        if retain:
            self.broker.retained[topic] = payload
        if self.broker.acknowledges:
            self.events.append(Published(self.number, refused=self.broker.refuses_messages))
        return self.number

    def subscribe(self, topics: list[tuple[str, int]]) -> int:
        """Take a subscription and bring what is retained."""
        self.number += 1
        names = tuple(topic for topic, _ in topics)
        if self.broker.answers_subscriptions:
            self.events.append(Subscribed(self.number, names if self.broker.refuses_topics else ()))
        self.topics += names
        for name in names:
            if name in self.broker.retained:
                self.bring(name, self.broker.retained[name], is_retained=True)
        return self.number

    def bring(self, topic: str, payload: bytes, *, is_retained: bool = False) -> None:
        """Bring a message, if it was subscribed."""
        if self.is_connected and topic in self.topics:
            self.number += 1
            self.events.append(Received(topic, payload, Token(1, self.number, 1), is_retained))

    def acknowledge(self, token: Token) -> None:
        """Note it."""
        self.acknowledged.append(token)

    def disconnect(self) -> None:
        """Say goodbye."""
        self.is_connected = False

    def close(self) -> None:
        """Vanish: the broker publishes the will."""
        if self.is_connected:
            topic, payload, _, _ = self.will
            self.broker.retained[topic] = payload
        self.is_connected = False


@dataclass
class TinyCentre:
    """Verifies envelopes, keeps each once by epoch and number, and signs receipts."""

    signer: Ed25519Signer = CENTRE_KEY
    run: bytes = b"run----1"
    n: int = 0
    kept: dict[bytes, dict[int, bytes]] = field(default_factory=dict)
    order: list[tuple[Header, Batch, bytes]] = field(default_factory=list)

    def accept(self, envelope: bytes) -> None:
        """Keep an envelope. Fails if its signature, its place in the chain or a second version is wrong."""
        opened = open_envelope(envelope, lambda _gateway, _kid: Ed25519Verifier(GATEWAY_KEY.public))
        header = opened.header
        of_epoch = self.kept.setdefault(header.epoch, {})
        assert of_epoch.get(header.seq, envelope) == envelope, "a batch was changed after it was sealed"
        if header.seq not in of_epoch:
            of_epoch[header.seq] = envelope
            self.order.append((header, parse_batch(opened.raw), envelope))
        if header.seq - 1 in of_epoch:
            assert envelope_hash(of_epoch[header.seq - 1]) == header.prev

    def state_of(self, epoch: bytes) -> EpochReceipt:
        """Return what is held of an epoch."""
        of_epoch = self.kept.get(epoch, {})
        stored = next(seq for seq in range(len(of_epoch) + 1) if seq + 1 not in of_epoch)
        head = envelope_hash(of_epoch[stored]) if stored else GENESIS
        gaps = [seq for seq in range(stored + 1, max(of_epoch, default=0)) if seq not in of_epoch]
        return EpochReceipt(epoch, stored, 0, head, tuple((seq, seq) for seq in gaps))

    def receipt(self, *epochs: EpochReceipt, gateway: str = GATEWAY, n: int | None = None) -> bytes:
        """Return the next signed receipt: of the epochs given, else of all that is kept."""
        self.n += 1
        states = epochs or tuple(self.state_of(epoch) for epoch in reversed(self.kept))
        return sign_receipt(Receipt(gateway, self.run, n or self.n, AT, "commit", states[:4]), self.signer)

    def restore(self, keep: int) -> None:
        """Go back to an older state and start anew."""
        self.run, self.n = b"run----2", 0
        self.kept = {
            epoch: {seq: data for seq, data in kept.items() if seq <= keep} for epoch, kept in self.kept.items()
        }

    def records(self) -> list[PollRecord]:
        """Return all records that ever came, each batch once."""
        return [one for _, batch, _ in self.order for one in batch.records]


@dataclass
class Bench:
    """A gateway's forwarding with a real store, a broker in memory, and a clock that is moved by hand."""

    path: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(now=AT))
    settings: ForwardSettings = field(
        default_factory=lambda: ForwardSettings(
            gateway=GATEWAY,
            tenant=TENANT,
            version="0.1.0",
            endpoints=("mqtt://one", "mqtt://two"),
            seal=SealRules(max_readings=64),
        )
    )
    outbox_class: type[Outbox] = Outbox
    bound_bytes: int = 16 << 20
    signer: Ed25519Signer = GATEWAY_KEY
    seed: int = 1

    def __post_init__(self) -> None:
        self.broker = MemoryBroker(self.clock)
        self.centre = TinyCentre()
        self.databases: list[Database] = []
        self.reopen()

    def reopen(self) -> None:
        """Start everything anew on the files as they are."""
        self.close()
        self.databases = []
        self.journal = Journal(self._open())
        self.start()

    def _open(self) -> Database:
        self.databases.append(open_database(self.path, max_mib=16, clock=self.clock))
        self.databases[-1].bound_bytes = self.bound_bytes
        self.databases[-1].limit(self.bound_bytes)
        return self.databases[-1]

    def start(self) -> None:
        """Start the forwarder, as after a power cut: new objects on the same store."""
        self.health = Health(self.clock)
        self.outbox = self.outbox_class(self._open(), self.clock)
        self.worker = ForwardWorker(
            self.settings,
            outbox=self.outbox,
            signer=self.signer,
            centre=Ed25519Verifier(CENTRE_KEY.public),
            clock=self.clock,
            make_link=self.broker.link,
            rng=Random(self.seed),
            health=self.health,
        )

    def close(self) -> None:
        """Close the files."""
        for database in self.databases:
            database.close()

    def poll(self, *numbers: int, **more) -> None:
        """Store the records of these slots, as the poller does."""
        self.journal.append([record(number, **more) for number in numbers])

    def run(self, seconds: float) -> None:
        """Let the forwarder run for so long."""
        end = self.clock.monotonic() + seconds
        self.until(lambda: self.clock.monotonic() >= end)

    def until(self, done: Callable[[], bool], steps: int = 50_000) -> None:
        """Let the forwarder run until something is so; fails if it never is."""
        for _ in range(steps):
            if done():
                return
            now_s = self.clock.monotonic()
            wake_s = self.worker.step(now_s)
            self.clock.advance(max(0.0, min(wake_s, now_s + 3600) - self.clock.monotonic()))
        raise AssertionError(f"not so after {steps} steps: {self.health.snapshot()}")

    def confirm(self) -> None:
        """Let the centre take all that was published and send its receipt."""
        for envelope in self.broker.envelopes():
            self.centre.accept(envelope)
        self.send_receipt(self.centre.receipt())

    def send_receipt(self, receipt: bytes) -> None:
        """Bring a receipt, and let the forwarder deal with it."""
        self.broker.deliver(RECEIPTS, receipt)
        self.run(2)

    def counter(self, name: str) -> int:
        """Return a counter of the health model."""
        return self.health.snapshot()["counters"].get(name, 0)

    def condition(self, claim: str) -> tuple[str, str | None]:
        """Return the answer to a claim and its code."""
        condition = self.health.snapshot()["conditions"][claim]
        return condition["answer"], condition["code"]
