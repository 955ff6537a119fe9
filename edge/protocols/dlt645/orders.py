"""The orders of DL/T 645-2007, one function each. Every one raises OrderError for what cannot be sent.

Passwords are four bytes as on the wire, level first (PA P0 P1 P2), operators four (C0 C1 C2 C3). Times are the meter's
local time, without a zone. Who may give which order: `Order.reach`.
Source: DL/T 645-2007 for 08H and 14H..1BH; 1CH seen in two independent sources; 1DH and 03H from recall of the grid
companies' extensions.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from edge.protocols.dlt645.addresses import ANY, BROADCAST
from edge.protocols.dlt645.control import SPEEDS, Version
from edge.protocols.dlt645.frame import encode_address
from edge.protocols.dlt645.order import (
    Order,
    OrderError,
    check_address,
    check_written,
    four_bytes,
    wire_identifier,
    wire_time,
)

ALL_EVENTS = "FFFFFFFF"
_DI_DIGITS = 8
_PASSWORDS = "04000C"  # 04000C01 is the password of level 0, 04000C0A that of level 9
_EVENT_CLASSES = {0x03, *range(0x10, 0x20)}  # 03 by the standard, 10..1F by the extensions
_SECURITY_CLASS = 0x07
_EVERY = 0x99
_LAST = {"day": 31, "hour": 23, "minute": 59}


@dataclass(frozen=True, slots=True)
class Authority:
    """Who gives an order: password with its level, and operator code; four bytes each, as on the wire."""

    password: bytes = field(repr=False)
    operator: bytes = field(default=bytes(4), repr=False)

    def __post_init__(self) -> None:
        four_bytes(self.password, "a password", "密码")
        four_bytes(self.operator, "an operator code", "操作者代码")

    @property
    def level(self) -> int:
        """The password's level PA; 98H and 99H stand for a security module."""
        return self.password[0]

    @property
    def wire(self) -> bytes:
        """The eight bytes as they stand in an order."""
        return self.password + self.operator


class RelayAction(IntEnum):
    """What 1CH can order (N1). Sources and doubts: `control.RELAY_ORDERS`."""

    TRIP = 0x1A
    PERMIT_CLOSE = 0x1B
    CLOSE = 0x1C
    WARN_AND_TRIP = 0x1D
    WARN_AND_TRIP_LATER = 0x1E
    ALARM_ON = 0x2A
    ALARM_OFF = 0x2B
    KEEP_POWER_ON = 0x3A
    KEEP_POWER_OFF = 0x3B


class Output(IntEnum):
    """What the multifunction terminal gives (1DH)."""

    SECOND_PULSE = 0
    DEMAND_PERIOD = 1
    PERIOD_SWITCHING = 2


def write_data(address: str, identifier: str, data: bytes, authority: Authority) -> Order:
    """Return the order to write an item (14H); `data` as `items.encode_data` gives it.

    A security module's level (98H, 99H) carries enciphered data: those are not looked into.
    """
    content = wire_identifier(identifier, _DI_DIGITS) + authority.wire + data
    check_written("2007", identifier, data, authority.level, len(content))
    return Order(version="2007", address=address, function=0x14, data=content)


def write_address(new: str, address: str = ANY) -> Order:
    """Return the order to take another address (15H), confirmed from the new one.

    To ANY it reaches every meter on the wire: exactly one may hang there.
    """
    check_address(new)
    if new == BROADCAST:
        raise OrderError("a meter cannot have everybody's address", "电表地址不能为广播地址")
    return Order(version="2007", address=address, function=0x15, data=encode_address(new), confirmed_by=new)


def freeze(
    address: str = BROADCAST, *, day: int | None = None, hour: int | None = None, minute: int | None = None
) -> Order:
    """Return the order to freeze (16H): now; with `minute` hourly, with `hour` too daily, with `day` too monthly."""
    given = {"day": day, "hour": hour, "minute": minute}
    parts = [part for part in given.values() if part is not None]
    if parts != list(given.values())[len(given) - len(parts) :]:
        raise OrderError("a freeze by the hour needs its minute, one by the day its hour", "冻结时间缺少较低的时间单位")
    for name, part in given.items():
        if part is not None and not (name == "day") <= part <= _LAST[name]:
            raise OrderError(f"{name} {part} of a freeze", f"冻结时间 {name} {part} 无效")
    moment = bytes(_EVERY if part is None else int(str(part), 16) for part in (minute, hour, day))
    return Order(version="2007", address=address, function=0x16, data=moment + bytes((_EVERY,)))


