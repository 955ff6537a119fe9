"""Completeness: expected by the signed plan, told apart by what came and by who can close a hole."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal

import pytest

from edge.centre.accept import accept_birth
from edge.centre.closers import Closer
from edge.centre.completeness import Fill, Question, completeness, stretches
from edge.centre.ledger import Ledger, Span
from edge.centre.ledger_sqlite import SqliteLedger
from edge.messages.birth import open_birth
from edge.messages.envelope import envelope_hash
from edge.reading.loss import Loss
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import SlotState
from edge.reading.verdict import SlotReason
from tests.centre.centre_kit import (
    ENERGY,
    EPOCH,
    METER,
    NEXT_EPOCH,
    QUARTER,
    SLOT,
    Gateway,
    payload,
    record,
    refilled,
    take,
)

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
        (OTHER, SLOT, 1, "silence", Closer.METER),
        (OTHER, SLOT + QUARTER, 3, "", Closer.GATEWAY),
    ] == [(hole.meter, hole.first_at, hole.count, hole.reason, hole.closer) for hole in statement.holes]
    assert not statement.is_complete


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(1, {Fill.AWAITED: 1}), (15, {Fill.AWAITED: 1}), (16, {Fill.AWAITED: 1, Fill.NOT_HEARD: 1})],
)
def test_a_hole_is_known_within_one_round(ledger, minutes, expected):
    """Awaited until the next round begins, whatever the grace; what lies in the future is not expected at all."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(plan=PLAN))
    statement = ask(ledger, now=SLOT + timedelta(minutes=minutes))
    assert expected == statement.totals["gw-1", METER]
    assert (minutes < 16) == statement.is_complete


def test_a_daily_slot_is_awaited_for_the_grace(ledger):
    """A round of a day is too long to wait for: half an hour, as the settings say."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(plan=replace(PLAN, tasks=(DAILY,))))
    at = SLOT.replace(hour=16, minute=5)
    for minutes, fill in ((30, Fill.AWAITED), (31, Fill.NOT_HEARD)):
        statement = ask(ledger, until=at + HOUR, now=at + timedelta(minutes=minutes))
        assert {fill: 1} == statement.total


def hole_of(ledger: SqliteLedger, at: datetime = SLOT + QUARTER, **more):
    """Return the hole of METER that holds a slot."""
    (hole,) = [
        one for one in ask(ledger, **more).holes if one.meter == METER and one.first_at <= at <= one.last_at
    ]  # fmt: skip
    return hole


ONE = replace(PLAN, tasks=(replace(LOAD, meters=(METER,)),))


def test_a_silent_gateway_is_the_networks_hole(ledger):
    """Not heard since the slot: it may be cut off; heard since, with nothing missing: it is its own."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(), plan=ONE), at=SLOT + timedelta(minutes=1))
    assert Closer.NETWORK is hole_of(ledger).closer
    take(ledger, gateway, gateway.seal(record(SLOT + 3 * QUARTER)), at=SLOT + HOUR)
    assert Closer.GATEWAY is hole_of(ledger).closer


def test_a_birth_is_a_sign_of_life(ledger):
    """A gateway that says it is there, and sends nothing of the slot, is looked at itself."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(), plan=ONE), at=SLOT)
    birth = open_birth(gateway.birth(), lambda *_: gateway.signer.verifier())
    accept_birth(ledger, birth, SLOT + 2 * HOUR)
    assert Closer.GATEWAY is hole_of(ledger).closer


def test_a_missing_number_is_the_networks_hole(ledger):
    """The next slot came, the number between is missing: named, with the number."""
    gateway = Gateway()
    first, _, third = (
        gateway.seal(record(SLOT + number * QUARTER), plan=ONE if number == 0 else None) for number in range(3)
    )  # fmt: skip
    take(ledger, gateway, first, third, at=SLOT + 2 * HOUR)
    hole = hole_of(ledger)
    assert (Closer.NETWORK, ((2, 2),), 1) == (hole.closer, hole.closing.batches, hole.count)
    assert (Closer.GATEWAY, ()) == ((last := hole_of(ledger, SLOT + 3 * QUARTER)).closer, last.closing.batches)


def test_a_rejected_batch_is_the_centres_hole(ledger):
    """Signed and in its place, but this centre cannot read it: its slots can be closed here only."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(), plan=ONE), gateway.seal_raw(b"no batch"), at=SLOT + HOUR)
    take(ledger, gateway, gateway.seal(record(SLOT + 2 * QUARTER)), at=SLOT + HOUR)
    hole = hole_of(ledger)
    assert (Closer.CENTRE, ((2, 2),)) == (hole.closer, hole.closing.batches)


