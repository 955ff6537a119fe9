"""The protocols by their names in the settings. A further protocol is one more line here."""

from collections.abc import Callable

from edge.protocols.dlt645.driver import Dlt645Driver
from edge.protocols.exchange import Driver

_DRIVERS: dict[str, Callable[[], Driver]] = {
    "dlt645-2007": lambda: Dlt645Driver("2007"),
    "dlt645-1997": lambda: Dlt645Driver("1997"),
}


def protocol_names() -> tuple[str, ...]:
    """Return the names of all protocols that there are."""
    return tuple(_DRIVERS)


def driver(name: str) -> Driver:
    """Return the driver of a protocol. Raises KeyError for a name that is none."""
    return _DRIVERS[name]()
