"""Load records: the joined data of a class 06 read <-> records with their sections.

One record: A0 A0 | n | time | six sections, each ended by AA | checksum | E5. It is read by its structure: a section
that is not recorded is its AA alone. E0 E0 in front marks a record that the meter itself calls faulty: it is stepped
over and handed on without values. The checksum must be right. Which bytes n counts is not spelled out in the standard,
so n is a check only: any reasonable count agrees, another one is told by `count_agrees`.
Source: DL/T 645-2007, load records; layouts of the sections in `records_2007.tsv`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge.protocols.dlt645.formats import Field, FieldError, decode_value, encode_value, parse_format
from edge.protocols.dlt645.records import record_layout
from edge.reading.outcome import Value

_START, _FAULTY, _SECTION_END, _END = b"\xa0\xa0", b"\xe0\xe0", 0xAA, 0xE5
_TIME = Field("YYMMDDhhmm", "", signed=False, suffix="time", name_en="time", name_zh="时间")
_HEAD = 3  # start and n
_SECTIONS = 6
_TAIL = 2  # checksum and end

Section = tuple[Value | None, ...]


@dataclass(frozen=True, slots=True)
class LoadValue:
    """One value of a record, at bytes [start, stop) of the data. `key`: the quantity's key, or `time`."""

    key: str
    value: Value | None
    unit: str
    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRecord:
    """One record. `time`: YYMMDDhhmm of the meter, None where it sent none; `sections`: six, empty if not recorded.

    The values of a section stand in the order of `section_fields`, None where the meter marked one as absent.
    `count`: n as received; None makes `encode_load_records` compute it. `count_agrees`: n fits the record.
    `is_faulty`: marked by the meter; then there is no value, and `raw` holds its bytes to send it again.
    """

    time: str | None
    sections: tuple[Section, ...] = ((),) * _SECTIONS
    count: int | None = None
    count_agrees: bool = True
    is_faulty: bool = False
    raw: bytes = b""

    def values(self) -> dict[str, Value | None]:
        """Return the recorded values by quantity key; what is not recorded is not in it."""
        named = zip(range(1, _SECTIONS + 1), self.sections, strict=True)
        return {
            field.suffix: value
            for number, section in named
            if section
            for field, value in zip(section_fields(number), section, strict=True)
        }


def section_fields(number: int) -> tuple[Field, ...]:
    """Return the fields of a section, 1 to 6; a field's suffix is its quantity key."""
    return record_layout(f"load_{number}").fields


def decode_load_records(data: bytes) -> tuple[LoadRecord, ...]:
    """Return the records in wire order; none for no data.

    Bytes: what stands behind the identifier, offset removed, follow-up frames joined.
    Raises FieldError: "load_record" for a broken structure or checksum, "not_bcd", "impossible_date".
    """
    return tuple(_record(data, span) for span in _spans(data))


def encode_load_records(records: Sequence[LoadRecord]) -> bytes:
    """Return the data that a meter sends for these records. Raises ValueError for values that do not fit."""
    return b"".join(record.raw if record.is_faulty else _encoded(record) for record in records)


def place_load_records(data: bytes, lang: str = "en") -> Iterator[LoadValue]:
    """Yield time and values of all records, with their places in the data. Raises FieldError."""
    for number, span in enumerate(_spans(data), 1):
        before = f"记录{number}" if lang == "zh" else f"record {number}"
        if span.is_faulty:
            name = f"{before}, {'异常记录块' if lang == 'zh' else 'marked faulty by the meter'}"
            yield LoadValue("faulty", data[span.start : span.stop].hex().upper(), "", name, span.start, span.stop)
        for field, start, stop in span.places:
            name = f"{before}, {field.name_zh if lang == 'zh' else field.name_en}"
            yield LoadValue(field.suffix, _value(data, field, start, stop), field.unit, name, start, stop)


