"""One meter of the register: what a person says of it, and what was learned about it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, get_args

from edge.config.settings import Protocol
from edge.errors import UsageError

PROTOCOLS: tuple[str, ...] = get_args(Protocol)
BROADCAST = "999999999999"
_ADDRESS = re.compile(r"[0-9]{12}")
_WILDCARD = re.compile(r"[Aa]{12}")
_BUS = re.compile(r"[A-Za-z0-9_-]{1,32}")
_TAG = re.compile(r"[^\s,;*\"']{1,32}")
_LONGEST_TEXT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A meter. `protocol` empty: the bus's default. Ratios are decimal text, empty where nobody said.

    Raises UsageError when it is made with an address that is none, or with a value that cannot be.
    """

    address: str
    bus: str
    name: str = ""
    protocol: str = ""
    tags: tuple[str, ...] = ()
    place: str = ""
    area: str = ""
    role: str = ""
    ct_ratio: str = ""
    pt_ratio: str = ""
    note: str = ""
    learned: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        check_address(self.address)
        self._demand("bus", self.bus, "1 to 32 letters, digits, - or _", is_right=bool(_BUS.fullmatch(self.bus)))
        known = self.protocol == "" or self.protocol in PROTOCOLS
        self._demand("protocol", self.protocol, f"one of {', '.join(PROTOCOLS)}, or empty", is_right=known)
        for tag in self.tags:
            is_right = bool(_TAG.fullmatch(tag)) and not _ADDRESS.fullmatch(tag)
            self._demand("tags", tag, "words without space, comma or *, no address", is_right=is_right)
        for name in ("ct_ratio", "pt_ratio"):
            value = getattr(self, name)
            self._demand(name, value, 'a number above 0, as in "100" or "1.5"', is_right=_is_ratio(value))
        for name in ("name", "place", "area", "role", "note"):
            value = getattr(self, name)
            is_right = len(value) <= _LONGEST_TEXT and (value == "" or value.isprintable())
            self._demand(name, value, f"printable text of at most {_LONGEST_TEXT} characters", is_right=is_right)

    def _demand(self, name: str, value: str, rule: str, *, is_right: bool) -> None:
        if not is_right:
            raise UsageError("E-STO-203", address=self.address, field=name, value=value[:_LONGEST_TEXT], rule=rule)


FIELDS: tuple[str, ...] = tuple(one.name for one in fields(Meter))


def check_address(address: str) -> None:
    """Raise UsageError unless this is the address of one meter: 12 digits as text."""
    if address == BROADCAST or _WILDCARD.fullmatch(address):
        raise UsageError("E-STO-202", address=address)
    if not _ADDRESS.fullmatch(address):
        raise UsageError("E-STO-201", address=address[:_LONGEST_TEXT] or '""')


def meter_document(meter: Meter) -> dict[str, Any]:
    """Return a meter as JSON holds it."""
    document: dict[str, Any] = {name: getattr(meter, name) for name in FIELDS}
    return {**document, "tags": list(meter.tags), "learned": dict(meter.learned)}


def meter_of(document: Mapping[str, Any]) -> Meter:
    """Return the meter of a JSON object; fields that are missing are empty. Raises UsageError for what cannot be."""
    given = {name: document[name] for name in FIELDS if name in document}
    tags, learned = given.pop("tags", []), given.pop("learned", {})
    for name, value in given.items():
        if not isinstance(value, str):
            raise UsageError("E-STO-203", address=document.get("address"), field=name, value=value, rule="text")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise UsageError("E-STO-203", address=document.get("address"), field="tags", value=tags, rule="a list of words")
    if not isinstance(learned, dict):
        raise UsageError("E-STO-203", address=document.get("address"), field="learned", value=learned, rule="an object")
    texts: dict[str, Any] = {"address": "", "bus": "", **given}
    return Meter(**texts, tags=tuple(tags), learned=MappingProxyType(dict(learned)))


def _is_ratio(text: str) -> bool:
    if text == "":
        return True
    try:
        return re.fullmatch(r"[0-9.]{1,16}", text) is not None and Decimal(text) > 0
    except InvalidOperation:
        return False
