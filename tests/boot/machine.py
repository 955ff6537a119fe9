"""A machine of its own for the length of a run: a container with systemd as PID 1, by systemd-nspawn.

The base (a small Debian of this machine's release) is made once and never changed; each machine gets an empty layer of
memory above it, so each start is a first boot. Its cgroups are its own, and with them what systemd does by them: device
and address filters, watchdog, restarts. Not real: memory limits, and serial lines are ptys.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("systemd", "systemd-sysv", "dbus", "udev", "python3", "mosquitto", "openssl")
_VARIANT = "--variant=minbase"
_NAMESPACES = ("-m", "-u", "-i", "-n", "-p", "-C")
_POWER_OFF = signal.SIGRTMIN + 4  # systemd(1): PID 1 ends all services, then the machine
_BOOT_S, _END_S = 60.0, 40.0


class BootError(Exception):
    """What keeps the machine from starting; its text says what to do."""


def eventually(check, seconds, what):
    """Return what `check` returns as soon as it is true; None after so many seconds means that it did not come."""
    end = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > end:
            raise BootError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.1)
    return found


def base_folder(otherwise: Path) -> Path:
    """Return where the base of this recipe is kept: in the user's cache, if there is one, for every checkout to use."""
    if named := os.environ.get("EDGE_BOOT_BASE"):
        return Path(named)
    recipe = hashlib.sha256(" ".join((_release(), _VARIANT, *PACKAGES)).encode()).hexdigest()[:12]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (caches / "edge-boot" if caches.is_dir() else otherwise) / f"base-{recipe}"


def make_base(base: Path) -> bool:
    """Make the base if it is not there; return True if it was made. The mirror is the one that this machine uses."""
    if (base / "etc" / "debian_version").exists() and (base / ".made").exists():
        return False
    release = _release()
    aside = base.with_name(f"{base.name}.new-{os.getpid()}")  # two runs may be at it
    shutil.rmtree(aside, ignore_errors=True)
    base.parent.mkdir(parents=True, exist_ok=True)
    include = f"--include={','.join(PACKAGES)}"
    _call("mmdebstrap", "--quiet", _VARIANT, include, release, str(aside), *_sources(release))
    (aside / ".made").touch()
    if (base / ".made").exists():  # another run was quicker, and may be using it
        shutil.rmtree(aside)
        return True
    shutil.rmtree(base, ignore_errors=True)
    aside.rename(base)
    return True


def _release() -> str:
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    found = re.search(r"^VERSION_CODENAME=(\w+)$", text, re.MULTILINE)
    if found is None or not re.search(r"^ID=debian$", text, re.MULTILINE):
        raise BootError("this machine is no Debian: make the base by hand, and name its folder in EDGE_BOOT_BASE")
    return found[1]


