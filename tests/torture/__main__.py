"""Power cuts: `make torture`; `CUTS=n` for each kind of writer, `SEED=n` makes one cut of the kept recordings again.

The recordings are made anew by each run without SEED and stay in `.torture/`. The last line has what a reader wants
to know; nothing cut, nothing checked, or anything lost, unreadable or wrong, and the exit code is 1.
"""

import os
import shutil
import sys
import time
from pathlib import Path

from tests.torture.cuts import Judge, cut_often
from tests.torture.judge_aside import judge_aside
from tests.torture.judge_register import judge_register
from tests.torture.judge_store import judge_daemon, judge_store
from tests.torture.judge_upgrade import judge_upgrade
from tests.torture.recording import load, record
from tests.torture.verdict import Verdict

KEPT = Path(__file__).parents[2] / ".torture"
WRITERS: dict[str, tuple[int, Judge]] = {
    "store": (60, judge_store),
    "daemon": (20, judge_daemon),
    "aside": (12, judge_aside),
    "upgraded": (12, judge_upgrade),
    "register": (100, judge_register),
}
_SHARE = {"daemon": 2, "aside": 4, "upgraded": 4}  # of the cuts of the others, one in so many
_SHOWN = 20


def main() -> int:
    """Record, cut, print; return the exit code."""
    seeds = range(int(os.environ.get("CUTS", "1500")))
    if "SEED" in os.environ:
        seeds = range(int(os.environ["SEED"]), int(os.environ["SEED"]) + 1)
    elif KEPT.exists():
        shutil.rmtree(KEPT)
    whole, is_thin = Verdict(), False
    for role, (rounds, judge) in WRITERS.items():
        share = seeds if len(seeds) == 1 else seeds[: len(seeds) // _SHARE.get(role, 1)]
        found = _torture(role, rounds, judge, share)
        whole.add(found, role)
        is_thin |= not (found.cuts and found.checked)
    for line in whole.faults[:_SHOWN]:
        print(f"FAULT {line}")
    if whole.faults:
        print(f"the recordings are kept in {KEPT}: SEED=n make torture makes cut n of them again")
    print(_sum(whole))
    return 1 if whole.faults or is_thin else 0


def _torture(role: str, rounds: int, judge: Judge, seeds: range) -> Verdict:
    kept = KEPT / f"{role}.gz"
    if kept.exists():
        recording = load(kept)
    else:
        KEPT.mkdir(exist_ok=True)
        shutil.rmtree(KEPT / role, ignore_errors=True)
        seed = time.time_ns() % 10**6
        print(f"recording: {role}, writers' seed {seed}", file=sys.stderr)
        recording = record(role, KEPT / role, kept, seed=seed, rounds=rounds)
    print(f"{role}: {len(recording.calls)} calls recorded, {len(recording.said(1 << 60))} promises heard", flush=True)
    found = cut_often(recording, judge, seeds)
    print(f"{role}: {_sum(found)}", flush=True)
    return found


def _sum(found: Verdict) -> str:
    return (
        f"{found.cuts} cuts, {found.unsure} calls left open by them, {found.checked} acknowledged records checked, "
        f"{len(found.lost)} lost, {len(found.unreadable)} unreadable, {len(found.wrong)} wrong"
    )


if __name__ == "__main__":
    sys.exit(main())
