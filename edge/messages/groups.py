"""Groups: the poll records of one task, slot, clock, source, state and item set, as columns over their meters.

Records are regrouped, but two of the same slot and meter keep their order: the later one stands in a later group.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from edge.errors import MessageError
from edge.messages.checks import (
    as_int,
    as_ints,
    as_list,
    as_map,
    as_name,
    as_row,
    as_second,
    as_text,
    refuse,
    second_of,
)
from edge.messages.codes import REASONS, SOURCES, STATES, number_of
from edge.messages.columns import Last, decode_column, encode_column
from edge.messages.tables import (
    ClockRow,
    ClockTable,
    ItemColumn,
    ItemSet,
    ItemSetTable,
    Kind,
    kind_of,
)
from edge.reading.outcome import Value
from edge.reading.record import PollRecord, SlotState, Source
from edge.reading.verdict import SlotReason

MAX_READINGS = 65536  # records without values count as one
MAX_FLAGS = 16
MAX_FLAG = 64

TASK, SLOT, CLOCK, SOURCE, ITEMS, METERS, STATUS, STATE, READ, COLUMNS, FAULTS, FLAGS, SHED = range(13)

_SOURCE_NUMBER = {source: number for number, source in SOURCES.items()}
_STATE_NUMBER = {state: number for number, state in STATES.items()}
_REASON_NUMBER = {reason: number for number, reason in REASONS.items()}
_FAR_S = 10**12

_Lasts = dict[tuple[int, int], dict[int, Last]]  # (task, item set) -> meter -> last numbers


# --- indices into the table of meters: all in order is null, else first index and differences


def encode_indices(indices: Sequence[int], count: int) -> list[int] | None:
    """Return how a list of indices travels."""
    if list(indices) == list(range(count)):
        return None
    return _differences(indices)


def decode_indices(value: object, count: int) -> list[int]:
    """Return the indices, each below `count`."""
    if value is None:
        return list(range(count))
    indices = list(_sums(as_ints(as_list(value, "meter indices", count), "meter indices")))
    if indices and not 0 <= min(indices) <= max(indices) < count:
        refuse("meter indices", "outside the table")
    return indices


def _differences(numbers: Sequence[int]) -> list[int]:
    return [number - before for number, before in zip(numbers, [0, *numbers], strict=False)]


def _sums(differences: Iterable[int]) -> Iterator[int]:
    total = 0
    for one in differences:
        total += one
        yield total


# --- building


@dataclass(slots=True)
class _Group:
    items: ItemSet
    key: tuple[int, int, int, int, int, int]  # task, slot, clock, source, state, item set
    records: dict[int, PollRecord] = field(default_factory=dict)


class GroupBuilder:
    """Sorts records into groups, filling the tables of clocks and item sets as it goes."""

    def __init__(self, tasks: Mapping[str, int], meters: Mapping[str, int]) -> None:
        self.clocks = ClockTable()
        self.item_sets = ItemSetTable()
        self._tasks = tasks
        self._meters = meters
        self._groups: list[_Group] = []
        self._open: dict[tuple[int, ...], int] = {}
        self._latest: dict[tuple[int, int, int], int] = {}  # (task, slot, meter) -> its last group

    def build(self, records: Sequence[PollRecord]) -> list[dict[int, object]]:
        """Return the groups of these records."""
        kinds = _usual_kinds(records)
        for record in records:
            self._place(record, kinds)
        lasts: _Lasts = {}
        slot_before = 0
        built = []
        for group in self._groups:
            built.append(_encode_group(group, slot_before, len(self._meters), lasts))
            slot_before = group.key[1]
        return built

    def _place(self, record: PollRecord, kinds: "_Kinds") -> None:
        items = _items_of(record, kinds)
        if record.slot_at.microsecond:
            raise MessageError("E-MSG-104", detail="slot: a part of a second")
        task, slot_s = self._tasks[record.task], second_of(record.slot_at, "slot")
        if record.state not in _STATE_NUMBER:
            number_of(STATES, record.state, "state")
        key = (
            task,
            slot_s,
            self.clocks.index_of(record.stamp),
            _SOURCE_NUMBER[record.source],
            _STATE_NUMBER[record.state],
            self.item_sets.index_of(items),
        )
        meter = self._meters[record.meter]
        slot = (task, slot_s, meter)
        index = self._open.get(key, -1)
        if index <= self._latest.get(slot, -1):
            index = self._open[key] = len(self._groups)
            self._groups.append(_Group(items, key))
        self._latest[slot] = index
        self._groups[index].records[meter] = record


@dataclass(slots=True)
class _Kinds:
    """Which kind an item has where its value is absent: the meter's own, else the first one seen, else a number."""

    own: dict[tuple[str, str], Kind]
    first: dict[str, Kind]

    def of(self, meter: str, key: str, value: Value | None) -> Kind:
        if value is not None:
            return kind_of(value)
        return self.own.get((meter, key), self.first.get(key, 0))


