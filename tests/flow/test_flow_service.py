"""The daemon as systemd sees it: it says when it is ready, feeds the watchdog while it moves, and ends in order."""

import os
import signal
import socket
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.app.test_app_metrics_port import UnixConnection
from tests.flow.processes import FlowSite, command, edge, eventually

METER = "202311000001"


@pytest.fixture
def notify(tmp_path):
    """Listen as systemd does, on a datagram socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(20)
        yield sock


@pytest.fixture
def site(tmp_path, mosquitto):
    """Make a gateway with one simulated meter."""
    with FlowSite(tmp_path, mosquitto.url) as made:
        port = made.start_sim("--bus", f"A=pty:{tmp_path / 'bus'}", "--meters", "1", "--first", METER)
        made.port = port
        made.configure(("A", port, ""), items=("voltage",))
        edge("meters", "add", METER, "--bus", "A", "--config", made.config)
        yield made


def wait_for(sock, wanted):
    for _ in range(100):
        message = sock.recv(4096).decode()
        if wanted in message:
            return message
    raise AssertionError(wanted)


@pytest.mark.parametrize("half", [(), ("--only", "poll"), ("--only", "forward")])
def test_ready_alive_stopping(site, notify, tmp_path, half):
    """READY comes once everything is open, WATCHDOG while it runs, STOPPING at SIGTERM; the exit code is 0."""
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
    process = subprocess.Popen(
        command("run", *half, "--config", site.config), env=environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(notify, "READY=1")
        wait_for(notify, "WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        wait_for(notify, "STOPPING=1")
        assert 0 == process.wait(20)
    finally:
        process.kill()
        process.wait()
    assert [] == [path.name for path in site.state_dir.glob("*.sock")]


def test_the_poller_needs_no_key_and_no_network(site):
    """`--only poll` starts without batch.key and centre.pub; `--only forward` says what is missing."""
    (site.gateway_dir / "batch.key").rename(site.folder / "away.key")
    site.start_poll()
    eventually((site.state_dir / "poll.sock").exists, what="the poller")
    done = edge("run", "--only", "forward", "--config", site.config, check=False)
    assert 9 == done.returncode
    assert "E-KEY-" in done.stderr
    assert "batch.key" in done.stderr
    assert 0 == site.end("poll")


def test_a_daemon_without_meters_says_so_and_waits(site):
    """Nothing to poll is no crash: the log says what is missing and what to do; a meter added later is polled."""
    edge("meters", "remove", METER, "--config", site.config)
    site.start_poll()
    eventually(lambda: "edge meters add" in site.log("poll"), what="the next act in the log")
    edge("meters", "add", METER, "--bus", "A", "--config", site.config)
    eventually(lambda: '"records.stored"' in edge("status", "--json", "--config", site.config, check=False).stdout)
    assert 0 == site.end("poll")


def test_both_halves_serve_their_metrics(site):
    """Each at a socket with its name: what it polls, what it sends, and nothing of the other's; gone when it ends."""
    listen = site.folder / "metrics.sock"
    site.configure(("A", site.port, ""), items=("voltage",), extra=f'[metrics]\nlisten = "unix:{listen}"\n')
    site.start_centre()
    site.start_poll()
    site.start_forward()

    def scraped(half):
        path = listen.with_name(f"metrics-{half}.sock")
        if not path.exists():
            return {}
        asking = UnixConnection(path)
        asking.request("GET", "/metrics")
        families = text_string_to_metric_families(asking.getresponse().read().decode())
        asking.close()
        return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}

    eventually(lambda: scraped("forward").get(("edge_batches_total", "stored"), 0) >= 1, what="a batch under a receipt")
    eventually(lambda: scraped("poll").get(("edge_records_total", "stored"), 0) >= 1, what="a stored poll")
    poll, forward = scraped("poll"), scraped("forward")
    assert 1 <= poll["edge_poll_exchanges_total", "A", "ok"]
    assert (1, 1, 0) == tuple(
        poll[name, "A"] for name in ("edge_bus_port_open", "edge_bus_meters", "edge_bus_meters_failing")
    )
    assert 0 < poll["edge_meter_last_success_timestamp_seconds", "A", METER]
    assert 1 <= poll["edge_records_total", "stored"]
    assert 1 <= poll["edge_poll_response_seconds_count", "A"]
    assert (1, 1) == (forward["edge_mqtt_connected",], forward["edge_mqtt_connections_total", "made"])
    assert 0 < forward["edge_centre_last_receipt_timestamp_seconds",]
    assert 0 < min(forward["edge_disk_free_bytes",], forward["edge_store_bytes",], forward["edge_receipts_total",])
    assert not [name for name, *_ in poll if "batch" in name or "mqtt" in name]
    assert not [name for name, *_ in forward if "_bus_" in name or "poll" in name or "meter" in name]
    assert (0, 0) == (site.end("poll"), site.end("forward"))
    assert [] == list(site.folder.glob("metrics-*.sock"))
