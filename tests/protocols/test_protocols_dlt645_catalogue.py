"""The catalogues: every row can be found, read and written; no doubles; known units; the quantities' identifiers."""

import re
from decimal import Decimal

import pytest

from edge.protocols.dlt645.catalogue import Catalogue, Entry, catalogue
from edge.protocols.dlt645.formats import parse_format
from edge.protocols.dlt645.items import data_sizes, decode_data, encode_data
from edge.protocols.dlt645.wire_plan import UNLISTED
from edge.reading.outcome import Value
from edge.reading.quantities import in_own_unit, quantities

_VERSIONS = ("2007", "1997")
_ENERGY_UNITS = {"kWh", "kvarh", "kVAh", "Ah", "imp/kWh", "imp/kvarh", "CNY", "CNY/kWh"}
_UNITS = _ENERGY_UNITS | {"kW", "kvar", "kVA", "V", "A", "Hz", "%", "deg", "degC", "min", "s", "ms", "digits", "times"}
_SAMPLE_DATES = {"YY": "24", "MM": "02", "DD": "29", "WW": "4", "hh": "23", "mm": "59", "ss": "58", "NN": "03"}
_ROWS = [(version, pattern) for version in _VERSIONS for pattern in catalogue(version).patterns()]


def _expanded(book: Catalogue, pattern: str) -> str:
    """Return an identifier that the pattern covers: the first of its ranges that the catalogue takes for it."""
    for digit in "123":
        di = re.sub(r"([a-z])\1*", lambda match, digit=digit: digit.zfill(len(match[0])), pattern)
        entry = book.find(di)
        if entry is not None and entry.pattern == pattern:
            return di
    raise AssertionError(pattern)


def _sample(entry: Entry, index: int) -> Value:
    form = parse_format(entry.fields[index].fmt)
    size = form.size or 5
    match form.kind:
        case "number":
            return Decimal(7 + index).scaleb(-form.decimals)
        case "date":
            return "".join(_SAMPLE_DATES[part] for part in form.parts)
        case "ascii":
            return "Z9"
        case _:
            return "12" * size


@pytest.mark.parametrize(("version", "count"), [("2007", 535), ("1997", 293)])
def test_all_rows_are_here(version: str, count: int):
    """No identifier of the collected tables was lost; the one that is in no table stands beside them."""
    assert count == len(set(catalogue(version).patterns()) - UNLISTED)


@pytest.mark.parametrize(("version", "pattern"), _ROWS)
def test_row_is_found_and_goes_both_ways(version: str, pattern: str):
    """A row is found by an identifier it covers; sample values of its format survive both ways; its units are known."""
    book = catalogue(version)
    entry = book.find(_expanded(book, pattern))
    assert entry is not None
    assert entry.name_en
    assert entry.name_zh
    assert entry.access in {"r", "rw", "w"}
    assert entry.confidence in {0, 1, 2}
    assert entry.sources
    parts = [book.find(member) for member in entry.members] or [entry]
    values = []
    for part in parts:
        assert part is not None
        assert {field.unit for field in part.fields} <= _UNITS | {""}
        values += [_sample(part, index) for index in range(len(part.fields))]
    data = encode_data(version, entry.di, values)
    assert [str(value) for value in values] == [str(item.value) for item in decode_data(version, entry.di, data)]


@pytest.mark.parametrize(("version", "pattern"), _ROWS)
def test_row_refuses_data_of_a_wrong_length(version: str, pattern: str):
    """One byte too many is refused wherever the length is known."""
    book = catalogue(version)
    di = _expanded(book, pattern)
    sizes = data_sizes(version, di)
    if sizes is None:
        assert ["00" * 9] == [item.value for item in decode_data(version, di, bytes(9))]
    else:
        with pytest.raises(ValueError, match="does not fit"):
            decode_data(version, di, b"\xff" * (sizes[1] + 1))


def test_exact_row_wins_over_a_pattern():
    """The counts row is no event record, a block is no tariff, the total is no tariff."""
    book = catalogue("2007")
    found = {
        di: entry.pattern
        for di in ("03300100", "03300101", "0001FF00", "00010000", "00010100", "000100FF")
        if (entry := book.find(di))
    }
    assert found == {
        "03300100": "03300100",
        "03300101": "033001nn",
        "0001FF00": "0001FFss",
        "00010000": "000100ss",
        "00010100": "0001ttss",
        "000100FF": "0001ttFF",
    }
    assert getattr(catalogue("1997").find("901F"), "pattern", None) == "901F"


@pytest.mark.parametrize(
    "di", ["0001FFFF", "0001400D", "00014000", "0001000D", "02010400", "020A0116", "FF000000", "zz"]
)
def test_identifiers_that_no_row_covers(di: str):
    """Wildcards end at the ranges of the standard; both blocks at once do not exist."""
    assert catalogue("2007").find(di) is None


def test_names_are_filled_in():
    """A name says which tariff, phase or settlement, in both languages, and leaves other words alone."""
    book = catalogue("2007")
    assert book.find("00010402").name() == "forward active energy, tariff 4 (settlement 2 back)"
    assert book.find("00010400").name("zh") == "正向有功电能费率4"
    assert book.find("03010201").name() == "voltage loss record, phase B, 1-th last"


@pytest.mark.parametrize("version", _VERSIONS)
def test_every_key_is_a_quantity_with_a_unit_we_can_reach(version: str):
    """Each quantity's identifier is a row, and its unit on the wire moves to the quantity's own unit."""
    book = catalogue(version)
    keys = [key for key in quantities() if book.identifier_of(key)]
    assert keys
    for key in keys:
        for di in book.identifier_of(key).split("+"):
            entry = book.find(di)
            assert entry is not None, key
            if not quantities()[key].is_text:
                unit = entry.fields[0].unit
                assert quantities()[key].unit == in_own_unit(key, Decimal(1), unit)[1], key


def test_keys_and_identifiers():
    """The current total is the quantity; a settlement is the monthly freeze; any day's freeze is the daily freeze."""
    book = catalogue("2007")
    assert book.identifier_of("energy_active_import_total") == "00010000"
    assert book.key_of("00010000") == "energy_active_import_total"
    assert book.key_of("00010003") == "monthly_freeze_energy_active_import"
    assert book.key_of("0506010A") == "daily_freeze_energy_active_import"
    assert book.key_of("00010100") == "energy_active_import_t1"
    assert book.key_of("0001010C") is None
    assert book.key_of("00018800") is None
    assert catalogue("1997").key_of("9140") == "energy_reactive_q4_total"
