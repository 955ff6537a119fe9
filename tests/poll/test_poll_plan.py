"""Who is polled: the plan that settings and meters make, and each bus's share of it."""

from datetime import UTC, datetime

import pytest

from edge.config.settings import Settings
from edge.config.table import build_table
from edge.poll.plan import PolledMeter, plan_in_force, plan_of_bus
from edge.reading.plan import Plan, PlanTask, Schedule

T0 = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
A, B = "000000000001", "000000000002"


def settings_with(**task):
    document = {
        "schema": 1,
        "gateway": {"id": "gw", "tenant": "t"},
        "bus": [{"name": "A", "port": "/dev/a"}],
        "task": [{"name": "load", "every": "15m", "items": ["voltage", "di:04000101"], **task}],
    }
    return build_table(Settings, document)


@pytest.mark.parametrize(
    ("meters", "expected"),
    [(["*"], (A, B)), ([A], (A,)), (["roof"], (B,)), (["roof", A], (A, B)), (["nobody"], ())],
)
def test_tasks_name_meters_by_address_tag_or_star(meters, expected):
    """A task's meters are addresses, tags or everybody; groups of items become their keys."""
    known = (PolledMeter(B, "A", "dlt645-2007", ("roof",)), PolledMeter(A, "A", "dlt645-2007"))
    made = plan_in_force(settings_with(meters=meters), known, T0)
    assert expected == made.tasks[0].meters
    assert ("voltage_l1", "voltage_l2", "voltage_l3", "di:04000101") == made.tasks[0].items


def test_a_bus_polls_its_own_meters_only():
    """The plan of a bus holds the meters that hang on it; tasks without any are left out."""
    both = Plan(T0, "Asia/Shanghai", (PlanTask("load", Schedule(every_s=900), ("voltage_l1",), (A, B)),))
    meters = {A: PolledMeter(A, "A", "dlt645-2007"), B: PolledMeter(B, "B", "dlt645-2007")}
    assert (A,) == plan_of_bus(both, meters, "A").tasks[0].meters
    assert () == plan_of_bus(both, meters, "C").tasks
