"""Two answers of a moment: what may differ between them, and what may not."""

from decimal import Decimal

import pytest

from edge.poll.agreement import do_agree
from edge.reading.outcome import Answer, Item


def answer(key, value):
    return Answer(address="202311000001", items=(Item(key, "", value if value is None else Decimal(value), ""),))


@pytest.mark.parametrize(
    ("key", "first", "second", "agree"),
    [
        ("energy_active_import_total", "131510.34", "131510.37", True),
        ("energy_active_import_total", "131510.34", "131510.38", False),
        ("energy_active_import_total", "131510.34", "131510.33", False),
        ("voltage_l1", "230.1", "226.0", True),
        ("voltage_l1", "230.1", "212.0", False),
        ("current_l1", "0.002", "0.005", True),
        ("current_l1", "5.000", None, False),
        ("daily_freeze_energy_active_import", "131510.34", "131510.34", True),
        ("daily_freeze_energy_active_import", "131510.34", "132510.34", False),
        ("daily_freeze_energy_active_import.t3", "48693.59", "48693.60", False),
        ("demand_active_import_max_total", "2.1040", "2.1041", False),
        ("di:05060101", "131510.34", "131510.35", False),
        ("di:04000409", "1200", "1200", True),
    ],
)
def test_what_agrees(key, first, second, agree):
    """Energies creep by three last digits, live quantities waver by a twentieth, what is recorded is equal."""
    assert agree == do_agree(answer(key, first), answer(key, second))


def test_other_items_do_not_agree():
    """An answer with other items says something else."""
    assert not do_agree(answer("voltage_l1", "230.1"), answer("voltage_l2", "230.1"))
