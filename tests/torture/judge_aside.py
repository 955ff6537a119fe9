"""The judge of a store that was damaged before the power failed: what waited there is not forgotten.

However far the opening came that set the file aside, the next one ends it: each record that waited unsealed in the
damaged file, and each that was acknowledged since, is in the store once; the damaged file is kept, and noted with all
the sealed batches that are to be taken over from it.
"""

from collections import Counter
from pathlib import Path

from edge.clock import ManualClock
from edge.errors import EdgeError
from edge.store.asides import load_asides, next_leaf
from edge.store.database import open_aside, open_database
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
    files = {path.name for path in folder.glob(f"{STORE}.bad-*Z")}
    if not files:
        verdict.wrong.append("the damaged file is gone")
    batches = _to_take_over(folder)
    if batches.keys() != files or not all(batches.values()):
        verdict.wrong.append(f"batches to be taken over: {batches}")
    return verdict


def _to_take_over(folder: Path) -> dict[str, int]:
    """Return how many sealed batches can be read of each file that is noted."""
    with open_database(folder / STORE, max_mib=MAX_MIB, clock=ManualClock(now=START)) as database:
        notes = load_asides(database)
    return {note.name: _batches_in(folder / note.name) for note in notes}


def _batches_in(path: Path) -> int:
    old = open_aside(path)
    assert old is not None
    count, last = 0, 0
    with old:
        while (leaf := next_leaf(old, last)) is not None:
            last, count = leaf.n, count + (leaf.envelope is not None)
    return count


def _found(folder: Path) -> "Counter[Key]":
    with open_database(folder / STORE, max_mib=MAX_MIB, clock=ManualClock(now=START)) as database:
        records = list(Outbox(database).take(10**9).records)
        for (envelope,) in database.rows("SELECT bytes FROM envelope"):
            records += open_batch(envelope).records
    return Counter(key_of(record) for record in records)
