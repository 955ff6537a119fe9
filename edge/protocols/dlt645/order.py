"""An order of DL/T 645: what is sent, and what its confirmation looks like. `orders.py` and `orders_1997.py` make them.

An order is checked when it is made: what no meter could take, or what nobody can have meant, raises OrderError.
Passwords, keys and payloads are in `data` and `echo`; neither is ever shown, nor named in an error.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from edge.protocols.dlt645.addresses import ANY, BROADCAST
from edge.protocols.dlt645.control import FUNCTIONS, SECURE_LEVELS, Version
from edge.protocols.dlt645.formats import FieldError
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.items import data_sizes, decode_data

MOST_WRITTEN = 50  # DL/T 645-2007: data bytes of a write
MOST_DATA = 200
_CENTURY = range(2000, 2100)
# Orders that may go to everybody. 1997 meters take 99.. for "whoever is on this line" (seen in a live log).
_TO_ALL = {"2007": ("time_sync", "freeze"), "1997": ("time_sync", "write", "write_address")}
_TO_ANY = {"2007": ("write_address",), "1997": ()}


class OrderError(ValueError):
    """An order that cannot be sent: `text` says why in English, `zh` in Chinese. Never holds a secret."""

    def __init__(self, text: str, zh: str) -> None:
        super().__init__(text)
        self.text = text
        self.zh = zh


class Reach(StrEnum):
    """Who may give an order."""

    FREE = "free"  # the poller: it changes nothing that a bill depends on
    AGREED = "agreed"  # the poller, where the installer agreed in the settings
    SIGNED = "signed"  # signed commands alone


_REACH = {"re_read": Reach.FREE, "freeze": Reach.FREE, "time_sync": Reach.FREE, "change_speed": Reach.AGREED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order. Bytes: `data` and `echo` without the 33H offset.

    `echo`: what the confirmation has to carry; `is_open`: more may follow it. `confirmed_by`: whose confirmation it
    is, where that is not the address asked.
    """

    version: Version
    address: str
    function: int
    data: bytes = field(default=b"", repr=False)
    echo: bytes = field(default=b"", repr=False)
    is_open: bool = False
    confirmed_by: str = ""

    def __post_init__(self) -> None:
        everybody = _TO_ALL[self.version] if self.address == BROADCAST else _TO_ANY[self.version]
        if self.address in (BROADCAST, ANY) and self.name not in everybody:
            raise OrderError(f"{self.name} goes to one meter, not to {self.address}", f"{self.name} 只能发给一块电表")
        if self.address != ANY:
            check_address(self.address)
        if len(self.data) > MOST_DATA:
            raise OrderError(f"{len(self.data)} data bytes, a frame takes {MOST_DATA}", f"数据域最多 {MOST_DATA} 字节")

    @property
    def name(self) -> str:
        """The name of the function, as `edge explain` gives it."""
        return FUNCTIONS[self.version][self.function].name

    @property
    def reach(self) -> Reach:
        """Who may give it."""
        return _REACH.get(self.name, Reach.SIGNED)

    @property
    def is_dangerous(self) -> bool:
        """Whether it changes what a meter measures, switches, keeps or obeys, or how it is reached."""
        return self.reach is not Reach.FREE

    @property
    def is_answered(self) -> bool:
        """Whether a meter confirms it: nobody answers a time synchronisation, nor a freeze of all meters."""
        return self.name != "time_sync" and not (self.name == "freeze" and self.address == BROADCAST)

    @property
    def is_wildcard(self) -> bool:
        """Whether more than one meter may feel asked."""
        return self.address in (ANY, BROADCAST)

    def takes(self, address: str) -> bool:
        """Return whether a confirmation from this address may be to this order."""
        if self.confirmed_by:
            return address == self.confirmed_by or (self.version == "1997" and address == self.address)
        return self.is_wildcard or address == self.address

    def encode(self, wake: int) -> bytes:
        """Return the frame, `wake` FEH first."""
        return encode_frame(self.address, self.function, self.data, wake)


def check_address(address: str) -> None:
    """Raise OrderError unless the address is one meter's or everybody's: 12 decimal digits."""
    if not re.fullmatch(r"[0-9]{12}", address):
        raise OrderError(f"address {address!r} has not 12 digits", f"地址 {address!r} 不是 12 位数字")


def wire_identifier(identifier: str, digits: int) -> bytes:
    """Return an identifier as on the wire. Raises OrderError for anything but upper-case hex digits."""
    if len(identifier) != digits or not re.fullmatch(r"[0-9A-F]+", identifier):
        raise OrderError(f"{identifier!r} is no identifier of {digits} digits", f"{identifier!r} 不是 {digits} 位标识")
    return bytes.fromhex(identifier)[::-1]


def four_bytes(raw: bytes, en: str, zh: str) -> bytes:
    """Return the bytes if they are four: a password with its level, an operator. Raises OrderError."""
    if len(raw) != 4:  # noqa: PLR2004 -- what the text says
        raise OrderError(f"{en} of {len(raw)} bytes, it has 4", f"{zh}应为 4 字节，实为 {len(raw)} 字节")
    return raw


def wire_time(at: datetime) -> bytes:
    """Return ss mm hh DD MM YY of a meter's local time. Raises OrderError for one with a zone, or another century."""
    if at.tzinfo is not None:
        raise OrderError("a meter keeps local time without a zone", "电表使用不带时区的本地时间")
    if at.year not in _CENTURY:
        raise OrderError(f"year {at.year} does not fit two digits", f"年份 {at.year} 无法用两位数表示")
    return bytes.fromhex(at.strftime("%S%M%H%d%m%y"))


def check_written(version: Version, identifier: str, data: bytes, level: int, size: int) -> None:
    """Raise OrderError for data that cannot be the identifier's, or a write of more than 50 bytes."""
    if size > MOST_WRITTEN:
        raise OrderError(f"a write of {size} bytes, at most {MOST_WRITTEN}", f"写数据 {size} 字节，最多 {MOST_WRITTEN}")
    if not data:
        raise OrderError("a write without data", "写数据为空")
    if level in SECURE_LEVELS or data_sizes(version, identifier) is None:
        return
    try:
        decode_data(version, identifier, data)
    except FieldError as fault:
        reason = fault.reason  # its text may show the data
        raise OrderError(
            f"data do not fit {identifier} ({reason})", f"数据与标识 {identifier} 不符（{reason}）"
        ) from None
