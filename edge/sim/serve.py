"""Serves simulated wires on ptys and TCP ports: one blocking loop for all of them, woken by bytes, instants and `Stop`.

1. A pty's own slave end stays open here, so that a master may open, close and open it again.
2. The speed that a master has set on a pty counts as its port's; parity cannot be seen there, and is as the wire's.
3. Answers leave when their last byte is due, a few milliseconds' worth at a time: never early, and cheap.
4. Whoever does not read loses bytes, as on a wire.
"""

import heapq
import os
import pty
import selectors
import socket
import termios
import tty
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from edge.bus.link import LineSettings
from edge.bus.memory_link import Arrival, TalkingWire, Wire
from edge.clock import Clock
from edge.errors import LinkError
from edge.sim.wire import SimWire

_CHUNK = 4096
_TOGETHER_S = 0.005
_SPEEDS = {
    getattr(termios, f"B{baud}"): baud for baud in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
}
_OUT_SPEED = 5  # its place in what tcgetattr gives

Answer = Callable[[bytes], None]


class Stop:
    """A request to end, made from a signal handler or another thread; it wakes the loop."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self.is_set = False

    def set(self) -> None:
        """Ask the loop to end."""
        self.is_set = True
        try:
            os.write(self._writing, b"x")
        except BlockingIOError:
            return

    def fileno(self) -> int:
        """Return what becomes readable when the end is asked for."""
        return self._reading

    def close(self) -> None:
        """Free the pipe."""
        os.close(self._reading)
        os.close(self._writing)


class PtyServer:
    """A wire behind a pseudo-terminal. `link`: a stable name, a symbolic link that is made and taken away again."""

    def __init__(self, wire: SimWire, link: Path | None = None) -> None:
        self.wire = wire
        self._link = link
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        _set_speed(self._slave, wire.line.baud)
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)
        if link is not None:
            _point(link, self.device)

    @property
    def port(self) -> str:
        """The port as `--port` takes it."""
        return str(self._link or self.device)

    def register(self, loop: "Loop") -> None:
        """Let the loop listen to the pty."""
        loop.listen(self._master, lambda: self._take(loop))
        loop.overhear(self.wire, self._send)

    def close(self) -> None:
        """Close the pty and take the name away."""
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self.device:
            self._link.unlink()
        os.close(self._master)
        os.close(self._slave)

    def _take(self, loop: "Loop") -> None:
        loop.transmit(self.wire, os.read(self._master, _CHUNK), self._send, self._line())

    def _line(self) -> LineSettings:
        """Return how the master has set its end."""
        speed = termios.tcgetattr(self._master)[_OUT_SPEED]
        return replace(self.wire.line, baud=_SPEEDS.get(speed, self.wire.line.baud))

    def _send(self, data: bytes) -> None:
        try:
            os.write(self._master, data)
        except BlockingIOError:
            return


class TcpServer:
    """A wire behind a TCP port, as a serial server gives it; every client hears everything."""

    def __init__(self, wire: SimWire, host: str = "127.0.0.1", port: int = 0) -> None:
        self.wire = wire
        try:
            self._server = socket.create_server((host, port))
        except OSError as exc:
            raise LinkError("E-BUS-109", port=f"{host}:{port}", detail=str(exc)) from exc
        self._server.setblocking(False)  # noqa: FBT003 - the function has no keyword
        self._clients: list[socket.socket] = []
        self.host, self.number = self._server.getsockname()[:2]

    @property
    def port(self) -> str:
        """The port as `--port` takes it."""
        return f"socket://{self.host}:{self.number}"

    def register(self, loop: "Loop") -> None:
        """Let the loop listen for clients."""
        loop.listen(self._server, lambda: self._accept(loop))
        loop.overhear(self.wire, self._send)

    def close(self) -> None:
        """Close the port and all connections."""
        for client in (*self._clients, self._server):
            client.close()

    def _accept(self, loop: "Loop") -> None:
        try:
            client, _ = self._server.accept()
        except OSError:
            return
        client.setblocking(False)  # noqa: FBT003 - the function has no keyword
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._clients.append(client)
        loop.listen(client, lambda: self._take(loop, client))

    def _take(self, loop: "Loop", client: socket.socket) -> None:
        try:
            data = client.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            loop.transmit(self.wire, data, self._send)
        else:
            loop.forget(client)
            self._clients.remove(client)
            client.close()

    def _send(self, data: bytes) -> None:
        for client in self._clients:
            try:
                client.send(data)
            except OSError:
                continue  # its own turn to read will find it gone


Server = PtyServer | TcpServer


class Loop:
    """Listens to all servers and sends what is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, bytes, Answer]] = []
        self._number = count()
        self._talking: list[tuple[TalkingWire, Answer]] = []

    def listen(self, source: int | socket.socket | Stop, act: Callable[[], None]) -> None:
        """Call `act` whenever there is something to read."""
        self._selector.register(source, selectors.EVENT_READ, act)

    def forget(self, source: socket.socket) -> None:
        """Stop listening."""
        self._selector.unregister(source)

    def overhear(self, wire: Wire, answer: Answer) -> None:
        """Let what others say on the wire, unasked, go to `answer` as well."""
        if isinstance(wire, TalkingWire):
            self._talking.append((wire, answer))

    def transmit(self, wire: Wire, data: bytes, answer: Answer, line: LineSettings | None = None) -> None:
        """Give bytes to a wire, sent from a port set to `line`; what comes back goes to `answer` when it is due."""
        self._plan(wire.transmit(data, self._clock.monotonic(), line), [answer])

    def step(self) -> None:
        """Wait for bytes or the next instant, and do what is to be done."""
        due = [at for wire, _ in self._talking if (at := wire.speaks_at()) is not None]
        due += [self._due[0][0]] if self._due else []
        wait_s = max(0.0, min(due) - self._clock.monotonic()) if due else None
        for key, _ in self._selector.select(wait_s):
            key.data()
        self._let_others_talk()
        while self._due and self._due[0][0] <= self._clock.monotonic():
            _, _, chunk, answer = heapq.heappop(self._due)
            answer(chunk)

    def close(self) -> None:
        """Free the selector; the servers stay open."""
        self._selector.close()

    def _let_others_talk(self) -> None:
        now = self._clock.monotonic()
        for wire in {id(wire): wire for wire, _ in self._talking}.values():
            at = wire.speaks_at()
            if at is not None and at <= now:
                self._plan(wire.unasked(now), [answer for other, answer in self._talking if other is wire])

    def _plan(self, arrivals: Iterable[Arrival], answers: Sequence[Answer]) -> None:
        for at, chunk in _together(list(arrivals)):
            for answer in answers:
                heapq.heappush(self._due, (at, next(self._number), chunk, answer))


