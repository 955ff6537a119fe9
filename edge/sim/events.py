"""What happened to a meter, as its event records tell: counts, and the last ten of each kind.

A record's fields are filled in by name: times and operator from what happened, quantities from the meter's truths at
that instant. What a simulated meter has no truth for is 0, or absent where it is no number. Kinds that never happen
here have counts of 0 and no records. Source: DL/T 645-2007, event records, by the layouts of `records_2007.tsv`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from edge.protocols.dlt645.catalogue import Entry, catalogue
from edge.protocols.dlt645.formats import Field, parse_format
from edge.reading.outcome import Value
from edge.sim.truth import Values

PROGRAMMING, METER_CLEAR, DEMAND_CLEAR, EVENT_CLEAR, TIME_SETTING = (f"0330{kind:02X}" for kind in range(5))
POWER_DOWN, VOLTAGE_LOSS = "031100", "030101"
TRIP, CLOSE = "1D0001", "1E0001"

_KEPT = 10
_COUNTS = {"1D000001": TRIP, "1E000001": CLOSE}
_COUNT_FORMAT = "XXXXXX"
_STAMP, _STAMP_1997 = "%y%m%d%H%M%S", "%m%d%H%M"
_KINDS = {"forward": 1, "reverse": 2, "reactive_1": 3, "reactive_2": 4, "q1": 5, "q2": 6, "q3": 7, "q4": 8}
_FIRST_OF_PHASE = {"total": 0, "l1": 0x14, "l2": 0x28, "l3": 0x3C}
_ENERGY = re.compile(r"(energy|demand)_(\w+?)_(total|l\d)(_increment|_time)?")
_INSTANT = re.compile(r"(voltage|current|power_active|power_reactive|power_factor)_l(\d)")
_QUANTITIES = {"voltage": 1, "current": 2, "power_active": 3, "power_reactive": 4, "power_factor": 6}
_LAST_1997 = {"B210": PROGRAMMING, "B211": DEMAND_CLEAR}
_COUNT_1997 = {"B212": PROGRAMMING, "B213": DEMAND_CLEAR}

TruthAt = Callable[[str, datetime], Values | None]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened, from `begin` to `end`, local time; `given`: what a record's fields hold, by name."""

    begin: datetime
    end: datetime
    given: Mapping[str, Value | None] = field(default_factory=dict)


class Events:
    """The event log of one meter. `truth_at` gives what it showed at an instant of its local time."""

    def __init__(self, truth_at: TruthAt) -> None:
        self._truth_at = truth_at
        self._orders: dict[str, list[tuple[Happening, Values]]] = {}
        self._cleared: dict[str, datetime] = {}

    def note(self, group: str, local: datetime, **given: Value | None) -> None:
        """Remember what was done by order, with the values that the meter shows now."""
        happening = Happening(local, local, given)
        self._orders.setdefault(group, []).insert(0, (happening, self._record(group, happening)))

    def clear(self, group: str, local: datetime) -> None:
        """Forget what happened up to an instant in the groups whose identifiers begin so; "" is all."""
        self._cleared[group] = local
        for each in [known for known in self._orders if known.startswith(group)]:
            del self._orders[each]

    def values(self, di: str, past: Mapping[str, Sequence[Happening]]) -> Values | None:
        """Return the values of a count or record of 2007; None for what the meter has not.

        `past`: what happened without an order, by group, the latest first.
        """
        entry = catalogue("2007").find(di)
        if entry is None:
            return None
        if di in _COUNTS:
            return (Decimal(self._count(_COUNTS[di], past)),)
        if di.endswith("00"):
            return self._counts(entry, past)
        return self._nth(di[:6], int(di[6:], 16), past)

    def values_1997(self, di: str) -> Values | None:
        """Return the count or the last instant of programming and demand clear."""
        if di in _COUNT_1997:
            return (Decimal(self._count(_COUNT_1997[di], {})),)
        done = self._orders.get(_LAST_1997.get(di, ""), [])
        if di not in _LAST_1997:
            return None
        return (f"{done[0][0].begin:{_STAMP_1997}}" if done else "0" * 8,)

    def _count(self, group: str, past: Mapping[str, Sequence[Happening]]) -> int:
        return len(self._orders.get(group, [])) + len(self._left(group, past))

    def _counts(self, entry: Entry, past: Mapping[str, Sequence[Happening]]) -> Values | None:
        """Return a row of counts: how often and, beside it, for how many minutes."""
        if any(each.fmt != _COUNT_FORMAT for each in entry.fields):
            return None
        found: list[Value] = []
        for each in entry.fields:
            phase = re.match(r"l(\d)_", each.suffix)
            group = entry.di[:4] + (f"0{phase[1]}" if phase else entry.di[4:6])
            happened = self._left(group, past)
            minutes = sum(int((one.end - one.begin).total_seconds()) // 60 for one in happened)
            found.append(Decimal(minutes if each.suffix.endswith("minutes") else self._count(group, past)))
        return tuple(found)

    def _left(self, group: str, past: Mapping[str, Sequence[Happening]]) -> list[Happening]:
        """Return what happened without an order and was not cleared."""
        limits = [at for cleared, at in self._cleared.items() if group.startswith(cleared)]
        return [one for one in past.get(group, ()) if not limits or one.end > max(limits)]

    def _nth(self, group: str, number: int, past: Mapping[str, Sequence[Happening]]) -> Values | None:
        if not 1 <= number <= _KEPT:
            return None
        done = [values for _, values in self._orders.get(group, [])]
        done += [self._record(group, one) for one in self._left(group, past)]
        return done[number - 1] if number <= len(done) else None

    def _record(self, group: str, happening: Happening) -> Values:
        entry = catalogue("2007").find(group + "01")
        return tuple(self._value(each, happening) for each in entry.fields) if entry else ()

    def _value(self, slot: Field, happening: Happening) -> Value | None:
        name = slot.suffix
        if name in happening.given:
            return happening.given[name]
        if name in {"", "begin", "time"}:
            return f"{happening.begin:{_STAMP}}"
        if name == "end":
            return f"{happening.end:{_STAMP}}"
        measured = self._measured(name, happening)
        return Decimal(0) if measured is None and parse_format(slot.fmt).kind == "number" else measured

    def _measured(self, name: str, happening: Happening) -> Value | None:
        if match := _ENERGY.fullmatch(name):
            what, kind, phase, tail = match.groups()
            di = f"{int(what == 'demand'):02X}{_FIRST_OF_PHASE[phase] + _KINDS[kind]:02X}0000"
            shown = self._truth_at(di, happening.begin)
            if shown is None or tail != "_increment":
                return None if shown is None else shown[int(tail == "_time")]
            after = self._truth_at(di, happening.end)
            return None if after is None else _grown(shown[0], after[0])
        if match := _INSTANT.fullmatch(name):
            values = self._truth_at(f"02{_QUANTITIES[match[1]]:02X}0{match[2]}00", happening.begin)
            return values[0] if values else None
        return None


def _grown(before: Value | None, after: Value | None) -> Decimal | None:
    """Return how much a register grew; 0 if it was cleared in between."""
    if not isinstance(before, Decimal) or not isinstance(after, Decimal):
        return None
    return max(after - before, Decimal(0))