def change_speed(address: str, baud: int) -> Order:
    """Return the order to talk at another speed (17H), confirmed at the old one with the same byte."""
    speed = next((byte for byte, known in SPEEDS.items() if known == baud), None)
    if speed is None:
        raise OrderError(f"{baud} bit/s has no characteristic bit", f"{baud} bit/s 没有对应的速率特征位")
    return Order(version="2007", address=address, function=0x17, data=bytes((speed,)), echo=bytes((speed,)))


def change_password(address: str, identifier: str, old: bytes, new: bytes) -> Order:
    """Return the order to change a password (18H), confirmed with the new one."""
    if not identifier.startswith(_PASSWORDS):
        raise OrderError(f"{identifier!r} is no password's identifier", f"{identifier!r} 不是密码的标识")
    old, new = four_bytes(old, "the old password", "旧密码"), four_bytes(new, "the new password", "新密码")
    content = wire_identifier(identifier, _DI_DIGITS) + old + new
    return Order(version="2007", address=address, function=0x18, data=content, echo=new)


def clear_demand(address: str, authority: Authority) -> Order:
    """Return the order to clear the maximum demands (19H)."""
    return Order(version="2007", address=address, function=0x19, data=authority.wire)


def clear_meter(address: str, authority: Authority) -> Order:
    """Return the order to clear energies, demands and records (1AH)."""
    return Order(version="2007", address=address, function=0x1A, data=authority.wire)


def clear_events(address: str, authority: Authority, events: str = ALL_EVENTS) -> Order:
    """Return the order to clear event records (1BH): all, or one group, named by its identifier with FF at the end."""
    content = wire_identifier(events, _DI_DIGITS)
    if content[0] != 0xFF or (events != ALL_EVENTS and content[-1] not in _EVENT_CLASSES):  # noqa: PLR2004 -- any record
        raise OrderError(f"{events!r} is no group of events", f"{events!r} 不是事件组")
    return Order(version="2007", address=address, function=0x1B, data=authority.wire + content)


def relay(
    address: str, authority: Authority, action: int, *, valid_until: datetime, now: datetime, parameter: int = 0
) -> Order:
    """Return the order to trip, close, warn or keep power (1CH). `now`: the meter's local time, as `valid_until`.

    PERMIT_CLOSE closes nothing: somebody has to press the meter's button. `parameter` is N2. After it was sent, its
    effect is in status word 3 (04000503): it is never sent again blindly.
    """
    if action not in set(RelayAction):
        raise OrderError(f"relay action {action:02X}H is not known", f"未知的控制命令 {action:02X}H")
    until = wire_time(valid_until)
    if valid_until <= now:
        raise OrderError(f"the order was valid until {valid_until}, it is {now}", f"命令有效期至 {valid_until}，已过期")
    if parameter not in range(256):
        raise OrderError(f"N2 {parameter} has not one byte", f"N2 {parameter} 不是一个字节")
    content = authority.wire + bytes((action, parameter)) + until
    return Order(version="2007", address=address, function=0x1C, data=content)


def multifunction_output(address: str, output: int) -> Order:
    """Return the order to put a signal on the multifunction terminal (1DH), confirmed with the same byte."""
    if output not in set(Output):
        raise OrderError(f"output {output} is not known", f"未知的输出 {output}")
    return Order(version="2007", address=address, function=0x1D, data=bytes((output,)), echo=bytes((output,)))


def security(address: str, identifier: str, payload: bytes) -> Order:
    """Return a step of a security module's dialogue (03H), passed through: this gateway holds no keys for it."""
    content = wire_identifier(identifier, _DI_DIGITS)
    if content[-1] != _SECURITY_CLASS:
        raise OrderError(f"{identifier} is not of class 07", f"{identifier} 不属于 07 类")
    return Order(version="2007", address=address, function=0x03, data=content + payload, echo=content, is_open=True)


def time_sync(at: datetime, address: str = BROADCAST, version: Version = "2007") -> Order:
    """Return the order to set the clock (08H): a meter obeys once a day, within five minutes; nobody answers."""
    return Order(version=version, address=address, function=0x08, data=wire_time(at))
