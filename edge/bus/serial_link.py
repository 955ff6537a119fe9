"""Serial ports through pyserial, whose faults are translated here and nowhere else.

Seen with pyserial 3.5 on Linux, and why this file is as it is:
1. Setting any timeout on an open port sets the whole line anew. So both are 0 for ever, and waiting is done by poll.
2. A pty never keeps parity: a second setting with parity raises `termios.error` 22, which is neither OSError nor
   SerialException. So a pty is recognised by its real path and used with 8N.
3. Exclusive opening is a flock, which holds against other runs of this program, root included; on a real port
   TIOCEXCL keeps other programs out too. Not on a pty: there it would outlive us while the far end holds the pty.
4. `flush` comes back at once; whoever needs the end of a transmission computes it.
5. pyserial sends parity and does not check it: a damaged byte would pass as it is. Told to (INPCK), the kernel checks
   it, and gives 00H for a byte whose parity is wrong: then the checksum of the frame does not hold.
Modem lines are set where the port has any. The RS-485 mode of the kernel is not touched: adapters turn by themselves.
"""

import errno
import fcntl
import select
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import serial

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.errors import LinkError

_PARITY = {"even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD, "none": serial.PARITY_NONE}
_BUSY = (errno.EBUSY, errno.EAGAIN)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
FOREIGN = (serial.SerialException, OSError, termios.error, ValueError)


class SerialLink:
    """A serial port of this machine, held by nobody else while it is open."""

    def __init__(self, port: str, clock: Clock, *, exclusive: bool = True) -> None:
        self._name = port
        self._clock = clock
        self._is_pty = is_pty(port)
        self._line: LineSettings | None = None
        with opening(port):
            self._port = serial.Serial(
                port,
                parity=serial.PARITY_NONE,
                timeout=0,
                write_timeout=0,
                exclusive=True if exclusive else None,
            )
            if exclusive and not self._is_pty:
                self._keep_others_out()

    @property
    def port(self) -> str:
        """The path as given."""
        return self._name

    def use(self, line: LineSettings) -> None:
        """Set speed, parity and bits where they differ from what is set. On a pty only the speed is kept."""
        if line == self._line:
            return
        with losing(self._name):
            self._check_open()
            try:
                self._port.apply_settings(self._settings_of(line))
                if line.parity != "none" and not self._is_pty:
                    check_parity(self._port.fileno())
            except ValueError as exc:
                raise LinkError("E-BUS-105", port=self._name, baud=line.baud, parity=line.parity) from exc
            except termios.error as exc:
                if exc.args[0] != errno.EINVAL:
                    raise
                raise LinkError("E-BUS-105", port=self._name, baud=line.baud, parity=line.parity) from exc
        self._line = line

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Return what is there; b"" after `timeout_s` without a byte."""
        with losing(self._name):
            self._check_open()
            if not self._wait(select.POLLIN, timeout_s):
                return b""
            return bytes(self._port.read(limit))

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand all bytes to the kernel. Raises LinkError if that takes over `timeout_s`."""
        deadline = self._clock.monotonic() + timeout_s
        with losing(self._name):
            self._check_open()
            while data:
                if not self._wait(select.POLLOUT, deadline - self._clock.monotonic()):
                    raise LinkError("E-BUS-106", port=self._name)
                data = data[self._port.write(data) or 0 :]

    def drop_input(self) -> None:
        """Forget what the kernel has received."""
        with losing(self._name):
            self._check_open()
            self._port.reset_input_buffer()

    def close(self) -> None:
        """Give the port back; a port that vanished is as good as closed."""
        try:
            self._port.close()
        except FOREIGN:
            return

    def _check_open(self) -> None:
        if not self._port.is_open:
            raise LinkError("E-BUS-104", port=self._name, detail="closed")

    def _wait(self, event: int, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._port.fileno(), event)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))

    def _settings_of(self, line: LineSettings) -> dict[str, object]:
        settings: dict[str, object] = {"baudrate": line.baud, "stopbits": line.stop_bits}
        if not self._is_pty:
            settings |= {"parity": _PARITY[line.parity], "bytesize": line.data_bits}
        return settings

    def _keep_others_out(self) -> None:
        try:
            fcntl.ioctl(self._port.fileno(), termios.TIOCEXCL)
        except OSError:
            self._port.close()
            raise


def check_parity(descriptor: int) -> None:
    """Let the kernel check the parity of what is received on an open terminal. Raises termios.error, OSError."""
    attributes = termios.tcgetattr(descriptor)
    attributes[0] = attributes[0] & ~(termios.IGNPAR | termios.PARMRK) | termios.INPCK
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def is_pty(port: str) -> bool:
    """Return True if the port is the slave of a pseudo-terminal, links followed."""
    return str(Path(port).resolve()).startswith("/dev/pts/")


@contextmanager
def opening(port: str) -> Iterator[None]:
    """Turn a fault of opening into LinkError: busy, forbidden, or cannot be opened."""
    try:
        yield
    except FOREIGN as exc:
        number = getattr(exc, "errno", None)
        if number in _BUSY:
            raise LinkError("E-BUS-102", port=port) from exc
        if number in _FORBIDDEN:
            raise LinkError("E-BUS-103", port=port) from exc
        raise LinkError("E-BUS-101", port=port, detail=str(exc)) from exc


@contextmanager
def losing(port: str) -> Iterator[None]:
    """Turn any fault of an open port into LinkError: the port vanished."""
    try:
        yield
    except FOREIGN as exc:
        raise LinkError("E-BUS-104", port=port, detail=str(exc)) from exc
