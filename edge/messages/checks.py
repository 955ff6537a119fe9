"""Checks of decoded values: each returns the value as the wanted type, or raises MessageError E-MSG-102.

`what` names the field in the error. Every check has a bound: what comes from the street is never taken at its word.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar

from edge.errors import MessageError

Name = TypeVar("Name")

EPOCH_AT = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_S = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second that a datetime can hold
_GATEWAY = re.compile(r"[A-Za-z0-9_-]{1,32}")
_US = timedelta(microseconds=1)
_S = timedelta(seconds=1)


def refuse(what: str, detail: str) -> NoReturn:
    """Raise: the field `what` cannot be so."""
    raise MessageError("E-MSG-102", what=what, detail=detail)


def as_int(value: object, what: str, low: int, high: int) -> int:
    """Return an integer of the range, both ends included."""
    if type(value) is not int:
        refuse(what, "no integer")
    if not low <= value <= high:
        refuse(what, f"not within {low}..{high}")
    return value


def as_text(value: object, what: str, limit: int) -> str:
    """Return text of at most `limit` characters."""
    if type(value) is not str:
        refuse(what, "no text")
    if len(value) > limit:
        refuse(what, f"longer than {limit} characters")
    return value


def as_gateway(value: object) -> str:
    """Return the id of a gateway, as the settings allow it."""
    if type(value) is not str or not _GATEWAY.fullmatch(value):
        refuse("gateway", "no id of 1 to 32 letters, digits, _ and -")
    return value


def as_bytes(value: object, what: str, size: int) -> bytes:
    """Return a byte string of exactly `size` bytes."""
    if type(value) is not bytes:
        refuse(what, "no byte string")
    if len(value) != size:
        refuse(what, f"not {size} bytes long")
    return value


def as_list(value: object, what: str, limit: int) -> list[Any]:
    """Return a list of at most `limit` members."""
    if type(value) is not list:
        refuse(what, "no list")
    if len(value) > limit:
        refuse(what, f"more than {limit} members")
    return value


def as_row(value: object, what: str, size: int) -> list[Any]:
    """Return a list of exactly `size` members."""
    row = as_list(value, what, size)
    if len(row) != size:
        refuse(what, f"not {size} members")
    return row


def as_map(value: object, what: str, allowed: Collection[int], required: Collection[int] = ()) -> dict[int, Any]:
    """Return a map whose keys are all allowed and hold the required ones."""
    if type(value) is not dict:
        refuse(what, "no map")
    if not value.keys() <= set(allowed):
        refuse(what, "a key that is not known")
    if not value.keys() >= set(required):
        refuse(what, "a key is missing")
    return value


def as_ints(values: list[Any], what: str) -> list[int]:
    """Return the list, all of whose members are integers."""
    if not {int}.issuperset(map(type, values)):
        refuse(what, "a member that is no integer")
    return values


def as_name(value: object, what: str, names: Mapping[int, Name]) -> Name:
    """Return what a number of a fixed table stands for."""
    if type(value) is not int or value not in names:
        refuse(what, "a number without a meaning")
    return names[value]


def as_second(value: object, what: str) -> datetime:
    """Return the instant of a count of seconds since 1970."""
    return EPOCH_AT + timedelta(seconds=as_int(value, what, 0, _LAST_S))


def as_instant(value: object, what: str) -> datetime:
    """Return the instant of a count of microseconds since 1970."""
    return EPOCH_AT + timedelta(microseconds=as_int(value, what, 0, _LAST_S * 1_000_000))


def second_of(at: datetime, what: str) -> int:
    """Return the seconds since 1970, cut to whole ones."""
    return (_aware(at, what) - EPOCH_AT) // _S


def instant_of(at: datetime, what: str) -> int:
    """Return the microseconds since 1970."""
    return (_aware(at, what) - EPOCH_AT) // _US


def _aware(at: datetime, what: str) -> datetime:
    if at.tzinfo is None or at < EPOCH_AT:
        raise MessageError("E-MSG-104", detail=f"{what}: no instant since 1970 with a zone")
    return at
