"""Items: blocks cut by their length, absence for each item, demand with its time, records and unknown identifiers."""

from decimal import Decimal

import pytest

from edge.protocols.dlt645.formats import FieldError
from edge.protocols.dlt645.items import ItemError, decode_data, encode_data


def _pairs(version: str, di: str, data: str) -> list[tuple[str, str | None]]:
    items = decode_data(version, di, bytes.fromhex(data))
    return [(item.key, None if item.value is None else str(item.value)) for item in items]


@pytest.mark.parametrize("tariffs", [0, 1, 4, 63])
def test_tariffs_are_counted_from_the_length(tariffs: int):
    """A block brings the total and as many tariffs as the meter has set, each under its own identifier."""
    items = decode_data("2007", "0001FF00", bytes.fromhex("26000000") * (tariffs + 1))
    assert [f"0001{n:02X}00" for n in range(tariffs + 1)] == [item.identifier for item in items]
    assert {Decimal("0.26")} == {item.value for item in items}


@pytest.mark.parametrize("size", [0, 3, 5, 65 * 4])
def test_block_of_a_wrong_length(size: int):
    """No item, part of an item, or more tariffs than can be: refused."""
    with pytest.raises(FieldError) as caught:
        decode_data("2007", "0001FF00", bytes(size))
    assert caught.value.reason == "length"


def test_absent_phases_are_none_each():
    """A single-phase meter's block marks B and C as absent, or leaves them out."""
    expected = [("voltage_l1", "237.1"), ("voltage_l2", None), ("voltage_l3", None)]
    assert expected == _pairs("2007", "0201FF00", "7123FFFFFFFF")
    assert [("voltage_l1", "237.1")] == _pairs("2007", "0201FF00", "7123")


def test_demand_and_its_time_are_two_items():
    """The demand carries the key, its time the key and `.time`; an all-zero time is no error."""
    expected = [("demand_active_import_max_total", "1.2345"), ("demand_active_import_max_total.time", "2405311530")]
    assert expected == _pairs("2007", "01010000", "4523013015310524")
    assert _pairs("2007", "01010000", "0000000000000000")[1][1] == "0000000000"


def test_demand_block():
    """A demand block gives both items of each tariff, in wire order."""
    found = _pairs("2007", "0101FF00", "452301" + "3015310524" + "FFFFFF" + "FFFFFFFFFF")
    assert [("demand_active_import_max_t1", None), ("demand_active_import_max_t1.time", None)] == found[2:]


def test_thirteen_settlements():
    """The settlement block runs from the present value back; those of the total are the monthly freezes."""
    found = _pairs("2007", "000100FF", "".join(f"{n:02d}000000" for n in range(13)))
    assert [("energy_active_import_total", "0.00"), ("monthly_freeze_energy_active_import", "0.01")] == found[:2]
    assert len(found) == 13


def test_freeze_brings_total_and_tariffs():
    """A freeze is one identifier with several values: the total under the key, the tariffs behind a dot."""
    expected = [("daily_freeze_energy_active_import", "1.00"), ("daily_freeze_energy_active_import.t1", "0.50")]
    assert expected == _pairs("2007", "05060101", "0001000050000000")


def test_counts_and_minutes():
    """A pair of counters is two items; three phases are six."""
    assert [("di:03050000", "12"), ("di:03050000.minutes", "345")] == _pairs("2007", "03050000", "120000450300")
    assert "di:03010000.l3_minutes" == _pairs("2007", "03010000", "010000" * 6)[-1][0]


def test_block_that_the_standard_leaves_open_is_hex_text():
    """The block of a whole freeze is handed on as bytes: what stands between its items is not known."""
    assert [("di:0506FF01", "AA00AA")] == _pairs("2007", "0506FF01", "AA00AA")


def test_load_record_read_that_found_nothing():
    """An answer with the identifier alone has no item and is no error."""
    assert [] == _pairs("2007", "06010001", "")


def test_unknown_identifier_is_raw():
    """Bytes behind an unknown identifier come as hex text in wire order, however many."""
    assert [("di:04600101", "3C00")] == _pairs("2007", "04600101", "3C00")
    assert b"\x3c\x00" == encode_data("2007", "04600101", ["3C00"])


def test_1997_has_other_resolutions():
    """The same quantity has other formats in 1997: whole volts, two decimals of current, order QI QIV QII QIII."""
    assert [("voltage_l1", "220")] == _pairs("1997", "B611", "2002")
    assert [("current_l1", "4.99")] == _pairs("1997", "B621", "9904")
    expected = [("power_active_total", "1.2345"), ("power_active_l1", "0.5000")]
    assert expected == _pairs("1997", "B63F", "452301005000" + "000000" * 2)[:2]
    assert len(_pairs("1997", "B63F", "000000" * 4 + "0000" * 2)) == 6


def test_error_in_a_block_names_the_byte_and_keeps_what_was_read():
    """The second tariff's bad digit is found at its offset; the total before it is not thrown away."""
    with pytest.raises(ItemError) as caught:
        decode_data("2007", "0001FF00", bytes.fromhex("2600000000A00000"))
    assert ("not_bcd", 5) == (caught.value.reason, caught.value.at)
    assert [Decimal("0.26")] == [item.value for item in caught.value.items]


def test_encode_takes_as_many_values_as_are_given():
    """The meter's side: a block of two values has two items; too many or odd numbers of values are refused."""
    assert bytes.fromhex("2600000001000000") == encode_data("2007", "0001FF00", [Decimal("0.26"), Decimal("0.01")])
    assert bytes.fromhex("7123FFFF") == encode_data("2007", "0201FF00", [Decimal("237.1"), None])
    for values in ([Decimal(1)] * 4, []):
        with pytest.raises(ValueError, match=r"takes|fit"):
            encode_data("2007", "0201FF00", values)
