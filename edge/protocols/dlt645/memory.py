"""Load records of a meter's own memory: which quantities they hold, what to ask for, and what an answer says. Pure.

A meter writes a record every so many minutes and keeps it for days. A request names a class (00: all six), how many
records, and the time to begin with; the records come in the order of their times. Rules:
1. The request with the fewest bytes on the wire is asked: all classes in one, or each class that is wanted.
2. An answer whose records begin before the time asked for, go backwards, or are more than were asked for, belongs to
   another question (an answer that came late carries the same identifier): nothing in it counts.
3. An answer says that a record is absent only between its begin and its last record; an empty one only at its begin.
What freezes hold is `frozen.py`.
Source: DL/T 645-2007, load records; the order of the classes is inferred from the mode word 04000901.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise

from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.formats import FieldError, parse_format
from edge.protocols.dlt645.frame import OVERHEAD, PREAMBLE
from edge.protocols.dlt645.load_records import LoadRecord, decode_load_records, section_fields
from edge.protocols.exchange import Request
from edge.reading.outcome import Answer, Value
from edge.reading.quantities import in_own_unit, is_raw_key

MOST_BLOCKS = 99  # two digits
CLASSES = (1, 2, 3, 4, 5, 6)
_ALL = 0
_FROM_TIME, _LATEST = "0001", "0002"

_SURROUND = 16  # bytes of a record that are no values: start, count, time, six ends, checksum, end
_PER_FRAME = 195  # record bytes in a frame of 200, without identifier and sequence number
_ARGUMENT = 6
_IDENTIFIER = 4
_TURN = 24  # what waiting for the meter costs, in bytes of 2400 Bd (0.1 s)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a meter's memory and the most bytes of data that a sound answer brings."""

    request: Request
    answer_bytes: int

    @property
    def frames(self) -> int:
        """How many frames the longest sound answer takes."""
        return max(1, -(-self.answer_bytes // _PER_FRAME))

    @property
    def wire_bytes(self) -> int:
        """The most bytes on the wire, in both directions, follow-up frames and preambles included."""
        asked = PREAMBLE + OVERHEAD + _IDENTIFIER
        answered = asked + 1
        return len(self.request.argument) + self.frames * (asked + 1 + answered) + self.answer_bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where load records hold a quantity: its class, and the key that the class calls it by."""

    number: int
    field: str


@dataclass(frozen=True, slots=True)
class LoadAnswer:
    """The records of an answer by their times; `until`: absence is proven from the begin up to here."""

    records: Mapping[datetime, LoadRecord]
    until: datetime


def load_place(key: str) -> Place | None:
    """Return where load records hold a quantity key or `di:` key; None if they do not."""
    return _places().get(identifier_of(key) or "")


def identifier_of(key: str) -> str | None:
    """Return the identifier of a quantity key or `di:` key, None if there is none."""
    return key[3:] if is_raw_key(key) else catalogue("2007").identifier_of(key)


def load_identifiers(
    classes: Iterable[int], blocks: int, avoid: frozenset[str] = frozenset()
) -> dict[str, tuple[int, ...]]:
    """Return the cheapest identifiers that bring these classes, each with its classes; none of those to `avoid`.

    A class that nothing can bring is left out.
    """
    wanted = sorted(set(classes))
    singles: dict[str, tuple[int, ...]] = {_identifier(one): (one,) for one in wanted if _identifier(one) not in avoid}
    together: dict[str, tuple[int, ...]] = {_identifier(_ALL): tuple(wanted)}
    if not wanted or _identifier(_ALL) in avoid:
        return singles
    if len(singles) < len(wanted):
        return together
    return min((singles, together), key=lambda each: sum(_cost(identifier, blocks) for identifier in each))


def load_ask(identifier: str, begin: datetime, blocks: int) -> Ask:
    """Return the request for so many records from a time on (the meter's local time, whole minutes).

    Bytes: behind the identifier stand the count, then mm hh DD MM YY. Raises ValueError for a count out of 1..99.
    """
    if not 1 <= blocks <= MOST_BLOCKS:
        raise ValueError(f"{blocks} records cannot be asked for")
    argument = bytes.fromhex(f"{blocks:02d}{begin:%M%H%d%m%y}")
    return Ask(Request(identifier, (f"di:{identifier}",), argument), blocks * _record_bytes(identifier))


def latest_ask(identifier: str) -> Ask:
    """Return the request for the latest record of the same class: it tells whether there are any."""
    latest = identifier[:4] + _LATEST
    return Ask(Request(latest, (f"di:{latest}",)), _record_bytes(identifier))


def load_answer(answer: Answer, begin: datetime, blocks: int) -> LoadAnswer | None:
    """Return what an answer to `load_ask` says; None if it is broken or belongs to another question (rule 2)."""
    try:
        found = [record for item in answer.items for record in decode_load_records(bytes.fromhex(str(item.value)))]
        times = [datetime.strptime(one.time, "%y%m%d%H%M") for one in found if one.time]  # noqa: DTZ007 - a meter's own
    except (FieldError, ValueError):
        return None
    is_in_order = all(earlier < later for earlier, later in pairwise(times))
    if len(found) > blocks or not is_in_order or (times and times[0] < begin):
        return None
    timed = [record for record in found if record.time]
    return LoadAnswer(dict(zip(times, timed, strict=True)), times[-1] if times else begin)


def load_values(record: LoadRecord, keys: Iterable[str]) -> tuple[dict[str, Value | None], dict[str, str]]:
    """Return the values of a record by the keys asked for, and the units of the `di:` keys; absent classes left out."""
    held = record.values()
    values: dict[str, Value | None] = {}
    units: dict[str, str] = {}
    for key in keys:
        place = load_place(key)
        if place is None or place.field not in held:
            continue
        wire_unit = next(field.unit for field in section_fields(place.number) if field.suffix == place.field)
        values[key], unit = in_own_unit(key, held[place.field], wire_unit)
        if is_raw_key(key) and unit:
            units[key] = unit
    return values, units


def interval_of(times: Sequence[datetime]) -> timedelta | None:
    """Return the shortest time between two records; None if there are not two."""
    return min((later - earlier for earlier, later in pairwise(times)), default=None)


@cache
def _places() -> dict[str, Place]:
    found: dict[str, Place] = {}
    for number in CLASSES:
        for field in section_fields(number):
            identifier = catalogue("2007").identifier_of(field.suffix)
            if identifier is not None:
                found[identifier] = Place(number, field.suffix)
    return found


def _identifier(number: int) -> str:
    return f"06{number:02X}{_FROM_TIME}"


@cache
def _record_bytes(identifier: str) -> int:
    """Return the most bytes of one record of a class, of all six for class 00."""
    number = int(identifier[2:4], 16)
    sections = CLASSES if number == _ALL else (number,)
    fields = [field for section in sections for field in section_fields(section)]
    return _SURROUND + sum(parse_format(field.fmt).size or 0 for field in fields)


def _cost(identifier: str, blocks: int) -> int:
    """Return the bytes that a request and its answer take, the waiting counted in bytes."""
    ask = Ask(Request(identifier, (), bytes(_ARGUMENT)), blocks * _record_bytes(identifier))
    return ask.wire_bytes + ask.frames * _TURN
