"""Coverage-guided fuzzing of every parser: `make fuzz`, an hour a target; T=seconds, TARGET=name for one of them.

Each target is a process of its own, two at a time, by atheris (libFuzzer). What it finds worth keeping goes on
from run to run in build/fuzz; an input that breaks a target is kept as tests/fuzz/crashers/TARGET-HASH.hex, where it
is a plain test.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.targets import PROOF, TARGETS

HOUR_S = 3600
MEMORY_MIB = 1024  # of the whole process: what no bound in Python sees, a bomb in a library
HANG_S = 60  # a net under the count of steps, for a library that never comes back
CRASHERS = Path(__file__).parent / "crashers"
_KEPT = Path("build") / "fuzz"
_ALL = {**TARGETS, **PROOF}


def main() -> int:
    """Fuzz, print a line a target, and return 1 if anything broke."""
    seconds = int(os.environ.get("T", HOUR_S))
    names = [os.environ["TARGET"]] if "TARGET" in os.environ else list(TARGETS)
    broken = [name for name, found in fuzz(names, seconds).items() if found]
    print(f"{len(names)} targets, {seconds} s each, {len(broken)} broken{': ' if broken else ''}{', '.join(broken)}")
    return 1 if broken else 0


def fuzz(names: Sequence[str], seconds: int, folder: Path = _KEPT, crashers: Path = CRASHERS) -> dict[str, list[Path]]:
    """Fuzz each target for so long; print what was done, and return the inputs that broke each, as they were kept."""
    orders = "".join(json.dumps(_order(name, seconds, folder)) + "\n" for name in names)
    words = [sys.executable, "-m", "tests.fuzz.one"]
    broken = {name: [folder / f"{name}.log"] for name in names}  # of which nothing is heard
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        process.stdin.write(orders)
        process.stdin.close()
        for line in process.stdout:
            name, code = line.split()
            broken[name] = _judge(name, int(code), folder, crashers)
    return broken


def _order(name: str, seconds: int, folder: Path) -> list[str]:
    """Lay out the folders of a target and return what its process is told."""
    corpus, found = folder / name, folder / f"{name}-found"
    for place in (corpus, found):
        place.mkdir(parents=True, exist_ok=True)
    for seed in _ALL[name].seeds():
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    return [
        *(str(folder / f"{name}.log"), name, str(corpus)),
        *(f"-max_total_time={seconds}", f"-max_len={_ALL[name].longest}", f"-artifact_prefix={found}/"),
        *(f"-rss_limit_mb={MEMORY_MIB}", f"-timeout={HANG_S}", "-print_final_stats=1", "-verbosity=0"),
    ]


def _judge(name: str, code: int, folder: Path, crashers: Path) -> list[Path]:
    """Print what came of a target, and return what broke it."""
    log = folder / f"{name}.log"
    said = log.read_text(encoding="utf-8", errors="replace")
    runs = re.findall(r"stat::number_of_executed_units:\s+(\d+)", said)
    crashes = [_keep(path, crashers / name) for path in sorted((folder / f"{name}-found").iterdir())]
    kept = len(list((folder / name).iterdir()))
    print(f"{name:10} {runs[-1] if runs else '?':>9} inputs, {kept} kept, {len(crashes)} broke it", flush=True)
    if code or crashes or not runs:
        print(said[-3500:])
        return crashes or [log]
    return []


def _keep(path: Path, place: Path) -> Path:
    """Keep an input as a plain test: hex, for a person to read and a diff to show."""
    data = path.read_bytes()
    kept = place.with_name(f"{place.name}-{hashlib.sha1(data).hexdigest()[:12]}.hex")
    kept.write_text(re.sub("(.{96})", "\\1\n", data.hex()) + "\n", encoding="ascii")
    path.unlink()
    return kept


if __name__ == "__main__":
    sys.exit(main())
