"""What the broker was given on this connection and has not acknowledged yet. Pure.

With MQTT 5 a broker says how many messages of QoS 1 it takes at once (receive maximum); who sends more is disconnected.
"""

from edge.forward.outbox import Key

NO_LIMIT = 65535


class Unacknowledged:
    """Message numbers, each with its batch; None for one that is no batch."""

    def __init__(self) -> None:
        self._keys: dict[int, Key | None] = {}
        self.limit = NO_LIMIT

    @property
    def is_full(self) -> bool:
        """True if the broker takes nothing more before it has acknowledged something."""
        return len(self._keys) >= self.limit

    def add(self, mid: int, key: Key | None = None) -> None:
        """Note a message that was handed over."""
        self._keys[mid] = key

    def take(self, mid: int) -> Key | None:
        """Note that the broker has answered; return the batch of that message, if it is one."""
        return self._keys.pop(mid, None)

    def clear(self) -> None:
        """Forget a connection that is gone."""
        self._keys.clear()
        self.limit = NO_LIMIT
