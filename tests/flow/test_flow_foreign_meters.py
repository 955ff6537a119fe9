"""Somebody else's meters, a real broker, real processes: what was put into the meter stands at the centre."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.messages.topics import all_batches
from edge.mqtt.link import MqttLink, MqttOptions, Received, Subscribed
from tests.flow.foreign_meters import ADDRESS, VALUES
from tests.flow.processes import TENANT, FlowSite, PtyCable, edge, eventually, free_port

ROOT = Path(__file__).parents[2]
ITEMS = (
    "energy_active_import_total",
    "energy_active_import_t1",
    "energy_active_export_total",
    "voltage",
    "current_l1",
    "power_active_total",
    "power_factor_total",
    "frequency",
)
# What the meter holds, in the unit of the quantity: its power is kept in kW, ours in W.
EXPECTED = {
    "energy_active_import_total": ("123456.78", "kWh"),
    "energy_active_import_t1": ("100.25", "kWh"),
    "energy_active_export_total": ("9.50", "kWh"),
    "voltage_l1": ("230.4", "V"),
    "voltage_l2": ("231.5", "V"),
    "voltage_l3": ("229.9", "V"),
    "current_l1": ("12.345", "A"),
    "power_active_total": ("1234.5", "W"),
    "power_factor_total": ("0.998", ""),
    "frequency": ("50.01", "Hz"),
}


@pytest.fixture(params=["tcp", "serial"])
def site(request, tmp_path, mosquitto):
    """Make a gateway whose bus leads to somebody else's meter, over TCP or over a serial cable."""
    cable = PtyCable() if request.param == "serial" else None
    with FlowSite(tmp_path, mosquitto.url) as made:
        if cable is None:
            port = free_port()
            made.start_foreign("tcp", port)
            bus = ("A", f"socket://127.0.0.1:{port}", "")
        else:
            made.start_foreign("serial", cable.a)
            bus = ("A", cable.b, 'baud = 9600\nparity = "none"')
        made.configure(bus, items=ITEMS)
        edge("meters", "add", ADDRESS, "--bus", "A", "--config", made.config)
        yield made
    if cable is not None:
        cable.close()


def test_values_put_into_the_meter_stand_at_the_centre(site, mosquitto):
    """Two processes poll and forward; the centre holds each value once a slot; outsiders can read the batches."""
    listener = MqttLink(MqttOptions(url=mosquitto.url, client_id="capture"), SystemClock())
    listener.connect()
    listener.subscribe([(all_batches(TENANT), 1)])
    eventually(lambda: [event for event in listener.step(0.2) if isinstance(event, Subscribed)])
    site.start_centre()
    site.start_poll()
    site.start_forward()
    readings = eventually(lambda: _two_rounds(site.exported()), what="two rounds at the centre")
    slots = sorted({one["slot_at"] for one in readings})
    for slot in slots[:2]:
        found = {one["quantity"]: (one["value"], one["unit"]) for one in readings if one["slot_at"] == slot}
        assert EXPECTED == found
    keys = [(one["slot_at"], one["meter"], one["quantity"]) for one in readings]
    assert len(keys) == len(set(keys))
    assert {ADDRESS} == {one["meter"] for one in readings}
    assert 0 == site.end("poll")
    assert 0 == site.end("forward")
    assert 0 == site.end("centre")
    captured = eventually(lambda: [event.payload for event in listener.step(0.2) if isinstance(event, Received)])
    _read_by_outsiders(site, captured)
    listener.close()


def _two_rounds(readings):
    return readings if len({one["slot_at"] for one in readings}) > 2 else None


def _read_by_outsiders(site, envelopes):
    """Have `cwt` verify a captured batch, and the stand-alone reader find the meter's values in it."""
    assert envelopes
    public = site.folder / "gw.pub"
    values = set()
    for number, envelope in enumerate(envelopes):
        path = site.folder / f"captured-{number}.cose"
        path.write_bytes(envelope)
        reader = [sys.executable, str(ROOT / "docs" / "read_batch.py"), str(public), str(path)]
        done = subprocess.run(reader, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            document = json.loads(line)
            values.add((document.get("key"), document.get("value")))
    assert ("energy_active_import_total", "123456.78") in values
    assert ("voltage_l1", "230.4") in values
    witness = ROOT / ".venv-witness" / "bin" / "python"
    assert witness.exists(), "the outside witness is missing: run make witness"
    script = ROOT / "tests" / "flow" / "witness_cwt.py"
    done = subprocess.run(
        [str(witness), str(script), str(public), str(site.folder / "captured-0.cose")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout


def test_what_was_put_in_is_what_is_expected():
    """The expected values are those that were put into the meter, moved to the unit of their quantity."""
    assert Decimal(str(VALUES[0x00010000])) == Decimal(EXPECTED["energy_active_import_total"][0])
    assert Decimal(str(VALUES[0x02030000])) * 1000 == Decimal(EXPECTED["power_active_total"][0])
