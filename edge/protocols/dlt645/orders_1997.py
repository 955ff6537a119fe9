"""The orders of DL/T 645-1997, one function each. Every one raises OrderError for what cannot be sent.

The same codes mean other things in 2007: 03H is the security dialogue there. Passwords are four bytes as on the wire.
The address 99.. is "whoever is on this line": it is answered, except to a time synchronisation.
Source: published libraries and live captures; 03H and 10H from recall, so their confirmations are not judged. The time
synchronisation is that of 2007 (`orders.time_sync`).
"""

from typing import NoReturn

from edge.protocols.dlt645.addresses import BROADCAST
from edge.protocols.dlt645.frame import encode_address
from edge.protocols.dlt645.order import Order, OrderError, check_address, check_written, four_bytes, wire_identifier

_DI_DIGITS = 4


def re_read(address: str) -> Order:
    """Return the order to send the last answer again (03H)."""
    return Order(version="1997", address=address, function=0x03, is_open=True)


def write_data(address: str, identifier: str, data: bytes, password: bytes) -> Order:
    """Return the order to write an item (04H)."""
    content = wire_identifier(identifier, _DI_DIGITS) + four_bytes(password, "a password", "密码") + data
    check_written("1997", identifier, data, 0, len(content))
    return Order(version="1997", address=address, function=0x04, data=content)


def write_address(new: str, address: str = BROADCAST) -> Order:
    """Return the order to take another address (0AH), confirmed from the new one or from 99.. itself."""
    check_address(new)
    if new == BROADCAST:
        raise OrderError("a meter cannot have everybody's address", "电表地址不能为广播地址")
    return Order(version="1997", address=address, function=0x0A, data=encode_address(new), confirmed_by=new)


def change_speed(address: str, baud: int) -> NoReturn:
    """Raise OrderError: the speed byte of 1997 is not known, and a guess could cut the meter off."""
    raise OrderError(
        f"{address} cannot be set to {baud} bit/s: the speed byte of DL/T 645-1997 is not known",
        f"{address} 不能改为 {baud} bit/s：DL/T 645-1997 的速率特征字未知",
    )


def change_password(address: str, old: bytes, new: bytes) -> Order:
    """Return the order to change a password (0FH)."""
    content = four_bytes(old, "the old password", "旧密码") + four_bytes(new, "the new password", "新密码")
    return Order(version="1997", address=address, function=0x0F, data=content, is_open=True)


def clear_demand(address: str, password: bytes) -> Order:
    """Return the order to clear the maximum demands (10H)."""
    content = four_bytes(password, "a password", "密码")
    return Order(version="1997", address=address, function=0x10, data=content, is_open=True)