def _usual_kinds(records: Sequence[PollRecord]) -> _Kinds:
    kinds = _Kinds({}, {})
    for record in records:
        for key, value in record.values.items():
            if value is not None:
                kind = kind_of(value)
                kinds.own.setdefault((record.meter, key), kind)
                kinds.first.setdefault(key, kind)
    return kinds


def _items_of(record: PollRecord, kinds: _Kinds) -> ItemSet:
    values, units = record.values, record.units
    return tuple(
        ItemColumn(key, kinds.of(record.meter, key, values.get(key)), units.get(key))
        for key in sorted({*values, *record.faults})
    )


def _encode_group(group: _Group, slot_before: int, meter_count: int, lasts: _Lasts) -> dict[int, object]:
    task, slot_s, clock, source, state, item_set = group.key
    indices = sorted(group.records)
    records = [group.records[index] for index in indices]
    by_meter = lasts.setdefault((task, item_set), {})
    rows = [by_meter.setdefault(index, [None] * len(group.items)) for index in indices]
    fields: dict[int, object] = {
        TASK: task,
        SLOT: slot_s - slot_before,
        CLOCK: clock,
        SOURCE: source,
        ITEMS: item_set,
        STATE: state,
        READ: _differences([second_of(record.stamp.at, "read") - slot_s for record in records]),
    }
    fields |= _optional_fields(group.items, indices, records, meter_count)
    columns = [
        encode_column([record.values.get(item.key) for record in records], item.kind, rows, column)
        for column, item in enumerate(group.items)
    ]
    if columns:
        fields[COLUMNS] = columns
    return {key: value for key, value in fields.items() if value != 0}


def _optional_fields(
    items: ItemSet, indices: list[int], records: list[PollRecord], meter_count: int
) -> dict[int, object]:
    fields: dict[int, object] = {}
    chosen = encode_indices(indices, meter_count)
    if chosen is not None:
        fields[METERS] = chosen
    status = [_REASON_NUMBER[record.reason] if record.reason else 0 for record in records]
    if any(status):
        fields[STATUS] = status
    shed = _shed_columns(items, records)
    if shed:
        fields[SHED] = shed
    faults = [
        [position, column, _REASON_NUMBER[record.faults[item.key]]]
        for position, record in enumerate(records)
        if record.faults
        for column, item in enumerate(items)
        if item.key in record.faults and not (column in shed and record.faults[item.key] is SlotReason.SHED)
    ]
    if faults:
        fields[FAULTS] = faults
    flags = [[position, list(record.flags)] for position, record in enumerate(records) if record.flags]
    if flags:
        fields[FLAGS] = flags
    return fields


def _shed_columns(items: ItemSet, records: list[PollRecord]) -> list[int]:
    """Return the items that were shed wherever they had not failed: named once, not once for each meter."""
    if not any(record.faults for record in records):
        return []
    reasons = [{record.faults.get(item.key) for record in records} for item in items]
    return [column for column, own in enumerate(reasons) if SlotReason.SHED in own and None not in own]


