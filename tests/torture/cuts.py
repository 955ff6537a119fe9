"""One cut: a seed says the moment and what is left; the files are laid down and a judge looks at them."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random

from tests.torture.disk import Disk
from tests.torture.recording import Recording
from tests.torture.verdict import Verdict

Judge = Callable[[Path, Recording, int], Verdict]
_MEMORY = Path("/dev/shm")  # the cut has happened already: what is judged need not be on a real disk


def cut_once(recording: Recording, judge: Judge, seed: int) -> Verdict:
    """Return what a judge says of one cut."""
    rng = Random(seed)
    moment = rng.choice(recording.to_be_cut()).start - rng.randrange(2)
    disk = Disk(recording.calls, moment)
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        lay(Path(folder), disk.cut(rng))
        verdict = judge(Path(folder), recording, moment)
    verdict.cuts, verdict.unsure = 1, disk.unsure
    return verdict


def cut_often(recording: Recording, judge: Judge, seeds: Iterable[int]) -> Verdict:
    """Return the sum of many cuts; each fault is marked with its seed."""
    found = Verdict()
    for seed in seeds:
        found.add(cut_once(recording, judge, seed), f"SEED={seed}")
    return found


def lay(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder hold exactly these files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