def has_load_records(data: bytes) -> bool:
    """Return whether the data begin like a load record of the standard."""
    return data[:2] in {_START, _FAULTY}


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a record stands, and its fields; `sections`: for each of the six how many fields it brought."""

    start: int
    stop: int
    places: tuple[tuple[Field, int, int], ...] = ()
    sections: tuple[int, ...] = (0,) * _SECTIONS
    is_faulty: bool = False


def _spans(data: bytes) -> Iterator[_Span]:
    at = 0
    while at < len(data):
        span = _faulty(data, at) if data[at : at + 2] == _FAULTY else _sound(data, at)
        yield span
        at = span.stop


def _sound(data: bytes, start: int) -> _Span:
    """Return where everything of a record stands. Raises FieldError unless structure and checksum are right."""
    if data[start : start + 2] != _START:
        raise _broken("does not begin with A0 A0", "不以 A0 A0 开始", start)
    at = start + _HEAD
    places = [(_TIME, at, at + 5)]
    at += 5
    sections = []
    for number in range(1, _SECTIONS + 1):
        fields = section_fields(number) if data[at : at + 1] != bytes((_SECTION_END,)) else ()
        for field in fields:
            places.append((field, at, at + (parse_format(field.fmt).size or 0)))
            at = places[-1][2]
        if data[at : at + 1] != bytes((_SECTION_END,)):
            raise _broken(f"section {number} does not end with AA", f"第{number}类数据未以 AA 结束", at)
        sections.append(len(fields))
        at += 1
    if data[at + 1 : at + _TAIL] != bytes((_END,)):
        raise _broken("does not end with E5", "未以 E5 结束", at + 1)
    if data[at] != sum(data[start:at]) & 0xFF:
        expected = sum(data[start:at]) & 0xFF
        en = f"has checksum {data[at]:02X}H, the sum is {expected:02X}H"
        raise _broken(en, f"校验和为 {data[at]:02X}H，计算值为 {expected:02X}H", at)
    return _Span(start, at + _TAIL, tuple(places), tuple(sections))


def _faulty(data: bytes, start: int) -> _Span:
    """Return where a record ends that the meter calls faulty: before the next start, since nothing in it is sure."""
    ends = (bytes((_END,)) + mark for mark in (_START, _FAULTY))
    stops = (found + 1 for end in ends if (found := data.find(end, start + 2)) >= 0)
    return _Span(start, min(stops, default=len(data)), is_faulty=True)


def _record(data: bytes, span: _Span) -> LoadRecord:
    if span.is_faulty:
        return LoadRecord(time=None, is_faulty=True, raw=data[span.start : span.stop])
    values = [_value(data, *place) for place in span.places]
    sections, at = [], 1
    for size in span.sections:
        sections.append(tuple(values[at : at + size]))
        at += size
    count = data[span.start + 2]
    return LoadRecord(
        time=None if values[0] is None else str(values[0]),
        sections=tuple(sections),
        count=count,
        count_agrees=_agrees(count, span.stop - span.start),
    )


def _agrees(count: int, size: int) -> bool:
    """Return whether n counts the whole record, or what is behind n, with or without checksum and end."""
    behind = size - _HEAD
    return count in {size, behind, behind - 1, behind - _TAIL}


def _value(data: bytes, field: Field, start: int, stop: int) -> Value | None:
    try:
        return decode_value(field.fmt, data[start:stop], field.signed)
    except FieldError as fault:
        raise fault.at_byte(start + fault.at) from fault


def _encoded(record: LoadRecord) -> bytes:
    body = bytearray(encode_value(_TIME.fmt, record.time))
    for number, section in enumerate(record.sections, 1):
        for field, value in zip(section_fields(number), section, strict=True) if section else ():
            body += encode_value(field.fmt, value, field.signed)
        body.append(_SECTION_END)
    count = len(body) if record.count is None else record.count
    content = _START + bytes((count,)) + body
    return content + bytes((sum(content) & 0xFF, _END))


def _broken(en: str, zh: str, at: int) -> FieldError:
    return FieldError("load_record", f"load record {en}", at, zh=f"负荷记录{zh}")