def run_servers(servers: Sequence[Server], clock: Clock, stop: Stop) -> None:
    """Serve until `stop` is set. The servers are closed by whoever made them."""
    loop = Loop(clock)
    try:
        loop.listen(stop, lambda: None)
        for server in servers:
            server.register(loop)
        while not stop.is_set:
            loop.step()
    finally:
        loop.close()


def _together(arrivals: Sequence[Arrival]) -> list[tuple[float, bytes]]:
    """Return chunks of bytes that fall within a few milliseconds, each at the instant of its last byte."""
    chunks: list[tuple[float, float, bytes]] = []
    for arrival in arrivals:
        if chunks and arrival.at - chunks[-1][0] <= _TOGETHER_S:
            first, _, data = chunks[-1]
            chunks[-1] = (first, arrival.at, data + arrival.data)
        else:
            chunks.append((arrival.at, arrival.at, arrival.data))
    return [(last, data) for _, last, data in chunks]


def _set_speed(end: int, baud: int) -> None:
    """Set a pty's speed, for masters that leave it as they find it."""
    mode = termios.tcgetattr(end)
    codes = {known: code for code, known in _SPEEDS.items()}
    mode[_OUT_SPEED - 1 : _OUT_SPEED + 1] = [codes.get(baud, termios.B38400)] * 2
    termios.tcsetattr(end, termios.TCSANOW, mode)


def _point(link: Path, device: str) -> None:
    """Make the symbolic link, over one that an earlier run left. Raises LinkError if something else stands there."""
    if link.is_symlink():
        link.unlink()
    try:
        link.symlink_to(device)
    except OSError as exc:
        raise LinkError("E-BUS-109", port=str(link), detail=str(exc)) from exc
