"""What one table alone cannot know: names and ports used twice, ports and addresses that have the wrong form.

A check takes the raw table, whatever stands in it, and gives complaints: so it also speaks when the model, too, has
found mistakes. It must not raise, and must not report what is of the wrong type: the model does that.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from edge.config.complaint import Complaint, written

Raw = Mapping[str, Any]
Check = Callable[[Raw], Iterable[Complaint]]

ADDRESS_DIGITS = 12
_PORT = re.compile(r"/[^\x00]+|(socket|rfc2217)://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})(\?.*)?")
_LAST_PORT = 65535


def entries(raw: Raw, table: str) -> Iterator[tuple[int, Raw]]:
    """Return the entries of `[[table]]` that are tables, with their index."""
    found = raw.get(table)
    for index, entry in enumerate(found if isinstance(found, list) else ()):
        if isinstance(entry, dict):
            yield index, entry


def is_unique(table: str, key: str, code: str, same: Callable[[str], str] = str) -> Check:
    """Return a check that no two entries of `[[table]]` have the same text at the key; `same` makes them comparable."""

    def check(raw: Raw) -> Iterator[Complaint]:
        first: dict[str, int] = {}
        for index, entry in entries(raw, table):
            value = entry.get(key)
            if isinstance(value, str) and (seen := first.setdefault(same(value), index)) != index:
                yield Complaint(code, (table, index, key), {"key": key, "value": written(value)}, (table, seen, key))

    return check


def has_both_or_none(table: str, one: str, other: str) -> Check:
    """Return a check that a table gives both keys or none."""

    def check(raw: Raw) -> Iterator[Complaint]:
        found = raw.get(table)
        if isinstance(found, dict) and (one in found) != (other in found):
            yield Complaint("E-CFG-050", (table, one if one in found else other))

    return check


def has_one_schedule(raw: Raw) -> Iterator[Complaint]:
    """Complain of a task that has none, or more than one, of every, at, monthly."""
    for index, entry in entries(raw, "task"):
        count = sum(key in entry for key in ("every", "at", "monthly"))
        if count != 1:
            yield Complaint("E-CFG-051", ("task", index), {"count": count})


def has_real_ports(raw: Raw) -> Iterator[Complaint]:
    """Complain of a port that is neither a path nor a TCP server. That it exists is asked by the doctor, not here."""
    for index, entry in entries(raw, "bus"):
        port = entry.get("port")
        if isinstance(port, str) and port and not _is_port(port):
            yield Complaint("E-CFG-055", ("bus", index, "port"), {"key": "port", "value": written(port)})


def has_whole_addresses(raw: Raw) -> Iterator[Complaint]:
    """Complain of a meter that is all digits but not 12 of them: no tag looks like that, a clipped address does."""
    for index, entry in entries(raw, "task"):
        meters = entry.get("meters")
        for place, meter in enumerate(meters if isinstance(meters, list) else ()):
            if isinstance(meter, str) and meter.isdecimal() and len(meter) != ADDRESS_DIGITS:
                values = {"value": written(meter), "count": len(meter)}
                yield Complaint("E-CFG-057", ("task", index, "meters", place), values)


def _is_port(port: str) -> bool:
    match = _PORT.fullmatch(port)
    return match is not None and (match[3] is None or 0 < int(match[3]) <= _LAST_PORT)


GATEWAY_CHECKS: tuple[Check, ...] = (
    has_real_ports,
    is_unique("bus", "port", "E-CFG-052", posixpath.normpath),
    is_unique("bus", "name", "E-CFG-053"),
    is_unique("task", "name", "E-CFG-054"),
    has_one_schedule,
    has_whole_addresses,
    has_both_or_none("mqtt", "certificate", "key"),
)
