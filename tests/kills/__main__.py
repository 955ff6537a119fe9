"""Real processes killed at random: `make kills`; `MINUTES=n`, `SEED=n` for the same plan of mishaps once more.

The last line has what a reader wants to know. Nothing killed, nothing filled, nothing checked, or anything lost,
doubled or wrong, and the exit code is 1; then the folder with logs and stores stays.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.kills.judge import Count
from tests.kills.mishaps import PARTS, drawn_fate
from tests.kills.site import Tally, running_site

_SHOWN = 20


def main() -> int:
    """Run, count, print; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing of the site stays behind
    minutes = float(os.environ.get("MINUTES") or 3)
    seed = int(os.environ.get("SEED") or time.time_ns() % 10**6)
    print(f"SEED={seed}: the plan of mishaps; real processes are never killed at the same place twice", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="edge-kills-"))
    with running_site(folder) as site:
        site.live_through(drawn_fate(seed, minutes * 60))
        print(f"all parts stay up now; {sum(site.tally.kills.values())} kills so far", flush=True)
        found = site.judged(site.come_to_rest())
        tally, kind, defects = site.tally, site.disk.kind, site.defects()
    faults = [*thin(tally, found), *defects, *found.faults]
    for line in faults[:_SHOWN]:
        print(f"FAULT {line}")
    if faults:
        print(f"logs and stores are kept in {folder}")
    else:
        shutil.rmtree(folder)
    for line in told(tally, found, kind):
        print(line)
    print(last_line(minutes, tally, found))
    return 1 if faults else 0


def thin(tally: Tally, found: Count) -> list[str]:
    """Return what did not happen at all: a run without it shows nothing."""
    wanted = {
        **{f"{part} was never killed": tally.kills[part] for part in PARTS},
        "the broker never lost its queue": tally.forgotten,
        "the store never said that its disk is full": tally.full,
        "the poller never said what it had stored": tally.acknowledged,
        "no reading was checked": found.readings,
    }
    return [text for text, number in wanted.items() if not number]


def told(tally: Tally, found: Count, kind: str) -> list[str]:
    """Return what is said before the last line."""
    reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(found.missing.items()))
    ended = ", ".join(f"{name} {number} times" for name, number in sorted(tally.ended.items()))
    return [
        f"slots promised: {found.slots}; missing with a reason: {reasons or 'none'}",
        f"records that the store had acknowledged, all lives of the poller together: at least {tally.acknowledged}",
        f"ended by themselves, and started again: {ended or 'none'}",
        f"disk full ({kind}): {tally.full} times; the broker's queue taken away: {tally.forgotten} times",
    ]


def last_line(minutes: float, tally: Tally, found: Count) -> str:
    """Return the sum of a run."""
    kills = ", ".join(f"{part} {tally.kills[part]}" for part in PARTS)
    return (
        f"{minutes:g} minutes, {sum(tally.kills.values())} kills ({kills}), {found.readings} readings checked, "
        f"{len(found.lost)} lost, {len(found.doubled)} doubled, {len(found.wrong) + len(found.chain)} wrong"
    )


if __name__ == "__main__":
    sys.exit(main())
