"""Load records: sections by structure, missing ones, faulty and broken records, several joined, both ways."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cli.explain import as_document, explain_line
from edge.protocols.dlt645.explain import explain_bytes
from edge.protocols.dlt645.formats import Field, FieldError, parse_format
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.load_records import (
    LoadRecord,
    decode_load_records,
    encode_load_records,
    section_fields,
)
from edge.reading.outcome import Value

_TIME = "4523310124"  # 24-01-31 23:45
_UIF = "012202220322000580100500FFFFFF0050"
_POWERS = "452301000081" + "000000" * 6
_FACTORS = "00100090" + "0000" * 2
_TOTALS = "01000000020000000300008004000000"
_QUADRANTS = "".join(f"{n}1000000" for n in "1234")
_DEMANDS = "100000200080"
_ALL = [_UIF, _POWERS, _FACTORS, _TOTALS, _QUADRANTS, _DEMANDS]


def _raw(sections: list[str], *, count: int | None = None, start: str = "A0A0") -> bytes:
    body = bytes.fromhex(_TIME + "".join(section + "AA" for section in sections))
    content = bytes.fromhex(start) + bytes((len(body) if count is None else count,)) + body
    return content + bytes((sum(content) % 256, 0xE5))


def _number(field: Field) -> st.SearchStrategy[Decimal | None]:
    form = parse_format(field.fmt)
    digits = 2 * (form.size or 0)
    least = -(8 * 10 ** (digits - 1) - 1) if field.signed else 0
    numbers = st.integers(least, 8 * 10 ** (digits - 1) - 1)
    return st.none() | numbers.map(lambda number: Decimal(number).scaleb(-form.decimals))


def _section(number: int) -> st.SearchStrategy[tuple[Value | None, ...]]:
    return st.just(()) | st.tuples(*(_number(field) for field in section_fields(number)))


_RECORDS = st.lists(
    st.builds(
        LoadRecord,
        time=st.none() | st.datetimes().map(lambda at: f"{at:%y%m%d%H%M}"),
        sections=st.tuples(*(_section(number) for number in range(1, 7))),
    ),
    max_size=4,
)


def test_whole_record():
    """All six sections make 103 bytes; each value has its key, its digits and its sign."""
    data = _raw(_ALL)
    assert len(data) == 103
    (record,) = decode_load_records(data)
    assert ("2401312345", True, False) == (record.time, record.count_agrees, record.is_faulty)
    values = record.values()
    expected = {
        "voltage_l1": "220.1",
        "current_l1": "-0.500",
        "current_l3": "None",
        "frequency": "50.00",
        "power_active_total": "1.2345",
        "power_active_l1": "-1.0000",
        "power_reactive_l3": "0.0000",
        "power_factor_total": "1.000",
        "power_factor_l1": "-1.000",
        "energy_active_import_total": "0.01",
        "energy_active_export_total": "0.02",
        "energy_reactive_combined1_total": "-0.03",
        "energy_reactive_combined2_total": "0.04",
        "energy_reactive_q1_total": "0.11",
        "energy_reactive_q4_total": "0.41",
        "demand_active_present": "0.0010",
        "demand_reactive_present": "-0.0020",
    }
    assert expected == {key: str(values[key]) for key in expected}
    assert len(values) == 7 + 8 + 4 + 4 + 4 + 2


@pytest.mark.parametrize("kept", range(7))
def test_sections_that_are_not_recorded_are_empty(kept: int):
    """A section without data is its end mark alone; the others stay where they belong."""
    sections = [text if number == kept else "" for number, text in enumerate(_ALL, 1)]
    (record,) = decode_load_records(_raw(sections))
    assert [number == kept for number in range(1, 7)] == [bool(section) for section in record.sections]
    assert _raw(sections) == encode_load_records([replace(record, count=None)])


@pytest.mark.parametrize(("count", "agrees"), [(11, True), (12, True), (13, True), (16, True), (14, False), (0, False)])
def test_count_is_a_check_only(count: int, agrees: bool):
    """What n counts is not known for sure: a count that fits nothing is told, and is no error."""
    data = _raw(["", "", "", "", "", ""], count=count)
    (record,) = decode_load_records(data)
    assert (agrees, count) == (record.count_agrees, record.count)
    assert data == encode_load_records([record])


@given(_RECORDS)
def test_any_records_go_both_ways(records: list[LoadRecord]):
    """Records that are encoded and joined are read as they were, the count apart."""
    found = decode_load_records(encode_load_records(records))
    assert records == [replace(record, count=None) for record in found]
    assert all(record.count_agrees for record in found)


def test_faulty_record_between_sound_ones():
    """A record that the meter calls faulty has no values, costs no other its own, and is sent again as it came."""
    broken = bytes.fromhex("E0E055AABBCC00E5")
    data = _raw(_ALL) + broken + _raw(["", "", "", _TOTALS, "", ""]) + _raw(_ALL, start="E0E0")
    records = decode_load_records(data)
    assert [False, True, False, True] == [record.is_faulty for record in records]
    assert broken == records[1].raw
    assert {} == records[1].values()
    assert len(records[2].values()) == 4
    assert data == encode_load_records(records)


@pytest.mark.parametrize(
    ("data", "at", "says"),
    [
        (b"\xa0", 0, "A0 A0"),
        (_raw(_ALL)[:-1], 102, "E5"),
        (_raw(_ALL)[:50], 50, "section 2 does not end"),
        (_raw(_ALL) + b"\x00", 103, "A0 A0"),
        (_raw([_UIF + "00", "", "", "", "", ""]), 25, "section 1 does not end"),
        (_raw(_ALL)[:-2] + b"\x00\xe5", 101, "checksum 00H"),
    ],
)
def test_broken_records_are_refused(data: bytes, at: int, says: str):
    """A structure that breaks off or a wrong checksum is refused at its byte."""
    with pytest.raises(FieldError, match=says) as caught:
        decode_load_records(data)
    assert ("load_record", at) == (caught.value.reason, caught.value.at)


def test_bad_digit_in_the_second_record():
    """A digit above 9 is refused at its place among all bytes."""
    data = _raw(_ALL) + _raw(["", "", "", "0A" + _TOTALS[2:], "", ""])
    with pytest.raises(FieldError) as caught:
        decode_load_records(data)
    assert ("not_bcd", 103 + 3 + 5 + 3) == (caught.value.reason, caught.value.at)


def test_no_record():
    """A read that found nothing has no record."""
    assert () == decode_load_records(b"")


def _answer(data: bytes) -> bytes:
    return encode_frame("202107072529", 0x91, bytes.fromhex("02000006") + data, 0)


def test_explained():
    """The page shows each value of each record; the object keeps the bytes as one item."""
    frame = _answer(_raw(["", "", "", _TOTALS, "", ""]))
    shown = {fact.name: fact.value for fact in explain_bytes(frame).facts}
    assert ("2401312345", "0.02") == (shown["record 1, time"], shown["record 1, reverse active energy, total"])
    assert "记录1, 时间" in {fact.name for fact in explain_bytes(frame, lang="zh").facts}
    document = as_document(explain_line(frame.hex()), None)
    assert (True, 1) == (document["ok"], len(document["items"]))


def test_explained_where_it_is_broken_or_of_another_kind():
    """A record with a wrong checksum is a content that cannot be right; a vendor's own layout is left alone."""
    broken = explain_bytes(_answer(_raw(_ALL)[:-2] + b"\x00\xe5"))
    assert broken.problem is not None
    assert ("load_record", 10 + 4 + 101) == (broken.problem.code, broken.problem.at)
    assert explain_bytes(_answer(bytes(20))).is_ok
    assert explain_bytes(_answer(_raw([""] * 6, start="E0E0"))).is_ok
