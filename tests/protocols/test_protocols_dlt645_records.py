"""Event records: every field at its place, in both directions, absent and damaged fields, shorter tables."""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.formats import Field, FieldError, parse_format
from edge.protocols.dlt645.items import ItemError, data_sizes, decode_data, encode_data
from edge.protocols.dlt645.records import record_layout, shape_for
from edge.reading.outcome import Value

# Sizes as the standard gives them, for one identifier of each row.
_SIZES = {
    **dict.fromkeys(("03010101", "03020201", "03030301", "0304010A"), 131),
    **dict.fromkeys(("03070001", "03080001", "030E0101", "030F0301"), 76),
    **dict.fromkeys(("03090001", "030A0001"), 78),
    **dict.fromkeys(("030B0101", "030C0101", "030D0101"), 115),
    **dict.fromkeys(("03100000", "03100100"), 27),
    **dict.fromkeys(("03120101", "03120601"), 20),
    "03300001": 50,
    "03300101": 106,
    "03300201": 202,
    "03300301": 14,
    "03300401": 16,
    "03300501": 682,
    "03300601": 94,
    "03300701": 11,
    "03300801": 1026,
    **dict.fromkeys(("03300901", "03300A01", "03300B01"), 11),
    "03300C01": 16,
    **dict.fromkeys(("03300D01", "03300E01"), 60),
    "03050001": 15,
    **dict.fromkeys(("03060001", "03110001"), 12),
}
_DATES = {"YY": (0, 99), "MM": (1, 12), "DD": (1, 28), "hh": (0, 23), "mm": (0, 59), "ss": (0, 59), "NN": (1, 14)}
_BEGIN, _END = "010203311223", "020304010124"  # 231231 030201 and 240101 040302


def _read(di: str, data: str) -> dict[str, str | None]:
    items = decode_data("2007", di, bytes.fromhex(data))
    assert {di} == {item.identifier for item in items}
    return {
        item.key.removeprefix(f"di:{di}."): None if item.value is None else f"{item.value} {item.unit}".rstrip()
        for item in items
    }


def _any_value(field: Field, random: Random) -> Value | None:
    form = parse_format(field.fmt)
    size = form.size or 0
    if random.random() < 0.1 and field.fmt != "HEX:1":
        return None
    if form.kind == "number":
        number = random.randrange(8 * 10 ** (2 * size - 1))
        return Decimal(-number if field.signed and random.random() < 0.5 else number).scaleb(-form.decimals)
    if form.kind == "date":
        return "".join(f"{random.randint(*_DATES[part]):02d}" for part in form.parts)
    return f"{random.randrange(256**size - 1):0{2 * size}X}"


@pytest.mark.parametrize(("di", "size"), _SIZES.items())
def test_record_has_the_size_of_the_standard(di: str, size: int):
    """The fields of each record add up to the length printed in the standard; one byte more or less is refused."""
    sizes = data_sizes("2007", di)
    assert sizes is not None
    assert size == sizes[1]
    assert decode_data("2007", di, bytes(size))
    for wrong in (size - 1, size + 1):
        with pytest.raises(FieldError) as caught:
            decode_data("2007", di, bytes(wrong))
        assert caught.value.reason == "length"


def test_every_record_row_is_tried():
    """No row of the catalogue that names a record shape is left out of the sizes above."""
    book = catalogue("2007")
    tried = {entry.pattern for di in _SIZES if (entry := book.find(di))}
    rows = {p for p in book.patterns() if p.startswith("03") and p[2:4] != "33" and p[-2:] in {"nn", "ss"}}
    assert {p for p in rows if not p.startswith("0332")} == tried


@pytest.mark.parametrize("di", _SIZES)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32))
def test_any_values_of_a_record_go_both_ways(di: str, seed: int):
    """Values of every field, absent ones too, encode to the record's size and are read again as they were."""
    entry = catalogue("2007").find(di)
    assert entry is not None
    random = Random(seed)
    values = [_any_value(field, random) for field in entry.fields]
    data = encode_data("2007", di, values)
    assert _SIZES[di] == len(data)
    assert list(map(str, values)) == [str(item.value) for item in decode_data("2007", di, data)]


def test_voltage_loss_record():
    """Each group of a phase event stands where the standard has it; signs where the quantity has one."""
    total = "01000000020000000300008004000000"
    phases = [f"{n}5000000" * 4 + f"0{n}22" + "000580" + "002600" + "341280" + "0010" for n in "123"]
    amperes = "100000002000000030000000FFFFFFFF"
    found = _read("03010201", _BEGIN + _END + total + "".join(phases) + amperes)
    expected = {
        "begin": "231231030201",
        "end": "240101040302",
        "energy_forward_total_increment": "0.01 kWh",
        "energy_reverse_total_increment": "0.02 kWh",
        "energy_reactive_1_total_increment": "-0.03 kvarh",
        "energy_reactive_2_total_increment": "0.04 kvarh",
        "energy_forward_l3_increment": "0.35 kWh",
        "voltage_l1": "220.1 V",
        "voltage_l3": "220.3 V",
        "current_l1": "-0.500 A",
        "power_active_l2": "0.2600 kW",
        "power_reactive_l2": "-0.1234 kvar",
        "power_factor_l3": "1.000",
        "ampere_hours_total": "0.10 Ah",
        "ampere_hours_l2": "0.30 Ah",
        "ampere_hours_l3": None,
    }
    assert expected == {name: found[name] for name in expected}
    assert len(found) == 2 + 4 + 3 * 9 + 4


