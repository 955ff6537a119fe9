"""Do two answers, taken a moment apart, say the same? Pure.

What a meter has recorded (freezes, maxima, events, load records) is equal, registers stand still or creep, what is
measured wavers. Register or measured, the unit tells: an energy is one under every name, of a settlement day, or as
`di:`.
"""

import re
from decimal import Decimal

from edge.reading.outcome import Answer, Item, Value

_WAVER = Decimal("0.05")
_RECORDED = re.compile(r"di:0[1356]|(daily|monthly)_freeze_|demand_.*_max_|load_profile")  # 01, 03, 05, 06: of 2007
_DIGITS = 3  # of the last place: what an energy may gain, and what a small value may waver
_WAVERING = {"", "V", "A", "W", "kW", "var", "kvar", "VA", "kVA", "Hz", "deg", "degC", "%"}  # "": the power factor
_ENERGIES = ("Wh", "varh", "VAh")  # with their prefixes


def do_agree(one: Answer, other: Answer) -> bool:
    """Return True if both answers have the same items with the same values, as far as values stand still."""
    if [item.key for item in one.items] != [item.key for item in other.items]:
        return False
    pairs = zip(one.items, other.items, strict=True)
    return all(_fits(first, second.value) for first, second in pairs)


def _fits(one: Item, second: Value | None) -> bool:
    first = one.value
    if _RECORDED.match(one.key):
        return first == second
    if one.unit in _WAVERING or not (isinstance(first, Decimal) and isinstance(second, Decimal)):
        return one.key == "clock" or is_near(first, second)
    least = 0 if one.unit.endswith(_ENERGIES) else -_DIGITS  # money and what else is counted may fall
    return least * _last_place(second) <= second - first <= _DIGITS * _last_place(second)


def is_near(first: Value | None, second: Value | None) -> bool:
    """Return True for equal values, and for numbers that differ by no more than quantities waver within a second."""
    if not (isinstance(first, Decimal) and isinstance(second, Decimal)):
        return first == second
    return abs(first - second) <= max(_WAVER * max(abs(first), abs(second)), _DIGITS * _last_place(second))


def _last_place(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    return Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
