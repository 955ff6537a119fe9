"""A whole site inside the machine: simulated meters on a pty, mosquitto, the centre, and the gateway as installed."""

import json
import subprocess
from pathlib import Path

from tests.boot.machine import BootError, Machine, eventually

GATEWAY, TENANT, PERIOD_S = "gw-boot-1", "boot", 2
METERS = ("202311000001", "202311000002", "202311000003")
DEAD = METERS[2]
CENTRE = "/var/lib/edge-centre"
ARCHIVE = "/root/archive"
HALVES = ("edge-poll.service", "edge-forward.service")
_SETTINGS = f"""schema = 1
[gateway]
id = "{GATEWAY}"
tenant = "{TENANT}"
clock = "rtc"                # the machine has no network time; its clock is this one's

[[bus]]
name = "A"
port = "/run/meters/A"

[[task]]
name = "load"
every = "{PERIOD_S}s"
items = ["voltage"]

[store]
commit_s = 1

[mqtt]
endpoints = ["mqtt://127.0.0.1:1883"]
resend = "2s"

[batch]
max_age = "1s"
"""


class Site:
    """The site, and what its ends know."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def unpack(self, archive: Path) -> None:
        """Bring the archive in, and unpack it."""
        self.machine.run("mkdir", ARCHIVE)
        # From outside: the layer is the same folder, and nothing has to be copied twice.
        folder = f"{self.machine.root}{ARCHIVE}"
        subprocess.run(["tar", "-xzf", str(archive), "-C", folder, "--strip-components=1"], check=True)

    def install(self, *options: str) -> str:
        """Run the installer."""
        return self.machine.run("sh", f"{ARCHIVE}/install.sh", *options, timeout_s=180)

    def set_up(self) -> None:
        """Do what an installer does after it: the centre, the key, the settings, the meters."""
        machine = self.machine
        machine.as_user("edge-centre", "edge", "centre", "init", CENTRE, "--tenant", TENANT)
        machine.write("/etc/edge/edge.toml", _SETTINGS)
        machine.run("edge", "keys", "new", "--config", "/etc/edge/edge.toml")
        machine.run("cp", f"{CENTRE}/centre.pub", "/etc/edge/centre.pub")
        machine.run("install", "-m", "644", "/etc/edge/keys/batch.pub", "/tmp/batch.pub")
        machine.as_user("edge-centre", "edge", "centre", "enrol", CENTRE, GATEWAY, "/tmp/batch.pub")
        # The poller's own user, for a pty belongs to whoever opened it.
        unit = ["systemd-run", "--quiet", "--unit=meters", "-p", "User=edge-poll", "-p", "RuntimeDirectory=meters"]
        command = ["edge", "sim", "--json", "--fast", "--bus", "A=pty:/run/meters/A", "--meters", str(len(METERS))]
        machine.run(*unit, *command, "--first", METERS[0], "--fault", f"{DEAD}=dead")
        eventually(lambda: machine.attempt("test", "-e", "/run/meters/A")[0] == 0, 20, "the simulated meters")
        for meter in METERS:
            machine.run("edge", "meters", "add", meter, "--bus", "A", "--config", "/etc/edge/edge.toml")

    def start(self, *units: str) -> None:
        """Start units, and wait until each has said that it is ready."""
        self.machine.run("systemctl", "start", *units, timeout_s=90)

    def main_pid(self, unit: str) -> int:
        """Return the number of a unit's process, as the machine counts."""
        return int(self.machine.show(unit, "MainPID")["MainPID"])

    def is_active(self, unit: str) -> bool:
        """Return True if a unit runs and has said so."""
        return self.machine.show(unit, "ActiveState")["ActiveState"] == "active"

    def readings(self) -> int:
        """Return how many readings the centre has."""
        code, text = self.machine.attempt(
            "runuser", "-u", "edge-centre", "--", "edge", "centre", "export", CENTRE, "--jsonl"
        )
        if code:
            return 0
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return sum(1 for line in lines if line.get("value") is not None)

    def more_readings(self, than: int, seconds: float = 40) -> int:
        """Wait until the centre has more readings than so many; return how many."""

        def look() -> int:
            found = self.readings()
            return found if found > than else 0

        try:
            return eventually(look, seconds, "readings at the centre")
        except BootError as exc:
            words = [self.machine.run("journalctl", "-n", "15", "--no-pager", "-u", unit) for unit in HALVES]
            raise BootError(f"{exc}\n{''.join(words)}") from None
