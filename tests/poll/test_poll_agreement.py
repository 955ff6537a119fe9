"""Two answers on a noisy line: what may differ between them, and what is damage."""

from decimal import Decimal

import pytest

from edge.poll.agreement import do_agree
from edge.reading.outcome import Answer, Item


def answer(key, value, unit):
    return Answer(address="202311000001", items=(Item(key, "00010001", Decimal(value), unit),))


@pytest.mark.parametrize(
    ("key", "unit", "first", "second", "expected"),
    [
        ("energy_active_import_total", "kWh", "1234.56", "1234.59", True),
        ("energy_active_import_total", "kWh", "1234.56", "1234.55", False),
        ("di:00010001", "kWh", "1234.56", "1234.56", True),
        ("di:00010001", "kWh", "1234.56", "1234.86", False),
        ("daily_freeze_energy_active_import", "kWh", "1234.56", "1235.56", False),
        ("credit_money", "CNY", "100.00", "99.98", True),
        ("credit_money", "CNY", "100.00", "98.00", False),
        ("voltage_l1", "V", "230.1", "229.0", True),
        ("voltage_l1", "V", "230.1", "130.1", False),
        ("power_factor_total", "", "0.950", "0.970", True),
    ],
)
def test_what_is_counted_creeps_and_what_is_measured_wavers(key, unit, first, second, expected):
    """The unit decides, not the name: energies of a freeze or a settlement day do not waver by percents."""
    assert expected is do_agree(answer(key, first, unit), answer(key, second, unit))
