"""The plans in force: put in by the poller, sent by the forwarder, each once an epoch and none passed over.

The table holds the plans from the one sent last on, and a few before it: what they promised may not have been recorded
yet when the power went. A new epoch begins with the one sent last; a plan whose CRC does not hold is no plan.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from edge.reading.plan import Plan
from edge.reading.record import Stamp
from edge.store.instants import to_us
from edge.store.meta import load_fact, mark_fact
from edge.store.packing import DamagedRow, crc_of, pack_plan, unpack_plan
from edge.store.redating import forget_undated_plans, undated_plans
from edge.store.rows import Rows

Begins = Callable[[Sequence[tuple[Plan, Stamp | None]]], Sequence[datetime]]

_SENT = "plan_sent"
_KEPT = 8  # plans before the one sent last; each is settled some seconds after the next one came into force


def newest_plan(rows: Rows) -> Plan | None:
    """Return the plan in force; None before the first, or if it can no longer be read."""
    found = rows.rows("SELECT id, valid_from_us, crc, body FROM plan ORDER BY id DESC LIMIT 1")
    return _sound(found[0][1:]) if found else None


def kept_plans(rows: Rows) -> list[Plan]:
    """Return the plans that are still kept, in the order in which they came into force."""
    found = rows.rows("SELECT valid_from_us, crc, body FROM plan ORDER BY id")
    return [plan for cells in found if (plan := _sound(cells)) is not None]


def append_plan(rows: Rows, plan: Plan) -> int | None:
    """Put a plan in force and return its number; None if it is in force already. Needs a writing transaction."""
    newest, body, valid_from_us = newest_plan(rows), pack_plan(plan), to_us(plan.valid_from)
    if newest is not None and pack_plan(newest) == body:
        return None
    crc = crc_of(valid_from_us, body)
    rows.change("INSERT INTO plan (valid_from_us, crc, body) VALUES (?, ?, ?)", valid_from_us, crc, body)
    return int(rows.rows("SELECT max(id) FROM plan")[0][0])


def forget_plans_after(rows: Rows, limit_us: int) -> int:
    """Forget plans of a time that has not come yet; return how many. Needs a writing transaction."""
    gone = rows.change("DELETE FROM plan WHERE valid_from_us > ?", limit_us)
    if gone:
        send_plans_again(rows)  # numbers are given again: the next plan must not pass for one that was sent
    return gone


def redate_plans(rows: Rows, begins: Begins) -> list[tuple[Plan, datetime]]:
    """Give plans their true begins; return each with the begin that it had. Needs a writing transaction.

    One that was sent with another begin goes out once more.
    """
    undated = undated_plans(rows)
    found = rows.rows("SELECT id, valid_from_us, crc, body FROM plan ORDER BY id")
    plans = [(number, plan) for number, *cells in found if (plan := _sound(tuple(cells))) is not None]
    begun = begins([(plan, undated.get(number)) for number, plan in plans])
    for (number, plan), begin in zip(plans, begun, strict=True):
        if begin != plan.valid_from:
            _move(rows, number, replace(plan, valid_from=begin))
    if undated:
        forget_undated_plans(rows)
    return [(replace(plan, valid_from=begin), plan.valid_from) for (_, plan), begin in zip(plans, begun, strict=True)]


def _move(rows: Rows, number: int, plan: Plan) -> None:
    valid_from_us = to_us(plan.valid_from)
    crc = crc_of(valid_from_us, pack_plan(plan))
    rows.change("UPDATE plan SET valid_from_us = ?, crc = ? WHERE id = ?", valid_from_us, crc, number)
    sent = load_fact(rows, _SENT)
    if sent is not None and sent[1] >= number:
        mark_fact(rows, _SENT, [sent[0], number - 1])


def next_plan(rows: Rows, epoch: bytes, passed: int) -> tuple[int, Plan] | None:
    """Return (id, plan) of the oldest plan after `passed` that this epoch has not sent; None if it has sent all."""
    sent = load_fact(rows, _SENT)
    least = max(passed + 1, 0 if sent is None else sent[1] + (sent[0] == epoch))
    for number, *cells in rows.rows("SELECT id, valid_from_us, crc, body FROM plan WHERE id >= ? ORDER BY id", least):
        if (plan := _sound(tuple(cells))) is not None:
            return number, plan
    return None


def mark_plan_sent(rows: Rows, epoch: bytes, number: int) -> None:
    """Remember that an epoch has sent a plan; those long before it are forgotten. Needs a writing transaction."""
    mark_fact(rows, _SENT, [epoch, number])
    rows.change("DELETE FROM plan WHERE id < ?", number - _KEPT)


def send_plans_again(rows: Rows) -> None:
    """Let all plans that are kept go out once more. Needs a writing transaction."""
    mark_fact(rows, _SENT, [b"", 0])


def _sound(cells: tuple[int, int, bytes]) -> Plan | None:
    valid_from_us, crc, body = cells
    if crc != crc_of(valid_from_us, body):
        return None
    try:
        return unpack_plan(body, valid_from_us)
    except DamagedRow:
        return None
