"""What the meters of the timed bus can be asked for: identifiers, layouts, blocks, and values that differ.

A value is made from the meter's number, the item and the count of that meter's answers: a value that was given to the
wrong meter, item or moment is found out. P, Q and S are multiples of Pythagorean triples: S^2 = P^2 + Q^2 exactly.
"""

from dataclasses import dataclass
from decimal import Decimal

# P, Q, S: a different power factor for each of eight meters, six of them without any rounding.
_TRIPLES = (
    (3, 4, 5),
    (4, 3, 5),
    (7, 24, 25),
    (24, 7, 25),
    (44, 117, 125),
    (117, 44, 125),
    (5, 12, 13),
    (12, 5, 13),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One item on the wire: its key in the product, how many bytes of packed decimal, how many decimals.

    `power`: of ten, from the wire's unit to the product's (powers: kW on the wire, W in the product).
    """

    key: str
    size: int
    decimals: int
    power: int = 0

    def encode(self, number):
        """Return the bytes, low byte first, of a number counted in the last decimal."""
        return bytes.fromhex(f"{number:0{2 * self.size}d}")[::-1]

    def value(self, number):
        """Return the value as the product gives it, from a number counted in the wire's last decimal."""
        return Decimal(number).scaleb(self.power - self.decimals)


ITEMS = {
    "00010000": Item("energy_active_import_total", 4, 2),
    **{f"00010{n}00": Item(f"energy_active_import_t{n}", 4, 2) for n in range(1, 5)},
    "00020000": Item("energy_active_export_total", 4, 2),
    **{f"02010{n}00": Item(f"voltage_l{n}", 2, 1) for n in range(1, 4)},
    **{f"02020{n}00": Item(f"current_l{n}", 3, 3) for n in range(1, 4)},
    "02030000": Item("power_active_total", 3, 4, 3),
    **{f"02030{n}00": Item(f"power_active_l{n}", 3, 4, 3) for n in range(1, 4)},
    "02040000": Item("power_reactive_total", 3, 4, 3),
    "02050000": Item("power_apparent_total", 3, 4, 3),
    "02060000": Item("power_factor_total", 2, 3),
    **{f"02060{n}00": Item(f"power_factor_l{n}", 2, 3) for n in range(1, 4)},
    "02800002": Item("frequency", 2, 2),
}
BLOCKS = {
    "0001FF00": ("00010000", "00010100", "00010200", "00010300", "00010400"),
    "0002FF00": ("00020000",),
    "0201FF00": ("02010100", "02010200", "02010300"),
    "0202FF00": ("02020100", "02020200", "02020300"),
    "0203FF00": ("02030000", "02030100", "02030200", "02030300"),
    "0206FF00": ("02060000", "02060100", "02060200", "02060300"),
    "02FF0000": ("02030000", "02040000", "02050000", "02060000"),
}
TOTALS = "02FF0000"
ADDRESS = "04000401"

WORKLOAD = (
    "00010000",
    "00010100",
    "00010200",
    "00010300",
    "00010400",
    "00020000",
    "02010100",
    "02010200",
    "02010300",
    "02020100",
    "02020200",
    "02020300",
    "02030000",
    "02060000",
    "02800002",
)
KEYS = tuple(ITEMS[identifier].key for identifier in WORKLOAD)


def number_of(identifier, meter, count):
    """Return what meter number `meter` says in its answer number `count`, counted in the item's last decimal.

    One tariff at a time advances, so that the total gains one with each answer, as a meter's does.
    """
    kind, phase = identifier[:4], int(identifier[4:6])
    if kind == "0001":
        tariffs = [(meter % 20 + 1) * 1_000_000 + n * 100_000 + (count + n) // 4 for n in range(1, 5)]
        return tariffs[phase - 1] if phase else sum(tariffs)
    if kind in ("0203", "0204", "0205", "0206"):
        return _power(kind, phase, [part * (1000 + count % 3000) for part in _TRIPLES[meter % len(_TRIPLES)]])
    return {
        "0002": (meter + 1) * 100_000 + count,
        "0201": 1880 + meter % 8 * 80 + phase * 20 + count % 20,
        "0202": 1000 + meter % 8 * 5000 + phase * 1500 + count % 1500,
        "0280": 4900 + meter % 8 * 20 + count % 20,
    }[kind]


def _power(kind, phase, sides):
    """Return P by phase, or Q, S, PF; PF is P / S, rounded to its last decimal."""
    p, q, s = sides
    if kind == "0203":
        return (p, p // 3, p // 3, p - 2 * (p // 3))[phase]
    return {"0204": q, "0205": s, "0206": (2000 * p + s) // (2 * s)}[kind]


def members_of(identifier):
    """Return the single items that an identifier brings; none if the meters do not know it."""
    return BLOCKS.get(identifier, (identifier,) if identifier in ITEMS else ())


def size_of(identifier):
    """Return how many data bytes an answer has, identifier not counted."""
    return sum(ITEMS[member].size for member in members_of(identifier))
