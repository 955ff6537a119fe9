"""From a port as the settings name it to an open link."""

from edge.bus.link import Link
from edge.bus.serial_link import SerialLink
from edge.bus.tcp_link import TcpLink
from edge.clock import Clock
from edge.errors import LinkError


def open_link(port: str, clock: Clock, *, exclusive: bool = True) -> Link:
    """Return an open link: a device path, `socket://host:port` or `rfc2217://host:port`.

    Raises LinkError if it cannot be opened, is used by somebody else, or is not allowed. `exclusive` is for device
    paths; a serial server decides by itself how many it serves. Time: connecting waits at most 5 s.
    """
    if port.startswith("socket://"):
        return TcpLink(port, clock)
    if port.startswith("rfc2217://"):
        from edge.bus.rfc2217_link import Rfc2217Link  # noqa: PLC0415 - few need it; it brings more of pyserial

        return Rfc2217Link(port, clock)
    if "://" in port:
        raise LinkError("E-BUS-108", port=port)
    return SerialLink(port, clock, exclusive=exclusive)
