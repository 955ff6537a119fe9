"""What a service must not be able to do, tried from inside its own sandbox; each with a control that succeeds.

A probe runs as a unit of its own: the service's installed file with another program in it, so that sandbox, user and
filters are the service's. The control does the same as the same user without the sandbox, or where it is meant to be
possible. A probe whose control fails shows nothing, and fails.
"""

import re
from dataclasses import dataclass

from tests.boot.machine import Machine

# A node of this machine's own that anybody may open, by its mode; what refuses it is the filter of devices.
DEVICE, ELSEWHERE, OUTSIDE = "/opt/probe-device", "/opt/probe-folder", "192.0.2.9"
_FUSE = ("10", "229")
_NOT_A_PROGRAM = re.compile(
    r"^(Exec(?!Paths)\w+|Type|NotifyAccess|Restart\w*|Watchdog\w+|WantedBy|PartOf|StartLimit\w+)=.*$", re.MULTILINE
)


@dataclass(frozen=True)
class Probe:
    """One thing that `unit` must not be able to do. `control`: who does the same without its sandbox."""

    name: str
    unit: str
    program: str
    control: str


def _connect(address: str, port: int) -> str:
    return f"import socket; socket.create_connection(({address!r}, {port}), 3).close()"


def _read(path: str) -> str:
    return f"open({path!r}, 'rb').read()"


def _write(path: str) -> str:
    return f"open({path!r}, 'ab').close()"


_POLL, _FORWARD, _CENTRE = "edge-poll", "edge-forward", "edge-centre"
_RUN_COPY = (
    "import os, shutil, subprocess; path = '{0}/probe-program'; shutil.copy('/bin/true', path); "
    "os.chmod(path, 0o700)\ntry: subprocess.run([path], check=True)\nfinally: os.unlink(path)"
)
_WRITABLE_CODE = (
    "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC,"
    " flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)"
)
_RAW = "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"
_OPEN_DEVICE = f"open({DEVICE!r}, 'rb')"
_OTHER_PROCESS = "open('/proc/1/comm').read()"

PROBES = (
    Probe("network from the poller", _POLL, _connect("127.0.0.1", 1883), _POLL),
    Probe("keys from the poller", _POLL, _read("/etc/edge/keys/batch.key"), "root"),
    Probe(
        "the forwarder's copy of the keys from the poller",
        _POLL,
        _read("/run/credentials/edge-forward.service/edge_batch.key"),
        _FORWARD,
    ),
    Probe("another device from the poller", _POLL, _OPEN_DEVICE, _POLL),
    Probe("writing outside of the state directory, poller", _POLL, _write(f"{ELSEWHERE}/file"), _POLL),
    Probe("changing the settings from the poller", _POLL, _write("/etc/edge/edge.toml"), "root"),
    Probe("running a file of the state directory, poller", _POLL, _RUN_COPY.format("/var/lib/edge"), _POLL),
    Probe("running a file of /tmp, poller", _POLL, _RUN_COPY.format("/tmp"), _POLL),
    Probe("running a file of the state directory, centre", _CENTRE, _RUN_COPY.format("/var/lib/edge-centre"), _CENTRE),
    Probe("memory to write and run, poller", _POLL, _WRITABLE_CODE, _POLL),
    Probe("processes of others from the poller", _POLL, _OTHER_PROCESS, _POLL),
    Probe("an address that is not allowed from the forwarder", _FORWARD, _connect(OUTSIDE, 9999), _FORWARD),
    Probe("the key's file from the forwarder", _FORWARD, _read("/etc/edge/keys/batch.key"), "root"),
    Probe("a device from the forwarder", _FORWARD, _OPEN_DEVICE, _FORWARD),
    Probe(
        "the bus from the forwarder",
        _FORWARD,
        "import os; os.close(os.open('/run/meters/A', os.O_RDWR | os.O_NOCTTY))",
        _POLL,
    ),
    Probe("writing outside of the state directory, forwarder", _FORWARD, _write(f"{ELSEWHERE}/file"), _FORWARD),
    Probe("sockets of the kernel from the forwarder", _FORWARD, _RAW, _FORWARD),
    Probe("the gateway's store from the centre", _CENTRE, _read("/var/lib/edge/edge.db"), "root"),
    Probe("writing outside of the state directory, centre", _CENTRE, _write(f"{ELSEWHERE}/file"), _CENTRE),
)
# What the same sandboxes must allow: a sandbox that allows nothing would pass everything above.
ALLOWED = (
    Probe(
        "the bus from the poller", _POLL, "import os; os.close(os.open('/run/meters/A', os.O_RDWR | os.O_NOCTTY))", ""
    ),
    Probe("the store from the poller", _POLL, _write("/var/lib/edge/probe-file"), ""),
    Probe("the broker from the forwarder", _FORWARD, _connect("127.0.0.1", 1883), ""),
    Probe(
        "the handed key from the forwarder",
        _FORWARD,
        "import os; open(os.environ['CREDENTIALS_DIRECTORY'] + '/edge_batch.key').read()",
        "",
    ),
    Probe("its folder from the centre", _CENTRE, _write("/var/lib/edge-centre/probe-file"), ""),
)


