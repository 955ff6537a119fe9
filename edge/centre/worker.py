"""The centre's worker: from the broker into the ledger, and receipts back.

One step is one network turn, one transaction, then the acknowledgements to the broker, then the receipts that are due.
In that order: what was acknowledged is on disk, and what a receipt says is on disk. It is plain code without a thread.

A ledger that does not obey ends the connection: nothing is acknowledged, and the broker and the gateways bring
everything again once it does. Until then the broker is left alone: it keeps what comes, and another centre that has
taken the ledger over is not thrown out of its session there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from edge.centre.accept import Fate, Taken, Uplink, accept, accept_birth
from edge.centre.keyring import Keyring
from edge.centre.ledger import Ledger
from edge.centre.receipts import ReceiptDesk
from edge.clock import Clock
from edge.errors import EdgeError, ForwardError, MessageError, StoreError
from edge.messages.birth import Birth, open_birth
from edge.messages.topics import (
    all_batches,
    all_births,
    centre_topic,
    parse_batch_topic,
    parse_birth_topic,
    receipt_topic,
)
from edge.mqtt.link import Connected, Disconnected, Event, Received, Subscribed, Token

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
ONLINE, OFFLINE = b'{"online":true}', b'{"online":false}'

_QOS = 1
_LONGEST_WAIT_S = 1.0
_TOO_LARGE = "E-FWD-134"
_NEWER_LAYOUT = "E-CEN-304"  # the database was brought forward by a newer version: this one is over
_CALM_S = 30.0  # a connection that held so long ends a row of failures
_PER_STEP = 64  # receipts sent in one step, so that the broker can acknowledge in between


class Broker(Protocol):
    """What the worker needs of a connection; `edge.mqtt.link.MqttLink` is one."""

    def connect(self) -> None:
        """Connect and log in. Raises ForwardError."""

    def step(self, timeout_s: float) -> list[Event]:
        """Return what happened, after waiting at most so long."""

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int:
        """Hand over a message. Raises ForwardError if there is no connection."""

    def subscribe(self, topics: list[tuple[str, int]]) -> int:
        """Ask for topics. Raises ForwardError if there is no connection."""

    def acknowledge(self, token: Token) -> None:
        """Tell the broker that a message was dealt with."""

    def forget_session(self) -> None:
        """Let the next connection begin without what the broker keeps for this client."""

    def disconnect(self) -> None:
        """Say goodbye and close."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The broker or the ledger does not obey; it is tried again, the next time after `pause_s`."""

    error: EdgeError
    pause_s: float


@dataclass(frozen=True, slots=True)
class Online:
    """The broker accepted the centre."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A gateway's signed birth."""

    birth: Birth


Notice = Taken | Trouble | Online | Heard


