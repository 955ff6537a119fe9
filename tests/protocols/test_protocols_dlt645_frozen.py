"""What each kind of freeze holds, what is asked for, and how values are picked."""

from datetime import datetime
from decimal import Decimal

import pytest

from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.frozen import (
    Freeze,
    FrozenPlace,
    frozen_place,
    frozen_time,
    frozen_values,
    time_ask,
    value_ask,
)
from edge.protocols.dlt645.items import decode_data, encode_data
from edge.protocols.drivers import driver
from edge.protocols.exchange import Timing
from edge.reading.outcome import Answer

local = datetime.fromisoformat


def items(identifier, *values):
    return decode_data("2007", identifier, encode_data("2007", identifier, values))


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("energy_active_import_total", FrozenPlace(0x01, 0)),
        ("energy_active_export_t2", FrozenPlace(0x02, 2)),
        ("energy_reactive_q4_total", FrozenPlace(0x08, 0)),
        ("demand_active_import_max_t1", FrozenPlace(0x09, 1)),
        ("demand_active_export_max_total", FrozenPlace(0x0A, 0)),
        ("power_active_l3", FrozenPlace(0x10, 3)),
        ("power_reactive_total", FrozenPlace(0x10, 4)),
        ("di:00010100", FrozenPlace(0x01, 1)),
        ("daily_freeze_energy_active_import", FrozenPlace(0x01, None)),
        ("di:05060001", FrozenPlace(0x00, None)),
    ],
)
def test_daily_freezes_hold(key, place):
    """Energies with tariffs, demands, powers by their place in the standard's rows, and a freeze's own items."""
    assert place == frozen_place(key, Freeze.DAILY)


@pytest.mark.parametrize(
    "key",
    ["voltage_l1", "energy_active_combined_total", "di:00010001", "di:0001FF00", "di:05060102", "clock", "di:9010"],
)
def test_daily_freezes_do_not_hold(key):
    """Voltages, combined energy, past settlements, blocks, older freezes and parameters are not in a daily freeze."""
    assert frozen_place(key, Freeze.DAILY) is None


def test_hourly_freezes_hold_totals_of_active_energy_only():
    """The extension's table has 01 and 02, total alone."""
    assert FrozenPlace(2, 0) == frozen_place("energy_active_export_total", Freeze.HOURLY)
    assert frozen_place("energy_active_import_t1", Freeze.HOURLY) is None
    assert frozen_place("energy_reactive_q1_total", Freeze.HOURLY) is None


def test_a_freeze_by_order_has_no_daily_item():
    """An item of another kind of freeze is not held."""
    assert frozen_place("daily_freeze_energy_active_import", Freeze.NOW) is None


def test_identifiers_of_the_requests():
    """05, kind, what, how many back."""
    assert "0506003E" == time_ask(Freeze.DAILY, 62).request.identifier
    assert "05011001" == value_ask(Freeze.NOW, 0x10, 1).request.identifier
    assert "05040112" == value_ask(Freeze.HOURLY, 0x01, 0x12).request.identifier


@pytest.mark.parametrize(
    ("freeze", "moment", "now", "number"),
    [
        (Freeze.DAILY, local("2026-03-01 00:05"), local("2026-03-01 09:00"), 1),
        (Freeze.DAILY, local("2026-02-28 00:05"), local("2026-03-02 00:01"), 3),
        (Freeze.HOURLY, local("2026-03-01 23:00"), local("2026-03-02 01:59"), 3),
        (Freeze.NOW, local("2026-03-01 23:00"), local("2026-03-02 01:59"), 1),
    ],
)
def test_number_reckoned_from_the_time_that_passed(freeze, moment, now, number):
    """Each midnight or hour that passed moved the freeze on by one."""
    assert number == freeze.number_of(moment, now)


def test_the_time_of_a_freeze():
    """YYMMDDhhmm is the meter's local time; what is marked absent is none."""
    found = Answer(address="202311000001", items=items("05060002", "2603010000"))
    assert local("2026-03-01 00:00") == frozen_time(found)
    assert frozen_time(Answer(address="202311000001", items=items("05060002", None))) is None


def test_values_by_their_place():
    """Total and tariff from one answer; a tariff that the meter does not send is absent; `di:` keys bring a unit."""
    found = items("05060102", Decimal("10.00"), Decimal("1.00"))
    places = {key: frozen_place(key, Freeze.DAILY) for key in ("energy_active_import_t1", "di:00010000", "di:00010200")}
    values, units = frozen_values(found, places)
    assert {"energy_active_import_t1": Decimal("1.00"), "di:00010000": Decimal("10.00"), "di:00010200": None} == values
    assert {"di:00010000": "kWh"} == units


def test_a_demand_comes_with_its_time():
    """Each demand takes two places: value and time."""
    found = items("05060901", Decimal("3.0000"), "2602281200", Decimal("2.0000"), "2602280900")
    key = "demand_active_import_max_t1"
    values, _ = frozen_values(found, {key: frozen_place(key, Freeze.DAILY)})
    assert {key: Decimal("2.0000"), f"{key}.time": "2602280900"} == values


def test_a_freezes_own_item_keeps_its_parts():
    """Asked for as a whole, total and tariffs have the keys of a live read, whatever the number."""
    key = "daily_freeze_energy_active_import"
    found = items("05060105", Decimal("10.00"), Decimal("1.00"))
    values, _ = frozen_values(found, {key: frozen_place(key, Freeze.DAILY)})
    assert {key: Decimal("10.00"), f"{key}.t1": Decimal("1.00")} == values


def test_powers_are_in_the_quantities_own_unit():
    """The variables' block has kW; the quantity has W."""
    found = items(
        "05061001", *map(Decimal, ("0.0001", "0.0002", "-0.0003", "0.0004", "0.0005", "0.0006", "0.0007", "1"))
    )
    values, _ = frozen_values(found, {"power_active_l2": frozen_place("power_active_l2", Freeze.DAILY)})
    assert {"power_active_l2": Decimal("-0.3")} == values


def test_a_meter_with_one_tariff_has_no_second_one_in_its_freeze():
    """The answer names its values twice, also as they were asked for: the total is never taken for tariff 2."""
    ask = value_ask(Freeze.DAILY, 0x01, 1)
    exchange = driver("dlt645-2007").read("202311000001", ask.request, Timing())
    exchange.request()
    data = bytes.fromhex("05060101")[::-1] + encode_data("2007", "05060101", [Decimal("10.00"), Decimal("10.00")])
    exchange.receive(encode_frame("202311000001", 0x91, data))
    keys = ("energy_active_import_total", "energy_active_import_t1", "energy_active_import_t2")
    values, _ = frozen_values(exchange.outcome.items, {key: frozen_place(key, Freeze.DAILY) for key in keys})
    assert dict(zip(keys, (Decimal("10.00"), Decimal("10.00"), None), strict=True)) == values
