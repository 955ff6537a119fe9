"""The data of a read: bytes behind an identifier <-> items with exact values.

A block is cut by its length: tariffs differ from meter to meter, a single-phase meter may send fewer phases. Its items
carry the identifiers they would have alone. An identifier that the catalogue does not know gives one item with the
bytes as hex text; so do load records (`load_records.py` reads them) and the freeze blocks that the standard leaves
open. An event record gives one item for each of its fields.

An item's key is its quantity, else `di:` with the identifier; a further field of the same identifier adds a dot and a
word: `demand_active_import_max_total.time`, `di:04000101.weekday`, `daily_freeze_energy_active_import.t1`,
`di:03010101.voltage_l1`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from edge.protocols.dlt645.catalogue import Catalogue, Entry, catalogue
from edge.protocols.dlt645.formats import Field, FieldError, decode_value, encode_value, parse_format
from edge.reading.outcome import Item, Value
from edge.reading.vendor import VendorItem

_SUFFIX_NAMES = {
    "time": ("time", "时间"),
    "weekday": ("weekday (0=Sunday)", "星期"),
    "count": ("count", "次数"),
    "minutes": ("minutes", "分钟"),
    "begin": ("begin", "起始"),
    "end": ("end", "结束"),
    "current": ("current", "电流"),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """One field of one item, where it stands in the data: bytes [start, stop); `item` has no value yet."""

    field: Field
    start: int
    stop: int
    item: Item


def decode_data(
    version: str, di: str, data: bytes, lang: str = "en", extra: tuple[VendorItem, ...] = ()
) -> tuple[Item, ...]:
    """Return the items that a read of `di` brought, in wire order (a date before its weekday).

    Bytes: `data` is what stands behind the identifier, offset removed, follow-up frames joined.
    `extra`: items that the settings define.
    Raises FieldError: "length" where the bytes do not fit the identifier, "not_bcd", "impossible_date".
    """
    items: list[Item] = []
    for slot in _slots(catalogue(version, extra), di, len(data), lang):
        try:
            value = decode_value(slot.field.fmt, data[slot.start : slot.stop], slot.field.signed)
        except FieldError as fault:
            raise ItemError(fault, slot.start + fault.at, tuple(items)) from fault
        items.append(_with_value(slot.item, value))
    return tuple(items)


def place_items(version: str, di: str, size: int, lang: str = "en") -> Iterator[Placed]:
    """Yield where each field of `size` data bytes stands. Raises FieldError("length") first if it does not fit."""
    return iter(_slots(catalogue(version), di, size, lang))


class ItemError(FieldError):
    """A FieldError that brings the items that were read before it; `at` counts from the first byte of the data."""

    def __init__(self, fault: FieldError, at: int, items: tuple[Item, ...]) -> None:
        super().__init__(fault.reason, fault.text, at, zh=fault.zh)
        self.items = items


def encode_data(version: str, di: str, values: Sequence[Value | None], extra: tuple[VendorItem, ...] = ()) -> bytes:
    """Return the data that a meter sends for `di`: one value for each item that `decode_data` would give.

    Of a block or table as many items are sent as there are values. An unknown identifier takes one hex text.
    Raises ValueError for values that do not fit.
    """
    book = catalogue(version, extra)
    size = _size_for(book, di, values)
    slots = _slots(book, di, size, "en")
    if len(slots) != len(values):
        raise ValueError(f"{di} takes {len(slots)} values, {len(values)} given")
    data = bytearray(size)
    for slot, value in zip(slots, values, strict=True):
        data[slot.start : slot.stop] = encode_value(slot.field.fmt, value, slot.field.signed)
    return bytes(data)


@lru_cache(maxsize=1024)
def data_sizes(version: str, di: str, extra: tuple[VendorItem, ...] = ()) -> tuple[int, int] | None:
    """Return the least and the most data bytes of an identifier, None where any number is right."""
    book = catalogue(version, extra)
    entry = book.find(di)
    if entry is None:
        return None
    if entry.is_block:
        sizes = [_entry_size(_member(book, member)) for member in entry.members]
        return sizes[0] or 0, sum(size or 0 for size in sizes)
    size = _entry_size(entry)
    if size is None:
        return None
    return _fields_size(entry.fields[: entry.required]) * entry.repeat[0], size * entry.repeat[1]


def _with_value(item: Item, value: Value | None) -> Item:
    return Item(item.key, item.identifier, value, item.unit, item.name)


@lru_cache(maxsize=1024)
def _slots(book: Catalogue, di: str, size: int, lang: str) -> tuple[Placed, ...]:
    """Return where each field stands: the same for every answer of this size. Raises FieldError("length")."""
    return tuple(_find_slots(book, di, size, lang))


def _find_slots(book: Catalogue, di: str, size: int, lang: str) -> Iterator[Placed]:
    entry = book.find(di)
    key = book.key_of(di) or f"di:{di}"
    if entry is None:
        yield Placed(Field("RAW:", "", signed=False), 0, size, Item(key, di, None, ""))
    elif entry.is_block:
        yield from _block_slots(book, entry, size, lang)
    elif (unit_size := _entry_size(entry)) is None:
        if size:  # a load record read that found nothing brings the identifier alone
            yield Placed(entry.fields[0], 0, size, Item(key, di, None, "", entry.name(lang)))
    elif entry.required < len(entry.fields):
        yield from _entry_slots(_shortened(entry, size), key, 0, 0, lang)
    else:
        times = size // unit_size
        if size % unit_size or not entry.repeat[0] <= times <= entry.repeat[1]:
            raise _length_error(di, size)
        for index in range(times):
            yield from _entry_slots(entry, key, index, index * unit_size, lang)


def _block_slots(book: Catalogue, entry: Entry, size: int, lang: str) -> Iterator[Placed]:
    members = []
    at = 0
    for di in entry.members:
        if at == size:
            break
        member = _member(book, di)
        members.append((di, member, at))
        at += _entry_size(member) or 0
    if at != size or not members:
        raise _length_error(entry.di, size)
    for di, member, start in members:
        yield from _entry_slots(member, book.key_of(di) or f"di:{di}", 0, start, lang)


def _entry_slots(entry: Entry, key: str, index: int, start: int, lang: str) -> Iterator[Placed]:
    """Yield the fields of one item; of a repeated one, those of its `index`-th time."""
    places = []
    for field in reversed(entry.fields) if entry.reversed_wire else entry.fields:
        stop = start + (parse_format(field.fmt).size or 0)
        places.append((field, start, stop))
        start = stop
    for field, begin, stop in reversed(places) if entry.reversed_wire else places:
        part, words = _part(entry, index, field, lang)
        item = Item(".".join((key, *part)), entry.di, None, field.unit, ", ".join((entry.name(lang), *words)))
        yield Placed(field, begin, stop, item)


def _shortened(entry: Entry, size: int) -> Entry:
    """Return the entry without the fields at its end that data of this size do not have."""
    ends = accumulate(parse_format(field.fmt).size or 0 for field in entry.fields)
    for count, end in enumerate(ends, 1):
        if end == size and count >= entry.required:
            return replace(entry, fields=entry.fields[:count])
    raise _length_error(entry.di, size)


def _part(entry: Entry, index: int, field: Field, lang: str) -> tuple[list[str], list[str]]:
    """Return what follows the key and the name of one field."""
    part, words = [], []
    if entry.by_tariff:
        part += [f"t{index}"] if index else []
        words += [f"费率{index}" if lang == "zh" else f"tariff {index}"] if index else []
    elif entry.repeat[1] > 1:
        part.append(str(index + 1))
        words.append(str(index + 1))
    if field.suffix and (field is not entry.fields[0] or field.suffix != "count"):
        part.append(field.suffix)
    if field.name_en:
        words.append(field.name_zh if lang == "zh" else field.name_en)
    elif field.suffix:
        words += [_SUFFIX_NAMES.get(word, (word, word))[lang == "zh"] for word in field.suffix.split("_")]
    return part, words


def _entry_size(entry: Entry) -> int | None:
    """Return the bytes of all fields once, None if they may be any number."""
    sizes = [parse_format(field.fmt).size for field in entry.fields]
    return None if None in sizes else _fields_size(entry.fields)


def _fields_size(fields: Sequence[Field]) -> int:
    return sum(parse_format(field.fmt).size or 0 for field in fields)


def _member(book: Catalogue, di: str) -> Entry:
    entry = book.find(di)
    if entry is None:
        raise KeyError(di)
    return entry


def _length_error(di: str, size: int) -> FieldError:
    zh = f"数据长度 {size} 与标识 {di} 不符"
    return FieldError("length", f"data length {size} does not fit the identifier {di}", zh=zh)


def _size_for(book: Catalogue, di: str, values: Sequence[Value | None]) -> int:
    """Return the bytes that this many values take."""
    entry = book.find(di)
    if entry is not None and entry.is_block:
        size = count = 0
        for member in (_member(book, each) for each in entry.members):
            if count >= len(values):
                break
            count += len(member.fields)
            size += _entry_size(member) or 0
        return size
    unit_size = _entry_size(entry) if entry else None
    if entry is None or unit_size is None:
        return sum(len(bytes.fromhex(str(value))) for value in values)
    if entry.required < len(entry.fields):
        return _fields_size(entry.fields[: len(values)])
    return unit_size * (len(values) // len(entry.fields))