def test_an_old_rejected_batch_is_not_blamed_for_ever(ledger):
    """Numbers below those that brought slots as old as this one cannot hold it."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal_raw(b"no batch"), gateway.seal(record(), plan=ONE), at=SLOT + HOUR)
    take(ledger, gateway, gateway.seal(record(SLOT + 2 * QUARTER)), at=SLOT + HOUR)
    assert Closer.GATEWAY is hole_of(ledger).closer


def test_the_day_before_the_span_tells_what_is_old(ledger):
    """The first slot of a span: the slot before it, which is not asked for, came under a later number."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal_raw(b"no batch"), gateway.seal(record(SLOT - QUARTER), plan=ONE), at=SLOT + HOUR)
    assert Closer.GATEWAY is hole_of(ledger, SLOT).closer


@pytest.mark.parametrize(
    ("reason", "closer"),
    [
        (SlotReason.SILENCE, Closer.METER),
        (SlotReason.REFUSED, Closer.METER),
        (SlotReason.PORT_GONE, Closer.GATEWAY),
        (SlotReason.GATEWAY_DOWN, Closer.GATEWAY),
        (SlotReason.OVERRUN, Closer.GATEWAY),
    ],
)
def test_an_open_slot_is_the_meters_or_the_gateways(ledger, reason, closer):
    """Who did not answer, and who did not ask."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(SLOT + QUARTER, value=None, reason=reason), plan=ONE))
    assert (closer, str(reason)) == ((hole := hole_of(ledger)).closer, hole.reason)


def test_each_task_has_totals_of_its_own(ledger):
    """Two tasks of one meter: each counts its slots, the meter counts both."""
    gateway = Gateway()
    fast = replace(LOAD, name="fast", schedule=Schedule(every_s=300), meters=(METER,))
    take(ledger, gateway, gateway.seal(record(), plan=replace(PLAN, tasks=(*ONE.tasks, fast))))
    statement = ask(ledger)
    assert (4, 12) == tuple(sum(statement.tasks["gw-1", METER, name].values()) for name in ("load", "fast"))
    assert 16 == sum(statement.totals["gw-1", METER].values())
    assert {Fill.IN_TIME: 1, Fill.NOT_HEARD: 3} == statement.tasks["gw-1", METER, "load"]


def test_holes_of_two_stretches_of_a_plan_are_told_apart_by_meter_and_task(ledger):
    """Slots in a row make one hole, over a change of the plan too; another task's never do."""
    gateway = Gateway()
    half = SLOT + 2 * QUARTER - TICK
    take(ledger, gateway, gateway.seal(plan=ONE), gateway.seal(plan=replace(ONE, valid_from=half)), at=SLOT)
    assert [(SLOT, SLOT + 3 * QUARTER, 4)] == [(one.first_at, one.last_at, one.count) for one in ask(ledger).holes]


