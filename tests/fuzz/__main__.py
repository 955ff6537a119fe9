"""Coverage-guided fuzzing of every parser: `make fuzz`, an hour a target; T=seconds, TARGET=name for one of them.

Each target is a process of its own, by atheris (libFuzzer). What it finds worth keeping goes on from run to run in
build/fuzz; an input that breaks a target is kept as tests/fuzz/crashers/TARGET-HASH.hex, where it is a plain test.
"""

import hashlib
import os
import re
import subprocess
import sys
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
    broken = [name for name in names if fuzz(name, seconds)]
    print(f"{len(names)} targets, {seconds} s each, {len(broken)} broken{': ' if broken else ''}{', '.join(broken)}")
    return 1 if broken else 0


def fuzz(name: str, seconds: int, folder: Path = _KEPT, crashers: Path = CRASHERS) -> list[Path]:
    """Fuzz a target for so long; print what was done, and return the inputs that broke it, as they were kept."""
    corpus, found = folder / name, folder / f"{name}-found"
    for place in (corpus, found):
        place.mkdir(parents=True, exist_ok=True)
    for seed in _ALL[name].seeds():
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    done = subprocess.run(_command(name, seconds, corpus, found), capture_output=True, text=True, check=False)
    runs = re.findall(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
    crashes = [_keep(path, crashers / name) for path in sorted(found.iterdir())]
    print(
        f"{name:10} {runs[-1] if runs else '?':>9} inputs, {len(list(corpus.iterdir()))} kept, {len(crashes)} broke it"
    )
    if done.returncode or crashes or not runs:
        print(done.stdout[-2000:], done.stderr[-1500:])
        return crashes or [found]
    return []


def _command(name: str, seconds: int, corpus: Path, found: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "tests.fuzz.one", name, str(corpus)),
        *(f"-max_total_time={seconds}", f"-max_len={_ALL[name].longest}", f"-artifact_prefix={found}/"),
        *(f"-rss_limit_mb={MEMORY_MIB}", f"-timeout={HANG_S}", "-print_final_stats=1", "-verbosity=0"),
    ]


def _keep(path: Path, place: Path) -> Path:
    """Keep an input as a plain test: hex, for a person to read and a diff to show."""
    data = path.read_bytes()
    kept = place.with_name(f"{place.name}-{hashlib.sha1(data).hexdigest()[:12]}.hex")
    kept.write_text(re.sub("(.{96})", "\\1\n", data.hex()) + "\n", encoding="ascii")
    path.unlink()
    return kept


if __name__ == "__main__":
    sys.exit(main())
