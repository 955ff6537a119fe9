"""Completeness: expected by the signed plan, told apart by what came and by who can close a hole."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from edge.centre.completeness import Closer, Fill, Question, completeness, stretches
from edge.centre.ledger import Ledger
from edge.reading.loss import Loss
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import SlotState
from edge.reading.verdict import SlotReason
from tests.centre.centre_kit import ENERGY, METER, QUARTER, SLOT, Gateway, record, refilled, take

OTHER = "000000000007"
LOAD = PlanTask("load", Schedule(every_s=900), (ENERGY,), (METER, OTHER))
DAILY = PlanTask("daily", Schedule(at=time(0, 5)), (ENERGY,), (METER,), 2)
MONTHLY = PlanTask("bill", Schedule(at=time(0, 10), day=1), (ENERGY,), (METER,))
PLAN = Plan(SLOT - timedelta(days=2), "Asia/Shanghai", (LOAD, DAILY, MONTHLY))
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def ask(ledger: Ledger, *, now: datetime = SLOT + 24 * HOUR, until: datetime = SLOT + HOUR):
    """Ask for the hour that begins at SLOT: four quarter-hours of two meters."""
    return completeness(ledger, Question(since=SLOT, until=until, now=now, grace_s=1800))


def test_every_kind_of_slot_is_told_apart(ledger):
    """In time, late, refilled, open, final and not heard, each from what was really sent."""
    gateway = Gateway()
    first = gateway.seal(record(), record(meter=OTHER, value=None), plan=PLAN)
    take(ledger, gateway, first, at=SLOT + timedelta(minutes=1))
    final = record(SLOT + 3 * QUARTER, value=None, state=SlotState.MISSING_FINAL, reason=SlotReason.GARBAGE)
    later = gateway.seal(record(SLOT + QUARTER), refilled(SLOT + 2 * QUARTER), final)
    take(ledger, gateway, later, at=SLOT + 3 * HOUR)
    statement = ask(ledger)
    mine, other = statement.totals["gw-1", METER], statement.totals["gw-1", OTHER]
    assert {Fill.IN_TIME: 1, Fill.LATE: 1, Fill.REFILLED: 1, Fill.MISSING_FINAL: 1} == mine
    assert {Fill.MISSING_OPEN: 1, Fill.NOT_HEARD: 3} == other
    assert [
        (METER, SLOT + 3 * QUARTER, 1, "garbage", Closer.NOBODY),
        (OTHER, SLOT, 1, "silence", Closer.REFILL),
        (OTHER, SLOT + QUARTER, 3, "", Closer.GATEWAY),
    ] == [(hole.meter, hole.first_at, hole.count, hole.reason, hole.closer) for hole in statement.holes]
    assert not statement.is_complete


def test_a_slot_that_is_just_over_is_awaited(ledger):
    """Within the grace nothing is missing yet; what lies in the future is not expected at all."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(plan=PLAN))
    statement = ask(ledger, now=SLOT + timedelta(minutes=20))
    assert {Fill.AWAITED: 2} == statement.totals["gw-1", METER]
    assert statement.is_complete


def test_a_signed_loss_is_final(ledger):
    """What the gateway had to give up is missing with its reason, not unheard."""
    gateway = Gateway()
    loss = Loss("load", METER, SLOT, SLOT + 3 * QUARTER, 4, "full")
    take(ledger, gateway, gateway.seal(plan=PLAN, losses=[loss]))
    (hole,) = [hole for hole in ask(ledger).holes if hole.meter == METER]
    assert (Fill.MISSING_FINAL, "full", 4, SLOT + 3 * QUARTER) == (hole.fill, hole.reason, hole.count, hole.last_at)


def test_the_plan_in_force_decides(ledger):
    """The second plan took a meter out at half past: the slot of half past is the first plan's, the next is not."""
    gateway = Gateway()
    half = SLOT + 2 * QUARTER
    take(ledger, gateway, gateway.seal(plan=PLAN))
    take(ledger, gateway, gateway.seal(plan=Plan(half, PLAN.timezone, (replace(LOAD, meters=(METER,)),))))
    totals = ask(ledger).totals
    assert ({Fill.NOT_HEARD: 4}, {Fill.NOT_HEARD: 3}) == (totals["gw-1", METER], totals["gw-1", OTHER])


