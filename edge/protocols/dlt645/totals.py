"""Does the block of totals (02FF0000) hold what it is taken for? Its values have to fit each other.

Apparent power squared is active and reactive power squared, and the power factor is active over apparent power. Meters
cut digits and measure one after the other, so a few percent are allowed. Without power nothing can be told.
"""

from collections.abc import Sequence
from decimal import Decimal

from edge.protocols.exchange import Proof
from edge.reading.outcome import Item

_KEYS = ("power_active_total", "power_reactive_total", "power_apparent_total", "power_factor_total")
_SHARE = Decimal("0.05")
_LEAST = Decimal("0.02")  # kW: below this the digits are too few to tell
_ONE = Decimal("1.000")


def judge_totals(items: Sequence[Item]) -> Proof:
    """Return HOLDS if the four totals fit each other, BROKEN if they cannot be totals, OPEN if nobody can tell."""
    numbers = [item.value for item in items if isinstance(item.value, Decimal)]
    if tuple(item.key for item in items) != _KEYS or len(numbers) != len(_KEYS):
        return Proof.BROKEN
    active, reactive, apparent, factor = numbers
    if abs(factor) > _ONE or apparent < 0:
        return Proof.BROKEN
    if apparent < _LEAST or abs(active) < _LEAST:
        return Proof.OPEN
    fits_sum = _is_near(apparent * apparent, active * active + reactive * reactive)
    fits_factor = _is_near(abs(active), abs(factor) * apparent)
    return Proof.HOLDS if fits_sum and fits_factor else Proof.OPEN


def _is_near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= _SHARE * max(abs(one), abs(other))
