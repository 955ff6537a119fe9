"""The control socket's server: one Unix socket a process, JSON lines, peer credentials, no thread of its own.

`step` waits for news and handles it. Replies may be put by other threads: `Reply.put` wakes the server. A peer must
be root, this user, or a member of this process's group (the socket's mode says the same, 0660).
"""

import contextlib
import json
import logging
import os
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Container, Mapping
from pathlib import Path

from edge.control.jobs import MOST_BYTES, Job, error_document, parse_job
from edge.errors import ControlError, EdgeError

log = logging.getLogger(__name__)

_MOST_PEERS = 8
_ASK_WITHIN_S = 10.0
_MOST_UNSENT = 4 << 20


class Reply:
    """The way back to one peer. `put` and `end` may be called from any thread; `is_closed` says the peer has gone."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._lines: deque[bytes] = deque()
        self._wake = wake
        self.is_ended = False
        self.is_closed = False

    def put(self, document: Mapping[str, object]) -> None:
        """Send one document."""
        self._lines.append(_line(document))
        self._wake()

    def end(self, document: Mapping[str, object] | None = None) -> None:
        """Send the last document: `{"done": true}` with what is given."""
        if not self.is_ended:
            self._lines.append(_line({"done": True, **(document or {})}))
            self.is_ended = True
            self._wake()

    def fail(self, error: EdgeError) -> None:
        """Send an error as the last document."""
        if not self.is_ended:
            self._lines.append(_line(error_document(error)))
            self.is_ended = True
            self._wake()

    def take(self) -> bytes:
        """Take what is to be sent."""
        taken = bytearray()
        while self._lines:
            taken += self._lines.popleft()
        return bytes(taken)


class _Peer:
    def __init__(self, sock: socket.socket, reply: Reply) -> None:
        self.sock = sock
        self.reply = reply
        self.since_s = time.monotonic()
        self.received = bytearray()
        self.unsent = bytearray()
        self.has_asked = False


class ControlServer:
    """Serves jobs at a path. `start_job` gets each checked job and the way back; it must not block.

    `own`: the keys that the settings define by `[[item]]`, as they are when a job comes.
    """

    def __init__(
        self, path: Path, start_job: Callable[[Job, Reply], None], own: Callable[[], Container[str]] = tuple
    ) -> None:
        self.path = path
        self._own = own
        self._start_job = start_job
        self._peers: dict[int, _Peer] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_r, selectors.EVENT_READ, "wake")
        self._listener = _listen(path)
        self._selector.register(self._listener, selectors.EVENT_READ, "listen")

    def wake(self) -> None:
        """Wake `step` from another thread."""
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake_w, b"w")

    def step(self, timeout_s: float) -> None:
        """Wait for news up to `timeout_s`, then handle all of it."""
        for key, _ in self._selector.select(timeout_s):
            if key.data == "wake":
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_r, 4096)
            elif key.data == "listen":
                self._accept()
            else:
                self._receive(key.data)
        for peer in list(self._peers.values()):
            if not peer.has_asked and time.monotonic() - peer.since_s > _ASK_WITHIN_S:
                self._drop(peer)  # whoever connects and says nothing must not keep the others out
            else:
                self._send(peer)

    def close(self) -> None:
        """Close everything and take the socket's file away."""
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._selector.unregister(self._listener)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        self._selector.close()
        os.close(self._wake_r)
        os.close(self._wake_w)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.settimeout(0)
        peer = _Peer(sock, Reply(self.wake))
        self._peers[sock.fileno()] = peer
        self._selector.register(sock, selectors.EVENT_READ, peer)
        if not _is_trusted(sock):
            peer.has_asked = True
            peer.reply.fail(ControlError("E-CTL-106"))
        elif len(self._peers) > _MOST_PEERS:
            peer.has_asked = True
            peer.reply.fail(ControlError("E-CTL-107", count=_MOST_PEERS))

    def _receive(self, peer: _Peer) -> None:
        try:
            data = peer.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(peer)
            return
        if peer.has_asked:
            return  # one job a connection; anything more is ignored
        peer.received += data
        line, newline, _ = peer.received.partition(b"\n")
        if newline:
            self._ask(peer, bytes(line))
        elif len(peer.received) > MOST_BYTES:
            peer.has_asked = True
            peer.reply.fail(ControlError("E-CTL-101", detail="too long"))

    def _ask(self, peer: _Peer, line: bytes) -> None:
        peer.has_asked = True
        try:
            self._start_job(parse_job(line, self._own()), peer.reply)
        except EdgeError as exc:
            peer.reply.fail(exc)
        except Exception as exc:
            log.exception("defect in a job of the control socket: please send this text to the makers")
            peer.reply.fail(ControlError("E-CTL-115", detail=type(exc).__name__))

    def _send(self, peer: _Peer) -> None:
        is_ended = peer.reply.is_ended  # asked first: what another thread puts after this is sent in the next turn
        peer.unsent += peer.reply.take()
        if peer.unsent:
            try:
                sent = peer.sock.send(peer.unsent)
                del peer.unsent[:sent]
            except BlockingIOError:
                pass
            except OSError:
                self._drop(peer)
                return
        if len(peer.unsent) > _MOST_UNSENT or (is_ended and not peer.unsent):
            self._drop(peer)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        self._selector.modify(peer.sock, wanted, peer)

    def _drop(self, peer: _Peer) -> None:
        peer.reply.is_closed = True
        if self._peers.pop(peer.sock.fileno(), None) is not None:
            self._selector.unregister(peer.sock)
        peer.sock.close()


def _line(document: Mapping[str, object]) -> bytes:
    """Return a document as a line; what UTF-8 cannot carry (a lone surrogate) stands there as its escape."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _listen(path: Path) -> socket.socket:
    """Return a listening socket; a file left by a dead process is replaced, a live one is an error."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise ControlError("E-CTL-108", path=str(path), detail=str(exc)) from exc
    else:
        raise ControlError("E-CTL-109", path=str(path))
    finally:
        probe.close()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(_MOST_PEERS)
        listener.settimeout(0)
    except OSError as exc:
        listener.close()
        raise ControlError("E-CTL-108", path=str(path), detail=str(exc)) from exc
    return listener


def _is_trusted(sock: socket.socket) -> bool:
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, gid = struct.unpack("3i", raw)
    return uid in (0, os.getuid()) or gid in (os.getgid(), *os.getgroups())
