"""The units as files, and what systemd says of them; for the tests, and as a table for `make hardening`."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SYSTEMD = Path(__file__).parent.parent.parent / "systemd"
NETWORK = SYSTEMD / "drop-in" / "20-network.conf"
SERIAL_SERVER = SYSTEMD / "drop-in" / "30-serial-server.conf"
# Tenths of systemd's exposure level that a unit must not exceed, with the drop-ins of its site.
BARS = (
    ("edge-poll", (), 4),
    ("edge-poll", (SERIAL_SERVER,), 12),
    ("edge-forward", (), 11),
    ("edge-forward", (NETWORK,), 10),
    ("edge", (), 13),
    ("edge", (NETWORK,), 12),
    ("edge-centre", (), 11),
    ("edge-centre", (NETWORK,), 10),
    ("edge-revive", (), 11),
)


def read(name: str) -> str:
    """Return the text of a unit file, its continued lines joined."""
    return (SYSTEMD / name).read_text(encoding="utf-8").replace("\\\n", "")


def values(key: str, text: str) -> list[str]:
    """Return what stands behind a key, in order."""
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze; that it is there is part of the test, not a reason to skip it."""
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is missing: install the Debian package systemd"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=180)


def stand_in(folder: Path, name: str, *more: Path | str) -> Path:
    """Return a copy of a unit whose program exists on this machine, with drop-ins behind it."""
    text = re.sub(r"^(Exec(?:Start|StartPre|Reload))=/opt/\S+", r"\1=/bin/true", read(name), flags=re.MULTILINE)
    added = [extra.read_text(encoding="utf-8") if isinstance(extra, Path) else extra for extra in more]
    unit = folder / name
    unit.write_text("\n".join([text, *added]), encoding="utf-8")
    return unit


def exposure(folder: Path, name: str, drop_ins: tuple[Path, ...], bar: int) -> tuple[float, bool, str]:
    """Return the exposure level of a service, whether it is within a bar in tenths, and all that was printed."""
    unit = stand_in(folder, f"{name}.service", *drop_ins)
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={bar}", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    return float(found[1]), done.returncode == 0, done.stdout


def main() -> int:
    """Print the exposure of every unit; return 1 if one is above its bar."""
    print(analyze("--version").stdout.splitlines()[0])
    print(f"{'unit':<16} {'drop-in':<24} {'exposure':>8} {'bar':>5}")
    is_fine = True
    with tempfile.TemporaryDirectory() as folder:
        for name, drop_ins, bar in BARS:
            level, is_within, _ = exposure(Path(folder), name, drop_ins, bar)
            is_fine &= is_within
            added = ", ".join(one.name for one in drop_ins) or "-"
            print(f"{name:<16} {added:<24} {level:>8} {bar / 10:>5}{'' if is_within else '  ABOVE'}")
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