def prepare(machine: Machine) -> None:
    """Make what the probes try: a device, a folder that is open to all, a listener at an address of its own."""
    machine.run("mknod", "-m", "666", DEVICE, "c", *_FUSE)
    machine.run("install", "-d", "-m", "777", ELSEWHERE)
    machine.run("install", "-m", "666", "/dev/null", f"{ELSEWHERE}/file")
    machine.add_address(f"{OUTSIDE}/32")
    program = f"import socket, time; s = socket.create_server(({OUTSIDE!r}, 9999)); time.sleep(3600)"
    machine.run("systemd-run", "--quiet", "--unit=listener", "/usr/bin/python3", "-c", program)
    for number, probe in enumerate(PROBES + ALLOWED):
        machine.write(f"/run/probe-{number}.py", probe.program)
        machine.write(f"/run/probe-{number}.out", "")
    for unit in (_POLL, _FORWARD, _CENTRE):
        _make_unit(machine, unit)
    machine.run("systemctl", "daemon-reload")


def fault_of(machine: Machine, probe: Probe) -> str:
    """Return what is wrong with what a sandbox refuses; empty if the probe fails in it and its control does not."""
    code, text = _inside(machine, probe)
    if code == 0:
        return "it is possible"
    if "Error" not in text:
        return f"the probe did not run: {text[-300:]}"
    code, control = machine.python(probe.control, probe.program)
    return f"the control fails too: {control[-300:]}" if code else ""


def refusal_of(machine: Machine, probe: Probe) -> str:
    """Return what is wrong with what a sandbox allows; empty if it does."""
    code, text = _inside(machine, probe)
    return text[-300:] if code else ""


def _inside(machine: Machine, probe: Probe) -> tuple[int, str]:
    """Run a probe in the sandbox of its unit."""
    number = (PROBES + ALLOWED).index(probe)
    code, said = machine.attempt("systemctl", "start", f"{probe.unit}-probe@{number}.service")
    return code, machine.run("cat", f"/run/probe-{number}.out") or said


def _make_unit(machine: Machine, unit: str) -> None:
    """Make a unit like one of ours, with its drop-ins, that runs the program whose number is its instance's name."""
    own = machine.run("cat", f"/etc/systemd/system/{unit}.service")
    # Systemd opens program and output before the sandbox closes.
    streams = "StandardInput=file:/run/probe-%i.py\nStandardOutput=file:/run/probe-%i.out\nStandardError=inherit\n"
    words = f"[Service]\nType=oneshot\n{streams}ExecStart=/usr/bin/python3 -\n"
    copy = f"/run/systemd/system/{unit}-probe@.service"
    machine.write(copy, f"{_NOT_A_PROGRAM.sub('', own)}\n{words}")
    drop_ins = f"/etc/systemd/system/{unit}.service.d"
    machine.run("sh", "-c", f"[ ! -d {drop_ins} ] || cp -r {drop_ins} {copy}.d")
