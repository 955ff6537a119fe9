"""Metrics over HTTP on a Unix socket or on loopback: a thread of its own, which touches nothing of the gateway.

Whoever asks waits for the main thread to look at everything, at its next turn; nothing is looked at unless somebody
asks. One asks at a time; a reader that stands still is dropped. A place that cannot be had is a condition: polling
and forwarding go on.
"""

import logging
import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from edge.errors import EdgeError
from edge.health.exposition import CONTENT_TYPE, exposed
from edge.health.metrics import View
from edge.health.model import Health

log = logging.getLogger(__name__)

_UNIX = "unix:"
_CLAIM = "metrics_served"
_PATIENCE_S = 5.0
_TURN_S = 0.5
_MODE = 0o660


def listen_of(listen: str, half: str | None, state_dir: Path) -> str:
    """Return where a process serves its metrics; `half`: None where both are in one process.

    Two halves cannot share a place. Each adds its name to a socket. A port is the forwarder's: the half that polls has
    no network, and serves a socket in the state directory.
    """
    if half is None:
        return listen
    if listen.startswith(_UNIX):
        path = Path(listen.removeprefix(_UNIX))
        return f"{_UNIX}{path.with_name(f'{path.stem}-{half}{path.suffix}')}"
    return listen if half == "forward" else f"{_UNIX}{state_dir / f'metrics-{half}.sock'}"


class MetricsPort:
    """Serves metrics at a place. `view` is called by the thread that calls `tend`, and by no other."""

    def __init__(self, listen: str, view: Callable[[], View], health: Health, *, with_meters: bool) -> None:
        self.listen = listen
        self._view = view
        self._with_meters = with_meters
        self._is_wanted = threading.Event()
        self._is_ready = threading.Event()
        self._text = b""
        self._stopping = threading.Event()
        self._server = _open(listen, self, health)
        self._thread = threading.Thread(target=self._serve, name="metrics")
        if self._server is not None:
            self._thread.start()

    def tend(self) -> None:
        """Look at everything, if somebody has asked."""
        if self._is_wanted.is_set():
            self._is_wanted.clear()
            self._text = exposed(self._view(), with_meters=self._with_meters)
            self._is_ready.set()

    def close(self) -> None:
        """End the thread and take the socket's file away."""
        self._stopping.set()
        if self._server is not None:
            self._thread.join()
            self._server.server_close()
            if self.listen.startswith(_UNIX):
                Path(self.listen.removeprefix(_UNIX)).unlink(missing_ok=True)

    def text(self) -> bytes | None:
        """Return the metrics of this moment; None if the main thread does not come round. Called by the own thread."""
        self._is_ready.clear()
        self._is_wanted.set()
        return self._text if self._is_ready.wait(_PATIENCE_S) else None

    def _serve(self) -> None:
        assert self._server is not None  # noqa: S101 - the thread is started with one
        while not self._stopping.is_set():
            self._server.handle_request()


class _Ask(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S
    server_version, sys_version = "edge", ""

    def do_GET(self) -> None:
        if self.path not in ("/metrics", "/"):
            self.send_error(404)
            return
        text = self.server.port.text()  # type: ignore[attr-defined]
        if text is None:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's word
        """Say nothing: a scrape is no news."""


class _TcpServer(socketserver.TCPServer):
    allow_reuse_address = True
    timeout = _TURN_S
    port: MetricsPort

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a reader that went away."""


class _Tcp6Server(_TcpServer):
    address_family = socket.AF_INET6


class _UnixServer(_TcpServer):
    address_family = socket.AF_UNIX


def _open(listen: str, port: MetricsPort, health: Health) -> _TcpServer | None:
    """Return the server; None if the place cannot be had, which is then a condition."""
    try:
        server = _listen(listen)
    except OSError as exc:
        trouble = EdgeError("E-HLT-192", listen=listen, detail=exc.strerror or str(exc))
        if health.fails(_CLAIM, trouble):
            log.warning("%s", trouble)
        return None
    server.port = port
    health.holds(_CLAIM)
    return server


def _listen(listen: str) -> _TcpServer:
    if not listen.startswith(_UNIX):
        host, _, number = listen.rpartition(":")
        if host.startswith("["):
            return _Tcp6Server((host.strip("[]"), int(number)), _Ask)
        return _TcpServer((host, int(number)), _Ask)
    path = Path(listen.removeprefix(_UNIX))
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise OSError(f"{path} is served by another process")
        path.unlink()  # left by a process that was killed
    server = _UnixServer(str(path), _Ask)  # type: ignore[arg-type]
    path.chmod(_MODE)
    return server
