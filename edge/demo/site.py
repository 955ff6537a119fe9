"""Builds and runs the demo's site: settings, keys and register in a folder, then one process a part.

Broker: the embedded one of the package `iotcore`, on 127.0.0.1 alone. Every other part is our own command, started
as an installer or operator would start it. Nothing needs root, hardware or a network.
"""

import contextlib
import ctypes
import json
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from edge.errors import EdgeError
from edge.identity.keys import load_signer, load_verifier, save_public
from edge.reading.verdict import Verdict
from edge.store.meter import Meter
from edge.store.register import REGISTER_FILE, MeterRegister, RegisterLock

GATEWAY, TENANT = "demo-0001", "demo"
FIRST, PER_BUS, BUSES = 202311000001, 6, ("A", "B")
DEAD, BAD_WIRE, DUPLICATE = "202311000004", "202311000009", "202311000011"


@dataclass(frozen=True, slots=True)
class BuiltFault:
    """A fault that is built in: how the simulator calls it, what it must come out as, and its name for people."""

    knob: str
    verdict: Verdict
    en: str
    zh: str


FAULTS = {
    DEAD: BuiltFault("dead", Verdict.SILENCE, "dead meter", "无应答电表"),
    BAD_WIRE: BuiltFault("bad-checksum", Verdict.BAD_CHECKSUM, "bad wire", "线路不良"),
    DUPLICATE: BuiltFault("duplicate", Verdict.COLLISION, "duplicate address", "地址重复"),
}
ITEMS = ("energy_active_import", "voltage", "current", "power_active_total")
_MAX_PAYLOAD = 1 << 20
_PR_SET_PDEATHSIG = 1
_END_S = 8.0


@dataclass(slots=True)
class DemoSite:
    """The processes of the site, in the order in which they were started."""

    folder: Path
    period_s: int
    is_fast: bool
    broker_url: str = ""
    meters: list[str] = field(default_factory=list)
    _broker: Any = None
    _processes: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _logs: list[IO[bytes]] = field(default_factory=list)

    @property
    def centre_dir(self) -> Path:
        """The centre's folder."""
        return self.folder / "centre"

    @property
    def ledger_path(self) -> Path:
        """The centre's database."""
        return self.centre_dir / "ledger.db"

    @property
    def settings_path(self) -> Path:
        """The gateway's settings."""
        return self.folder / "gateway" / "edge.toml"

    def start(self) -> None:
        """Build the site and start its parts. Raises EdgeError if one does not come up."""
        self._start_broker()
        self._make_centre()
        self._start("centre", "centre", "run", str(self.centre_dir), "--broker", self.broker_url)
        ports = self._start_meters()
        self._make_gateway(ports)
        self._start("gateway", "run", "--config", str(self.settings_path))

    def failed(self) -> str | None:
        """Return the name of a part that has ended by itself; None while all run."""
        return next((name for name, process in self._processes if process.poll() is not None), None)

    def stop(self) -> None:
        """End the parts, the last started first; one that does not obey is killed."""
        for _, process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        if self._broker is not None:
            self._broker.stop()
            self._broker = None
        for log in self._logs:
            log.close()

    def log_of(self, name: str) -> Path:
        """Return where a part's messages go."""
        return self.folder / f"{name}.log"

    def fault_of(self, meter: str) -> BuiltFault | None:
        """Return which fault was built in at a meter; None for a healthy one."""
        return FAULTS.get(meter)

    # The parts.

    def _start_broker(self) -> None:
        try:
            from iotcore import Broker
        except ImportError as exc:
            raise EdgeError("E-CLI-106") from exc
        port = _free_port()
        try:
            self._broker = Broker(port=port, listen="127.0.0.1", max_payload_size=_MAX_PAYLOAD).start()
        except (OSError, RuntimeError) as exc:
            raise EdgeError("E-CLI-107", part="broker", detail=str(exc)) from exc
        self.broker_url = f"mqtt://127.0.0.1:{port}"

    def _make_centre(self) -> None:
        self._run("centre", "init", str(self.centre_dir), "--tenant", TENANT)
        key = self.settings_path.parent / "batch.key"
        key.parent.mkdir(parents=True)
        self._run("keys", "new", "--out", str(key))
        public = key.parent / "gateway.pub"
        save_public(public, load_signer(key))
        self._run("centre", "enrol", str(self.centre_dir), GATEWAY, str(public))
        load_verifier(self.centre_dir / "centre.pub")
        (key.parent / "centre.pub").write_bytes((self.centre_dir / "centre.pub").read_bytes())

    def _start_meters(self) -> dict[str, str]:
        arguments = ["--meters", str(PER_BUS), "--first", str(FIRST), "--json"]
        for name in BUSES:
            arguments += ["--bus", f"{name}=pty:{self.folder / f'bus-{name}'}"]
        for address, fault in FAULTS.items():
            arguments += ["--fault", f"{address}={fault.knob}"]
        if self.is_fast:
            arguments.append("--fast")
        process = self._start("meters", "sim", *arguments, is_read=True)
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise EdgeError("E-CLI-107", part="meters", detail=self.log_of("meters").read_text()[-300:])
        buses = json.loads(line)["buses"]
        self.meters = [meter["address"] for bus in buses for meter in bus["meters"]]
        return {bus["name"]: bus["ports"][0] for bus in buses}

    def _make_gateway(self, ports: dict[str, str]) -> None:
        wait = "reply_ms = 250\n" if self.is_fast else ""
        buses = "".join(f'\n[[bus]]\nname = "{name}"\nport = "{port}"\n{wait}' for name, port in ports.items())
        items = ", ".join(f'"{item}"' for item in ITEMS)
        self.settings_path.write_text(
            f"""schema = 1
[gateway]
id = "{GATEWAY}"
tenant = "{TENANT}"
state_dir = "{self.settings_path.parent / "state"}"
clock = "rtc"                # the demo trusts this machine's clock
{buses}
[[task]]
name = "load"
every = "{self.period_s}s"
items = [{items}]

[mqtt]
endpoints = ["{self.broker_url}"]
resend = "5s"

[batch]
max_age = "2s"
""",
            encoding="utf-8",
        )
        state = self.settings_path.parent / "state"
        state.mkdir()
        with RegisterLock(state), MeterRegister(state / REGISTER_FILE) as register:
            for number, address in enumerate(self.meters):
                register.add(Meter(address=address, name=f"meter {number + 1}", bus=BUSES[number // PER_BUS]))

    # Processes.

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(_command(*arguments), capture_output=True, check=False)
        if done.returncode:
            raise EdgeError("E-CLI-107", part=" ".join(arguments[:2]), detail=done.stderr.decode()[-300:])

    def _start(self, name: str, *arguments: str, is_read: bool = False) -> subprocess.Popen[bytes]:
        log = self.log_of(name).open("ab")
        self._logs.append(log)
        process = subprocess.Popen(
            _command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if is_read else log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, before any thread of the child
        )
        self._processes.append((name, process))
        return process


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "edge.cli.main", *arguments]


def _end_with_parent() -> None:
    """Have the kernel end this process when the demo dies, however it dies."""
    with contextlib.suppress(OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
