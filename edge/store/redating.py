"""What the store knows of records and plans of a time that was not trusted: the boot, since when, and their stamps.

A record carries its stamp itself; a plan has none, so the stamps of plans stand beside them until the time is known.
What a boot recorded before its clock was lost is of a known time, and settled: since when it is lost is remembered.
A meter that joins a plan while the time is unknown may have been settled before, under an earlier plan: how far is
remembered, for the first slot that it is named then does not tell.
How rows are put right is `poll/laying.py`; the transaction is `Journal.lay_anew`.
"""

from dataclasses import dataclass
from datetime import datetime

from edge.reading.plan import Plan
from edge.reading.record import PollRecord, Stamp
from edge.store.instants import from_us, to_us
from edge.store.marks import load_marks
from edge.store.meta import load_fact, mark_fact
from edge.store.rows import Rows

_UNDATED = "undated"
_UNDATED_PLANS = "undated_plans"
_JOINED = "undated_joined"  # a boot, and the marks that meters had when they joined a plan in it
_DATED = "dated"  # the boot of the newest records, if their time is known, if only since then
_LOST = "time_lost"  # a boot, and since when its clock is not trusted


@dataclass(frozen=True, slots=True)
class Undated:
    """What is still to be put right: of which boot, since when by its clock, stamps of plans, marks of who joined.

    `dated`: the boot of the newest records, if their time is known.
    """

    boot: str | None
    since_s: float
    plans: dict[int, Stamp]
    joined: dict[tuple[str, str], int]
    dated: str | None


def undated_boot(rows: Rows) -> str | None:
    """Return the boot whose records or plans may still get their true time; None if there is none."""
    fact = load_fact(rows, _UNDATED)
    return fact if isinstance(fact, str) and fact else None


def undated_since(rows: Rows, boot_id: str) -> float:
    """Return since when a boot lacks a trusted time, by its own clock; 0.0 if it recorded nothing dated before."""
    fact = load_fact(rows, _LOST)
    return float(fact[1]) if fact and fact[0] == boot_id else 0.0


def note_undated(rows: Rows, records: list[PollRecord]) -> None:
    """Remember the boot of records whose time is not trusted, and since when. Needs a writing transaction."""
    stamps = [record.stamp for record in records]
    dated = [stamp for stamp in stamps if stamp.is_dated]
    if dated and load_fact(rows, _DATED) != dated[-1].boot_id:
        mark_fact(rows, _DATED, dated[-1].boot_id)
    _note_boot(rows, [stamp for stamp in stamps if not stamp.is_dated])


def note_undated_plan(rows: Rows, number: int, stamp: Stamp) -> None:
    """Remember when a plan was put in force, if that time is not trusted. Needs a writing transaction."""
    noted = _plans(rows)
    if not stamp.is_dated:
        _mark_plans(rows, {**noted, number: stamp})
        _note_boot(rows, [stamp])
    elif noted.pop(number, None) is not None:  # of a plan that was forgotten: its number is given again
        _mark_plans(rows, noted)


def note_joined(rows: Rows, earlier: Plan | None, plan: Plan, stamp: Stamp) -> None:
    """Remember the marks of those who join a plan, if that time is not trusted. Needs a writing transaction."""
    joining = _pairs(plan) - (_pairs(earlier) if earlier is not None else set())
    if stamp.is_dated or not joining:
        return
    found = {pair: slot_us for pair, slot_us in load_marks(rows).items() if pair in joining}
    noted = {**found, **_joined(rows, stamp.boot_id)}  # of two joins in one boot the first counts
    mark_fact(rows, _JOINED, [stamp.boot_id, [[*pair, slot_us] for pair, slot_us in noted.items()]])


def joined_marks(rows: Rows, boot_id: str) -> dict[tuple[str, str], datetime]:
    """Return the marks that meters had when they joined a plan in a boot whose time was not trusted."""
    return {pair: from_us(slot_us) for pair, slot_us in _joined(rows, boot_id).items()}


def undated_plans(rows: Rows) -> dict[int, Stamp]:
    """Return when plans were put in force by a time that was not trusted, by their numbers."""
    return _plans(rows)


def forget_undated(rows: Rows, boot_id: str) -> None:
    """Note that nothing more will be put right, for the time of this boot is known. Needs a writing transaction."""
    mark_fact(rows, _UNDATED, "")
    mark_fact(rows, _DATED, boot_id)
    if _plans(rows):
        _mark_plans(rows, {})
    if load_fact(rows, _JOINED):
        mark_fact(rows, _JOINED, [])


def forget_undated_plans(rows: Rows) -> None:
    """Note that all plans have their true begin. Needs a writing transaction."""
    _mark_plans(rows, {})


def load_undated(rows: Rows) -> Undated:
    """Return what is still to be put right. Raises StoreError if that is damaged."""
    boot, dated = undated_boot(rows), load_fact(rows, _DATED)
    since_s = undated_since(rows, boot) if boot is not None else 0.0
    joined = _joined(rows, boot) if boot is not None else {}
    return Undated(boot, since_s, _plans(rows), joined, dated if isinstance(dated, str) and dated else None)


def keep_undated(rows: Rows, undated: Undated) -> None:
    """Keep what another store had to put right, of rows and plans that came with their numbers. Needs a transaction."""
    if undated.boot is not None:
        mark_fact(rows, _UNDATED, undated.boot)
        mark_fact(rows, _LOST, [undated.boot, undated.since_s])
        mark_fact(rows, _JOINED, [undated.boot, [[*pair, slot_us] for pair, slot_us in undated.joined.items()]])
    if undated.dated is not None:
        mark_fact(rows, _DATED, undated.dated)
    if undated.plans:
        _mark_plans(rows, undated.plans)


def _note_boot(rows: Rows, stamps: list[Stamp]) -> None:
    """Note the boot of stamps that are not trusted; the first ones after others that were begin a new stretch."""
    if not stamps:
        return
    boot_id = stamps[-1].boot_id
    was_dated = load_fact(rows, _DATED) == boot_id
    if was_dated or undated_boot(rows) != boot_id:
        since_s = min(stamp.boot_s for stamp in stamps if stamp.boot_id == boot_id) if was_dated else 0.0
        mark_fact(rows, _LOST, [boot_id, since_s])
    if was_dated:
        mark_fact(rows, _DATED, "")
    if undated_boot(rows) != boot_id:
        mark_fact(rows, _UNDATED, boot_id)


def _pairs(plan: Plan) -> set[tuple[str, str]]:
    return {(task.name, meter) for task in plan.tasks for meter in task.meters}


def _joined(rows: Rows, boot_id: str) -> dict[tuple[str, str], int]:
    fact = load_fact(rows, _JOINED)
    return {(task, meter): slot_us for task, meter, slot_us in fact[1]} if fact and fact[0] == boot_id else {}


def _plans(rows: Rows) -> dict[int, Stamp]:
    fact = load_fact(rows, _UNDATED_PLANS)
    return {number: Stamp(from_us(at_us), trust, boot, boot_s) for number, at_us, trust, boot, boot_s in fact or ()}


def _mark_plans(rows: Rows, noted: dict[int, Stamp]) -> None:
    packed = [[number, to_us(one.at), one.trust, one.boot_id, one.boot_s] for number, one in noted.items()]
    mark_fact(rows, _UNDATED_PLANS, packed)
