"""A serial server that takes line settings over TCP (`rfc2217://host:port`), through pyserial.

pyserial reads such a port in a thread of its own and offers no file to wait on; so waiting is done in short slices,
and a time-out may be up to one slice longer than asked. Changing the line takes some 50 ms each.
Source: RFC 2217.
"""

import warnings

import serial

from edge.bus.link import LineSettings
from edge.bus.serial_link import FOREIGN, losing
from edge.bus.tcp_link import split_address
from edge.clock import Clock
from edge.errors import LinkError

_SLICE_S = 0.02
_PARITY = {"even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD, "none": serial.PARITY_NONE}


class Rfc2217Link:
    """A port of a serial server that speaks RFC 2217."""

    def __init__(self, port: str, clock: Clock) -> None:
        self._name = port
        self._clock = clock
        self._line: LineSettings | None = None
        split_address(port)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pyserial 3.5 starts its thread the old way
            try:
                self._port = serial.serial_for_url(port, timeout=_SLICE_S)
            except FOREIGN as exc:
                raise LinkError("E-BUS-107", port=port, detail=str(exc)) from exc

    @property
    def port(self) -> str:
        """The URL as given."""
        return self._name

    def use(self, line: LineSettings) -> None:
        """Ask the server to set its line, if it is not set so. Raises LinkError if it does not."""
        if line == self._line:
            return
        settings = {
            "baudrate": line.baud,
            "parity": _PARITY[line.parity],
            "bytesize": line.data_bits,
            "stopbits": line.stop_bits,
        }
        with losing(self._name):
            try:
                self._port.apply_settings(settings)
            except ValueError as exc:
                raise LinkError("E-BUS-105", port=self._name, baud=line.baud, parity=line.parity) from exc
        self._line = line

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Return what is there; b"" after `timeout_s` without a byte."""
        deadline = self._clock.monotonic() + timeout_s
        with losing(self._name):
            while True:
                if data := self._port.read(1):
                    return bytes(data + self._rest(limit - 1))
                if self._clock.monotonic() >= deadline:
                    return b""

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all bytes; the time-out is the connection's own."""
        with losing(self._name):
            self._port.write(data)

    def drop_input(self) -> None:
        """Forget what was received, here and at the server."""
        with losing(self._name):
            self._port.reset_input_buffer()

    def close(self) -> None:
        """Close the connection; takes about 0.3 s in pyserial."""
        try:
            self._port.close()
        except FOREIGN:
            return

    def _rest(self, limit: int) -> bytes:
        waiting = min(limit, self._port.in_waiting)
        return bytes(self._port.read(waiting)) if waiting > 0 else b""
