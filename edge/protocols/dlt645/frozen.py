"""Freezes of a meter's own memory: which quantities each kind holds, what to ask for, and what the answers say. Pure.

A freeze is a set of registers of one moment, with its time: identifiers 05kkiinn, where kk is the kind, ii what (00 the
time, 01 to 08 energies, 09 and 0A demands, 10 powers), and nn how many back, 01 the latest. A new freeze moves all
others on by one, so a value counts only with the time that was read under the same number.
Source: DL/T 645-2007, freezes; the hourly and daily kinds from meters and the grid companies' extensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from edge.protocols.dlt645.memory import Ask, identifier_of
from edge.protocols.exchange import Request
from edge.reading.outcome import Answer, Item, Value
from edge.reading.quantities import in_own_unit, is_raw_key

_ENERGY, _DEMAND, _VARIABLE, _FREEZE = "00", "01", "02", "05"
_ENERGIES, _DEMANDS, _POWERS = range(1, 9), range(1, 3), {0x03: 0, 0x04: 4}
_FIRST_DEMAND, _VARIABLES, _TIME = 0x09, 0x10, 0x00
_DIGITS = 8
_MIDNIGHT = datetime(2000, 1, 1)  # noqa: DTZ001 - a meter's local time: any midnight
_MOST_BYTES = {_TIME: 5, _VARIABLES: 24}
_MOST_OTHERS = 196


class Freeze(Enum):
    """The kinds that readings are taken from: digits kk, time between two, how many are kept at most."""

    NOW = ("01", None, 3)  # by order, not by time
    HOURLY = ("04", timedelta(hours=1), 254)
    DAILY = ("06", timedelta(days=1), 62)

    def __init__(self, kind: str, step: timedelta | None, depth: int) -> None:
        self.kind = kind
        self.step = step
        self.depth = depth

    def number_of(self, moment: datetime, now: datetime) -> int:
        """Return how many back the freeze of a moment should be, if none was left out; 1 the latest."""
        if self.step is None:
            return 1
        return (now - _MIDNIGHT) // self.step - (moment - _MIDNIGHT) // self.step + 1


@dataclass(frozen=True, slots=True)
class FrozenPlace:
    """Where a freeze holds a quantity: what (ii), and which of its values; None: all of them (a freeze's own item)."""

    what: int
    position: int | None


def frozen_place(key: str, freeze: Freeze) -> FrozenPlace | None:
    """Return where a kind of freeze holds a quantity key or `di:` key; None if it does not.

    Hourly freezes hold the totals of active energy only. An item of the same kind (di:05060101) is held as it is.
    """
    identifier = identifier_of(key) or ""
    if len(identifier) != _DIGITS or "F" in identifier:
        return None
    group, what, part, last = (identifier[at : at + 2] for at in range(0, _DIGITS, 2))
    if group == _FREEZE:
        return FrozenPlace(int(part, 16), None) if what == freeze.kind and last == "01" else None
    place = _place(group, int(what, 16), int(part, 16)) if last == "00" else None
    if freeze is Freeze.HOURLY and place not in {FrozenPlace(1, 0), FrozenPlace(2, 0)}:
        return None
    return place


def time_ask(freeze: Freeze, number: int) -> Ask:
    """Return the request for the time of a freeze."""
    return value_ask(freeze, _TIME, number)


def value_ask(freeze: Freeze, what: int, number: int) -> Ask:
    """Return the request for one item of a freeze."""
    identifier = f"{_FREEZE}{freeze.kind}{what:02X}{number:02X}"
    return Ask(Request(identifier, (f"di:{identifier}",)), _MOST_BYTES.get(what, _MOST_OTHERS))


def frozen_time(answer: Answer) -> datetime | None:
    """Return the time of a freeze, the meter's local time; None if it marks none."""
    text = next((str(item.value) for item in answer.items if item.value is not None), "")
    try:
        return datetime.strptime(text, "%y%m%d%H%M")  # noqa: DTZ007 - a meter's own
    except ValueError:
        return None


def frozen_values(
    items: Sequence[Item], places: Mapping[str, FrozenPlace]
) -> tuple[dict[str, Value | None], dict[str, str]]:
    """Return the values of one item of a freeze by the keys asked for, and the units of the `di:` keys.

    A tariff that the meter does not send is absent (None), as in a block read.
    """
    values: dict[str, Value | None] = {}
    units: dict[str, str] = {}
    items = _as_sent(items)
    for key, place in places.items():
        at = place.position
        chosen = list(items) if at is None else list(_at(items, place.what, at))
        for item in chosen:
            name = key if at is not None and item is chosen[0] else f"{key}.time"
            if at is None:
                name = key + "".join(item.key.partition(".")[1:])
            values[name], unit = in_own_unit(key, item.value, item.unit)
            if is_raw_key(key) and unit:
                units[name] = unit
        if not chosen:
            values[key] = None
    return values, units


def _as_sent(items: Sequence[Item]) -> list[Item]:
    """Return the values as the meter sent them: an answer gives them again under the name they were asked for by."""
    by_part: dict[str, Item] = {}
    for item in items:
        by_part.setdefault(item.key.partition(".")[2], item)
    return list(by_part.values())


def _at(items: Sequence[Item], what: int, position: int) -> Sequence[Item]:
    """Return the value at a position; of a demand with its time behind it."""
    width = 2 if what in (_FIRST_DEMAND, _FIRST_DEMAND + 1) else 1
    return items[position * width : (position + 1) * width]


def _place(group: str, what: int, part: int) -> FrozenPlace | None:
    if group == _ENERGY and what in _ENERGIES:
        return FrozenPlace(what, part)
    if group == _DEMAND and what in _DEMANDS:
        return FrozenPlace(_FIRST_DEMAND + what - 1, part)
    if group == _VARIABLE and what in _POWERS and part <= 3:  # noqa: PLR2004 - total and three phases
        return FrozenPlace(_VARIABLES, _POWERS[what] + part)
    return None
