"""Real processes, killed and cut off: every slot is at the centre once, read or missing with its reason."""

import json
import os
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from edge.centre.ledger_sqlite import SqliteLedger
from tests.flow.processes import GATEWAY, FlowSite, command, edge, eventually

METERS = ("202311000001", "202311000002", "202311000003")
DEAD = "202311000003"
ITEMS = ("energy_active_import", "voltage")
PERIOD = timedelta(seconds=2)
FILLED = ("in_time", "late", "refilled", "missing_open", "missing_final")


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


def completeness(site, until):
    """Return what the centre says of each slot up to an instant, that one included."""
    to = (until + timedelta(seconds=1)).isoformat()
    done = edge("centre", "completeness", site.centre_dir, "--to", to, "--json", check=False)
    assert done.returncode in (0, 6), done.stderr
    return json.loads(done.stdout)


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
    dead_from = datetime.now(UTC)
    dead_until = eventually(lambda: _now_if_after(dead_from + 3 * PERIOD), what="slots that pass without a gateway")
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
    _check_each_slot_once(site, dead_from, dead_until)
    _check_against_what_the_meters_answered(site)


def _unsent(site):
    done = edge("status", "--json", "--config", site.config, check=False)
    document = json.loads(done.stdout)["forward"]
    return document["unsent_batches"] + document["waiting_readings"]


def _now_if_after(at):
    now = datetime.now(UTC)
    return now if now > at else None


def _check_each_slot_once(site, dead_from, dead_until):
    """Check what the centre has against the plan: every slot up to the last round, each once, and why some are not."""
    readings = site.exported()
    keys = [(one["slot_at"], one["meter"], one["quantity"]) for one in readings]
    assert len(keys) == len(set(keys))
    assert [] == [one for one in readings if one["meter"] == DEAD and one["value"] is not None]
    begin, last = _promised_span(site)
    report = completeness(site, last)
    expected = int(last.timestamp()) // 2 - int(begin.timestamp()) // 2
    assert expected > 4  # enough that the kill falls between slots
    assert [(meter, expected, 0, 0) for meter in METERS] == [
        (one["meter"], one["expected"], one["not_heard"], one["awaited"]) for one in report["meters"]
    ]
    assert [expected] * len(METERS) == [sum(one[fill] for fill in FILLED) for one in report["meters"]]
    healthy, dead = report["meters"][0], report["meters"][-1]
    read = [one for one in slots_of(site, METERS[0]) if datetime.fromisoformat(one) <= last]
    assert len(read) == sum(healthy[fill] for fill in ("in_time", "late", "refilled"))
    assert 0 == dead["in_time"] + dead["late"] + dead["refilled"]
    _check_dead_time(report, dead_from, dead_until)


def _promised_span(site):
    """Return from when on the plan counts, and the last slot of which every meter has a record at the centre."""
    with SqliteLedger(site.centre_dir / "ledger.db", must_exist=True) as ledger:
        plans = ledger.plans(GATEWAY)
        rows = list(ledger.slots(GATEWAY, plans[0].valid_from, datetime.now(UTC)))
    assert 1 == len(plans)
    return plans[0].valid_from, min(max(row.slot_at for row in rows if row.meter == meter) for meter in METERS)


def _check_dead_time(report, dead_from, dead_until):
    """Check that the slots of the time without a gateway are missing for that reason, of each meter."""
    first = datetime.fromtimestamp((int(dead_from.timestamp()) // 2 + 1) * 2, UTC)
    passed = [first + number * PERIOD for number in range(3) if first + (number + 0.5) * PERIOD < dead_until]
    assert passed
    for meter in METERS:
        holes = [hole for hole in report["holes"] if (hole["meter"], hole["reason"]) == (meter, "gateway_down")]
        for slot_at in passed:
            assert any(
                datetime.fromisoformat(hole["from"]) <= slot_at <= datetime.fromisoformat(hole["to"]) for hole in holes
            ), (meter, slot_at, report["holes"])


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


def test_a_demo_that_is_stopped_leaves_nothing_running(tmp_path):
    """Ctrl-C, and SIGTERM while the parts are being ended: exit code 130, no traceback, the ports are gone."""
    folder = tmp_path / "demo"
    with subprocess.Popen(
        command("demo", "--fast", "--dir", folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "EDGE_LANG": "en"},
    ) as process:
        try:
            eventually((folder / "gateway" / "state" / "poll.sock").exists, what="the demo's gateway")
            process.send_signal(signal.SIGINT)
            said = [process.stderr.readline() for _ in range(3)]
        finally:
            process.send_signal(signal.SIGTERM)
        assert "" == process.stderr.read()
    assert ["\n", "stopped\n"] == said[1:]
    assert 130 == process.returncode
    left = [path.name for path in (*folder.rglob("*.sock"), *folder.glob("bus-*"))]
    assert [] == left
