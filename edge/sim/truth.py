"""What a simulated meter knows: the value of each data item at an instant, from its load and its nameplate.

The total of an energy is the sum of its tariffs, the power agrees with the energy, phases add up to the total.
Phases that a single-phase meter does not have are None: it sends FFH for them. What is in no table here, the meter
does not know, and refuses. 1997 identifiers are answered from the same truths, with that version's digits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from math import isqrt

from edge.protocols.dlt645.catalogue import Entry, catalogue
from edge.protocols.dlt645.formats import parse_format
from edge.reading.outcome import Value
from edge.sim.load import Load

Values = tuple[Value | None, ...]

_PHASE_ENERGY = {0x15: 0, 0x29: 1, 0x3D: 2}  # first identifier byte of each phase's energies
_ENERGY_KINDS = 10
_FROZEN_ENERGIES, _FROZEN_VARIABLES = 8, 0x10  # of a freeze's items: 01..08 are energies, 09 and 0A demands
_DEMAND_OF = {1: 100, 2: 0, 3: 32, 4: 0, 5: 30, 6: 0, 7: 0, 8: 2, 9: 105, 10: 0}  # percent of the active power
_TOTALS = ("02030000", "02040000", "02050000", "02060000")
TOTALS_BLOCK = "02FF0000"  # in no table of the standard; some meters answer it
TOTALS_FORMATS = ("XX.XXXX", "XX.XXXX", "XX.XXXX", "X.XXX")  # all signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameplate:
    """What stands on the meter."""

    address: str
    phases: int = 3
    tariffs: int = 4
    constant: int = 6400
    model: str = "SIM-3"
    load_every_min: int = 15


class Truth:
    """The values of one meter at any instant of its local time."""

    def __init__(self, plate: Nameplate, seed: int) -> None:
        self._plate = plate
        self._zeros: list[tuple[datetime, tuple[int, ...]]] = []
        self._demand_since: list[datetime] = []
        self.load = Load(seed, tariffs=plate.tariffs, peak_w=9000 if plate.phases == 3 else 4000)  # noqa: PLR2004

    def clear(self, local: datetime) -> None:
        """Let all registers begin at 0 from an instant on."""
        self._zeros.append((local, self.load.energy(local)))
        self.clear_demand(local)

    def clear_demand(self, local: datetime) -> None:
        """Let the maximum demands begin anew."""
        self._demand_since.append(local)

    def values(self, version: str, di: str, local: datetime) -> Values | None:
        """Return the values that a read of `di` brings, as `encode_data` takes them; None for an item it has not.

        A block holds the members that the meter has, up to the first that it has not.
        """
        entry = catalogue(version).find(di)
        if entry is None:
            return None
        if not entry.is_block:
            return self._single(version, entry, local)
        found: list[Value | None] = []
        for member in entry.members:
            known = catalogue(version).find(member)
            values = self._single(version, known, local) if known else None
            if values is None:
                break
            found += values
        return tuple(found) or None

    def totals(self, local: datetime) -> Values:
        """Return active, reactive and apparent power and the power factor, of all phases together."""
        found = (self._of(di, local) for di in _TOTALS)
        return tuple(value for values in found if values for value in values)

    def at_freeze(self, di: str, at: datetime) -> Values | None:
        """Return what a freeze 05kkiinn of the instant `at` holds, the time apart: as many values as its row takes."""
        entry = catalogue("2007").find(di)
        item = int(di[4:6], 16)
        if entry is None:
            return None
        if item == _FROZEN_VARIABLES:
            parts = [self._of(f"02{quantity:02X}{phase:02X}00", at) for quantity in (3, 4) for phase in range(4)]
            return tuple(value for values in parts if values for value in values)
        if item <= _FROZEN_ENERGIES:
            return tuple(_scaled(each, 2) for each in self._registers(item, at))[: entry.repeat[1]] or None
        demands = [self._demand((item - _FROZEN_ENERGIES, tariff, 0), at) for tariff in range(self._plate.tariffs + 1)]
        return tuple(value for values in demands if values for value in values) or None

    def _single(self, version: str, entry: Entry, local: datetime) -> Values | None:
        if version == "2007":
            return self._of(entry.di, local)
        place = _place_in_2007(entry.di)
        values = self._of(place[0], local) if place else None
        return None if values is None or place is None else _fit(entry, values[place[1] :])

    def _of(self, di: str, local: datetime) -> Values | None:
        kind, *rest = bytes.fromhex(di)
        rules: dict[int, Callable[[Sequence[int], datetime], Values | None]] = {
            0x00: self._energy,
            0x01: self._demand,
            0x02: self._variable,
        }
        if kind in rules:
            return rules[kind](rest, local)
        return self._parameters(local).get(di)

    def _energy(self, place: Sequence[int], local: datetime) -> Values | None:
        """Return an energy: place is (kind, tariff, settlement); a settlement is the state at the month's begin."""
        kind, tariff, settlement = place
        at = _settled(local, settlement)
        for first, phase in _PHASE_ENERGY.items():
            if first <= kind < first + _ENERGY_KINDS and tariff == 0:
                total = self._registers(kind - first + 1, at)[0]
                return (_scaled(self._share(total, phase), 2),)
        registers = self._registers(kind, at)
        return (_scaled(registers[tariff], 2),) if tariff < len(registers) else None

    def _registers(self, kind: int, local: datetime) -> tuple[int, ...]:
        """Return total and tariffs of an energy kind, in hundredths; empty for a kind that the meter has not."""
        forward = self._forward(local)
        q1, q4 = tuple(e * 3 // 10 for e in forward), tuple(e // 50 for e in forward)
        none = (0,) * len(forward)
        kinds = {
            0: forward,  # combined active: forward and reverse, and nothing flows back here
            1: forward,
            2: none,
            3: tuple(map(sum, zip(q1, q4, strict=True))),  # combined reactive 1: quadrants I and IV
            4: none,
            5: q1,
            6: none,
            7: none,
            8: q4,
            9: tuple(e + e // 20 for e in forward),
            10: none,
        }
        tariffs = kinds.get(kind, ())
        return (sum(tariffs) % 10**8, *tariffs) if tariffs else ()

    def _forward(self, local: datetime) -> tuple[int, ...]:
        """Return the forward energy of each tariff since the last clear before the instant."""
        shown = self.load.energy(local)
        base = next((base for at, base in reversed(self._zeros) if at <= local), None)
        return shown if base is None else tuple(now - then for now, then in zip(shown, base, strict=True))

    def _demand(self, place: Sequence[int], local: datetime) -> Values | None:
        """Return a maximum demand and when it was: the highest hour, on the first day of its month or since a clear."""
        kind, tariff, settlement = place
        if kind not in _DEMAND_OF or tariff > self._plate.tariffs:
            return None
        begin = _settled(local, settlement + 1)
        watts, hour = self.load.peak(tariff)
        at = begin + timedelta(hours=hour)
        since = next((each for each in reversed(self._demand_since) if each <= local), at)
        if not settlement and at < since:
            at = since.replace(hour=hour, minute=0, second=0, microsecond=0)
            at += timedelta(days=at < since)
        if at >= local or not watts * _DEMAND_OF[kind]:
            return Decimal("0.0000"), "0" * 10
        return _scaled(watts * _DEMAND_OF[kind] // 10, 4), f"{at:%y%m%d%H%M}"

    def _variable(self, place: Sequence[int], local: datetime) -> Values | None:
        quantity, phase, last = place
        if quantity == 0x80:  # noqa: PLR2004 - the group of single variables
            return None if phase else self._lone_variable(last, local)
        rules: dict[int, tuple[Callable[[int, datetime], int], int, int]] = {
            1: (self._decivolts, 1, 1),
            2: (self._milliamperes, 3, 1),
            3: (lambda part, at: 10 * self._watts(part, at), 4, 0),
            4: (lambda part, at: 10 * self._vars(part, at), 4, 0),
            5: (lambda part, at: 10 * self._volt_amperes(part, at), 4, 0),
            6: (self._permille, 3, 0),
            7: (lambda _part, _at: 183, 1, 1),
        }
        if last or quantity not in rules or not rules[quantity][2] <= phase <= 3:  # noqa: PLR2004 - three phases
            return None
        rule, decimals, _ = rules[quantity]
        if phase > self._plate.phases:
            return (None,)
        return (_scaled(rule(phase, local), decimals),)

    def _lone_variable(self, last: int, local: datetime) -> Values | None:
        known = {
            1: (20, 3),  # neutral current
            2: (5000 + self.load.wobble("f", local, 4), 2),
            3: (10 * self._watts(0, local), 4),
            4: (10 * self._watts(0, local), 4),
            5: (10 * self._vars(0, local), 4),
            6: (10 * self._volt_amperes(0, local), 4),
            7: (235 + self.load.wobble("temperature", local, 15), 1),
            8: (360, 2),
            9: (601, 2),
            0x0A: (1234, 0),
        }
        return (_scaled(*known[last]),) if last in known else None

    def _parameters(self, local: datetime) -> dict[str, Values]:
        plate = self._plate
        weekday = str(local.isoweekday() % 7)
        voltage = "3x220/380V" if plate.phases == 3 else "220V"  # noqa: PLR2004 - three phases
        known: dict[str, Values] = {
            "04000101": (f"{local:%y%m%d}", weekday),
            "04000102": (f"{local:%H%M%S}",),
            "04000103": (Decimal(15),),
            "04000104": (Decimal(1),),
            "04000401": (plate.address,),
            "04000402": (plate.address,),
            "04000403": (f"SIM{plate.address}",),
            "04000404": (voltage[-4:],),
            "04000405": ("5A",),
            "04000406": ("60A",),
            "04000407": ("1.0",),
            "04000408": ("2.0",),
            "04000409": (Decimal(plate.constant),),
            "0400040A": (Decimal(plate.constant),),
            "0400040B": (plate.model,),
            "0400040C": ("2026-01-01",),
            "0400040D": ("DL/T645-2007",),
        }
        known["04000901"], known["04000902"] = ("3F",), ("FF",)
        known.update({f"04000A{kind:02X}": (Decimal(plate.load_every_min),) for kind in range(2, 8)})
        known.update({f"040005{word:02X}": ("0000",) for word in range(1, 8)})
        return known

    def _share(self, total: int, phase: int) -> int | None:
        """Return a phase's part of a total; phase A takes what does not divide."""
        if phase >= self._plate.phases:
            return None
        third = total // 3 if self._plate.phases == 3 else 0  # noqa: PLR2004 - three phases
        return third if phase else total - 2 * third

    def _watts(self, part: int, local: datetime) -> int:
        total = self.load.power_w(local)
        return total if part == 0 else self._share(total, part - 1) or 0

    def _vars(self, part: int, local: datetime) -> int:
        return self._watts(part, local) * 3 // 10

    def _volt_amperes(self, part: int, local: datetime) -> int:
        return isqrt(self._watts(part, local) ** 2 + self._vars(part, local) ** 2)

    def _permille(self, part: int, local: datetime) -> int:
        return self._watts(part, local) * 1000 // max(1, self._volt_amperes(part, local))

    def _decivolts(self, part: int, local: datetime) -> int:
        return 2200 + self.load.wobble(f"u{part}", local, 40)

    def _milliamperes(self, part: int, local: datetime) -> int:
        return self._volt_amperes(part, local) * 10_000 // self._decivolts(part, local)


def _scaled(number: int | None, decimals: int) -> Decimal | None:
    return None if number is None else Decimal(number).scaleb(-decimals)


def _settled(local: datetime, back: int) -> datetime:
    """Return the instant of a settlement: now, or midnight of the first day of the month, `back` - 1 months ago."""
    if not back:
        return local
    month = local.year * 12 + local.month - 1 - (back - 1)
    return datetime(month // 12, month % 12 + 1, 1)  # noqa: DTZ001 - a meter's local time


_ENERGY_1997 = {(0, 0): 0, (0, 1): 1, (0, 2): 2, (1, 1): 3, (1, 2): 4, (1, 3): 5, (1, 4): 8, (1, 5): 6, (1, 6): 7}
_SETTLED_1997 = {0: 0, 4: 1, 8: 2}
_PARAMETERS_1997 = {
    "C010": "04000101",
    "C011": "04000102",
    "C030": "04000409",
    "C031": "0400040A",
    "C032": "04000402",
    "C033": "04000402",
    "C034": "04000402",
}


def _place_in_2007(di: str) -> tuple[str, int] | None:
    """Return the 2007 identifier of a 1997 item, and which of its values it is; None where there is none."""
    if di in _PARAMETERS_1997:
        return _PARAMETERS_1997[di], 0
    group, month, direction, tariff = (int(digit, 16) for digit in di)
    if di.startswith("B6"):
        return f"02{direction:02X}{tariff:02X}00".replace("0205", "0206"), 0
    settlement = _SETTLED_1997.get(month & ~1)
    kind = _ENERGY_1997.get((month & 1, direction))
    if settlement is None or kind is None or group not in (9, 0xA, 0xB):
        return None
    return f"{0 if group == 9 else 1:02X}{kind:02X}{tariff:02X}{settlement:02X}", int(group == 0xB)  # noqa: PLR2004


def _fit(entry: Entry, values: Values) -> Values:
    """Return values with the digits that the entry's formats have, cut and not rounded, as meters do."""
    return tuple(_cut(field.fmt, value) for field, value in zip(entry.fields, values, strict=False))


def _cut(fmt: str, value: Value | None) -> Value | None:
    if isinstance(value, Decimal):
        return value.quantize(Decimal(1).scaleb(-parse_format(fmt).decimals), rounding=ROUND_DOWN)
    return value[-8:] if fmt == "MMDDhhmm" and isinstance(value, str) else value
