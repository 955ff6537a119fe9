"""The centre loses its ledger: everything that the gateway still holds gets there, and delivery goes on."""

import json

import pytest

from tests.flow.processes import FlowSite, edge, eventually

METER = "202311000001"


@pytest.fixture
def site(tmp_path, mosquitto):
    """Make a gateway with one simulated meter."""
    with FlowSite(tmp_path, mosquitto.url) as made:
        port = made.start_sim("--bus", f"A=pty:{tmp_path / 'bus'}", "--meters", "1", "--first", METER)
        made.configure(("A", port, ""), items=("voltage",))
        edge("meters", "add", METER, "--bus", "A", "--config", made.config)
        yield made


def slots(site):
    return sorted({one["slot_at"] for one in site.exported()})


def waiting(site):
    document = json.loads(edge("status", "--json", "--config", site.config, check=False).stdout)["forward"]
    return document["unsent_batches"] + document["waiting_readings"]


def test_an_empty_ledger_gets_what_is_left_and_what_comes(site):
    """What was confirmed as durable is gone with the ledger; nothing else is, and the outbox does not clog."""
    site.start_centre()
    site.start_poll()
    site.start_forward()
    eventually(lambda: len(slots(site)) >= 3, what="three slots")
    site.kill("centre")
    before = slots(site)
    eventually(lambda: waiting(site) >= 2, what="batches that wait")
    for path in site.centre_dir.glob("ledger.db*"):
        path.unlink()
    site.start_centre()
    eventually(lambda: len(slots(site)) >= 4, what="slots in the new ledger", seconds=90)
    assert 0 == site.end("poll")
    eventually(lambda: not waiting(site), what="an empty outbox", seconds=90)
    after = slots(site)
    assert after[0] > before[0]
    assert len(after) >= 4
