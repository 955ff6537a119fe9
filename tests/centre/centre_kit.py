"""A gateway as the centre sees it, a broker in memory, and a centre on a file: what the tests here share."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from edge.centre.accept import Taken, Uplink, accept
from edge.centre.ledger import Ledger
from edge.clock import ManualClock
from edge.errors import ForwardError
from edge.messages.batch import Batch, build_batch
from edge.messages.birth import Birth, Standing, sign_birth
from edge.messages.envelope import Header, envelope_hash, seal_envelope
from edge.messages.signing import Ed25519Signer, Ed25519Verifier, Verifier
from edge.mqtt.link import Connected, Disconnected, Event, Received, Token
from edge.reading.chain import GENESIS
from edge.reading.loss import Loss
from edge.reading.plan import Plan
from edge.reading.record import PollRecord, SlotState, Source, Stamp
from edge.reading.verdict import SlotReason

SLOT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
METER = "202107072529"
ENERGY = "energy_active_import_total"
EPOCH, NEXT_EPOCH = b"epoch--1", b"epoch--2"


def record(slot_at: datetime = SLOT, meter: str = METER, value: str | None = "12.30", **more) -> PollRecord:
    """Return a poll with one energy; `value` None makes it a miss by silence."""
    found = {ENERGY: Decimal(value)} if value is not None else {}
    state = SlotState.READ if found else SlotState.MISSING_OPEN
    reason = None if found else SlotReason.SILENCE
    stamp = Stamp(slot_at + timedelta(seconds=3), "synchronised", "0" * 32, 100.0)
    whole = PollRecord(
        task="load", slot_at=slot_at, meter=meter, bus="", stamp=stamp, state=state, reason=reason, values=found
    )
    return replace(whole, **more)


def refilled(slot_at: datetime = SLOT, value: str = "12.30") -> PollRecord:
    """Return a poll that was read from the meter's memory later."""
    return record(slot_at, value=value, state=SlotState.REFILLED, source=Source.LOAD_RECORD)


@dataclass
class Gateway:
    """Seals envelopes as a gateway does."""

    name: str = "gw-1"
    epoch: bytes = EPOCH
    predecessor: bytes | None = None
    signer: Ed25519Signer = field(default_factory=lambda: Ed25519Signer(bytes(range(32))))
    marks: list[bytes] = field(default_factory=lambda: [GENESIS])

    def seal(self, *records: PollRecord, plan: Plan | None = None, losses: Sequence[Loss] = ()) -> bytes:
        """Return the next envelope."""
        return self.seal_raw(payload(*records, plan=plan, losses=losses))

    def seal_raw(self, raw: bytes) -> bytes:
        """Return the next envelope with any payload."""
        data = self.at(len(self.marks), raw)
        self.marks.append(envelope_hash(data))
        return data

    def at(self, seq: int, raw: bytes, *, replaces: bytes | None = None, prev: bytes | None = None) -> bytes:
        """Return an envelope under a number, whatever was sealed under it before."""
        header = Header(
            gateway=self.name,
            epoch=self.epoch,
            seq=seq,
            prev=prev if prev is not None else self.marks[seq - 1],
            raw_length=len(raw),
            replaces=replaces,
            predecessor=self.predecessor if seq == 1 else None,
        )
        return seal_envelope(header, raw, self.signer)

    def birth(self, *, oldest: int = 1, older: tuple[Standing, ...] = ()) -> bytes:
        """Return a signed birth."""
        birth = Birth(
            gateway=self.name,
            boot_id="0" * 32,
            epoch=self.epoch,
            oldest_seq=oldest,
            next_seq=len(self.marks),
            head=self.marks[-1],
            version="0.1.0",
            buffered=7,
            sent_at=SLOT,
            trust="synchronised",
            older=older,
        )
        return sign_birth(birth, self.signer)


def payload(*records: PollRecord, plan: Plan | None = None, losses: Sequence[Loss] = ()) -> bytes:
    """Return the payload of a batch."""
    return build_batch(Batch(records, plan, tuple(losses), SLOT))


@dataclass
class Keys:
    """A keyring in memory."""

    signers: dict[str, Ed25519Signer]

    def verifier_of(self, gateway: str, kid: bytes) -> Verifier | None:
        """Return the key with this id, if it is trusted for this gateway."""
        signer = self.signers.get(gateway)
        return Ed25519Verifier(signer.public) if signer and signer.kid == kid else None

    def knows(self, gateway: str) -> bool:
        """Return True if the gateway is enrolled."""
        return gateway in self.signers


def take(ledger: Ledger, gateway: Gateway, *envelopes: bytes, at: datetime = SLOT) -> list[Taken]:
    """Let the centre take envelopes in, in one transaction, as if they came on the gateway's own topic."""
    keys = Keys({gateway.name: gateway.signer})
    return accept(ledger, [Uplink(gateway.name, data, at) for data in envelopes], keys)


@dataclass
class MemoryBroker:
    """One client's view of a broker: it keeps what is not acknowledged and brings it again after a reconnect."""

    clock: ManualClock
    is_up: bool = True
    is_connected: bool = False
    coming: list[Event] = field(default_factory=list)
    unacknowledged: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    sent: list[tuple[str, bytes, bool]] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    connection: int = 0

    def connect(self) -> None:
        """Connect, and bring again what was not acknowledged."""
        if not self.is_up:
            raise ForwardError("E-FWD-101", host="broker", port=1883, detail="refused")
        self.is_connected = True
        self.connection += 1
        again = [Received(*message, Token(self.connection, mid, 1)) for mid, message in self.unacknowledged.items()]
        self.coming += [Connected(session_present=False), *again]

    def step(self, timeout_s: float) -> list[Event]:
        """Return what came, or let the time pass."""
        if not self.coming:
            self.clock.advance(timeout_s)
        events, self.coming = self.coming, []
        return events

    def bring(self, topic: str, message: bytes) -> None:
        """Bring a message from somebody else."""
        mid = max(self.unacknowledged, default=0) + 1
        self.unacknowledged[mid] = (topic, message)
        if self.is_connected:
            self.coming.append(Received(topic, message, Token(self.connection, mid, 1)))

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int:
        """Take a message."""
        assert self.is_connected
        self.sent.append((topic, payload, retain))
        return len(self.sent)

    def subscribe(self, topics: list[tuple[str, int]]) -> int:
        """Note the topics."""
        self.topics = [topic for topic, _ in topics]
        return 1

    def acknowledge(self, token: Token) -> None:
        """Forget a message."""
        if token.connection == self.connection:
            self.unacknowledged.pop(token.mid, None)

    def forget_session(self) -> None:
        """Forget what was not acknowledged."""
        self.unacknowledged.clear()

    def disconnect(self) -> None:
        """Close; what was not collected stays, as at the real link."""
        if self.is_connected:
            self.coming.append(Disconnected(None))
        self.is_connected = False
