"""A recording: what the writers did to the files of one folder, call by call, and what they said meanwhile.

It is made by strace from the real processes and kept as strace wrote it (packed), so that a cut can be made again.
"""

import gzip
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.torture.trace import SYSCALLS, Call, read_trace

_LONGEST = 1 << 25  # bytes of one write that are shown whole


@dataclass(frozen=True, slots=True)
class Recording:
    """The calls in the order in which they began."""

    calls: tuple[Call, ...]

    def to_be_cut(self) -> tuple[Call, ...]:
        """Return the calls at which a cut is of interest: all, or those after the writers had prepared the scene."""
        ready = [number for number, call in enumerate(self.calls) if call.word.get("what") == "prepared"]
        return self.calls[ready[-1] :] if ready else self.calls

    def said(self, moment: int) -> list[Call]:
        """Return what had been said by then."""
        return [call for call in self.calls if call.what == "say" and call.start <= moment]


def record(role: str, folder: Path, trace: Path, *, seed: int, rounds: int, broken: str = "") -> Recording:
    """Run the writers in a new folder under strace and return what they did; the trace stays, packed, as `trace`."""
    strace = shutil.which("strace")
    if strace is None:
        raise AssertionError("these tests need strace: apt-get install strace")
    folder.mkdir(parents=True)
    plain = trace.with_suffix(".strace")
    command = [strace, "-f", "--seccomp-bpf", "-y", "-xx", "-s", str(_LONGEST), "-o", str(plain)]
    command += ["-e", f"trace={','.join(f'?{name}' for name in SYSCALLS)}"]
    command += [sys.executable, "-m", "tests.torture.writers", role, str(folder), str(seed), str(rounds)]
    subprocess.run([*command, *(["--broken", broken] if broken else [])], check=True)
    with plain.open("rb") as source, gzip.open(trace, "wb", compresslevel=1) as packed:
        packed.write(f"{folder}\n".encode())
        shutil.copyfileobj(source, packed)
    plain.unlink()
    return load(trace)


def load(trace: Path) -> Recording:
    """Return a recording that was kept."""
    with gzip.open(trace, "rt", encoding="ascii") as lines:
        folder = next(lines).rstrip("\n")
        return Recording(tuple(read_trace(lines, folder)))
