"""What systemd is told: ready, alive, stopping, and a status line. One datagram each; nothing without NOTIFY_SOCKET.

A supervisor that cannot be told is no reason to stop reading meters: failures to send are dropped.
Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

_LONGEST_WAIT_S = 1.0
_LONGEST_STATUS = 200


@dataclass(frozen=True, slots=True)
class Notifier:
    """The line to the supervisor; `address` is empty where there is none, `watchdog_s` 0 where it wants no sign."""

    address: str = ""
    watchdog_s: float = 0.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Notifier":
        """Return the line that the environment names: a path, or @name for an abstract socket; else one to nowhere."""
        address = environ.get("NOTIFY_SOCKET", "")
        usec = environ.get("WATCHDOG_USEC", "")
        watchdog_s = int(usec) / 1_000_000 if usec.isascii() and usec.isdecimal() else 0.0
        return cls(address if address[:1] in ("/", "@") else "", watchdog_s)

    def ready(self, status: str = "") -> None:
        """Say that start-up is complete."""
        self._send("READY=1", _status(status))

    def alive(self, status: str = "") -> None:
        """Feed the watchdog; call it only when work really moved."""
        self._send("WATCHDOG=1", _status(status))

    def status(self, text: str) -> None:
        """Say what is being done, for `systemctl status`."""
        self._send(_status(text))

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self.address:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(_LONGEST_WAIT_S)
            line.sendto("\n".join(filter(None, lines)).encode(), address)


def _status(text: str) -> str:
    one_line = " ".join(text.split())[:_LONGEST_STATUS]
    return f"STATUS={one_line}" if one_line else ""
