"""The tables of a batch's payload: meters, clocks and item sets, each written once and named by index elsewhere.

An item's kind: an integer is the exponent of a number's last digit (the column holds whole numbers), so that trailing
zeros are kept; null is text; "exact" is a number that does not fit that form, written as text (negative zero, and
what has more than 18 digits).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from edge.errors import MessageError
from edge.messages.checks import EPOCH_AT, as_bytes, as_int, as_list, as_name, as_row, as_text, refuse
from edge.messages.codes import TRUSTS, number_of
from edge.reading.outcome import Value
from edge.reading.record import Stamp

Kind = int | str | None
TEXT: Kind = None
EXACT: Kind = "exact"

MAX_DIGITS = 18
MAX_MANTISSA = 10**MAX_DIGITS - 1
MAX_EXPONENT = 32
MAX_METERS = 8192
MAX_CLOCKS = 256
MAX_ITEMS = 512
MAX_ITEM_SETS = 4096
MAX_KEY = 64
MAX_UNIT = 16
CLOCK_TOLERANCE_MS = 1000

_ADDRESS = re.compile(r"[0-9]{12}")
_BOOT_ID = re.compile(r"[0-9a-f]{32}")
_MAX_WALL_MS = 10**15
_WITH_UNIT = 3  # members of an item that names its unit


@dataclass(frozen=True, slots=True)
class ItemColumn:
    """One item of an item set; `unit` only for a key whose records name one."""

    key: str
    kind: Kind
    unit: str | None


ItemSet = tuple[ItemColumn, ...]


def kind_of(value: Value) -> Kind:
    """Return how a value travels."""
    if isinstance(value, str):
        return TEXT
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or abs(exponent) > MAX_EXPONENT or len(digits) > MAX_DIGITS:
        return EXACT
    return EXACT if sign and not value else exponent


# --- meters: addresses of 12 digits ascending as differences, then all others as text, ascending


def encode_meters(meters: Iterable[str]) -> tuple[list[object], dict[str, int]]:
    """Return the table, and the index of each meter in it."""
    ordered = sorted(set(meters), key=lambda meter: (not _ADDRESS.fullmatch(meter), meter))
    table: list[object] = []
    last = 0
    for meter in ordered:
        if _ADDRESS.fullmatch(meter):
            table.append(int(meter) - last)
            last = int(meter)
        else:
            table.append(meter)
    return table, {meter: index for index, meter in enumerate(ordered)}


def decode_meters(value: object) -> list[str]:
    """Return the meters of a table."""
    meters = []
    last = 0
    for one in as_list(value, "meters", MAX_METERS):
        if type(one) is int:
            last += as_int(one, "meter", 0, 10**12 - 1)
            meters.append(f"{as_int(last, 'meter', 0, 10**12 - 1):012d}")
        else:
            meters.append(as_text(one, "meter", 32))
    if len(set(meters)) != len(meters):
        refuse("meters", "one stands there twice")
    return meters


# --- clocks: [boot id, trust, wall time of the boot in ms]


class ClockTable:
    """The clocks of the records so far. Records whose clocks agree within a second share a row."""

    def __init__(self) -> None:
        self.rows: list[list[object]] = []
        self._found: dict[tuple[str, str], list[tuple[int, int]]] = {}

    def index_of(self, stamp: Stamp) -> int:
        """Return the row for a stamp; a new one where none is near."""
        wall_ms = _boot_wall_ms(stamp)
        rows = self._found.setdefault((stamp.boot_id, stamp.trust), [])
        for known_ms, index in rows:
            if abs(known_ms - wall_ms) <= CLOCK_TOLERANCE_MS:
                return index
        rows.append((wall_ms, len(self.rows)))
        boot = bytes.fromhex(stamp.boot_id) if _BOOT_ID.fullmatch(stamp.boot_id) else stamp.boot_id
        self.rows.append([boot, number_of(TRUSTS, stamp.trust, "trust"), wall_ms])
        return len(self.rows) - 1


@dataclass(frozen=True, slots=True)
class ClockRow:
    """One row, read back."""

    boot_id: str
    trust: str
    wall_ms: int

    def stamp(self, at_s: int) -> Stamp:
        """Return the stamp of a whole second by this clock."""
        at = EPOCH_AT + timedelta(seconds=at_s)
        return Stamp(at, self.trust, self.boot_id, (at_s * 1000 - self.wall_ms) / 1000)


def decode_clocks(value: object) -> list[ClockRow]:
    """Return the clocks of a table."""
    return [_clock_of(one) for one in as_list(value, "clocks", MAX_CLOCKS)]


def _clock_of(value: object) -> ClockRow:
    boot, trust, wall_ms = as_row(value, "clock", 3)
    boot_id = as_bytes(boot, "boot id", 16).hex() if type(boot) is bytes else as_text(boot, "boot id", 64)
    return ClockRow(boot_id, as_name(trust, "trust", TRUSTS), as_int(wall_ms, "boot", -_MAX_WALL_MS, _MAX_WALL_MS))


def _boot_wall_ms(stamp: Stamp) -> int:
    try:
        return round((stamp.at - EPOCH_AT) / timedelta(milliseconds=1) - stamp.boot_s * 1000)
    except (ValueError, OverflowError, TypeError) as exc:
        raise MessageError("E-MSG-104", detail=f"stamp: {exc}") from exc


# --- item sets: [[key, kind] or [key, kind, unit], ...]


class ItemSetTable:
    """The item sets of the records so far."""

    def __init__(self) -> None:
        self.rows: list[list[list[object]]] = []
        self._found: dict[ItemSet, int] = {}

    def index_of(self, items: ItemSet) -> int:
        """Return the row for a set of items; a new one where there is none."""
        index = self._found.get(items)
        if index is None:
            index = self._found[items] = len(self.rows)
            self.rows.append([_row_of(item) for item in items])
        return index


def _row_of(item: ItemColumn) -> list[object]:
    return [item.key, item.kind] if item.unit is None else [item.key, item.kind, item.unit]


def decode_item_sets(value: object) -> list[ItemSet]:
    """Return the item sets of a table."""
    return [_item_set_of(one) for one in as_list(value, "item sets", MAX_ITEM_SETS)]


def _item_set_of(value: object) -> ItemSet:
    items = tuple(_item_of(one) for one in as_list(value, "item set", MAX_ITEMS))
    if len({item.key for item in items}) != len(items):
        refuse("item set", "a key stands there twice")
    return items


def _item_of(value: Any) -> ItemColumn:
    row = as_list(value, "item", 3)
    key, kind, *unit = row if len(row) == _WITH_UNIT else as_row(row, "item", 2)
    return ItemColumn(
        as_text(key, "key", MAX_KEY),
        kind if kind is TEXT or kind == EXACT else as_int(kind, "exponent", -MAX_EXPONENT, MAX_EXPONENT),
        as_text(unit[0], "unit", MAX_UNIT) if unit else None,
    )
