"""The units: accepted by systemd without a word, closed to the measured level, and in step with the program."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.cli.main import cli
from edge.config.schema import schema_dict
from edge.config.settings import Settings
from tests.systemd.units import BARS, NETWORK, SERIAL_SERVER, SYSTEMD, analyze, exposure, main, read, stand_in, values

DAEMONS = ("edge.service", "edge-poll.service", "edge-forward.service", "edge-centre.service")
GATEWAY = DAEMONS[:3]
UNITS = (*DAEMONS, "edge-revive.service", "edge-revive.timer", "edge.target")
DROP_INS = sorted((SYSTEMD / "drop-in").iterdir())


def test_every_unit_is_looked_at() -> None:
    """A unit that is added is added to these tests as well."""
    assert sorted(UNITS) == sorted(
        path.name for path in SYSTEMD.iterdir() if path.suffix in (".service", ".timer", ".target")
    )


@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit_without_a_word(tmp_path: Path, name: str) -> None:
    """`systemd-analyze verify` prints nothing; the units that it names are beside it."""
    for other in UNITS:
        stand_in(tmp_path, other)
    result = analyze("verify", str(tmp_path / name))
    assert (0, "", "") == (result.returncode, result.stdout, result.stderr)


@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.name)
def test_systemd_accepts_the_drop_ins(tmp_path: Path, drop_in: Path) -> None:
    """Each drop-in, behind the unit that its first line names, is accepted without a word."""
    (unit,) = re.findall(r"/etc/systemd/system/([a-z-]+\.service)\.d/", drop_in.read_text(encoding="utf-8"))[:1]
    result = analyze("verify", str(stand_in(tmp_path, unit, drop_in)))
    assert (0, "", "") == (result.returncode, result.stdout, result.stderr)


def test_systemd_names_a_mistake_in_a_unit(tmp_path: Path) -> None:
    """The checks above are able to fail."""
    assert (
        "NoSuchSetting"
        in analyze("verify", str(stand_in(tmp_path, "edge.service", "[Service]\nNoSuchSetting=1\n"))).stderr
    )


@pytest.mark.parametrize("name", DAEMONS)
def test_only_the_program_is_missing_from_the_unit_itself(tmp_path: Path, name: str) -> None:
    """The real unit differs from the one verified above by the program alone."""
    shutil.copy(SYSTEMD / name, tmp_path)
    result = analyze("verify", str(tmp_path / name))
    others = [line for line in result.stderr.splitlines() if "/opt/edge/current/bin/edge is not executable" not in line]
    assert [] == others


@pytest.mark.parametrize(("name", "drop_ins", "bar"), BARS, ids=str)
def test_the_sandbox_is_closed(tmp_path: Path, name: str, drop_ins: tuple[Path, ...], bar: int) -> None:
    """The exposure level does not rise above what was reached."""
    level, is_within, text = exposure(tmp_path, name, drop_ins, bar)
    assert is_within, text
    assert level <= bar / 10


def test_the_bars_are_those_of_the_project() -> None:
    """One process 1.2 with its addresses, poller 0.4, forwarder 1.0 with its addresses."""
    bars = {(name, drop_ins): bar for name, drop_ins, bar in BARS}
    assert (12, 4, 10) == (bars["edge", (NETWORK,)], bars["edge-poll", ()], bars["edge-forward", (NETWORK,)])


@pytest.mark.parametrize("name", [name for name in DAEMONS if name != "edge.service"])
def test_an_open_unit_is_seen(tmp_path: Path, name: str) -> None:
    """The level is measured: without its filter of system calls a unit is above its bar."""
    (bar,) = {bar for unit, drop_ins, bar in BARS if f"{unit}.service" == name and not drop_ins}
    unit = stand_in(tmp_path, name)
    kept = [line for line in unit.read_text(encoding="utf-8").splitlines() if not line.startswith("SystemCallFilter")]
    unit.write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert 0 != analyze("security", "--offline=true", "--no-pager", f"--threshold={bar}", str(unit)).returncode


def test_the_table_of_exposure_names_systemd_and_every_service(capsys: pytest.CaptureFixture[str]) -> None:
    """`make hardening` ends with code 0 and prints the version, and a line for each service."""
    assert 0 == main()
    text = capsys.readouterr().out
    assert text.startswith("systemd ")
    services = {name.removesuffix(".service") for name in UNITS if name.endswith(".service")}
    assert services == {line.split()[0] for line in text.splitlines()[2:]}


@pytest.mark.parametrize("name", DAEMONS)
def test_the_unit_starts_verbs_that_exist(name: str) -> None:
    """ExecStart, ExecStartPre and ExecReload name verbs and options of this program."""
    text = read(name)
    for line in (*values("ExecStart", text), *values("ExecStartPre", text), *values("ExecReload", text)):
        program, *words = line.split()
        assert "/opt/edge/current/bin/edge" == program
        verbs = words[: 2 if words[0] in ("config", "centre") else 1]
        result = CliRunner().invoke(cli, [*verbs, "--help"])
        assert 0 == result.exit_code
        assert [] == [part for part in words if part.startswith("--") and part not in result.output]


def test_each_unit_runs_its_half() -> None:
    """The settings are checked before each start, and each unit starts the part that its name says."""
    starts = {name: values("ExecStart", read(name))[0].split("edge ", 1)[1] for name in DAEMONS}
    where = "--config /etc/edge/edge.toml"
    expected = [
        f"run {where}",
        f"run --only poll {where}",
        f"run --only forward {where}",
        "centre run /var/lib/edge-centre",
    ]
    assert dict(zip(DAEMONS, expected, strict=True)) == starts
    checks = [values("ExecStartPre", read(name)) for name in GATEWAY]
    assert [["/opt/edge/current/bin/edge config check /etc/edge/edge.toml"]] * 3 == checks


@pytest.mark.parametrize("name", GATEWAY)
def test_the_unit_and_the_settings_agree_on_the_folders(name: str) -> None:
    """The folder that the unit may write is the default of the settings, and no other."""
    default = schema_dict(Settings)["$defs"]["Gateway"]["properties"]["state_dir"]["default"]
    assert [default] == values("ReadWritePaths", read(name))


@pytest.mark.parametrize("name", DAEMONS)
def test_nothing_that_can_be_written_can_be_run(name: str) -> None:
    """A folder that may be written is a mount of its own, which NoExecPaths=/ does not reach."""
    text = read(name)
    written = values("ReadWritePaths", text) + [f"/var/lib/{folder}" for folder in values("StateDirectory", text)]
    assert [f"/ /tmp /var/tmp {' '.join(written)}"] == values("NoExecPaths", text)


@pytest.mark.parametrize("name", DAEMONS)
def test_systemd_is_told_and_watches(name: str) -> None:
    """A unit is ready when the program says so, and is ended when the program says nothing any more."""
    text = read(name)
    assert (["notify"], ["main"]) == (values("Type", text), values("NotifyAccess", text))
    assert ["30" if name in GATEWAY else "5min"] == values("WatchdogSec", text)


@pytest.mark.parametrize("name", DAEMONS)
def test_an_unattended_box_is_never_given_up(name: str) -> None:
    """A service comes back after every end, from its rest by the timer; nothing restarts the machine."""
    text, revive = read(name), read("edge-revive.service")
    assert (["always"], ["none"]) == (values("Restart", text), values("StartLimitAction", text))
    assert [] == values("MemoryHigh", text)
    (names,) = re.findall(r"for unit in ([a-z -]+);", revive)
    assert name.removesuffix(".service") in names.split()
    assert "is-failed $$unit.service || continue" in revive
    assert ["10min"] == values("OnUnitInactiveSec", read("edge-revive.timer"))


@pytest.mark.parametrize("name", DAEMONS)
def test_the_kernels_boot_id_stays_readable(name: str) -> None:
    """Rows carry the boot id of /proc/sys: ProcSubset=pid would hide it."""
    assert [] == values("ProcSubset", read(name))


def test_the_units_share_one_sandbox() -> None:
    """What closes one daemon closes all: they differ in the lines that are named here, and in no others."""
    own = {"User", "Group", "SyslogIdentifier", "ExecStart", "ExecStartPre", "ExecReload"}
    own |= {"ReadWritePaths", "InaccessiblePaths"}
    own |= {"LoadCredential", "SupplementaryGroups", "DeviceAllow", "PrivateDevices", "PrivateNetwork", "IPAddressDeny"}
    own |= {"RestrictAddressFamilies", "Environment", "StateDirectory", "StateDirectoryMode", "UMask", "MemoryMax"}
    own |= {"CPUWeight", "WatchdogSec", "TimeoutStopSec", "NoExecPaths"}
    lines = [
        line for name in DAEMONS for line in read(name).partition("[Service]")[2].partition("[Install]")[0].splitlines()
    ]
    shared = [line for line in lines if "=" in line and not line.startswith("#") and line.partition("=")[0] not in own]
    assert len(shared) > 4 * 30
    assert {} == {line: shared.count(line) for line in shared if shared.count(line) != len(DAEMONS)}


def test_the_half_that_hears_the_street_has_no_network_and_no_key() -> None:
    """Poller: no network, no keys. Forwarder: keys handed over, no device. Both: only their half."""
    poll, forward = read("edge-poll.service"), read("edge-forward.service")
    assert (["yes"], ["any"], ["AF_UNIX"]) == tuple(
        values(key, poll) for key in ("PrivateNetwork", "IPAddressDeny", "RestrictAddressFamilies")
    )
    assert ([], ["-/etc/edge/keys"]) == (values("LoadCredential", poll), values("InaccessiblePaths", poll))
    assert ["edge:/etc/edge/keys"] == values("LoadCredential", forward)
    assert (["yes"], [], []) == tuple(
        values(key, forward) for key in ("PrivateDevices", "DeviceAllow", "SupplementaryGroups")
    )


def _table(name: str) -> list[list[str]]:
    lines = (SYSTEMD / name).read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def test_the_users_of_the_units_are_made_by_sysusers() -> None:
    """Each unit's user and group are defined beside it; only the poller is in the group of the serial ports."""
    entries = _table("edge.sysusers.conf")
    users = {entry[1]: entry[2].removeprefix("-:").replace("-", "") or entry[1] for entry in entries if entry[0] == "u"}
    expected = {values("User", read(name))[0]: values("Group", read(name))[0] for name in DAEMONS}
    assert expected == {user: "edge-centre" if user == "edge-centre" else group for user, group in users.items()}
    assert [["m", "edge-poll", *values("SupplementaryGroups", read("edge-poll.service"))]] == [
        entry for entry in entries if entry[0] == "m"
    ]


