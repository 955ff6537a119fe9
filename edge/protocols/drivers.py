"""The protocols by their names in the settings. A further protocol is one more line here."""

from collections.abc import Callable

from edge.protocols.dlt645.driver import Dlt645Driver
from edge.protocols.exchange import Driver
from edge.reading.vendor import VendorItem

_DRIVERS: dict[str, Callable[[tuple[VendorItem, ...]], Driver]] = {
    "dlt645-2007": lambda extra: Dlt645Driver("2007", extra),
    "dlt645-1997": lambda extra: Dlt645Driver("1997", extra),
}
# Protocols whose meters keep records that can be asked for (`dlt645/memory.py`, `dlt645/frozen.py`).
_WITH_MEMORY = frozenset({"dlt645-2007"})


def protocol_names() -> tuple[str, ...]:
    """Return the names of all protocols that there are."""
    return tuple(_DRIVERS)


def driver(name: str, extra: tuple[VendorItem, ...] = ()) -> Driver:
    """Return the driver of a protocol; `extra`: items that the settings define. Raises KeyError for another name."""
    return _DRIVERS[name](extra)


def has_memory(name: str) -> bool:
    """Return whether meters of a protocol keep records of the past that can be asked for."""
    return name in _WITH_MEMORY
