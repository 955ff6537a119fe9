"""Somebody deletes the store under the running halves: nothing of it is lost, and each half says what happened."""

import json
from datetime import UTC, datetime

import pytest

from tests.flow.processes import FlowSite, edge, eventually

METER = "202311000001"


@pytest.fixture
def site(tmp_path, mosquitto):
    """Make a gateway with one simulated meter, and a centre that is not there yet."""
    with FlowSite(tmp_path, mosquitto.url) as made:
        port = made.start_sim("--bus", f"A=pty:{tmp_path / 'bus'}", "--meters", "1", "--first", METER)
        made.configure(("A", port, ""), items=("voltage",))
        edge("meters", "add", METER, "--bus", "A", "--config", made.config)
        yield made


def backlog(site):
    return json.loads(edge("backlog", "--json", "--config", site.config).stdout)


def test_a_store_that_is_deleted_while_both_halves_run_is_put_back(site):
    """Both end and say why; started anew, they deliver what was polled before and after, each slot once."""
    site.start_poll()
    site.start_forward()
    store = site.state_dir / "edge.db"
    eventually(store.exists, what="a store")
    eventually(lambda: backlog(site)["unsent_batches"] >= 2, what="batches that wait")
    oldest, deleted_at = backlog(site)["oldest"], datetime.now(UTC).isoformat()
    for one in site.state_dir.glob("edge.db*"):
        one.unlink()
    missing = edge("backlog", "--config", site.config, check=False)
    assert "E-CAR-106" not in missing.stderr
    ends = {name: site.processes[name].wait(60) for name in ("poll", "forward")}
    assert {"poll": 6, "forward": 6} == ends
    assert "E-STO-123" in site.log("poll")
    assert "E-STO-123" in site.log("forward")
    assert oldest == backlog(site)["oldest"]
    site.start_poll()
    site.start_forward()
    site.start_centre()
    found = eventually(
        lambda: slots if len(slots := [one["slot_at"] for one in site.exported()]) >= 20 else None, what="slots"
    )
    assert 0 == site.end("poll")
    assert "E-STO-124" not in site.log("poll") + site.log("forward")
    assert min(found)[:19] <= deleted_at[:19]
    keys = [(one["slot_at"], one["quantity"]) for one in site.exported()]
    assert len(keys) == len(set(keys))
