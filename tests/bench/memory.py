"""Memory of the running daemon (PSS), one process and split: 2 buses with 40 meters each, a broker that is there."""

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

_METERS = 40
_WARM_S = 12.0


def rows():
    for name, halves in (("one process", [()]), ("split, sum of two", [("--only", "poll"), ("--only", "forward")])):
        with tempfile.TemporaryDirectory() as folder:
            found = _measure(Path(folder), halves)
        yield Row(f"memory of the daemon (PSS), {name}", f"{found:.1f} MiB", "budget 56 MiB for 2 buses x 40 meters")


def _measure(folder, halves):
    broker = Broker(port=free_port(), listen="127.0.0.1", max_payload_size=1 << 20).start()
    try:
        with FlowSite(folder, f"mqtt://127.0.0.1:{broker.port}") as site:
            ports = _start_meters(site)
            items = ("energy_active_import", "voltage", "current", "power_active_total")
            site.configure(*[(name, port, "") for name, port in ports.items()], every="5s", items=items)
            site.start_centre()
            for number, half in enumerate(halves):
                site.start(f"run-{number}", "run", *half, "--config", site.config)
            time.sleep(_WARM_S)
            return sum(_pss_mib(site.processes[f"run-{number}"].pid) for number in range(len(halves)))
    finally:
        broker.stop()


def _start_meters(site):
    arguments = [sys.executable, "-m", "edge.cli.main", "sim", "--json", "--fast", "--meters", str(_METERS)]
    for name in ("A", "B"):
        arguments += ["--bus", f"{name}=pty:{site.folder / name}"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    site.processes["sim"] = process
    with process.stdout as output:
        buses = json.loads(output.readline())["buses"]
    site.state_dir.mkdir()
    with MeterRegister(site.state_dir / REGISTER_FILE) as register:
        meters = [Meter(address=meter["address"], bus=bus["name"]) for bus in buses for meter in bus["meters"]]
        register.apply(RegisterChange(add=tuple(meters)))
    return {bus["name"]: bus["ports"][0] for bus in buses}


def _pss_mib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(pid)