def test_what_is_held_at_once_does_not_grow_with_the_span(ledger, monkeypatch):
    """A day is asked for after the other; a hole over many days is one hole, and one before it another."""
    gateway, asked, slots = Gateway(), [], type(ledger).slots

    def note(self, name, since, until):
        if since < SLOT + 480 * HOUR:
            asked.append(until - since)
        return slots(self, name, since, until)

    monkeypatch.setattr(type(ledger), "slots", note)
    take(ledger, gateway, gateway.seal(record(SLOT + QUARTER), plan=replace(PLAN, tasks=(LOAD,))), at=SLOT)
    statement = ask(ledger, until=SLOT + 240 * HOUR, now=SLOT + 480 * HOUR)
    assert [(METER, 1), (METER, 958), (OTHER, 960)] == [(hole.meter, hole.count) for hole in statement.holes]
    assert 10 == len(asked)
    assert timedelta(days=1, seconds=1) == max(asked)


def test_a_hole_is_not_continued_over_a_stretch_of_which_the_plan_did_not_name_the_meter(ledger):
    """It was not expected meanwhile."""
    gateway = Gateway()
    begins = [SLOT + number * QUARTER - TICK for number in (0, 1, 2)]
    plans = [replace(ONE if n != 1 else PLAN, valid_from=at, tasks=(replace(LOAD, meters=(METER, OTHER)[n % 2 :][:1]),))
             for n, at in enumerate(begins)]  # fmt: skip
    take(ledger, gateway, *(gateway.seal(plan=plan) for plan in plans), at=SLOT)
    holes = [(hole.meter, hole.count) for hole in ask(ledger).holes]
    assert [(METER, 1), (METER, 2), (OTHER, 1)] == holes


def test_who_is_enrolled_and_never_came_is_unheard(ledger):
    """Beside those that were heard; a gateway that was heard is not among them."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(), plan=ONE))
    question = Question(since=SLOT, until=SLOT + TICK, now=SLOT, grace_s=60, enrolled=("gw-1", "gw-2"))
    statement = completeness(ledger, question)
    assert (["gw-2"], [], False) == (statement.unheard, statement.unplanned, statement.is_complete)


def test_a_signed_loss_is_final(ledger):
    """What the gateway had to give up is missing with its reason, not unheard."""
    gateway = Gateway()
    loss = Loss("load", METER, SLOT, SLOT + 3 * QUARTER, 4, "full")
    take(ledger, gateway, gateway.seal(plan=PLAN, losses=[loss]))
    (hole,) = [hole for hole in ask(ledger).holes if hole.meter == METER]
    assert (Fill.MISSING_FINAL, "full", 4, SLOT + 3 * QUARTER) == (hole.fill, hole.reason, hole.count, hole.last_at)


def test_a_filling_that_was_shed_ends_the_slot(ledger):
    """The miss arrived, the reading that filled it was given up: nobody can close it any more, and why is told."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(value=None), plan=PLAN))
    assert Fill.MISSING_OPEN in ask(ledger).totals["gw-1", METER]
    take(ledger, gateway, gateway.seal(losses=[Loss("load", METER, SLOT, SLOT, 1, "shed")]))
    (hole,) = [hole for hole in ask(ledger, until=SLOT + QUARTER).holes if hole.meter == METER]
    assert (Fill.MISSING_FINAL, "shed", Closer.NOBODY) == (hole.fill, hole.reason, hole.closer)
    take(ledger, gateway, gateway.seal(record()))
    assert Fill.MISSING_FINAL not in ask(ledger, until=SLOT + QUARTER).totals["gw-1", METER]


def test_a_loss_names_every_second_slot_and_no_other(ledger):
    """Two slots, half an hour apart: the one in between was not given up, it is unheard."""
    gateway = Gateway()
    loss = Loss("load", METER, SLOT, SLOT + 2 * QUARTER, 2, "shed")
    take(ledger, gateway, gateway.seal(plan=PLAN, losses=[loss]))
    assert {Fill.MISSING_FINAL: 2, Fill.NOT_HEARD: 2} == ask(ledger).totals["gw-1", METER]


