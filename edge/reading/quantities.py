"""The quantities: one key, one unit, one OBIS code for the same thing, whichever protocol brought it.

The table is `quantities.tsv` beside this file (key, unit, OBIS code, number or text).
Source: OBIS codes of DLMS UA / IEC 62056-6-1 as far as public documents show them.

A group names the rows of one block: the key without its last part, where that part is `total`, a tariff (`t1` ...)
or a phase (`l1` ...). Where a quantity has tariffs, its phases are not part of the group: `energy_active_import` is
the total and the tariffs, as the meters send them in one block. `di:XXXXXXXX` names an identifier of the protocol
itself; it has no entry here, and its readings carry their unit with them.
"""

import re
from collections.abc import Container
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

from edge.reading.outcome import Value

_RAW_KEY = re.compile(r"di:[0-9A-F]{4}(?:[0-9A-F]{4})?")
_PART = re.compile(r"(?P<group>.+)_(?P<part>total|t\d|l\d)")
# Powers of ten between a unit on the wire and the quantity's own.
_PREFIX_POWER = {
    ("kW", "W"): 3,
    ("kvar", "var"): 3,
    ("kVA", "VA"): 3,
    ("W", "kW"): -3,
    ("Wh", "kWh"): -3,
    ("varh", "kvarh"): -3,
    ("VAh", "kVAh"): -3,
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One row: `obis` is empty where no code was found; `is_text` for what is no number."""

    key: str
    unit: str
    obis: str
    is_text: bool


@cache
def quantities() -> dict[str, Quantity]:
    """Return all quantities by key, in the order of the table."""
    table = {}
    for line in (files("edge.reading") / "quantities.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            key, unit, obis, kind = line.split("\t")
            table[key] = Quantity(key, unit, obis, kind == "text")
    return table


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """Return the keys of each group, in table order: total and tariffs, or total and phases."""
    found: dict[str, list[str]] = {}
    for key in quantities():
        if match := _PART.fullmatch(key):
            found.setdefault(match["group"], []).append(key)
    return {name: _without_phases(name, keys) for name, keys in found.items()}


def _without_phases(name: str, keys: list[str]) -> tuple[str, ...]:
    if f"{name}_t1" in keys:
        return tuple(key for key in keys if not re.fullmatch(r"l\d", key.rpartition("_")[2]))
    return tuple(keys)


def is_raw_key(key: str) -> bool:
    """Return True for `di:` with 4 or 8 upper-case hex digits: an identifier of DL/T 645-1997 or -2007."""
    return _RAW_KEY.fullmatch(key) is not None


def expand_item(name: str, own: Container[str] = ()) -> tuple[str, ...]:
    """Return the keys that an item of the settings names: itself, or its group. Raises KeyError if neither.

    `own`: the keys that the settings define by `[[item]]`.
    """
    if name in quantities() or is_raw_key(name) or name in own:
        return (name,)
    return groups()[name]


def unit_of(key: str) -> str:
    """Return the quantity's own unit; empty where it has none, and for `di:` keys and fields of an item."""
    quantity = quantities().get(key)
    return quantity.unit if quantity else ""


def is_unit_for(key: str, unit: str) -> bool:
    """Return whether a number in this unit can be a value of the quantity: in its own unit, or a power of ten of it."""
    own = unit_of(key)
    return unit == own or (unit, own) in _PREFIX_POWER


def in_own_unit(key: str, value: Value | None, unit: str) -> tuple[Value | None, str]:
    """Return the value and unit of a reading: the wire's, moved by a power of ten to the quantity's own unit.

    Exact: the digits stay, only the decimal point moves. A unit that has no rule to the own one is kept.
    """
    own = unit_of(key)
    power = _PREFIX_POWER.get((unit, own))
    if power is None or not isinstance(value, Decimal):
        return value, unit
    return value.scaleb(power), own
