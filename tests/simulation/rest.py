"""The end of a world: the meters rest, and then nothing may be stuck anywhere. Everything is put right by then."""

import contextlib

import apsw

from edge.store.disputes import disputed_epochs
from tests.simulation.further import Rows

_SEALED_S = 1500.0  # the greatest age of what waits, and some time to send it
_DURABLE_S = 400.0  # from a backup to the receipt that tells of it, and what follows from that
_MOST = 4  # times that the second is waited for: a long backlog is sent at its own pace
_REJECTED = 2


def come_to_rest(system) -> list[str]:
    """Let the buses rest, make a backup, and return what is stuck."""
    for box in system.boxes:
        if box.is_up:
            box.rest()
    system.run_until(system.now.at + _SEALED_S)
    stuck: list[str] = []
    for _ in range(_MOST):
        system.centre.back_up(marks=True)
        system.run_until(system.now.at + _DURABLE_S)
        stuck = system.wrong or [line for box in system.boxes for line in _stuck(box)]
        if not stuck or system.wrong:
            break
    return stuck


def _told(box, db):
    """Return the epochs of which the operator is told that they stay: disputed, and signed with a key of before."""
    trouble = box.forwarder._work._resealer.trouble
    return disputed_epochs(Rows(db)) if trouble is not None and trouble.code == "E-FWD-211" else ()


def _stuck(box):
    if box.is_retired:
        return
    if not box.is_up:
        yield f"[settled] {box.name} is not up"
        return
    with contextlib.closing(apsw.Connection(str(box.path))) as db:
        for table in ("journal", "loss"):
            count = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            if count:
                yield f"[settled] {box.name}: {count} rows of {table} are not sealed"
        told = _told(box, db)
        for epoch, seq, state in db.execute("SELECT epoch, seq, state FROM outbox WHERE state <> ?", (_REJECTED,)):
            if epoch in told:
                continue
            yield f"[settled] {box.name} {epoch.hex()}/{seq}: {('not stored', 'not durable')[state]}"
