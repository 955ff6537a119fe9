"""Memory of the running daemon (PSS), one process and split: meters on both sizes of site, a broker that is there."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from iotcore import Broker

from edge.store.meter import Meter
from edge.store.register import REGISTER_FILE, MeterRegister
from edge.store.register_change import RegisterChange
from tests.bench.table import Row
from tests.flow.processes import FlowSite, free_port

_SITES = ((2, 40, 56), (8, 64, 64))  # buses, meters on each, budget in MiB
_WAYS = (("one process", [()]), ("split, sum of two", [("--only", "poll"), ("--only", "forward")]))
_WARM_S = 12.0


def rows():
    for buses, meters, budget in _SITES:
        for name, halves in _WAYS:
            with tempfile.TemporaryDirectory() as folder:
                found = _measure(Path(folder), halves, "ABCDEFGH"[:buses], meters)
            what = f"memory of the daemon (PSS), {buses} buses x {meters} meters, {name}"
            yield Row(what, f"{found:.1f} MiB", f"budget {budget} MiB")


def _measure(folder, halves, buses, meters):
    broker = Broker(port=free_port(), listen="127.0.0.1", max_payload_size=1 << 20).start()
    try:
        with FlowSite(folder, f"mqtt://127.0.0.1:{broker.port}") as site:
            ports = _start_meters(site, buses, meters)
            items = ("energy_active_import", "voltage", "current", "power_active_total")
            site.configure(*[(name, port, "") for name, port in ports.items()], every="5s", items=items)
            site.start_centre()
            for number, half in enumerate(halves):
                site.start(f"run-{number}", "run", *half, "--config", site.config)
            time.sleep(_WARM_S)
            return sum(_pss_mib(site.processes[f"run-{number}"].pid) for number in range(len(halves)))
    finally:
        broker.stop()


def _start_meters(site, buses, meters):
    arguments = [sys.executable, "-m", "edge.cli.main", "sim", "--json", "--fast", "--meters", str(meters)]
    for name in buses:
        arguments += ["--bus", f"{name}=pty:{site.folder / name}"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    site.processes["sim"] = process
    with process.stdout as output:
        found = json.loads(output.readline())["buses"]
    site.state_dir.mkdir()
    with MeterRegister(site.state_dir / REGISTER_FILE) as register:
        there = [Meter(address=meter["address"], bus=bus["name"]) for bus in found for meter in bus["meters"]]
        register.apply(RegisterChange(add=tuple(there)))
    return {bus["name"]: bus["ports"][0] for bus in found}


def _pss_mib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(pid)
