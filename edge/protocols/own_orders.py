"""The orders that the poller gives of its own accord, by protocol: none of them needs a password.

Where a protocol has no such order, None comes back. Anything else is ordered by signed commands alone.
"""

from collections.abc import Callable
from datetime import datetime

from edge.protocols.dlt645 import orders
from edge.protocols.dlt645.addresses import BROADCAST
from edge.protocols.dlt645.control import SPEEDS, Version
from edge.protocols.dlt645.order import Order
from edge.protocols.dlt645.order_exchange import OrderExchange
from edge.protocols.exchange import Exchange, Timing

_VERSIONS: dict[str, Version] = {"dlt645-2007": "2007", "dlt645-1997": "1997"}
_WITH_2007 = "dlt645-2007"


def time_sync(protocol: str, now: Callable[[], datetime], timing: Timing) -> Exchange | None:
    """Return an exchange that sets the clocks of all meters of a bus; it ends as Sent.

    `now` gives the local time to send: it is asked when the order goes out, for a busy wire makes it wait.
    """
    version = _VERSIONS.get(protocol)
    return OrderExchange(lambda: orders.time_sync(now(), version=version), timing) if version else None


def freeze_now(protocol: str, timing: Timing, address: str = BROADCAST) -> Exchange | None:
    """Return an exchange that lets all meters of a bus freeze their registers, or the one of an address."""
    return _in_2007(protocol, orders.freeze(address), timing)


def change_speed(protocol: str, address: str, baud: int, timing: Timing) -> Exchange | None:
    """Return an exchange that sets a meter to another speed, confirmed at the old one.

    Only where the installer agreed. None for a speed that the standard does not have: a bus may be set to one.
    """
    return _in_2007(protocol, orders.change_speed(address, baud), timing) if baud in SPEEDS.values() else None


def _in_2007(protocol: str, order: Order, timing: Timing) -> Exchange | None:
    return OrderExchange(order, timing) if protocol == _WITH_2007 else None