@pytest.mark.parametrize("order", [("less",), ("less", "whole"), ("whole", "less")])
def test_a_reduced_batch_is_read_and_its_original_completes_it(ledger, order):
    """Remaining readings count, and what went is named; the original, before or after, is worth more."""
    gateway = Gateway()
    volts = record(meter=OTHER, values={"voltage_l1": Decimal("220.1")})
    both = record(values={ENERGY: Decimal("12.30"), "voltage_l1": Decimal("220.0")})
    whole = gateway.seal(both, volts, plan=PLAN)
    reduced = record(values={ENERGY: Decimal("12.30")}, faults={"voltage_l1": SlotReason.SHED})
    loss = Loss("load", OTHER, SLOT, SLOT, 1, "shed")
    less = gateway.at(1, payload(reduced, plan=PLAN, losses=[loss]), replaces=envelope_hash(whole))
    for name in order:
        take(ledger, gateway, {"less": less, "whole": whole}[name])
    statement = ask(ledger, until=SLOT + QUARTER)
    assert Fill.IN_TIME in statement.totals["gw-1", METER]
    found = {(row.meter, row.quantity): (row.value, row.reason) for row in ledger.readings(Span())}
    if "whole" in order:
        assert statement.is_complete
        assert [("12.30", None), ("220.0", None), ("220.1", None)] == sorted(found.values())
        assert [] == ledger.losses("gw-1")
    else:
        assert [(OTHER, "shed")] == [(hole.meter, hole.reason) for hole in statement.holes]
        assert {(METER, ENERGY): ("12.30", None), (METER, "voltage_l1"): (None, "shed")} == found


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


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("begins_at", [SLOT - timedelta(days=3), PLAN.valid_from])
def test_a_plan_made_under_a_clock_that_was_behind_comes_into_force(ledger, begins_at, is_late):
    """The number of its batch says that it is the later one, whatever it says of itself and whenever it comes."""
    gateway = Gateway()
    envelopes = [gateway.seal(plan=PLAN), gateway.seal(plan=replace(ONE, valid_from=begins_at))]
    for envelope in reversed(envelopes) if is_late else envelopes:
        take(ledger, gateway, envelope)
    assert {("gw-1", METER)} == ask(ledger).totals.keys()
    assert [PLAN, replace(ONE, valid_from=begins_at)] == ledger.plans("gw-1")


def test_plans_of_a_later_epoch_are_later_whenever_they_come(ledger):
    """A backlog of the old epoch that comes behind the new one does not bring the old plan back."""
    old, new = Gateway(), Gateway(epoch=NEXT_EPOCH, predecessor=EPOCH)
    take(ledger, new, new.seal(plan=replace(ONE, valid_from=SLOT - timedelta(days=3))))
    take(ledger, old, old.seal(plan=PLAN))
    assert {("gw-1", METER)} == ask(ledger).totals.keys()


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


def test_nothing_is_expected_of_a_closed_gateway_and_its_holes_are_nobodys(ledger):
    """Its plan ends; what is missing before stays a hole; a plan that it makes later is in force again."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(value=None), plan=ONE), at=SLOT)
    assert {Closer.METER, Closer.NETWORK} == {hole.closer for hole in ask(ledger).holes}
    ledger.close_gateway("gw-1", SLOT + QUARTER)
    statement = ask(ledger)
    assert {Fill.MISSING_OPEN: 1, Fill.NOT_HEARD: 1} == statement.total
    assert {Closer.NOBODY} == {hole.closer for hole in statement.holes}
    assert {"gw-1": SLOT + QUARTER} == statement.closed
    take(ledger, gateway, gateway.seal(plan=replace(ONE, valid_from=SLOT + QUARTER + TICK)), at=SLOT)
    assert {Fill.MISSING_OPEN: 1, Fill.NOT_HEARD: 3} == ask(ledger).total
    ledger.close_gateway("gw-1", None)
    assert {} == ledger.closed()
    assert {Closer.METER, Closer.NETWORK} == {hole.closer for hole in ask(ledger).holes}


def test_what_the_centre_rejected_of_a_closed_gateway_is_still_the_centres(ledger):
    """It has the evidence, whoever is gone."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(plan=ONE), gateway.seal_raw(b"?"))
    ledger.close_gateway("gw-1", SLOT + 24 * HOUR)
    assert {Closer.CENTRE} == {hole.closer for hole in ask(ledger).holes}


