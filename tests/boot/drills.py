"""The drills: what befalls a service on a box that is left alone, and what must come of it.

Each drill returns one line of what it saw, or raises BootError. Where a wait is shortened, by a drop-in of the run, the
line says so; everything else is as installed.
"""

import re
from pathlib import Path

from tests.boot import probes
from tests.boot.machine import BootError, eventually
from tests.boot.site import ARCHIVE, DEAD, HALVES, Site

_POLL, _FORWARD = HALVES
# The watchdog and the pauses of a restart are waited for: shorter here. The numbers in the units are in tests/systemd.
_SHORT = "[Unit]\nStartLimitBurst=4\n[Service]\nWatchdogSec=6\nRestartSec=500ms\n"
_UNITS = (*HALVES, "edge-centre.service")


def demand(claim: bool, text: object) -> None:
    """Raise BootError unless the claim holds."""
    if not claim:
        raise BootError(str(text))


def install(site: Site, archive: Path) -> str:
    """Install the archive into a system without a network and without pip; a second run changes nothing."""
    site.unpack(archive)
    code, _ = site.machine.attempt("/usr/bin/python3", "-m", "pip", "--version")
    demand(code != 0, "the machine has pip: the drill would not show that the archive brings its own")
    site.install()
    before = _state(site)
    site.install()
    changed = before ^ _state(site)
    demand(not changed, f"the second run changed {sorted(changed)[:10]}")
    return "installed without network and without pip; a second run changed no file"


def _state(site: Site) -> set[str]:
    """Return a fingerprint of what the installer writes: names, owners, modes, times of change."""
    folders = ["/opt/edge", "/etc/systemd/system", "/etc/udev", "/etc/sysusers.d", "/etc/tmpfiles.d", "/etc/edge"]
    text = site.machine.run("find", *folders, "/var/lib/edge", "/etc/passwd", "-printf", "%p %U %G %m %T@ %l\n")
    return set(text.splitlines())


def refusals(site: Site) -> str:
    """See a changed archive, and one with a foreign file, refused before anything is installed."""
    machine = site.machine
    unit = f"{ARCHIVE}/systemd/edge-poll.service"
    machine.run("sh", "-c", f"cp {unit} /root/kept; echo '# changed' >>{unit}")
    code, text = machine.attempt("sh", f"{ARCHIVE}/install.sh")
    demand(code == 9 and "E-INS-105" in text and "edge-poll.service" in text, text)
    machine.run("sh", "-c", f"cp /root/kept {unit}; touch {ARCHIVE}/wheels/more.whl")
    code, text = machine.attempt("sh", f"{ARCHIVE}/install.sh")
    demand(code == 9 and "E-INS-105" in text, text)
    machine.run("rm", f"{ARCHIVE}/wheels/more.whl")
    # Another content under the same version, with hashes that fit.
    sums = "find . -type f ! -name 'SHA256SUMS*' -printf '%P\\n' | sort | xargs sha256sum >SHA256SUMS"
    machine.run("sh", "-c", f"cd {ARCHIVE}; cp SHA256SUMS /root/; echo >>docs/README.md; {sums}")
    code, text = machine.attempt("sh", f"{ARCHIVE}/install.sh")
    demand(code == 9 and "E-INS-108" in text, text)
    machine.run("sh", "-c", f"cd {ARCHIVE}; truncate -s -1 docs/README.md; cp /root/SHA256SUMS .")
    code, text = machine.attempt(
        "runuser", "-u", "nobody", "--", "sh", "-c", "cd /; sh /opt/edge/current/share/edge/uninstall.sh"
    )
    demand(code == 9 and "E-INS-101" in text, text)
    return "a changed archive, a foreign file in it, one version twice, a user: refused (E-INS-105, 105, 108, 101)"


def udev_rules(site: Site) -> str:
    """Let udev read the rules: it has nothing against them; against a wrong file beside them it has."""
    site.machine.write("/etc/udev/rules.d/71-wrong.rules", 'SUBSYSTEM=="tty", NO_SUCH_KEY="1"\n')
    said = site.machine.attempt("udevadm", "test", "--action=add", "/sys/devices/virtual/tty/tty0")[1]
    site.machine.run("rm", "/etc/udev/rules.d/71-wrong.rules")
    demand("71-wrong.rules:1 Invalid key 'NO_SUCH_KEY'" in said, said[-600:])
    demand("Reading rules file: /etc/udev/rules.d/70-edge.rules" in said, said[-600:])
    faults = [line for line in said.splitlines() if "70-edge.rules:" in line]
    demand(not faults, faults)
    return "read by udev without a word; a wrong file beside them is named"


def ready(site: Site) -> str:
    """Both halves say that they are ready, and readings arrive at the centre."""
    site.set_up()
    for unit in _UNITS:
        site.machine.write(f"/run/systemd/system/{unit}.d/10-short.conf", _SHORT)
    drop_in = "[Service]\nIPAddressDeny=any\nIPAddressAllow=localhost\n"
    site.machine.write(f"/etc/systemd/system/{_FORWARD}.d/20-network.conf", drop_in)
    site.machine.run("systemctl", "daemon-reload")
    site.start("mosquitto.service", "edge-centre.service", "edge.target", *HALVES)
    count = site.more_readings(0)
    texts = {unit: site.machine.show(unit, "StatusText")["StatusText"] for unit in _UNITS}
    demand(all(text.startswith("edge ") for text in texts.values()), texts)
    return f"{'; '.join(texts.values())}; {count} readings at the centre"