def test_qualification_and_unbalance():
    """Voltage statistics and the highest unbalance carry their units and their own times."""
    found = _read("03100001", "004400509900500000100000020000512330120501902145230602")
    assert list(found.items()) == [
        ("monitored_minutes", "4400 min"),
        ("pass_rate", "99.50 %"),
        ("out_of_limit_rate", "0.50 %"),
        ("above_limit_minutes", "10 min"),
        ("below_limit_minutes", "2 min"),
        ("voltage_max", "235.1 V"),
        ("voltage_max_time", "01051230"),
        ("voltage_min", "219.0 V"),
        ("voltage_min_time", "02062345"),
    ]
    assert _read("03090001", _BEGIN + _END + "3412" + "00000000" * 16)["unbalance_max"] == "12.34 %"


@pytest.mark.parametrize(("di", "unit"), [("03120101", "kW"), ("03120201", "kW"), ("03120301", "kvar")])
def test_demand_over_limit_has_the_unit_of_its_kind(di: str, unit: str):
    """Kinds 1 and 2 are active, the quadrants reactive; no sign: an 8 in front is a digit."""
    found = _read(di, _BEGIN + _END + "452381" + "5923311223")
    assert (f"81.2345 {unit}", "2312312359") == (found["demand_max"], found["demand_max_time"])


def test_programming_records():
    """Time, operator and what was programmed; places that were not filled are absent."""
    operator = "78563412"
    found = _read("03300001", _BEGIN + operator + "04010004" + "FFFFFFFF" * 9)
    assert ("12345678", "04000104", None) == (found["operator"], found["identifier_1"], found["identifier_10"])
    found = _read("03300401", operator + _BEGIN + _END)
    assert {"operator": "12345678", "before": "231231030201", "after": "240101040302"} == found
    found = _read("03300C01", _BEGIN + operator + "0001" + "9999" + "FFFF")
    assert ("0100", "9999", None) == tuple(found[f"settlement_day_{n}"] for n in (1, 2, 3))
    assert _read("03300A01", _BEGIN + operator + "FF")["old_word"] == "FF"


def test_long_records():
    """In a demand clear each demand is followed by its time; a holiday record has 254 dates; 28 zones in two sets."""
    found = _read("03300201", _BEGIN + "00000000" + "452301" + "3015310524" + "00" * 8 * 23)
    assert list(found.items())[2:4] == [
        ("demand_forward_total", "1.2345 kW"),
        ("demand_forward_total_time", "2405311530"),
    ]
    assert "demand_q4_l3_time" == list(found)[-1]
    found = _read("03300801", _BEGIN + "00000000" + "02011024" + "FFFFFFFF" * 253)
    assert ("24100102", None) == (found["holiday_1"], found["holiday_254"])
    found = _read("03300601", _BEGIN + "00000000" + "000000" * 14 + "020105" + "000000" * 13)
    assert found["set_2_zone_1"] == "050102"


@pytest.mark.parametrize("periods", [1, 28, 224])
def test_meter_with_fewer_periods_sends_a_shorter_record(periods: int):
    """As many periods are read, and sent, as there are; none, or part of one, is refused."""
    head = _BEGIN + "00000000"
    data = head + "023008" * periods
    found = _read("03300501", data)
    assert (2 + periods, "083002") == (len(found), found[f"period_{periods}"])
    values = [item.value for item in decode_data("2007", "03300501", bytes.fromhex(data))]
    assert bytes.fromhex(data) == encode_data("2007", "03300501", values)
    for wrong in (head, data + "00"):
        with pytest.raises(FieldError, match="does not fit"):
            _read("03300501", wrong)


def test_absent_record_and_damaged_field():
    """All FFH is a record of absent fields; a digit above 9 is refused at its byte, what stands before it is kept."""
    assert {None} == set(_read("03300D01", "FF" * 60).values())
    with pytest.raises(ItemError) as caught:
        _read("03300D01", _BEGIN + _END + "0000000A" + "00000000" * 11)
    assert ("not_bcd", 15, 2) == (caught.value.reason, caught.value.at, len(caught.value.items))


def test_cover_opening_tells_before_from_after():
    """The first six energies are those before, the last six those after."""
    found = _read("03300D01", _BEGIN + _END + "".join(f"{n:02d}000000" for n in range(1, 13)))
    assert ("0.01 kWh", "0.06 kvarh") == (found["energy_forward_before"], found["energy_q4_before"])
    assert ("0.07 kWh", "0.12 kvarh") == (found["energy_forward_after"], found["energy_q4_after"])


def test_short_event_records_name_their_begin():
    """Records that are only begin and end are keyed like the longer ones."""
    assert {"begin": "231231030201", "end": "240101040302"} == _read("03110001", _BEGIN + _END)
    assert ["begin", "current", "end"] == list(_read("03050001", _BEGIN + "000000" + _END))


def test_names_in_two_languages():
    """A field is named after its record, its phase and itself."""
    names = [decode_data("2007", "030B0201", bytes(115), lang)[10].name for lang in ("en", "zh")]
    assert ["current loss record, phase B, voltage, phase A", "(上1次)B相失流记录, A相电压"] == names


def test_shapes():
    """A shape may depend on a wildcard; one that does not exist is refused."""
    choice = "first,qq=03-06:second"
    assert ["first", "second", "second"] == [shape_for(choice, {"qq": qq}) for qq in ("02", "03", "06")]
    with pytest.raises(KeyError):
        record_layout("nothing")