def test_a_closed_gateway_that_never_came_is_not_waited_for(ledger):
    """Nor is one that sent no plan."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal())
    for name in ("gw-1", "gw-2"):
        ledger.close_gateway(name, SLOT)
    question = Question(since=SLOT, until=SLOT + HOUR, now=SLOT + HOUR, grace_s=0, enrolled=["gw-1", "gw-2"])
    statement = completeness(ledger, question)
    assert ([], [], True) == (statement.unheard, statement.unplanned, statement.is_complete)


def test_slots_of_the_far_future_are_kept_and_named(ledger):
    """More than a day ahead of the centre's clock; whichever clock is wrong, nothing is lost."""
    gateway = Gateway()
    far = [record(SLOT + 48 * HOUR + number * QUARTER) for number in (0, 1, 2)]
    take(ledger, gateway, gateway.seal(record(), *far, plan=ONE))
    assert {"gw-1": 2} == ask(ledger, now=SLOT + 24 * HOUR + QUARTER).ahead
    assert {} == ask(ledger, now=SLOT + 72 * HOUR).ahead
    assert 4 == len(list(ledger.readings(Span())))


def test_an_epoch_that_follows_none_is_named(ledger):
    """The first one of a gateway may, and one that names the epoch before does follow."""
    boxes = [Gateway(), Gateway(epoch=NEXT_EPOCH, predecessor=EPOCH), Gateway(epoch=b"epoch--3")]
    for number, box in enumerate(boxes):
        take(ledger, box, box.seal(record(SLOT + number * QUARTER), plan=ONE))
        assert ([("gw-1", b"epoch--3")] if number > 1 else []) == ask(ledger).begun_anew


def test_a_meter_of_the_list_that_no_plan_names_is_named(ledger):
    """It has no slots, so no hole either: nobody reads it, and the gateway has to have it on its list."""
    gateway = Gateway()
    polls = [record(SLOT + n * QUARTER, meter) for n in range(4) for meter in (METER, OTHER)]
    take(ledger, gateway, gateway.seal(*polls, plan=replace(PLAN, tasks=(LOAD,))), at=SLOT + HOUR)
    ledger.import_meters([METER, OTHER])
    assert ([], True) == (ask(ledger).unnamed, ask(ledger).is_complete)
    ledger.import_meters(["000000000009"])
    (one,) = ask(ledger).unnamed
    assert ("000000000009", None, Closer.GATEWAY) == (one.meter, one.gateway, one.closer)
    assert not ask(ledger).is_complete
    asked = Question(since=SLOT, until=SLOT + HOUR, now=SLOT + HOUR, grace_s=1800, gateway="gw-1")
    assert [] == completeness(ledger, asked).unnamed  # the list is everybody's


def test_a_meter_that_left_the_plan_is_named_with_whose_it_was(ledger):
    """Before the change it was expected; of the time after it the list still wants it."""
    gateway = Gateway()
    without = Plan(SLOT + HOUR, PLAN.timezone, (replace(LOAD, meters=(METER,)),))
    take(ledger, gateway, gateway.seal(plan=PLAN), gateway.seal(plan=without))
    ledger.import_meters([METER, OTHER])
    assert [] == ask(ledger).unnamed
    later = Question(since=SLOT + 2 * HOUR, until=SLOT + 3 * HOUR, now=SLOT + 4 * HOUR, grace_s=1800)
    assert [(OTHER, "gw-1")] == [(one.meter, one.gateway) for one in completeness(ledger, later).unnamed]
    assert 0 < len(ask(ledger, until=SLOT + 3 * HOUR).holes)
    ledger.import_meters([METER], is_whole=True)
    assert ([METER], []) == (ledger.meters(), completeness(ledger, later).unnamed)