@dataclass(slots=True, kw_only=True)
class CentreWorker:
    """Steps the centre. `tell` gets every notice; it must not raise."""

    link: Broker
    ledger: Ledger
    keys: Keyring
    desk: ReceiptDesk
    clock: Clock
    tenant: str
    tell: Callable[[Notice], None]
    _refused: dict[str, int] = field(default_factory=dict, init=False)
    _is_online: bool = field(default=False, init=False)
    _retry_at: float = field(default=float("-inf"), init=False)
    _pause_s: float = field(default=FIRST_PAUSE_S, init=False)
    _calm_at: float = field(default=float("inf"), init=False)
    _trouble: EdgeError | None = field(default=None, init=False)

    def step(self, now: float) -> float:
        """Do one turn and return when the next one is due, in monotonic seconds: at once, or after a pause.

        Raises StoreError E-CEN-304 if a newer version has taken the ledger; everything else is tried again.
        """
        if not self._is_online and now < self._retry_at:
            return self._retry_at
        try:
            if not self._is_online:
                self._connect()
            self._turn(now)
        except (ForwardError, StoreError) as exc:
            return self._give_up(exc)
        return now if self._is_online else max(now, self._retry_at)

    def close(self) -> None:
        """Say that the centre goes, and leave the broker."""
        self._leave()

    def _connect(self) -> None:
        self.ledger.gateways()  # it obeys, and is still ours
        self.link.connect()
        self._is_online = True

    def _turn(self, now: float) -> None:
        events = self.link.step(self._wait_s(now))
        for event in events:
            match event:
                case Connected():
                    self._greet()
                case Subscribed(refused=refused) if refused:
                    raise ForwardError("E-CEN-401", topics=", ".join(refused))
        if self._take_in([event for event in events if isinstance(event, Received)]):
            self._settle()
        elif now >= self._calm_at:
            self._pause_s = FIRST_PAUSE_S
        for event in events:
            if isinstance(event, Disconnected):
                raise event.reason or ForwardError("E-CEN-402")
        self.desk.look(now)
        self._send_receipts()

    def _wait_s(self, now: float) -> float:
        next_at = self.desk.next_at()
        return _LONGEST_WAIT_S if next_at is None else min(_LONGEST_WAIT_S, max(0.0, next_at - now))

    def _greet(self) -> None:
        self.link.subscribe([(all_batches(self.tenant), _QOS), (all_births(self.tenant), _QOS)])
        self.link.publish(centre_topic(self.tenant), ONLINE, qos=_QOS, retain=True)
        for gateway in self.ledger.gateways():
            self.desk.want(gateway)
        self._calm_at = self.clock.monotonic() + _CALM_S
        if not isinstance(self._trouble, StoreError):  # a ledger in trouble is told once, until it takes a batch
            self._tell_online()

    def _settle(self) -> None:
        self._pause_s = FIRST_PAUSE_S
        if self._trouble is not None:
            self._tell_online()

    def _tell_online(self) -> None:
        self._trouble = None
        self.tell(Online())

    def _take_in(self, messages: Sequence[Received]) -> int:
        """Take in what came, acknowledge it once it is on disk, and return how many batches it was."""
        at = self.clock.utc_now()
        uplinks = []
        for message in messages:
            batch = parse_batch_topic(message.topic)
            birth = parse_birth_topic(message.topic)
            if batch is not None and batch[0] == self.tenant:
                uplinks.append(Uplink(batch[1], message.payload, at))
            elif birth is not None and birth[0] == self.tenant and message.payload:
                self._hear(birth[1], message.payload)
        taken = accept(self.ledger, uplinks, self.keys) if uplinks else []
        for message in messages:
            self.link.acknowledge(message.token)
        for one in taken:
            if one.fate.is_acknowledged:
                self.desk.want(one.gateway)
            self._tell_taken(one)
        return len(taken)

    def _tell_taken(self, taken: Taken) -> None:
        """Tell what became of a message; of refused ones the 1st, 10th, 100th ...: anybody may send them.

        They are counted by gateway; those of gateways that are not enrolled together.
        """
        if taken.fate is Fate.REFUSED:
            name = taken.gateway if self.keys.knows(taken.gateway) else ""
            times = self._refused[name] = self._refused.get(name, 0) + 1
            if str(times).strip("0") != "1":
                return
            taken = replace(taken, times=times)
        self.tell(taken)

    def _hear(self, gateway: str, payload: bytes) -> None:
        """Note a birth. One that is not signed by its gateway is a hint (the broker sends the will there) or a lie."""
        try:
            birth = open_birth(payload, self.keys.verifier_of)
        except MessageError:
            return
        if birth.gateway == gateway:
            accept_birth(self.ledger, birth, self.clock.utc_now())
            self.desk.want(gateway)
            self.tell(Heard(birth))

    def _send_receipts(self) -> None:
        now = self.clock.monotonic()
        for gateway in self.desk.due(now)[:_PER_STEP]:
            receipt = self.desk.write(gateway, self.clock.utc_now())
            self.link.publish(receipt_topic(self.tenant, gateway), receipt, qos=_QOS, retain=True)
            self.desk.sent(gateway, now)

    def _leave(self) -> None:
        if self._is_online:
            try:
                self.link.publish(centre_topic(self.tenant), OFFLINE, qos=_QOS, retain=True)
                self.link.step(0)
            except ForwardError:
                pass  # the will says the same
        self._is_online = False
        self.link.disconnect()

    def _give_up(self, exc: EdgeError) -> float:
        """Leave the broker, tell what happened once, and return when to try again."""
        self._leave()
        self.link.step(0)  # what is left of that connection is worth nothing: the broker brings it again
        if exc.code == _NEWER_LAYOUT:
            raise exc
        if exc.code == _TOO_LARGE:
            self.link.forget_session()  # gateways send again what they have no receipt for
        if self._trouble is None or self._trouble.code != exc.code:
            self.tell(Trouble(exc, self._pause_s))
        self._trouble = exc
        self._retry_at = self.clock.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        return self._retry_at
