"""A site without a network: real processes, real files, a stick there and back, then the network after all."""

import json
import shutil
import subprocess

import pytest

from tests.flow.processes import GATEWAY, FlowSite, command, edge, eventually

METER = "202311000001"


@pytest.fixture
def site(tmp_path, mosquitto):
    """Make a gateway with one simulated meter; the broker is not there yet."""
    mosquitto.stop()
    with FlowSite(tmp_path, mosquitto.url) as made:
        port = made.start_sim("--bus", f"A=pty:{tmp_path / 'bus'}", "--meters", "1", "--first", METER)
        made.configure(("A", port, ""), items=("voltage",))
        edge("meters", "add", METER, "--bus", "A", "--config", made.config)
        (tmp_path / "stick").mkdir()
        yield made


def backlog(site, *arguments):
    return json.loads(edge("backlog", "--json", *arguments, "--config", site.config).stdout)


def received(site):
    (one,) = json.loads(edge("centre", "receive", site.centre_dir, site.folder / "stick", "--json").stdout)["folders"]
    return one


def slots(site):
    return [one["slot_at"] for one in site.exported() if one["quantity"] == "voltage_l1"]


def test_a_stick_there_and_back_and_then_the_broker(site, mosquitto):
    """The daemon seals and applies by its socket; the stick's batches are released, the broker's follow, none twice."""
    stick = site.folder / "stick"
    site.start_poll()
    site.start_forward()
    eventually((site.state_dir / "edge.db").exists, what="a store")
    eventually(lambda: backlog(site)["unsent_batches"] >= 2, what="batches that wait")
    exported = backlog(site, "--export", stick)["export"]
    assert (True, []) == (exported["birth"], [one for one in exported["troubles"] if one["code"] != "E-CAR-401"])
    first = received(site)
    assert (exported["batches"], [], 0) == (first["stored"], first["troubles"], first["duplicate"])
    by_stick = slots(site)
    assert by_stick  # one of the batches may be the plan alone
    done = backlog(site, "--import-receipts", stick)
    assert exported["batches"] == done["import"]["stored"]
    assert backlog(site)["running"]
    mosquitto.start()
    site.start_centre()
    eventually(lambda: len(slots(site)) >= len(by_stick) + 3, what="slots by the broker", seconds=90)
    again = received(site)
    assert (0, exported["batches"]) == (again["stored"], again["duplicate"])
    assert 0 == site.end("poll")
    eventually(lambda: backlog(site)["estimate_s"] == 0, what="nothing unsent and nothing waiting", seconds=90)
    after = slots(site)
    assert len(after) == len(set(after))
    assert set(by_stick) <= set(after)
    assert not any(one["conflict"] for one in site.exported())
    assert backlog(site)["pace"]["released"] > 0


def test_a_full_stick_holds_no_half_file(site):
    """A file system of 64 KiB, really full: nothing is written where it cannot fit; with room the export ends."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "this test needs unshare: apt-get install util-linux"
    if subprocess.run([unshare, "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of his own; the same is tested with a fault at sync")
    site.start_poll()
    eventually((site.state_dir / "edge.db").exists, what="a store")
    eventually(lambda: backlog(site)["waiting_readings"] >= 3, what="readings that wait")
    assert 0 == site.end("poll")
    stick = site.folder / "stick"
    export = " ".join(map(str, command("backlog", "--export", stick, "--config", site.config)))
    fill = f"mount -t tmpfs -o size=64k none {stick} && head -c 60000 /dev/zero > {stick}/film && "
    show = f"; echo code $?; find {stick} -type f; rm {stick}/film; {export}; echo code $?; find {stick} -type f"
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", fill + export + show], check=False, capture_output=True, text=True, timeout=60
    )
    first, second = done.stdout.split("code 2\n")
    assert "" == first
    assert "E-CAR-104" in done.stderr
    assert [f"{stick}/film"] == second.splitlines()[:1]
    assert "code 0" in second
    assert f"edge-{GATEWAY}/manifest.json" in second
    assert ".new" not in done.stdout
