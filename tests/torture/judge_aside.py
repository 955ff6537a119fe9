"""The judge of a store that was damaged before the power failed: what waited there is not forgotten.

However far the opening came that set the file aside, the next one ends it: each record that waited unsealed in the
damaged file, and each that was acknowledged since, is in the store once; the damaged file is kept.
"""

from collections import Counter
from pathlib import Path

from edge.clock import ManualClock
from edge.errors import EdgeError
from edge.store.database import open_database
from edge.store.outbox import Outbox
from tests.torture.judge_store import promises_of
from tests.torture.recording import Recording
from tests.torture.verdict import Verdict
from tests.torture.words import MAX_MIB, START, STORE, Key, key_of, open_batch


def judge_aside(folder: Path, recording: Recording, moment: int) -> Verdict:
    """Compare the files of a cut with what waited and what was said by that moment."""
    promises = promises_of(recording, moment)
    promised = promises.waiting + promises.after
    verdict = Verdict(checked=len(promised))
    try:
        found = _found(folder)
        again = _found(folder)
    except EdgeError as exc:
        verdict.unreadable.append(str(exc))
        return verdict
    verdict.lost += [f"record {key}" for key in promised if not found[key]]
    verdict.wrong += [f"record {key} is there {count} times" for key, count in found.items() if count > 1]
    if found != again:
        verdict.wrong.append("the next opening finds something else")
    if not list(folder.glob(f"{STORE}.bad-*Z")):
        verdict.wrong.append("the damaged file is gone")
    return verdict


def _found(folder: Path) -> "Counter[Key]":
    with open_database(folder / STORE, max_mib=MAX_MIB, clock=ManualClock(now=START)) as database:
        records = list(Outbox(database).take(10**9).records)
        for (envelope,) in database.rows("SELECT bytes FROM envelope"):
            records += open_batch(envelope).records
    return Counter(key_of(record) for record in records)
