"""Whole systems, each from a seed, judged: `make sim SEEDS=10000`; `SEED=n` replays one; on all cores of the machine.

`FROM=n` begins at another seed; with `MINUTES=n` it ends after that time with as many seeds as it had time for.

Progress goes to stderr. Above the last line stand the faults by kind; the last line has seeds, faults and readings
compared. Anything wrong, or zero of any of these, and the exit code is 1; from `_ENOUGH` seeds on also a fault of
`EXPECTED` that never happened. A failing seed is printed at once, with what to type to see it again.
"""

import logging
import os
import signal
import sys
import time
import traceback
from collections import Counter
from multiprocessing import get_context

from tests.simulation.expected import EXPECTED
from tests.simulation.system import run_system

_SHOWN = 8
_HANGS_S = 300  # of real time: no world takes a hundredth of that
_ENOUGH = 300
_OVER = "SIMULATION_OVER_S"  # for the processes of the pool
_TELL_EVERY_S = 20.0


# A seed is the same everywhere only with the same order of sets: the Makefile sets PYTHONHASHSEED.


def run_seed(seed):
    """Return what came of a seed: itself, its kinds of mishaps, faults, readings, and what was wrong.

    None if the time that the run was given is over: every world that began ends by itself, and leaves nothing behind.
    """
    if time.monotonic() >= _over_s():
        return None
    logging.disable(logging.CRITICAL)  # the daemon tells of each fault that was put in
    signal.alarm(_HANGS_S)
    try:
        system = run_system(seed)
    except Exception:  # noqa: BLE001 - a defect of the simulation itself must name its seed too
        return seed, [], Counter(), 0, ["[works] " + traceback.format_exc()]
    finally:
        signal.alarm(0)
    return seed, system.kinds, system.faults, system.readings, system.wrong


def main():
    """Run and print; return the exit code."""
    if "SEED" in os.environ:
        seeds = [int(os.environ["SEED"])]
    else:
        first = int(os.environ.get("FROM", "0"))
        seeds = range(first, first + int(os.environ.get("SEEDS", "1000")))
    if "MINUTES" in os.environ:
        os.environ[_OVER] = str(time.monotonic() + 60 * float(os.environ["MINUTES"]))
    faults, readings, done, failed = Counter(), 0, 0, []
    progress = _Progress(len(seeds))
    with get_context("spawn").Pool(max(1, min(len(seeds), os.cpu_count() or 1))) as pool:
        for seed, kinds, found, compared, wrong in filter(None, pool.imap_unordered(run_seed, seeds)):
            done, readings = done + 1, readings + compared
            faults.update(found)
            if wrong:
                failed.append(seed)
                _tell(seed, kinds, wrong)
            progress.tell(done, len(failed))
    for name, count in sorted((+faults).items()):
        print(f"  {count:8d}  {name}")
    never = [name for name in EXPECTED if not faults[name]] if done >= _ENOUGH else []
    for name in never:
        print(f"NEVER HAPPENED: {name}")
    print(f"{done} seeds, {faults.total()} faults, {readings} readings checked, {len(failed)} failed: {sorted(failed)}")
    return 1 if failed or never or not (done and faults.total() and readings) else 0


def _over_s() -> float:
    """Return when the time of the run is over, by the clock that all processes of the machine share."""
    return float(os.environ.get(_OVER, "inf"))


class _Progress:
    """Says now and then how far it is, and when it will be done at the pace so far."""

    def __init__(self, seeds: int) -> None:
        self._seeds = seeds
        self._begin_s = self._told_s = time.monotonic()

    def tell(self, done: int, failed: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s < _TELL_EVERY_S or done == self._seeds:
            return
        self._told_s = now_s
        pace = done / (now_s - self._begin_s)
        left_s = (self._seeds - done) / pace
        said = f"{done} of {self._seeds} seeds, {failed} failed, {pace:.1f} a second, {left_s / 60:.0f} min left"
        print(said, file=sys.stderr, flush=True)


def _tell(seed, kinds, wrong):
    print(f"FAILED, replay with: make sim SEED={seed}   ({', '.join(kinds)})")
    for line in wrong[:_SHOWN]:
        print(f"    {line}")
    if len(wrong) > _SHOWN:
        print(f"    and {len(wrong) - _SHOWN} more")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
