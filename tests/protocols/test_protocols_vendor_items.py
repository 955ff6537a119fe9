"""Items of the settings: identifiers that no table has, read with value and unit, for whoever was given them alone."""

from decimal import Decimal

import pytest

from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.items import data_sizes, decode_data, encode_data
from edge.protocols.drivers import driver
from edge.protocols.exchange import Request, Timing
from edge.reading.outcome import Answer, Malformed, Outcome
from edge.reading.vendor import VendorItem

_ME = "202107072529"
_HEAT = VendorItem(key="vendor_heat", identifier="04A00101", layout="XXX.X", unit="°C", signed=True, name="terminals")
_OLD = VendorItem(key="vendor_old", identifier="D101", layout="HEX:2")
_ITEMS = (_HEAT, _OLD)


def _read(keys: tuple[str, ...], data: str, *items: VendorItem, identifier: str = "04A00101") -> Outcome:
    version = "2007" if len(identifier) == 8 else "1997"
    (request,), unknown = driver(f"dlt645-{version}", items).requests_for(keys)
    assert (identifier, ()) == (request.identifier, unknown)
    exchange = driver(f"dlt645-{version}", items).read(_ME, request, Timing())
    exchange.request()
    control = 0x91 if version == "2007" else 0x81
    exchange.receive(encode_frame(_ME, control, bytes.fromhex(identifier)[::-1] + bytes.fromhex(data)))
    return exchange.outcome or exchange.give_up()


def _items(outcome: Outcome) -> list[tuple[object, ...]]:
    assert isinstance(outcome, Answer)
    return [(item.key, item.identifier, item.value, item.unit) for item in outcome.items]


@pytest.mark.parametrize(
    ("data", "value"),
    [("3102", Decimal("23.1")), ("3182", Decimal("-23.1")), ("0000", Decimal("0.0")), ("FFFF", None)],
)
def test_item_is_read_by_its_key(data: str, value: Decimal | None):
    """The key brings value, sign and unit; all FFH is no value."""
    assert [("vendor_heat", "04A00101", value, "°C")] == _items(_read(("vendor_heat",), data, *_ITEMS))


def test_item_is_read_by_its_identifier():
    """`di:` brings the same value and unit, under both keys."""
    found = _items(_read(("di:04A00101",), "3102", *_ITEMS))
    assert [
        ("vendor_heat", "04A00101", Decimal("23.1"), "°C"),
        ("di:04A00101", "04A00101", Decimal("23.1"), "°C"),
    ] == found


def test_key_and_identifier_are_one_request():
    """Whoever asks for both asks the meter once."""
    requests, unknown = driver("dlt645-2007", _ITEMS).requests_for(("vendor_heat", "di:04A00101"))
    assert ((Request("04A00101", ("vendor_heat", "di:04A00101")),), ()) == (requests, unknown)


def test_item_of_1997():
    """Four digits belong to 1997, eight to 2007: neither version reads the other's."""
    assert [("vendor_old", "D101", "1234", "")] == _items(_read(("vendor_old",), "3412", *_ITEMS, identifier="D101"))
    assert ((), ("vendor_heat",)) == driver("dlt645-1997", _ITEMS).requests_for(("vendor_heat",))
    assert ((), ("vendor_old",)) == driver("dlt645-2007", _ITEMS).requests_for(("vendor_old",))


@pytest.mark.parametrize("data", ["31", "310200", "3A02"])
def test_data_that_do_not_fit_the_format(data: str):
    """A defined item is judged like one of the table: other lengths and other digits are malformed."""
    assert isinstance(_read(("vendor_heat",), data, *_ITEMS), Malformed)


def test_identifier_without_a_definition_stays_raw():
    """What nobody defined is hex text as on the wire; definitions of one driver reach no other."""
    driver("dlt645-2007", _ITEMS)
    assert [("di:04A00101", "04A00101", "3102", "")] == _items(_read(("di:04A00101",), "3102"))
    assert ((), ("vendor_heat",)) == driver("dlt645-2007").requests_for(("vendor_heat",))
    assert catalogue("2007").find("04A00101") is None


def test_item_in_the_place_of_the_standards():
    """A definition wins over the table; the standard's quantity is read by it too, never by a block."""
    volts = VendorItem(key="vendor_volts", identifier="02010100", layout="XXXX.XX", unit="V")
    found = _items(_read(("vendor_volts", "voltage_l1"), "012322", volts, identifier="02010100"))
    assert {("voltage_l1", Decimal("2223.01")), ("vendor_volts", Decimal("2223.01"))} == {
        (key, value) for key, _, value, _ in found
    }
    assert [("voltage_l1", "02010100", Decimal("2223.01"), "V")] == _items(
        _read(("voltage_l1",), "012322", volts, identifier="02010100")
    )


def test_sizes_and_encoding_know_the_item():
    """Both ways, and the bound of the wait, follow the definition."""
    assert (2, 2) == data_sizes("2007", "04A00101", _ITEMS)
    assert bytes.fromhex("3182") == encode_data("2007", "04A00101", [Decimal("-23.1")], _ITEMS)
    (item,) = decode_data("2007", "04A00101", bytes.fromhex("3182"), "zh", _ITEMS)
    assert (Decimal("-23.1"), "vendor_heat") == (item.value, item.key)
    assert data_sizes("2007", "04A00101") is None
