"""`[[item]]` from the settings file to the record: what is refused, and what a poll makes of the rest."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.config.checks import GATEWAY_CHECKS
from edge.config.load import load_toml_model
from edge.config.problems import Problem
from edge.config.settings import Settings
from edge.errors import ConfigError
from edge.poll.jobs import read_document
from edge.poll.meter_poll import MeterPoll
from edge.poll.plan import PolledMeter, plan_in_force
from edge.poll.vendor_items import ITEM_CHECKS, vendor_items
from edge.protocols.drivers import driver
from edge.protocols.exchange import Timing
from edge.reading.outcome import Answer, Item, Malformed
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.reading.vendor import VendorItem
from edge.reading.verdict import SlotReason

T0 = datetime(2026, 3, 1, tzinfo=UTC)
ME = "202311000001"
HEAD = """gateway = { id = "g", tenant = "t" }
[[task]]
name = "heat"
every = "15m"
items = ["vendor_heat", "di:04A00102", "voltage"]
[[item]]
key = "vendor_heat"
"""
HEAT = 'di = "04a00101"\nformat = "XXX.X"\nunit = "°C"\nsigned = true\nname = "terminals"\nname_zh = "端子温度"\n'


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "edge.toml"
    file.write_text(text, encoding="utf-8")
    return load_toml_model(file, Settings, checks=(*GATEWAY_CHECKS, *ITEM_CHECKS))


@pytest.mark.parametrize(
    ("code", "line", "text"),
    [
        ("E-CFG-071", 9, HEAT.replace("XXX.X", "ZZZ.Z")),
        ("E-CFG-071", 9, HEAT.replace("XXX.X", "XXX,X")),
        ("E-CFG-071", 9, HEAT.replace("XXX.X", "HEX:0")),
        ("E-CFG-072", 8, HEAT.replace("04a00101", "02010100")),
        ("E-CFG-072", 8, HEAT.replace("04a00101", "00010A00")),
        ("E-CFG-072", 8, HEAT.replace("04a00101", "9010")),
        ("E-CFG-075", 11, HEAT.replace("XXX.X", "HEX:2")),
    ],
)
def test_what_only_the_protocols_know_is_checked(tmp_path: Path, code: str, line: int, text: str):
    """A format that is none, an identifier that the tables have, a sign without a number: each at its line."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, HEAD + text)
    problems = [problem for problem in caught.value.problems if isinstance(problem, Problem)]
    assert [(code, line)] == [(problem.code, problem.line) for problem in problems]


def test_an_identifier_of_the_standard_may_be_replaced(tmp_path: Path):
    """Where the installer says that these meters differ, the definition stands."""
    text = HEAD + HEAT.replace("04a00101", "02010100") + "replaces_standard = true\n"
    assert ["02010100"] == [item.identifier for item in vendor_items(load(tmp_path, text))]


@pytest.mark.parametrize(
    ("layout", "unit", "is_read"),
    [("XXXX.XX", "V", True), ("XXX.X", "A", False), ("XXX.X", "", False), ("HEX:2", "V", False)],
)
def test_a_quantity_is_read_through_a_replaced_identifier_only_in_its_unit(layout: str, unit: str, *, is_read: bool):
    """Amperes or hex under the identifier of a voltage are the item's alone, never a voltage."""
    item = VendorItem(key="mine", identifier="02010100", layout=layout, unit=unit)
    requests, unknown = driver("dlt645-2007", (item,)).requests_for(("voltage_l1", "voltage_l2", "mine"))
    assert (() if is_read else ("voltage_l1",)) == unknown
    keys = [request.keys for request in requests if request.identifier == "02010100"]
    assert [("voltage_l1", "mine") if is_read else ("mine",)] == keys


def test_a_block_that_is_replaced_brings_no_quantities():
    """The block's identifier means something else here: its quantities are read alone."""
    item = VendorItem(key="mine", identifier="0201FF00", layout="HEX:6")
    requests, unknown = driver("dlt645-2007", (item,)).requests_for(("voltage_l1", "voltage_l2", "voltage_l3"))
    assert ((), ["02010100", "02010200", "02010300"]) == (unknown, [request.identifier for request in requests])


def test_two_keys_of_one_identifier_fail_as_it_failed():
    """There is nothing smaller to ask for: a malformed answer is not called a refusal, and its detail stays."""
    item = VendorItem(key="mine", identifier="02010100", layout="XXXX.XX", unit="V")
    poll = MeterPoll(ME, ("voltage_l1", "mine"), driver("dlt645-2007", (item,)), Timing(), 1)
    poll.take(Malformed(reason="data length 2"))
    assert dict.fromkeys(("voltage_l1", "mine"), SlotReason.MALFORMED) == poll.faults
    assert {"data length 2"} == set(poll.details.values())


def test_wrong_types_are_left_to_the_model(tmp_path: Path):
    """A number where text belongs is one problem, said once."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, HEAD + 'di = 1\nformat = 2\nsigned = "yes"\n')
    problems = [problem for problem in caught.value.problems if isinstance(problem, Problem)]
    assert [("E-CFG-031", 8), ("E-CFG-031", 9), ("E-CFG-037", 10)] == [(each.code, each.line) for each in problems]


def test_a_poll_brings_value_and_unit(tmp_path: Path):
    """The record carries the unit of an item that is no quantity; the plan keeps its key; the quantity its own unit."""
    settings = load(tmp_path, HEAD + HEAT)
    (task,) = plan_in_force(settings, (PolledMeter(ME, "A", "dlt645-2007"),), T0).tasks
    assert ("vendor_heat", "di:04A00102", "voltage_l1", "voltage_l2", "voltage_l3") == task.items
    poll = MeterPoll(ME, task.items[:1], driver("dlt645-2007", vendor_items(settings)), Timing(), 1)
    poll.take(Answer(address=ME, items=(Item("vendor_heat", "04A00101", Decimal("23.1"), "°C", "terminals"),)))
    record = PollRecord(
        task="heat",
        slot_at=T0,
        meter=ME,
        bus="A",
        stamp=Stamp(T0, "rtc", "boot", 0.0),
        state=SlotState.READ,
        values=poll.values,
        units=poll.units,
    )
    assert [("vendor_heat", Decimal("23.1"), "°C")] == [(one.key, one.value, one.unit) for one in record.readings()]
    (reading,) = read_document(poll, ManualClock(now=T0))["readings"]
    assert ("vendor_heat", "04A00101", "23.1", "°C") == tuple(
        reading[name] for name in ("quantity", "di", "value", "unit")
    )


def test_units_of_quantities_are_not_repeated(tmp_path: Path):
    """A quantity's unit is known everywhere; the fields of a record, which are none, carry theirs."""
    poll = MeterPoll(ME, ("voltage_l1",), driver("dlt645-2007"), Timing(), 1)
    poll.take(Answer(address=ME, items=(Item("voltage_l1", "02010100", Decimal("220.1"), "V"),)))
    assert {} == poll.units
    poll = MeterPoll(ME, ("di:03010101",), driver("dlt645-2007"), Timing(), 1)
    poll.take(Answer(address=ME, items=(Item("di:03010101.voltage_l1", "03010101", Decimal("220.1"), "V"),)))
    assert {"di:03010101.voltage_l1": "V"} == poll.units
