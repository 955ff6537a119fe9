"""What one table alone cannot know: names and ports used twice, ports and addresses that have the wrong form.

A check takes the raw table, whatever stands in it, and gives complaints: so it also speaks when the model, too, has
found mistakes. It must not raise, and must not report what is of the wrong type: the model does that.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from edge.config.complaint import Complaint, closest, written
from edge.reading.quantities import expand_item, groups, quantities

Raw = Mapping[str, Any]
Check = Callable[[Raw], Iterable[Complaint]]

ADDRESS_DIGITS = 12
# The plan of all tasks travels in signed batches: these stay below what the messages take (256 tasks, 512 items).
MOST_TASKS = 64
MOST_ITEMS = 256
_LABEL = r"[A-Za-z0-9_-]{1,63}"  # of a host name (RFC 1035)
_PORT = re.compile(
    rf"/[^\x00]+|(socket|rfc2217)://(\[[0-9A-Fa-f:]+\]|{_LABEL}(?:\.{_LABEL})*\.?):([0-9]{{1,5}})(\?.*)?"
)
_LAST_PORT = 65535
CENTRE_ID = "c"  # the topic e1/TENANT/c/st is the centre's


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


def has_no_nul(raw: Raw) -> Iterator[Complaint]:
    """Complain of text with a NUL: no path, name or address has one, and the system takes none."""
    yield from _nul_in(raw, ())


def _nul_in(value: Any, path: tuple[str | int, ...]) -> Iterator[Complaint]:
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _nul_in(part, (*path, key))
    if isinstance(value, str) and "\0" in value:
        yield Complaint("E-CFG-064", path, {"key": str(path[-1]), "value": written(value)})


def has_whole_addresses(raw: Raw) -> Iterator[Complaint]:
    """Complain of a meter that is all digits but not 12 of them: no tag looks like that, a clipped address does."""
    for index, entry in entries(raw, "task"):
        meters = entry.get("meters")
        for place, meter in enumerate(meters if isinstance(meters, list) else ()):
            if isinstance(meter, str) and meter.isdecimal() and len(meter) != ADDRESS_DIGITS:
                values = {"value": written(meter), "count": len(meter)}
                yield Complaint("E-CFG-057", ("task", index, "meters", place), values)


def has_fitting_tasks(raw: Raw) -> Iterator[Complaint]:
    """Complain of more tasks, or more items of a task, than the signed plan takes; groups count by their keys."""
    tasks, own = raw.get("task"), _own_keys(raw)
    count = len(tasks) if isinstance(tasks, list) else 0
    if count > MOST_TASKS:
        yield Complaint("E-CFG-059", ("task", MOST_TASKS), {"count": count, "limit": MOST_TASKS})
    for index, entry in entries(raw, "task"):
        items = entry.get("items")
        keys = {key for item in (items if isinstance(items, list) else ()) for key in _keys_of(item, own)}
        if len(keys) > MOST_ITEMS:
            yield Complaint("E-CFG-058", ("task", index, "items"), {"count": len(keys), "limit": MOST_ITEMS})


def has_own_topic(raw: Raw) -> Iterator[Complaint]:
    """Complain of a gateway that is called as the centre's own topic is: they would overwrite each other's state."""
    gateway = raw.get("gateway")
    if isinstance(gateway, dict) and gateway.get("id") == CENTRE_ID:
        yield Complaint("E-CFG-060", ("gateway", "id"), {"value": written(CENTRE_ID)})


def has_known_items(raw: Raw) -> Iterator[Complaint]:
    """Complain of an item of a task that is no quantity, no group, no identifier, and no key of an `[[item]]`."""
    own = _own_keys(raw)
    for index, entry in entries(raw, "task"):
        items = entry.get("items")
        for place, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, str) and not _keys_of(item, own):
                meant = closest(item, [*quantities(), *groups(), *own])
                yield Complaint(
                    "E-CFG-048",
                    ("task", index, "items", place),
                    {"value": written(item)},
                    meant=written(meant) if meant else "",
                )


def has_new_keys(raw: Raw) -> Iterator[Complaint]:
    """Complain of an `[[item]]` with the key of a quantity or a group: a task could not tell them apart."""
    for index, entry in entries(raw, "item"):
        key = entry.get("key")
        if isinstance(key, str) and (key in quantities() or key in groups()):
            yield Complaint("E-CFG-074", ("item", index, "key"), {"value": written(key)})


def _own_keys(raw: Raw) -> frozenset[str]:
    return frozenset(key for _, entry in entries(raw, "item") if isinstance(key := entry.get("key"), str))


def _keys_of(item: object, own: frozenset[str]) -> tuple[str, ...]:
    try:
        return expand_item(item, own) if isinstance(item, str) else ()
    except KeyError:
        return ()  # `has_known_items` says so


def _is_port(port: str) -> bool:
    match = _PORT.fullmatch(port)
    return match is not None and (match[3] is None or 0 < int(match[3]) <= _LAST_PORT)


GATEWAY_CHECKS: tuple[Check, ...] = (
    has_real_ports,
    is_unique("bus", "port", "E-CFG-052", posixpath.normpath),
    is_unique("bus", "name", "E-CFG-053"),
    is_unique("task", "name", "E-CFG-054"),
    is_unique("item", "key", "E-CFG-073"),
    is_unique("item", "di", "E-CFG-073", str.upper),
    has_new_keys,
    has_known_items,
    has_one_schedule,
    has_whole_addresses,
    has_fitting_tasks,
    has_own_topic,
    has_both_or_none("mqtt", "certificate", "key"),
    has_no_nul,
)
