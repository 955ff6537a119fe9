"""A serial server reached by plain TCP (`socket://host:port`): bytes go through, the line is set at the server.

Connecting again after a loss is the caller's matter: a lost connection is LinkError, as with an unplugged adapter.
"""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.errors import LinkError

CONNECT_TIMEOUT_S = 5.0
_CHUNK = 4096


class TcpLink:
    """A TCP connection to a serial server, or to a simulated bus."""

    def __init__(self, port: str, clock: Clock) -> None:
        self._name = port
        self._clock = clock
        host, number = split_address(port)
        try:
            self._socket = socket.create_connection((host, number), timeout=CONNECT_TIMEOUT_S)
        except (OSError, UnicodeError) as exc:  # UnicodeError: the name cannot be asked for (idna)
            raise LinkError("E-BUS-107", port=port, detail=str(exc)) from exc
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.settimeout(0)

    @property
    def port(self) -> str:
        """The URL as given."""
        return self._name

    def use(self, line: LineSettings) -> None:
        """Do nothing: plain TCP cannot tell the server how its line should be."""
        self._check_open()

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Return what is there; b"" after `timeout_s` without a byte."""
        with self._losing():
            self._check_open()
            if not self._wait(select.POLLIN, timeout_s):
                return b""
            return self._receive(limit)

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand all bytes to the kernel. Raises LinkError if that takes over `timeout_s`."""
        deadline = self._clock.monotonic() + timeout_s
        with self._losing():
            self._check_open()
            while data:
                if not self._wait(select.POLLOUT, deadline - self._clock.monotonic()):
                    raise LinkError("E-BUS-106", port=self._name)
                data = data[self._socket.send(data) :]

    def drop_input(self) -> None:
        """Forget what the kernel has received."""
        with self._losing():
            self._check_open()
            while self._wait(select.POLLIN, 0):
                self._receive(_CHUNK)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _check_open(self) -> None:
        if self._socket.fileno() < 0:
            raise LinkError("E-BUS-104", port=self._name, detail="closed")

    def _wait(self, event: int, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._socket.fileno(), event)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))

    def _receive(self, limit: int) -> bytes:
        try:
            data = self._socket.recv(limit)
        except BlockingIOError:
            return b""
        if not data:
            raise LinkError("E-BUS-104", port=self._name, detail="the server closed the connection")
        return data

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise LinkError("E-BUS-104", port=self._name, detail=str(exc)) from exc


def split_address(port: str) -> tuple[str, int]:
    """Return host and port number of a URL like `socket://10.0.0.9:4001`. Raises LinkError if it names none."""
    try:
        parts = urlsplit(port)
        host, number = parts.hostname, parts.port
    except ValueError as exc:
        raise LinkError("E-BUS-108", port=port) from exc
    if not host or not number:
        raise LinkError("E-BUS-108", port=port)
    return host, number
