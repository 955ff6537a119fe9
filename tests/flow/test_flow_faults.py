"""Real processes, killed and cut off: every slot is at the centre once, read or missing with its reason."""

import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.flow.processes import GATEWAY, FlowSite, edge, eventually

METERS = ("202311000001", "202311000002", "202311000003")
DEAD = "202311000003"
ITEMS = ("energy_active_import", "voltage")


@pytest.fixture
def site(tmp_path, mosquitto):
    """Make a gateway with three simulated meters on a pty, the last one dead."""
    with FlowSite(tmp_path, mosquitto.url) as made:
        port = made.start_sim(
            *("--bus", f"A=pty:{tmp_path / 'bus'}", "--meters", "3", "--first", METERS[0]),
            *("--fault", f"{DEAD}=dead", "--answers", tmp_path / "answers"),
        )
        made.configure(("A", port, "reply_ms = 200"), items=ITEMS)
        for meter in METERS:
            edge("meters", "add", meter, "--bus", "A", "--config", made.config)
        yield made


def completeness(site):
    """Return what the centre says of each slot; None before it has heard anything."""
    done = edge("centre", "completeness", site.centre_dir, "--json", check=False)
    return json.loads(done.stdout) if done.returncode in (0, 6) else None


def slots_of(site, meter):
    return sorted({one["slot_at"] for one in site.exported() if one["meter"] == meter})


def test_killed_in_the_middle_nothing_is_lost_or_doubled(site, mosquitto):
    """Poller, forwarder, broker and centre are killed in turn; each slot is there once, on the grid of the task."""
    site.start_centre()
    site.start_poll()
    site.start_forward()
    eventually(lambda: len(slots_of(site, METERS[0])) >= 2, what="two slots")
    site.kill("forward")
    site.kill("poll")
    site.start_poll()
    site.start_forward()
    eventually(lambda: len(slots_of(site, METERS[0])) >= 4, what="two more slots after the gateway was killed")
    mosquitto.stop()
    site.kill("centre")
    mosquitto.start()
    site.start_centre()
    before = len(slots_of(site, METERS[0]))
    eventually(lambda: len(slots_of(site, METERS[0])) >= before + 2, what="slots after broker and centre were killed")
    assert 0 == site.end("poll")
    eventually(lambda: not _unsent(site), what="an empty outbox")
    _check_each_slot_once(site)
    _check_against_what_the_meters_answered(site)


def _unsent(site):
    done = edge("status", "--json", "--config", site.config, check=False)
    document = json.loads(done.stdout)["forward"]
    return document["unsent_batches"] + document["waiting_readings"]


def _check_each_slot_once(site):
    readings = site.exported()
    keys = [(one["slot_at"], one["meter"], one["quantity"]) for one in readings]
    assert len(keys) == len(set(keys))
    report = completeness(site)
    by_meter = {one["meter"]: one for one in report["meters"]}
    assert set(METERS) == set(by_meter)
    slots = [datetime.fromisoformat(one) for one in slots_of(site, METERS[0])]
    assert len(slots) > 4
    for earlier, later in pairwise(slots):
        # Slots that passed while the gateway was dead are no readings: they are missing, and the report knows them.
        assert (later - earlier) % timedelta(seconds=2) == timedelta(0)
    dead = [one for one in readings if one["meter"] == DEAD and one["value"] is not None]
    assert [] == dead


def _check_against_what_the_meters_answered(site):
    """Each energy at the centre is one that the meter answered: nothing invented, nothing altered."""
    answered = set()
    for line in (site.folder / "answers").read_text().splitlines():
        document = json.loads(line)
        if document["di"] == "0001FF00":
            answered.add((document["meter"], document["values"][0]))
    found = {
        (one["meter"], one["value"])
        for one in site.exported()
        if one["quantity"] == "energy_active_import_total" and one["value"] is not None
    }
    assert found
    assert found <= answered


