"""What an MQTT connection is told and what it reports: values only, no library behind them."""

from dataclasses import dataclass, field

from edge.errors import ForwardError


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """How to reach one broker. Files are PEM; `will` is (topic, payload, qos, retain).

    `connect_timeout_s`: for TCP, TLS and login together; shorter than the 25 s after which a worker that shows no sign
    of life counts as stuck.
    """

    url: str
    client_id: str
    clean_session: bool = True
    version: str = "3.1.1"
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    will: tuple[str, bytes, int, bool] | None = None
    keepalive_s: int = 30
    connect_timeout_s: float = 20.0
    max_packet: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Token:
    """What `acknowledge` needs; worth nothing after its connection is gone."""

    connection: int
    mid: int
    qos: int


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted the login. `receive_maximum`: how many messages it takes unacknowledged (MQTT 5)."""

    session_present: bool
    receive_maximum: int = 65535


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone; `reason` says why, None if we closed it."""

    reason: ForwardError | None


@dataclass(frozen=True, slots=True)
class Received:
    """A message came in; it comes again after a reconnect until it is acknowledged.

    `is_retained`: the broker had kept it from before the subscription.
    """

    topic: str
    payload: bytes
    token: Token
    is_retained: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """The broker took (or, with MQTT 5, refused) a message of QoS 1. It releases nothing."""

    mid: int
    refused: bool


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker answered a subscription; `refused` lists the topics that it denied."""

    mid: int
    refused: tuple[str, ...]


Event = Connected | Disconnected | Received | Published | Subscribed
