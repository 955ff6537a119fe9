"""The seam to the broker: what the forwarder needs of a connection, and who makes one."""

from collections.abc import Callable, Sequence
from typing import Protocol

from edge.mqtt.link import Event, Token


class BrokerLink(Protocol):
    """What the forwarder needs of a connection; `edge.mqtt.link.MqttLink` is one."""

    @property
    def is_plain(self) -> bool:
        """True if what is sent leaves this machine unencrypted."""

    def connect(self) -> None:
        """Connect and log in, or raise ForwardError."""

    def step(self, timeout_s: float) -> Sequence[Event]:
        """Return what happened, after waiting at most so long."""

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int:
        """Hand over a message; return its number."""

    def subscribe(self, topics: list[tuple[str, int]]) -> int:
        """Ask for topics."""

    def acknowledge(self, token: Token) -> None:
        """Tell the broker that a message was dealt with."""

    def disconnect(self) -> None:
        """Say goodbye and close."""

    def close(self) -> None:
        """Drop the connection."""


LinkFactory = Callable[[str, tuple[str, bytes, int, bool]], BrokerLink]  # endpoint and will -> link
