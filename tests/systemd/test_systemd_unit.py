"""The unit: accepted by systemd without a word, closed to the measured level, and in step with the program."""

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

SYSTEMD = Path(__file__).parent.parent.parent / "systemd"
UNIT = SYSTEMD / "edge.service"
NETWORK = SYSTEMD / "20-network.conf"
# Tenths of systemd's exposure level: the unit alone, and with the addresses of its site.
THRESHOLD, THRESHOLD_WITH_ADDRESSES = 13, 12


def _lines(key: str, text: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze; that it is there is part of the test, not a reason to skip it."""
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is missing: install the Debian package systemd"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=180)


def _stand_in(folder: Path, extra: str = "") -> Path:
    """Return a copy of the unit whose program exists on this machine."""
    unit = folder / "edge.service"
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(re.sub(r"^(ExecStart(?:Pre)?)=.*$", r"\1=/bin/true", text, flags=re.MULTILINE) + extra)
    return unit


def test_systemd_accepts_the_unit_without_a_word(tmp_path: Path) -> None:
    """`systemd-analyze verify` prints nothing."""
    result = _analyze("verify", str(_stand_in(tmp_path)))
    assert (0, "", "") == (result.returncode, result.stdout, result.stderr)


def test_systemd_names_a_mistake_in_a_unit(tmp_path: Path) -> None:
    """The check above is able to fail."""
    assert "NoSuchSetting" in _analyze("verify", str(_stand_in(tmp_path, "[Service]\nNoSuchSetting=1\n"))).stderr


def test_only_the_program_is_missing_from_the_unit_itself(tmp_path: Path) -> None:
    """The real unit differs from the one verified above by the program alone."""
    shutil.copy(UNIT, tmp_path)
    result = _analyze("verify", str(tmp_path / "edge.service"))
    others = [line for line in result.stderr.splitlines() if "/opt/edge/bin/edge is not executable" not in line]
    assert [] == others


@pytest.mark.parametrize(("extra", "threshold"), [("", THRESHOLD), (NETWORK, THRESHOLD_WITH_ADDRESSES)])
def test_the_sandbox_is_closed(tmp_path: Path, extra: Path | str, threshold: int) -> None:
    """The exposure level does not rise above what was reached; with addresses it is the bar of the project."""
    text = extra.read_text(encoding="utf-8") if isinstance(extra, Path) else extra
    unit = str(_stand_in(tmp_path, text))
    result = _analyze("security", "--offline=true", "--no-pager", f"--threshold={threshold}", unit)
    assert 0 == result.returncode, result.stdout + result.stderr


def test_an_open_unit_is_seen(tmp_path: Path) -> None:
    """The level is measured: without its sandbox the unit fails."""
    unit = _stand_in(tmp_path)
    kept = [line for line in unit.read_text(encoding="utf-8").splitlines() if not line.startswith("SystemCallFilter")]
    unit.write_text("\n".join(kept) + "\n", encoding="utf-8")
    result = _analyze("security", "--offline=true", "--no-pager", f"--threshold={THRESHOLD}", str(unit))
    assert 0 != result.returncode


def test_the_unit_starts_verbs_that_exist() -> None:
    """ExecStart and ExecStartPre name verbs and options of this program."""
    text = UNIT.read_text(encoding="utf-8")
    (start,), (before,) = _lines("ExecStart", text), _lines("ExecStartPre", text)
    assert "/opt/edge/bin/edge run --config /etc/edge/edge.toml" == start
    assert "/opt/edge/bin/edge config check /etc/edge/edge.toml" == before
    for line in (start, before):
        verbs = [part for part in line.split()[1:] if not part.startswith(("/", "-"))]
        result = CliRunner().invoke(cli, [*verbs, "--help"])
        assert 0 == result.exit_code
        assert [] == [part for part in line.split() if part.startswith("--") and part not in result.output]


def test_the_unit_and_the_settings_agree_on_the_folders() -> None:
    """The state directory of the unit is the default of the settings; the program reports and is watched."""
    text = UNIT.read_text(encoding="utf-8")
    default = schema_dict(Settings)["$defs"]["Gateway"]["properties"]["state_dir"]["default"]
    assert default == f"/var/lib/{_lines('StateDirectory', text)[0]}"
    assert (["notify"], ["30"], ["edge"]) == (
        _lines("Type", text),
        _lines("WatchdogSec", text),
        _lines("ConfigurationDirectory", text),
    )


def test_an_unattended_box_is_never_given_up() -> None:
    """The service comes back after a fault without a limit, and no fault restarts the machine."""
    text = UNIT.read_text(encoding="utf-8")
    assert (["on-failure"], ["0"], ["none"]) == (
        _lines("Restart", text),
        _lines("StartLimitIntervalSec", text),
        _lines("StartLimitAction", text),
    )
    assert [] == _lines("MemoryHigh", text)


def test_the_kernels_boot_id_stays_readable() -> None:
    """Rows carry the boot id of /proc/sys: ProcSubset=pid would hide it."""
    assert [] == _lines("ProcSubset", UNIT.read_text(encoding="utf-8"))


def test_the_user_of_the_unit_is_made_by_sysusers() -> None:
    """The unit's user is defined beside it, and is in the group of the serial ports."""
    unit = UNIT.read_text(encoding="utf-8")
    users = (SYSTEMD / "edge.sysusers.conf").read_text(encoding="utf-8")
    entries = [line.split() for line in users.splitlines() if line and not line.startswith("#")]
    assert ["u", *_lines("User", unit)] == entries[0][:2]
    assert ["m", *_lines("User", unit), *_lines("SupplementaryGroups", unit)] == entries[1]


def test_systemd_accepts_the_users_file() -> None:
    """A dry run of systemd-sysusers makes the user and its group, and nothing of it is refused."""
    program = shutil.which("systemd-sysusers", path="/usr/bin:/bin:/usr/sbin:/sbin")
    assert program is not None, "systemd-sysusers is missing: install the Debian package systemd"
    users = SYSTEMD / "edge.sysusers.conf"
    command = [program, "--dry-run", f"--replace=/etc/sysusers.d/{users.name}", str(users)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert (0, []) == (result.returncode, [line for line in result.stderr.splitlines() if str(users) in line])


def test_the_drop_in_names_documentation_addresses_only() -> None:
    """Addresses of nobody: RFC 5737."""
    parser = configparser.ConfigParser(strict=False)
    parser.read_string(NETWORK.read_text(encoding="utf-8"))
    assert ["Service"] == parser.sections()
    addresses = _lines("IPAddressAllow", NETWORK.read_text(encoding="utf-8"))
    assert [] == [address for address in addresses if not address.startswith(("192.0.2.", "localhost"))]
