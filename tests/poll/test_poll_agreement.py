"""Two answers on a noisy line: what may differ between them, and what is damage."""

from decimal import Decimal

import pytest

from edge.poll.agreement import do_agree
from edge.reading.outcome import Answer, Item


def answer(key, value, unit):
    number = value if value is None else Decimal(value)
    return Answer(address="202311000001", items=(Item(key, "00010001", number, unit),))


@pytest.mark.parametrize(
    ("key", "unit", "first", "second", "expected"),
    [
        ("energy_active_import_total", "kWh", "1234.56", "1234.59", True),
        ("energy_active_import_total", "kWh", "1234.56", "1234.60", False),
        ("energy_active_import_total", "kWh", "1234.56", "1234.55", False),
        ("di:00010001", "kWh", "1234.56", "1234.56", True),
        ("di:00010001", "kWh", "1234.56", "1234.86", False),
        ("daily_freeze_energy_active_import", "kWh", "1234.56", "1234.56", True),
        ("daily_freeze_energy_active_import", "kWh", "1234.56", "1235.56", False),
        ("daily_freeze_energy_active_import.t3", "kWh", "1234.56", "1234.57", False),
        ("demand_active_import_max_total", "kW", "2.1040", "2.1041", False),
        ("di:05060101", "kWh", "1234.56", "1234.57", False),
        ("credit_money", "CNY", "100.00", "99.98", True),
        ("credit_money", "CNY", "100.00", "98.00", False),
        ("voltage_l1", "V", "230.1", "229.0", True),
        ("voltage_l1", "V", "230.1", "130.1", False),
        ("current_l1", "A", "0.002", "0.005", True),
        ("current_l1", "A", "5.000", None, False),
        ("power_factor_total", "", "0.950", "0.970", True),
    ],
)
def test_what_is_counted_creeps_and_what_is_measured_wavers(key, unit, first, second, expected):
    """The unit decides, not the name: energies do not waver by percents; what is recorded stands."""
    assert expected is do_agree(answer(key, first, unit), answer(key, second, unit))


def test_other_items_do_not_agree():
    """An answer with other items says something else."""
    assert not do_agree(answer("voltage_l1", "230.1", "V"), answer("voltage_l2", "230.1", "V"))