def rights(site: Site) -> str:
    """Who owns what, as the kernel has it while the services run: files of the store, keys, processes."""
    found = site.machine.run(
        "sh", "-c", "stat -c '%n %U:%G %a' /var/lib/edge /var/lib/edge/edge.db* /etc/edge /etc/edge/keys"
    )
    facts = {name: f"{owner} {mode}" for name, owner, mode in map(str.split, found.splitlines())}
    demand(facts["/var/lib/edge"] == "edge-poll:edge 2770", facts)
    demand(facts["/etc/edge/keys"] == "edge-forward:edge 700", facts)
    demand(facts["/etc/edge"] == "root:edge 2750", facts)
    store = {fact.split(":")[1] for name, fact in facts.items() if name.startswith("/var/lib/edge/edge.db")}
    demand(store == {"edge 660"}, facts)
    wanted = {"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}
    for unit in _UNITS:
        status = site.machine.run("cat", f"/proc/{site.main_pid(unit)}/status")
        fields = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))
        demand(wanted == {name: fields[name] for name in wanted}, f"{unit}: {fields}")
        demand(fields["Uid"] != "0", unit)
    return "store 0660 in 2770, keys 0700 of edge-forward; no capability, no new privileges, system calls filtered"


def kill(site: Site) -> str:
    """Kill each process: it comes back by itself, and readings go on."""
    for unit in _UNITS:
        before, count = site.main_pid(unit), site.readings()
        site.machine.run("sh", "-c", f"kill -KILL {before}")
        eventually(lambda u=unit, b=before: site.is_active(u) and site.main_pid(u) not in (0, b), 40, f"{unit} again")
        site.more_readings(count)
    return f"{len(_UNITS)} processes killed, each came back, and new readings arrived each time"


def hang(site: Site) -> str:
    """Let each half stand still: the watchdog ends it, and readings go on."""
    for unit in HALVES:
        before, count = site.main_pid(unit), site.readings()
        site.machine.run("sh", "-c", f"kill -STOP {before}")
        eventually(lambda u=unit, b=before: site.is_active(u) and site.main_pid(u) not in (0, b), 90, f"{unit} again")
        words = [str(entry.get("MESSAGE")) for entry in site.machine.journal(unit)]
        demand(any("Watchdog timeout" in word for word in words), words[-10:])
        site.more_readings(count)
    return "both halves stopped by SIGSTOP: ended by the watchdog (6 s here), back, new readings"


def crash_loop(site: Site) -> str:
    """Make a fault that lasts: the service rests, and after the fault is gone edge-revive starts it."""
    machine = site.machine
    machine.run(
        "sh",
        "-c",
        "cp -p /etc/edge/edge.toml /root/edge.toml; sed -i 's/^every =.*/evry = \"2s\"/' /etc/edge/edge.toml",
    )
    machine.attempt("systemctl", "restart", _POLL)
    eventually(lambda: machine.show(_POLL, "ActiveState")["ActiveState"] == "failed", 60, "the rest after the crashes")
    words = "\n".join(str(entry.get("MESSAGE")) for entry in machine.journal(_POLL))
    demand(re.search(r"error\[E-CFG-\d+\].*evry", words) and "edge.toml:" in words, words[-600:])
    demand(site.is_active(_FORWARD), "the other half stopped, too")
    code, _ = machine.attempt("systemctl", "start", _POLL)
    demand(code != 0, "no limit: a box with a lasting fault would wear out its card")
    machine.run("cp", "-p", "/root/edge.toml", "/etc/edge/edge.toml")
    count = site.readings()
    machine.run("systemctl", "start", "edge-revive.service")
    eventually(lambda: site.is_active(_POLL), 40, "the poller, revived")
    site.more_readings(count)
    demand(machine.show("edge-revive.timer", "ActiveState")["ActiveState"] == "active", "the timer does not run")
    return (
        "wrong settings: failed after 4 starts (here), the line in the journal; edge-revive brought it back; readings"
    )


def stopped_by_hand(site: Site) -> str:
    """Stop the gateway on purpose: it ends in order, and stays stopped."""
    machine = site.machine
    machine.run("systemctl", "stop", "edge.target", timeout_s=90)
    # The target goes first, and takes its services along.
    ends = ("inactive", "failed")
    eventually(lambda: all(machine.show(unit, "ActiveState")["ActiveState"] in ends for unit in HALVES), 40, "the end")
    facts = {unit: machine.show(unit, "ActiveState", "Result", "ExecMainCode", "ExecMainStatus") for unit in HALVES}
    wanted = {"ActiveState": "inactive", "Result": "success", "ExecMainCode": "1", "ExecMainStatus": "0"}
    demand(all(fact == wanted for fact in facts.values()), facts)
    demand(not machine.run("find", "/var/lib/edge", "-name", "*.sock"), "a socket was left")
    machine.run("systemctl", "start", "edge-revive.service")
    demand(not any(site.is_active(unit) for unit in HALVES), "edge-revive started what was stopped by hand")
    count = site.readings()
    site.start("edge.target", *HALVES)
    site.more_readings(count)
    return "both ended with code 0, no socket left, edge-revive left them alone; started again, new readings"