@pytest.mark.parametrize(
    ("begins_at", "expected"),
    [(SLOT - TICK, 4), (SLOT, 3), (SLOT + TICK, 3), (SLOT + QUARTER - TICK, 3), (SLOT + QUARTER, 2)],
)
def test_a_plan_counts_for_the_slots_after_its_begin(ledger, begins_at, expected):
    """As the gateway polls: a slot on the plan's begin is not promised, one a microsecond later is."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(plan=replace(PLAN, valid_from=begins_at, tasks=(LOAD,))))
    assert {Fill.NOT_HEARD: expected} == ask(ledger).totals["gw-1", METER]


@pytest.mark.parametrize(("begins_at", "expected"), [(SLOT - TICK, 0), (SLOT, 1), (SLOT + TICK, 1)])
def test_a_slot_belongs_to_one_plan(ledger, begins_at, expected):
    """Where one plan takes another's place, the slot is expected by exactly one of them, whichever way it falls."""
    gateway = Gateway()
    after = replace(PLAN, valid_from=begins_at, tasks=(replace(LOAD, meters=(OTHER,)),))
    take(ledger, gateway, gateway.seal(plan=replace(PLAN, tasks=(replace(LOAD, meters=(METER,)),))))
    take(ledger, gateway, gateway.seal(plan=after))
    total = ask(ledger, until=SLOT + QUARTER).total
    assert 1 == sum(total.values())
    totals = ask(ledger, until=SLOT + QUARTER).totals
    assert expected == totals.get(("gw-1", METER), Counter())[Fill.NOT_HEARD]


def test_the_span_begins_with_its_first_slot_and_ends_before_its_last(ledger):
    """A slot on the span's begin counts, one on its end does not: spans side by side count each slot once."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(plan=replace(PLAN, tasks=(replace(LOAD, meters=(METER,)),))))
    counts = [
        completeness(ledger, Question(since=since, until=until, now=SLOT + HOUR, grace_s=0)).total[Fill.NOT_HEARD]
        for since, until in ((SLOT, SLOT + QUARTER), (SLOT + TICK, SLOT + QUARTER), (SLOT, SLOT + QUARTER + TICK))
    ]
    assert [1, 0, 2] == counts


def test_a_plan_is_kept_to_the_microsecond(ledger):
    """What the gateway signed is what the centre reckons with."""
    gateway = Gateway()
    begins_at = SLOT.replace(microsecond=123457)
    take(ledger, gateway, gateway.seal(plan=replace(PLAN, valid_from=begins_at)))
    assert [begins_at] == [plan.valid_from for plan in ledger.plans("gw-1")]


def test_stretches_cover_the_span_once():
    """Each plan is in force up to the next one; before the first nothing is expected."""
    plans = [replace(PLAN, valid_from=SLOT + hours * HOUR) for hours in (1, 2, 9)]
    assert [(plans[0], SLOT + HOUR, SLOT + 2 * HOUR), (plans[1], SLOT + 2 * HOUR, SLOT + 4 * HOUR)] == list(
        stretches(plans, SLOT, SLOT + 4 * HOUR)
    )


def test_a_daily_slot_is_expected_at_the_local_time(ledger):
    """00:05 in China is 16:05 UTC: inside the second span only."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(plan=replace(PLAN, tasks=(DAILY,))))
    at = SLOT.replace(hour=16, minute=5)
    assert Counter() == ask(ledger, until=at).total
    assert {Fill.NOT_HEARD: 1} == ask(ledger, until=at + timedelta(seconds=1)).total


def test_different_values_are_counted_as_conflicts(ledger):
    """A slot with two different values is read, and said to be disputed."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(), plan=PLAN), gateway.seal(record(value="99.00")))
    assert 1 == ask(ledger).conflicts["gw-1", METER]


def test_a_zone_that_is_none_is_reported(ledger):
    """A plan that cannot be understood hides nothing: the statement is not complete."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(plan=replace(PLAN, timezone="Mars/Olympus", tasks=(LOAD,))))
    statement = ask(ledger)
    assert (1, False) == (len(statement.unreadable), statement.is_complete)


def test_a_gateway_without_a_plan_is_named(ledger):
    """It was heard, but nothing can be expected of it yet."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record()))
    assert (["gw-1"], False) == (ask(ledger).unplanned, ask(ledger).is_complete)