def _sources(release: str) -> list[str]:
    """Return apt's own files that name this release; none leaves the choice to mmdebstrap."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *folder.glob("sources.list.d/*.list"), *folder.glob("sources.list.d/*.sources")]
    is_named = re.compile(rf"^[^#\n]*(?<!\S){release}(?!\S)", re.MULTILINE)
    return [str(file) for file in files if file.exists() and is_named.search(file.read_text(encoding="utf-8"))]


def _call(*words: str) -> None:
    if shutil.which(words[0]) is None:
        raise BootError(f"{words[0]} is not there: make needs")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BootError(f"{words[0]} failed:\n{done.stderr[-2000:]}")


class Machine:
    """A machine that runs; `run` calls programs inside of it as root."""

    def __init__(self, root: Path, pid: int, console: Path) -> None:
        self.root = root
        self.console = console
        self._pid = pid

    def run(self, *words: str, check: bool = True, stdin: str = "", timeout_s: float = 60) -> str:
        """Run a program to its end; return what it printed on both streams. Raises BootError if it fails."""
        code, text = self.attempt(*words, stdin=stdin, timeout_s=timeout_s)
        if check and code:
            raise BootError(f"{' '.join(words)}: code {code}\n{text[-2000:]}")
        return text

    def attempt(self, *words: str, stdin: str = "", timeout_s: float = 60) -> tuple[int, str]:
        """Run a program to its end; return its exit code and what it printed on both streams."""
        command = ["nsenter", "-t", str(self._pid), *_NAMESPACES, "env", "-i", "PATH=/usr/local/bin:/usr/bin:/usr/sbin"]
        done = subprocess.run(
            [*command, "LANG=C.UTF-8", *words],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        return done.returncode, done.stdout

    def as_user(self, user: str, *words: str, check: bool = True, stdin: str = "") -> str:
        """Run a program as another user, outside of every sandbox."""
        return self.run("runuser", "-u", user, "--", *words, check=check, stdin=stdin)

    def python(self, user: str, program: str) -> tuple[int, str]:
        """Run a Python program as a user, outside of every sandbox."""
        return self.attempt("runuser", "-u", user, "--", "/usr/bin/python3", "-", stdin=program)

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file inside, as root."""
        self.run("install", "-D", "-m", f"{mode:o}", "/dev/stdin", path, stdin=text)

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit."""
        text = self.run("systemctl", "show", unit, f"--property={','.join(names)}")
        return dict(line.split("=", 1) for line in text.splitlines())

    def journal(self, unit: str) -> list[dict[str, object]]:
        """Return the entries of a unit, and what systemd says of it."""
        text = self.run("journalctl", "--unit", unit, "--output=json", "--no-pager", "--all")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def add_address(self, address: str) -> None:
        """Give the loopback another address; no program inside has to know how."""
        subprocess.run(
            ["nsenter", "-t", str(self._pid), "-n", "ip", "address", "add", address, "dev", "lo"], check=True
        )


@contextlib.contextmanager
def booted(base: Path) -> Iterator[Machine]:
    """Start a machine above the base; when the block ends it is powered off, and nothing of it is left."""
    if os.geteuid() != 0:
        raise BootError("only root can start a machine: sudo make boot")
    for program in ("systemd-nspawn", "nsenter", "ip"):
        if shutil.which(program) is None:
            raise BootError(f"{program} is not there: make needs")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-boot-")))
        root = _layer(base, folder, stack)
        console = folder / "console.log"
        process = _start(root, console, _own_cgroups(stack), stack)
        pid = eventually(lambda: _init_of(process), _BOOT_S, f"PID 1 of the machine\n{_tail(console)}")
        stack.callback(_power_off, process, pid)
        machine = Machine(root, pid, console)
        states = ("running", "degraded")
        eventually(
            lambda: machine.attempt("systemctl", "is-system-running")[1].strip() in states,
            _BOOT_S,
            "the end of its boot",
        )
        yield machine


def _layer(base: Path, folder: Path, stack: contextlib.ExitStack) -> Path:
    memory, root = folder / "memory", folder / "memory" / "root"
    memory.mkdir()
    _mount(stack, memory, "-t", "tmpfs", "-o", "size=2g", "tmpfs")
    for name in ("root", "upper", "work"):
        (memory / name).mkdir()
    options = f"lowerdir={base},upperdir={memory / 'upper'},workdir={memory / 'work'}"
    _mount(stack, root, "-t", "overlay", "-o", options, "overlay")
    return root


def _mount(stack: contextlib.ExitStack, target: Path, *words: str) -> None:
    _call("mount", *words, str(target))
    stack.callback(subprocess.run, ["umount", "--lazy", str(target)], check=False)


def _own_cgroups(stack: contextlib.ExitStack) -> list[Path]:
    """Make a cgroup of the machine's own in each tree that systemd uses, and return their lists of processes."""
    trees = []
    for line in Path("/proc/mounts").read_text(encoding="ascii").splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            trees.append(Path(place, f"edge-boot-{os.getpid()}"))
    for tree in trees:
        tree.mkdir()
        stack.callback(_remove_tree, tree)
    return [tree / "cgroup.procs" for tree in trees]


def _remove_tree(tree: Path) -> None:
    """Remove a cgroup with those that the machine made below it; one that is still in use stays."""
    for folder, *_ in os.walk(tree, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _start(root: Path, console: Path, cgroups: list[Path], stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    # bpf and its rights make DeviceAllow= and IPAddressDeny= real inside. Without a systemd around it, nspawn must not
    # register the machine.
    command = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", f"--directory={root}"]
    command += ["--machine=edge-boot", "--console=pipe", "--private-network"]
    command += ["--capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN", "--system-call-filter=bpf @keyring"]
    out = stack.enter_context(console.open("wb"))

    def enter() -> None:
        for procs in cgroups:
            procs.write_text(str(os.getpid()), encoding="ascii")

    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
    process = subprocess.Popen(command, **streams, env=environment, preexec_fn=enter)  # noqa: PLW1509 - one thread here
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _init_of(process: subprocess.Popen[bytes]) -> int | None:
    """Return the machine's PID 1 as this machine numbers it. Raises BootError if nspawn has ended."""
    if process.poll() is not None:
        raise BootError(f"systemd-nspawn ended with code {process.returncode}: this machine refuses it")
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/comm").read_text(encoding="ascii").strip() == "systemd":
                return int(child)
    return None


def _power_off(process: subprocess.Popen[bytes], pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.kill(pid, _POWER_OFF)
        process.wait(_END_S)


def _tail(console: Path) -> str:
    return console.read_text(errors="replace")[-2000:] if console.exists() else ""