def test_the_folders_are_made_for_those_users() -> None:
    """State 2770 and settings 2750 for the group, keys 0700 for the forwarder alone."""
    assert [
        ["d", "/etc/edge", "2750", "root", "edge"],
        ["d", "/etc/edge/keys", "0700", "edge-forward", "edge"],
        ["d", "/var/lib/edge", "2770", "edge-poll", "edge"],
        ["d", "/var/lib/edge-centre", "0700", "edge-centre", "edge-centre"],
    ] == _table("edge.tmpfiles.conf")
    assert [["0007"]] * 3 == [values("UMask", read(name)) for name in GATEWAY]


def test_systemd_accepts_the_users_file() -> None:
    """A dry run of systemd-sysusers makes the users and their groups, and nothing of it is refused."""
    program = shutil.which("systemd-sysusers", path="/usr/bin:/bin:/usr/sbin:/sbin")
    assert program is not None, "systemd-sysusers is missing: install the Debian package systemd"
    users = SYSTEMD / "edge.sysusers.conf"
    command = [program, "--dry-run", str(users)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert (0, []) == (result.returncode, [line for line in result.stderr.splitlines() if str(users) in line])


@pytest.mark.parametrize("drop_in", [NETWORK, SERIAL_SERVER], ids=lambda path: path.name)
def test_the_drop_ins_name_documentation_addresses_only(drop_in: Path) -> None:
    """Addresses of nobody: RFC 5737."""
    text = drop_in.read_text(encoding="utf-8")
    parser = configparser.ConfigParser(strict=False)
    parser.read_string(text)
    assert ["Service"] == parser.sections()
    addresses = values("IPAddressAllow", text)
    assert addresses
    assert [] == [address for address in addresses if not address.startswith(("192.0.2.", "localhost"))]