def test_the_daemon_lends_its_bus(site):
    """Reading, scanning and adding a meter go through the running daemon; polling goes on."""
    edge("meters", "remove", METERS[1], "--config", site.config)
    site.start_poll()
    eventually((site.state_dir / "poll.sock").exists, what="the daemon")
    done = edge("read", METERS[1], "voltage", "--config", site.config, "--json")
    result = json.loads(done.stdout)
    assert "ok" == result["verdict"]
    assert ["voltage_l1", "voltage_l2", "voltage_l3"] == [one["quantity"] for one in result["readings"]]
    dead = edge("read", DEAD, "voltage_l1", "--config", site.config, check=False)
    assert 5 == dead.returncode
    assert "E-BUS-201" in dead.stderr
    scan = edge("scan", "A", "--range", f"{METERS[0]}-{DEAD}", "--config", site.config, "--json")
    assert list(METERS[:2]) == json.loads(scan.stdout)["found"]
    edge("meters", "add", METERS[1], "--bus", "A", "--config", site.config)
    status = json.loads(edge("status", "--json", "--config", site.config, check=False).stdout)
    assert 3 == status["poll"]["meters"]
    assert status["forward"] is None
    assert 0 == site.end("poll")


def test_a_port_that_vanishes_is_named_and_opened_again(site, tmp_path):
    """The adapter is pulled out and put in again: a condition with its code meanwhile, then polling goes on."""
    site.start_poll()
    eventually(lambda: _poll_condition(site, "port A") == "yes", what="the open port")
    site.kill("sim")
    eventually(lambda: _poll_condition(site, "port A") == "no", what="the vanished port in the status")
    assert "E-BUS-10" in site.log("poll")
    site.start_sim("--bus", f"A=pty:{tmp_path / 'bus'}", "--meters", "3", "--first", METERS[0])
    eventually(lambda: _poll_condition(site, "port A") == "yes", what="the port again")
    eventually(lambda: _poll_condition(site, f"meter {METERS[0]}") == "yes", what="readings again")
    assert 0 == site.end("poll")
    assert "Traceback" not in site.log("poll")


def _poll_condition(site, claim):
    done = edge("status", "--json", "--config", site.config, check=False)
    if done.returncode not in (0, 6):
        return None
    return json.loads(done.stdout)["poll"]["health"]["conditions"].get(claim, {}).get("answer")


def test_a_second_daemon_is_refused(site):
    """Two daemons never poll one bus: the second one says who holds the register, and ends."""
    site.start_poll()
    eventually((site.state_dir / "poll.sock").exists, what="the first daemon")
    done = edge("run", "--only", "poll", "--config", site.config, check=False)
    assert 0 != done.returncode
    assert "E-STO-207" in done.stderr
    assert 0 == site.end("poll")


def test_a_broker_that_is_away_is_named_and_nothing_is_lost(site, mosquitto):
    """Without a broker the readings wait here; the status says what is wrong; with it they arrive."""
    mosquitto.stop()
    site.start_poll()
    site.start_forward()
    eventually(lambda: _condition(site, "broker_reachable") == "no", what="the unreachable broker in the status")
    eventually(lambda: _unsent(site) >= 2, what="waiting batches")
    mosquitto.start()
    site.start_centre()
    eventually(lambda: len(slots_of(site, METERS[0])) >= 3, what="the readings at the centre")
    assert GATEWAY in edge("centre", "completeness", site.centre_dir, check=False).stdout


def _condition(site, claim):
    done = edge("status", "--json", "--config", site.config, check=False)
    if done.returncode not in (0, 6):
        return None
    forward = json.loads(done.stdout)["forward"]
    return forward and forward["health"]["conditions"].get(claim, {}).get("answer")


def test_the_demo_confirms_its_rounds():
    """`edge demo --fast --rounds 1` ends by itself, names the three faults and confirms every slot."""
    done = edge("demo", "--fast", "--rounds", "1")
    for code in ("E-BUS-201", "E-BUS-203", "E-BUS-206"):
        assert code in done.stdout
    assert "12 slots, all under signed receipts: 9 read, 3 missing" in done.stdout