def journal(site: Site) -> str:
    """Entries carry unit, identifier and priority; a condition carries its code."""
    entries = site.machine.journal(_POLL)
    dead = [
        entry for entry in entries if "E-BUS-201" in str(entry.get("MESSAGE")) and DEAD in str(entry.get("MESSAGE"))
    ]
    demand(bool(dead), [entry.get("MESSAGE") for entry in entries][-10:])
    wanted = {"_SYSTEMD_UNIT": _POLL, "SYSLOG_IDENTIFIER": "edge-poll"}
    demand(wanted == {name: dead[0].get(name) for name in wanted}, dead[0])
    demand(dead[0].get("PRIORITY") in ("3", "4"), dead[0])
    plain = [entry for entry in entries if "is open" in str(entry.get("MESSAGE"))]
    demand(bool(plain) and plain[0].get("PRIORITY") == "6", plain[:1])
    return "unit, identifier and priority; the dead meter stands there as a warning with its code E-BUS-201"


def sandbox(site: Site) -> str:
    """Try what the services must not be able to do: it fails in their sandboxes, and succeeds in each control."""
    probes.prepare(site.machine)
    faults = [f"{one.name}: {fault}" for one in probes.PROBES if (fault := probes.fault_of(site.machine, one))]
    faults += [f"{one.name}: {fault}" for one in probes.ALLOWED if (fault := probes.refusal_of(site.machine, one))]
    demand(not faults, "\n".join(faults))
    return (
        f"{len(probes.PROBES)} things refused, each with a control that succeeds; {len(probes.ALLOWED)} that it allows"
    )


def sealed_keys(site: Site) -> str:
    """With keys sealed to the machine, and no open key left, batches are signed and sent."""
    machine = site.machine
    machine.run("sh", "-c", "install -d -m 700 /etc/edge/sealed; systemd-creds setup")
    keys = "/etc/edge/keys/batch.key /etc/edge/sealed/batch.key"
    sealed = f"systemd-creds encrypt --with-key=host --name=edge_batch.key {keys}"
    machine.run("sh", "-c", f"{sealed} && mv /etc/edge/keys/batch.key /root/batch.key")
    own = "/opt/edge/current/share/edge/systemd/drop-in/40-sealed-keys.conf"
    machine.run("cp", own, f"/etc/systemd/system/{_FORWARD}.d/")
    machine.run("systemctl", "daemon-reload")
    count = site.readings()
    machine.run("systemctl", "restart", _FORWARD)
    site.more_readings(count)
    machine.run(
        "sh", "-c", f"mv /root/batch.key /etc/edge/keys/; rm /etc/systemd/system/{_FORWARD}.d/40-sealed-keys.conf"
    )
    machine.run("systemctl", "daemon-reload")
    return "sealed with the host's key, the open file gone: new readings arrived, signed"


def one_process(site: Site) -> str:
    """Let the two halves give way to one process, on the same store, and come back."""
    machine = site.machine
    for way, units, others in (("one-process", ("edge.service",), HALVES), ("split", HALVES, ("edge.service",))):
        machine.run("sh", "/opt/edge/current/share/edge/activate.sh", way)
        demand(not any(site.is_active(unit) for unit in others), f"{way}: {others} still run")
        count = site.readings()
        site.start(*units)
        site.more_readings(count)
    return "to one process and back to two, on one store: new readings each time"


def uninstall(site: Site) -> str:
    """Remove the program: the data stay, and serve again; with --purge-data nothing is left."""
    machine = site.machine
    count = site.readings()
    machine.run("sh", "/opt/edge/current/share/edge/uninstall.sh")
    gone = "ls -d /opt/edge /etc/systemd/system/edge* /etc/udev/rules.d/70-edge.rules /usr/local/bin/edge 2>/dev/null"
    # What an administrator put beside a unit is no part of the program.
    left = [line for line in machine.attempt("sh", "-c", gone)[1].split() if not line.endswith(".service.d")]
    demand(not left, left)
    machine.run("ls", "/var/lib/edge/edge.db", "/etc/edge/edge.toml", "/etc/edge/keys/batch.key")
    site.install()
    site.start("edge-centre.service", "edge.target", *HALVES)
    site.more_readings(count)
    machine.run("systemctl", "stop", "meters.service")  # a user of ours who still runs something could not be removed
    machine.run("sh", "/opt/edge/current/share/edge/uninstall.sh", "--purge-data")
    more = "ls -d /etc/edge /var/lib/edge* 2>/dev/null; getent passwd edge-poll edge-forward; getent group edge"
    left = machine.attempt("sh", "-c", f"{gone}; {more}")[1]
    demand(not left, left)
    return "the data stayed and served the next installation; --purge-data left nothing"
