"""A whole site of real processes for the flow tests: gateway halves, centre, somebody else's meters, a pty cable."""

import contextlib
import json
import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

from edge.identity.keys import load_signer, save_public

GATEWAY, TENANT = "gw-test-1", "test"


def eventually(check, seconds=90.0, what="the expected state"):
    """Return what `check` returns as soon as it is true; fail with `what` after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not come within {seconds:g} s"
        time.sleep(0.1)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def edge(*arguments, check=True, **kwargs):
    """Run a command of ours to its end."""
    done = subprocess.run(
        command(*arguments),
        env={**os.environ, "EDGE_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        **kwargs,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


def command(*arguments):
    return [sys.executable, "-m", "edge.cli.main", *map(str, arguments)]


class PtyCable:
    """Two serial ports joined by a cable: what goes in at one end comes out at the other."""

    def __init__(self):
        self._ends = [pty.openpty(), pty.openpty()]
        for _, slave in self._ends:
            tty.setraw(slave)
        self.a, self.b = (os.ttyname(slave) for _, slave in self._ends)
        self._stop_r, self._stop_w = os.pipe()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self):
        masters = [master for master, _ in self._ends]
        while True:
            ready, _, _ = select.select([*masters, self._stop_r], [], [])
            if self._stop_r in ready:
                return
            for master in ready:
                data = os.read(master, 4096)
                os.write(masters[1 - masters.index(master)], data)

    def close(self):
        os.write(self._stop_w, b"x")
        self._thread.join()
        for pair in self._ends:
            for end in pair:
                os.close(end)
        os.close(self._stop_r)
        os.close(self._stop_w)


class FlowSite:
    """Folders, settings and processes of one gateway and its centre."""

    def __init__(self, folder: Path, broker_url: str):
        self.folder = folder
        self.broker_url = broker_url
        self.centre_dir = folder / "centre"
        self.gateway_dir = folder / "gw"
        self.state_dir = folder / "state"
        self.processes = {}
        self._stack = contextlib.ExitStack()
        self.gateway_dir.mkdir()
        edge("centre", "init", self.centre_dir, "--tenant", TENANT)
        edge("keys", "new", "--out", self.gateway_dir / "batch.key")
        save_public(folder / "gw.pub", load_signer(self.gateway_dir / "batch.key"))
        edge("centre", "enrol", self.centre_dir, GATEWAY, folder / "gw.pub")
        (self.gateway_dir / "centre.pub").write_bytes((self.centre_dir / "centre.pub").read_bytes())

    @property
    def config(self):
        return self.gateway_dir / "edge.toml"

    def configure(self, *buses, every="2s", items, extra=""):
        """Write the settings: buses are (name, port, more TOML)."""
        tables = "".join(f'\n[[bus]]\nname = "{name}"\nport = "{port}"\n{more}\n' for name, port, more in buses)
        self.config.write_text(
            f"""schema = 1
[gateway]
id = "{GATEWAY}"
tenant = "{TENANT}"
state_dir = "{self.state_dir}"
clock = "rtc"
{tables}
[[task]]
name = "load"
every = "{every}"
items = {json.dumps(list(items))}

[mqtt]
endpoints = ["{self.broker_url}"]
resend = "2s"

[batch]
max_age = "1s"
{extra}
""",
            encoding="utf-8",
        )

    def start(self, name, *arguments):
        """Start a command of ours under a name; its messages go to a file of that name."""
        self.start_program(name, *command(*arguments))

    def start_program(self, name, *words):
        """Start any program under a name."""
        log = self._stack.enter_context((self.folder / f"{name}.log").open("ab"))
        self.processes[name] = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log)

    def start_poll(self):
        self.start("poll", "run", "--only", "poll", "--config", self.config)

    def start_forward(self):
        self.start("forward", "run", "--only", "forward", "--config", self.config)

    def start_centre(self):
        self.start("centre", "centre", "run", self.centre_dir, "--broker", self.broker_url)

    def start_foreign(self, kind, where):
        script = Path(__file__).with_name("foreign_meters.py")
        log = self._stack.enter_context((self.folder / "foreign.log").open("ab"))
        process = subprocess.Popen([sys.executable, str(script), kind, str(where)], stdout=subprocess.PIPE, stderr=log)
        self.processes["foreign"] = process
        self._stack.callback(process.stdout.close)
        assert process.stdout.readline() == b"ready\n", self.log("foreign")

    def start_sim(self, *arguments):
        """Start simulated meters; return their port."""
        log = self._stack.enter_context((self.folder / "sim.log").open("ab"))
        process = subprocess.Popen(command("sim", "--json", "--fast", *arguments), stdout=subprocess.PIPE, stderr=log)
        self.processes["sim"] = process
        self._stack.callback(process.stdout.close)
        return json.loads(process.stdout.readline())["buses"][0]["ports"][0]

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def end(self, name):
        """End a process in order; return its exit code."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(20)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def exported(self):
        """Return the readings that the centre has, as documents; none before it has heard anything."""
        done = edge("centre", "export", self.centre_dir, "--jsonl", check=False)
        return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.kill()
            process.wait()
        self._stack.close()
