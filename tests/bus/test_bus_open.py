"""Opening ports: what stands in the way is said by its code; ptys keep working; RFC 2217 through a real server."""

import os
import pty
import select
import socket
import subprocess
import sys
import termios
import threading
import tty

import pytest
import serial
import serial.rfc2217

from edge.bus.link import LineSettings
from edge.bus.open import open_link
from edge.bus.serial_link import SerialLink, opening
from edge.clock import SystemClock
from edge.errors import LinkError


@pytest.fixture
def terminal():
    """Give a pty: the master's descriptor and the slave's path; the slave is kept open as the simulator keeps it."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def _code(act) -> str:
    with pytest.raises(LinkError) as caught:
        act()
    return caught.value.code


def test_missing_port(tmp_path):
    """A path that is not there cannot be opened."""
    assert _code(lambda: open_link(str(tmp_path / "ttyUSB9"), SystemClock())) == "E-BUS-101"


def test_a_file_is_no_port(tmp_path):
    """A plain file cannot be used as a port, and the message says which."""
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(LinkError) as caught:
        open_link(str(path), SystemClock())
    assert caught.value.code == "E-BUS-101"
    assert str(path) in caught.value.fact()


def test_second_opening_is_refused(terminal):
    """While a link holds the port, another is told that it is busy; after close it may have it."""
    _, path = terminal
    first = open_link(path, SystemClock())
    assert _code(lambda: open_link(path, SystemClock())) == "E-BUS-102"
    first.close()
    open_link(path, SystemClock()).close()


def test_port_of_a_killed_program_is_free_again(terminal):
    """A program that died holding the port does not block the next one, even while the far end keeps the pty."""
    _, path = terminal
    code = (
        "import os, sys; from edge.bus.open import open_link; from edge.clock import SystemClock\n"
        f"link = open_link({path!r}, SystemClock()); print('open', flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.stdout, done.returncode) == (b"open\n", -9)
    open_link(path, SystemClock()).close()


def test_shared_opening(terminal):
    """Without exclusive two links may hold a port."""
    _, path = terminal
    links = [open_link(path, SystemClock(), exclusive=False) for _ in range(2)]
    for link in links:
        link.close()


def test_forbidden_port_has_its_own_code():
    """A refusal by the system's rights is told apart from a missing port."""

    def refuse():
        with opening("/dev/ttyS0"):
            raise serial.SerialException(13, "could not open port")

    assert _code(refuse) == "E-BUS-103"


def test_pty_opened_twice_with_parity(terminal):
    """A pty keeps no parity, which must not stop a second opening with even parity through a link to it."""
    _, path = terminal
    for _ in range(2):
        link = SerialLink(path, SystemClock())
        link.use(LineSettings(baud=2400, parity="even"))
        link.use(LineSettings(baud=9600, parity="odd", data_bits=7))
        link.close()


def test_pty_behind_a_symbolic_link(terminal, tmp_path):
    """A stable name that leads to a pty is recognised as one."""
    _, path = terminal
    name = tmp_path / "bus"
    name.symlink_to(path)
    for _ in range(2):
        link = SerialLink(str(name), SystemClock())
        link.use(LineSettings(baud=9600, parity="even"))
        link.close()


def test_speed_is_set_on_the_port(terminal):
    """The speed of the job arrives in the terminal's settings."""
    _, path = terminal
    link = open_link(path, SystemClock())
    link.use(LineSettings(baud=9600))
    with open(path, "rb") as probe:  # noqa: PTH123 -- a terminal, not a file
        assert termios.tcgetattr(probe)[5] == termios.B9600
    link.close()


def test_same_line_is_not_set_again(terminal, monkeypatch):
    """A line that is set already is left alone; another one is set."""
    _, path = terminal
    link = open_link(path, SystemClock())
    calls = []
    monkeypatch.setattr(link._port, "apply_settings", calls.append)
    for baud in (2400, 2400, 9600, 9600, 2400):
        link.use(LineSettings(baud=baud))
    link.close()
    assert [2400, 9600, 2400] == [call["baudrate"] for call in calls]


def test_impossible_speed(terminal):
    """A speed that the port cannot have is named as such, and the port is not lost by it."""
    _, path = terminal
    link = open_link(path, SystemClock())
    assert _code(lambda: link.use(LineSettings(baud=-5))) == "E-BUS-105"
    assert link.read(1, 0) == b""
    link.close()


@pytest.mark.parametrize("port", ["ftp://host:1", "socket://host", "socket://:4001", "socket://h:99999", "socket://"])
def test_text_that_names_no_port(port):
    """Text that is no port is refused before anything is opened."""
    assert _code(lambda: open_link(port, SystemClock())) == "E-BUS-108"


@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_server_that_is_not_there(scheme):
    """A serial server that refuses the connection has a code of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert _code(lambda: open_link(f"{scheme}://127.0.0.1:{port}", SystemClock())) == "E-BUS-107"


class _Rfc2217Server:
    """pyserial's own RFC 2217 port manager over one connection; what arrives goes back as an echo."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.port = serial.serial_for_url("loop://", timeout=0)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def _serve(self) -> None:
        self._connection, _ = self._server.accept()
        manager = serial.rfc2217.PortManager(self.port, self)
        with self._connection:
            while data := self._receive():
                said = b"".join(manager.filter(data))
                if said:
                    self._connection.sendall(b"".join(manager.escape(said)))

    def _receive(self) -> bytes:
        select.select([self._connection], [], [])
        try:
            return self._connection.recv(1024)
        except ConnectionError:
            return b""

    def join(self) -> None:
        self._thread.join(5)


def test_rfc2217_sets_the_line_and_passes_bytes():
    """The server's port takes the job's speed and parity, and bytes pass both ways, also FFH, which telnet escapes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = _Rfc2217Server(listening)
        link = open_link(f"rfc2217://127.0.0.1:{listening.getsockname()[1]}", SystemClock())
        try:
            link.use(LineSettings(baud=9600, parity="even"))
            assert (server.port.baudrate, server.port.parity) == (9600, "E")
            link.write(b"\x68\xff\x16", 1.0)
            heard = b""
            while len(heard) < 3 and (data := link.read(3 - len(heard), 2.0)):
                heard += data
            assert heard == b"\x68\xff\x16"
            link.drop_input()
            assert link.read(10, 0.02) == b""
        finally:
            link.close()
            server.join()
    assert _code(lambda: link.read(1, 0)) == "E-BUS-104"