# --- reading back


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables that groups point into."""

    tasks: list[str]
    clocks: list[ClockRow]
    meters: list[str]
    item_sets: list[ItemSet]


def decode_groups(value: object, tables: Tables) -> Iterator[PollRecord]:
    """Yield the records of all groups, in order."""
    lasts: _Lasts = {}
    slot_s = 0
    room = MAX_READINGS
    for one in as_list(value, "groups", MAX_READINGS):
        group = as_map(one, "group", range(13), (READ,))
        slot_s += as_int(group.get(SLOT, 0), "slot", -_FAR_S, _FAR_S)
        reader = _GroupReader(group, as_second(slot_s, "slot"), slot_s, tables)
        room -= reader.size
        if room < 0:
            refuse("groups", f"more than {MAX_READINGS} readings")
        yield from reader.records(lasts)


class _GroupReader:
    """One group, with its tables looked up and its size known before anything is made of it."""

    def __init__(self, group: dict[int, Any], slot_at: datetime, slot_s: int, tables: Tables) -> None:
        self._group = group
        self._slot_at = slot_at
        self._task_index = _index(group, TASK, "task", tables.tasks)
        self._task = tables.tasks[self._task_index]
        self._clock = tables.clocks[_index(group, CLOCK, "clock", tables.clocks)]
        self._set_index = _index(group, ITEMS, "item set", tables.item_sets)
        self._items = tables.item_sets[self._set_index]
        read = as_ints(as_list(group[READ], "read times", len(tables.meters)), "read times")
        self._indices = decode_indices(group.get(METERS), len(tables.meters))
        if len(self._indices) != len(read) or any(later <= earlier for earlier, later in pairwise(self._indices)):
            refuse("meter indices", "not ascending, or not as many as read times")
        read_s = [slot_s + offset for offset in _sums(read)]
        for at_s in (min(read_s, default=0), max(read_s, default=0)):
            as_second(at_s, "read time")
        self._stamps = [self._clock.stamp(at_s) for at_s in read_s]
        self._meters = [tables.meters[index] for index in self._indices]
        self.size = len(read) * max(1, len(self._items))

    def records(self, lasts: _Lasts) -> Iterator[PollRecord]:
        """Yield the records, meter by meter."""
        group, count = self._group, len(self._meters)
        source: Source = as_name(group.get(SOURCE, 0), "source", SOURCES)
        state: SlotState = as_name(group.get(STATE, 0), "state", STATES)
        columns = self._columns(lasts)
        reasons = _reasons_of(group, count)
        faults = _faults_of(group, count, self._items)
        flags = _flags_of(group, count)
        units = MappingProxyType({item.key: item.unit for item in self._items if item.unit is not None})
        keys = [item.key for item in self._items]
        rows = zip(*columns, strict=True) if columns else iter([()] * count)
        for position, row in enumerate(rows):
            failed = faults.get(position, _NO_FAULTS)
            found = zip(keys, row, strict=True)
            brought = (
                {key: one for key, one in found if one is not None or key not in failed} if failed else dict(found)
            )
            yield PollRecord(
                task=self._task,
                slot_at=self._slot_at,
                meter=self._meters[position],
                bus="",
                stamp=self._stamps[position],
                state=state,
                source=source,
                reason=reasons[position],
                values=MappingProxyType(brought),
                units=units,
                faults=failed,
                flags=flags.get(position, ()),
            )

    def _columns(self, lasts: _Lasts) -> list[list[Value | None]]:
        columns = as_row(self._group.get(COLUMNS, []), "columns", len(self._items))
        by_meter = lasts.setdefault((self._task_index, self._set_index), {})
        rows = [by_meter.setdefault(index, [None] * len(self._items)) for index in self._indices]
        return [
            decode_column(column, item.kind, rows, number)
            for number, (item, column) in enumerate(zip(self._items, columns, strict=True))
        ]


_NO_FAULTS: Mapping[str, SlotReason] = MappingProxyType({})


def _index(group: dict[int, Any], key: int, what: str, table: Sequence[object]) -> int:
    return as_int(group.get(key, 0), what, 0, len(table) - 1)


def _reasons_of(group: dict[int, Any], count: int) -> list[SlotReason | None]:
    if STATUS not in group:
        return [None] * count
    status = as_row(group[STATUS], "status", count)
    return [None if type(one) is int and one == 0 else as_name(one, "status", REASONS) for one in status]


def _faults_of(group: dict[int, Any], count: int, items: ItemSet) -> dict[int, Mapping[str, SlotReason]]:
    found: dict[int, dict[str, SlotReason]] = {}
    for one in as_list(group.get(FAULTS, []), "faults", count * len(items)):
        position, column, reason = as_row(one, "fault", 3)
        faults = found.setdefault(as_int(position, "fault", 0, count - 1), {})
        key = items[as_int(column, "fault", 0, len(items) - 1)].key
        if key in faults:
            refuse("faults", "one stands there twice")
        faults[key] = as_name(reason, "fault", REASONS)
    shed = as_ints(as_list(group.get(SHED, []), "shed items", len(items)), "shed items")
    for key in [items[as_int(column, "shed items", 0, len(items) - 1)].key for column in shed]:
        for position in range(count):
            found.setdefault(position, {}).setdefault(key, SlotReason.SHED)
    return {position: MappingProxyType(faults) for position, faults in found.items()}


def _flags_of(group: dict[int, Any], count: int) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for one in as_list(group.get(FLAGS, []), "flags", count):
        position, flags = as_row(one, "flags", 2)
        where = as_int(position, "flags", 0, count - 1)
        if where in found:
            refuse("flags", "one meter stands there twice")
        found[where] = tuple(as_text(flag, "flag", MAX_FLAG) for flag in as_list(flags, "flags", MAX_FLAGS))
    return found
