"""Records of a wrong clock are laid anew: each slot ends as the reading that was made in it, or as a reason."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.poll.laying import Begun, TrueTime, lay_anew, true_begins
from edge.quality.slots import previous_slot, slots_between
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Source, Stamp
from edge.reading.verdict import SlotReason

BOOT, OTHER = "ab" * 16, "cd" * 16
METER, ZONE = "000000000001", "Europe/Berlin"
T0 = datetime(2026, 3, 28, 20, 0, 30, tzinfo=UTC)  # the clocks go forward in the night
QUARTER = Schedule(every_s=900)
SECOND = timedelta(seconds=1)


def plan(valid_from=T0, schedule=QUARTER, meters=(METER,)):
    return Plan(valid_from, ZONE, (PlanTask("load", schedule, ("voltage_l1",), meters),))


def true_time(boot_at, now, lost_at=None):
    return TrueTime(BOOT, boot_at, "synchronised", now, lost_at or boot_at)


def row(slot_at, boot_at, boot_s, off, **more):
    """Return what was recorded so long after the boot, by a clock that was so far ahead."""
    stamp = Stamp(boot_at + boot_s * SECOND + off, "floor", BOOT, float(boot_s))
    values = {} if "reason" in more else {"boot_s": str(boot_s)}
    more = {"state": SlotState.READ, "values": values, **more}
    return PollRecord(task="load", slot_at=slot_at, meter=METER, bus="A", stamp=stamp, **more)


def missed(slot_at, boot_at, boot_s, off, reason):
    tries = int(reason is SlotReason.SILENCE)
    return row(slot_at, boot_at, boot_s, off, state=SlotState.MISSING_OPEN, reason=reason, tries=tries)


def recorded(mark, boot_at, off, polls, schedule=QUARTER):
    """Return what a poller records that begins at the boot: each slot after the mark once, by its wrong clock."""
    rows, asked = [], {}
    for boot_s, is_read in sorted(polls.items()):
        asked.setdefault(previous_slot(schedule, ZONE, boot_at + boot_s * SECOND + off), (boot_s, is_read))
    asked = {slot: poll for slot, poll in asked.items() if slot > mark}
    for slot in slots_between(schedule, ZONE, mark, max(asked, default=mark)):
        boot_s, is_read = asked.get(slot, (1, False))
        if is_read:
            rows.append(row(slot, boot_at, boot_s, off))
        else:
            reason = SlotReason.SILENCE if slot in asked else SlotReason.GATEWAY_DOWN
            rows.append(missed(slot, boot_at, boot_s, off, reason))
    return rows


seconds = st.integers(-3 * 86400, 3 * 86400) | st.integers(-1000, 1000)
polls = st.dictionaries(st.integers(1, 20 * 900), st.booleans(), min_size=1, max_size=20)


@given(seconds, st.integers(0, 20 * 900), polls)
def test_each_slot_is_named_once_as_what_it_was(off_s, outage_s, polls):
    """Any clock, ahead or behind, any outage, any polls: no slot doubles, none vanishes, no reading is in another."""
    off, mark = off_s * SECOND, T0.replace(second=0)
    boot_at = T0 + outage_s * SECOND
    rows = recorded(mark, boot_at, off, polls)
    now = boot_at + (max(polls) + 1) * SECOND
    if not rows:
        return
    laid = lay_anew(rows, [Begun(plan(), T0)], true_time(boot_at, now))
    slots = [one.slot_at for one in laid.records]
    assert laid.base is not None
    assert mark <= laid.base < mark + timedelta(minutes=15)
    assert slots == list(slots_between(QUARTER, ZONE, mark, slots[-1] if slots else mark))
    true_slots = {}
    for one in sorted(rows, key=lambda one: one.stamp.boot_s):
        if one.state is SlotState.READ:
            true_slots.setdefault(previous_slot(QUARTER, ZONE, boot_at + one.stamp.boot_s * SECOND), one.stamp.boot_s)
    promised = {slot: boot_s for slot, boot_s in true_slots.items() if slot > T0}
    found = {one.slot_at: one.stamp.boot_s for one in laid.records if one.state is SlotState.READ}
    assert promised == found
    for one in laid.records:
        assert "synchronised" == one.stamp.trust
        if one.state is SlotState.READ:
            assert one.slot_at <= one.stamp.at < one.slot_at + timedelta(minutes=15)
    assert sum(one.state is SlotState.READ for one in rows) == len(found) + laid.dropped


def test_a_poll_that_failed_says_why_its_true_slot_has_nothing():
    """Silence at ten belongs to ten, whatever the clock called it; what nobody asked for is `gateway_down`."""
    boot_at, off = T0 + timedelta(hours=2), timedelta(hours=-2)
    rows = [missed(T0.replace(minute=15, second=0), boot_at, 890, off, SlotReason.SILENCE)]
    laid = lay_anew(rows, [Begun(plan(), T0)], true_time(boot_at, boot_at + timedelta(minutes=20)))
    reasons = [one.reason for one in laid.records]
    assert [SlotReason.GATEWAY_DOWN] * 8 + [SlotReason.SILENCE] == reasons
    assert boot_at.replace(minute=15, second=0) == laid.records[-1].slot_at


@pytest.mark.parametrize(("took_ms", "minute"), [(0, 15), (1999, 15), (2001, 0)])
def test_a_poll_belongs_to_the_slot_in_which_it_began(took_ms, minute):
    """A slot came while the meter was asked: its first values are of before it. The flag has done its work then."""
    off, ended_s = timedelta(hours=-2), (14 * 60 + 30) + 2
    asked = row(T0 + off, T0, ended_s, off, flags=("other=1", f"asked_ms={took_ms}"))
    plans = [Begun(plan(T0 - timedelta(hours=1)), T0 - timedelta(hours=1))]
    laid = lay_anew([asked], plans, true_time(T0, T0 + timedelta(hours=1)))
    found = [(one.slot_at.minute, one.flags) for one in laid.records if one.state is SlotState.READ]
    assert [(minute, ("other=1",))] == found


def test_a_second_chance_that_began_before_its_slot_opens_it_again():
    """It ended in it, but what it brought is of before."""
    slot, off = T0.replace(minute=15, second=0), timedelta(hours=1)
    begun_before = row(slot, T0, 14 * 60 + 32, off, state=SlotState.REFILLED, flags=("asked_ms=2001",))
    laid = lay_anew([begun_before], [Begun(plan(), T0)], true_time(T0, T0 + timedelta(hours=3)))
    assert [slot] == [one.slot_at for one in laid.reopened]
    in_it = replace(begun_before, flags=("asked_ms=1999",))
    laid = lay_anew([in_it], [Begun(plan(), T0)], true_time(T0, T0 + timedelta(hours=3)))
    assert [(slot, ())] == [(one.slot_at, one.flags) for one in laid.kept]


def test_a_slot_that_ran_out_is_where_its_instant_really_was():
    """It is noted when the next one begins: the time of the note says nothing of its own."""
    off = timedelta(days=1)
    slot = T0.replace(minute=15, second=0)
    rows = [
        missed(slot, T0, 1, off, SlotReason.GATEWAY_DOWN),  # and all the others of that day
        missed(slot + off, T0, 30 * 60, off, SlotReason.PORT_GONE),
    ]
    laid = lay_anew(rows, [Begun(plan(), T0)], true_time(T0, T0 + timedelta(minutes=40)))
    assert [(slot, SlotReason.PORT_GONE)] == [(one.slot_at, one.reason) for one in laid.records]


def test_of_two_readings_in_one_slot_the_first_counts():
    """By the wrong time they were in two: the later one goes, and is counted; a reason yields to a reading."""
    off = timedelta(minutes=7)
    first, second = T0.replace(minute=15, second=0), T0.replace(minute=30, second=0)
    rows = [row(first, T0, 880, off), row(second, T0, 1400, off)]
    laid = lay_anew(rows, [Begun(plan(), T0)], true_time(T0, T0 + timedelta(hours=1)))
    assert [(first, 880.0)] == [(one.slot_at, one.stamp.boot_s) for one in laid.records]
    assert 1 == laid.dropped
    rows[0] = missed(first, T0, 880, off, SlotReason.SILENCE)
    laid = lay_anew(rows, [Begun(plan(), T0)], true_time(T0, T0 + timedelta(hours=1)))
    assert [(first, SlotState.READ)] == [(one.slot_at, one.state) for one in laid.records]


@given(seconds, polls, st.integers(1, 5))
def test_what_is_sealed_of_a_new_plan_hides_no_true_slot(off_s, polls, sealed):
    """The first polls by the plan are sealed under wrong slots: what was read after them is in its true slot."""
    off, boot_at = off_s * SECOND, T0
    begun = Begun(plan(boot_at), boot_at + off)
    rows = recorded(boot_at + off, boot_at, off, polls)[sealed:]
    if not rows:
        return
    now = boot_at + (max(polls) + 1) * SECOND
    laid = lay_anew(rows, [begun], true_time(boot_at, now))
    slots = [one.slot_at for one in laid.records]
    assert slots == list(slots_between(QUARTER, ZONE, boot_at, slots[-1] if slots else boot_at))
    read = [one.stamp.boot_s for one in rows if one.state is SlotState.READ]
    true_slots = {previous_slot(QUARTER, ZONE, boot_at + boot_s * SECOND) for boot_s in read}
    found = {one.slot_at for one in laid.records if one.state is SlotState.READ}
    assert {slot for slot in true_slots if slot > boot_at} == found


def test_where_the_first_slots_of_a_clock_ahead_are_sealed_it_goes_back_to_where_the_clock_was_lost():
    """They had named the slots from there up to a time that has not come: those since then are named, or read."""
    off, boot_at, lost_at = timedelta(hours=2), T0 - timedelta(hours=1), T0
    polled = row(T0.replace(minute=30, second=0) + off, boot_at, 3600 + 1850, off)
    true = true_time(boot_at, T0 + timedelta(minutes=40), lost_at)
    laid = lay_anew([polled], [Begun(plan(boot_at), boot_at)], true)
    assert lost_at == laid.base
    found = [(one.slot_at.minute, one.state) for one in laid.records]
    assert [(15, SlotState.MISSING_OPEN), (30, SlotState.READ)] == found


def test_a_second_chance_keeps_its_slot_or_opens_it_again():
    """It filled a slot that was missed while the time was known."""
    slot, off = T0.replace(minute=0, second=0), timedelta(hours=1)
    good = row(slot, T0, 60, off, state=SlotState.REFILLED)
    true = true_time(T0, T0 + timedelta(hours=3))
    laid = lay_anew([good], [Begun(plan(), T0)], true)
    assert [T0 + 60 * SECOND] == [one.stamp.at for one in laid.kept]
    assert (None, [], []) == (laid.base, laid.records, laid.reopened)
    late = row(slot, T0, 5000, off, state=SlotState.REFILLED)
    laid = lay_anew([late], [Begun(plan(), T0)], true)
    assert [(slot, SlotReason.GATEWAY_DOWN)] == [(one.slot_at, one.reason) for one in laid.reopened]
    assert (1, []) == (laid.dropped, laid.kept)


def test_what_a_meter_kept_itself_stays():
    """A load record stands for the slot that it names: whoever read it when."""
    kept = row(T0, T0, 60, timedelta(hours=1), state=SlotState.REFILLED, source=Source.LOAD_RECORD)
    laid = lay_anew([kept], [Begun(plan(), T0)], true_time(T0, T0 + timedelta(hours=1)))
    assert [kept] == laid.kept


def test_the_instant_of_a_freeze_moves_with_the_time():
    """It was noted by the wrong clock."""
    off = timedelta(hours=1)
    flags = ("meter_time=2603282016", f"frozen_at={(T0 + 890 * SECOND + off).isoformat(timespec='milliseconds')}")
    slot = T0.replace(minute=15, second=0)
    frozen = row(slot + off, T0, 900, off, source=Source.FREEZE, flags=flags)
    laid = lay_anew(
        [missed(slot, T0, 1, off, SlotReason.GATEWAY_DOWN), frozen],
        [Begun(plan(), T0)],
        true_time(T0, T0 + timedelta(hours=1)),
    )
    moved = (T0 + 890 * SECOND).isoformat(timespec="milliseconds")
    assert (flags[0], f"frozen_at={moved}") == laid.records[-1].flags


@pytest.mark.parametrize("state", [SlotState.READ, SlotState.REFILLED])
def test_a_freeze_that_was_ordered_is_of_the_slot_in_which_it_was_ordered(state):
    """It was read in the next one, perhaps at the second try: what was frozen says when it was made."""
    off = timedelta(minutes=-20)
    slot = T0.replace(minute=15, second=0)
    wrong = slot + 300 * SECOND + off  # it was ordered five minutes after its true slot
    flags = (f"frozen_at={wrong.isoformat(timespec='milliseconds')}",)
    named = previous_slot(QUARTER, ZONE, wrong)
    read_s = int((slot - T0).total_seconds()) + 1000
    frozen = row(named, T0, read_s, off, state=state, source=Source.FREEZE, flags=flags)
    laid = lay_anew(
        [missed(named, T0, read_s - 690, off, SlotReason.SILENCE), frozen],
        [Begun(plan(), T0)],
        true_time(T0, T0 + 2000 * SECOND),
    )
    assert ([], [slot]) == (laid.kept, [one.slot_at for one in laid.records if one.values])
    assert [f"frozen_at={(wrong - off).isoformat(timespec='milliseconds')}"] == list(laid.records[0].flags)


def test_a_freeze_that_does_not_say_when_it_was_has_no_true_slot():
    """When it was read says nothing of that."""
    off = timedelta(minutes=-20)
    slot = T0.replace(minute=15, second=0)
    frozen = row(previous_slot(QUARTER, ZONE, slot + off), T0, 1000, off, source=Source.FREEZE, flags=("meter_time=x",))
    laid = lay_anew([frozen], [Begun(plan(), T0)], true_time(T0, T0 + 2000 * SECOND))
    assert ([], [], 1) == (laid.records, laid.kept, laid.dropped)


def test_a_daily_reading_hours_late_has_no_slot():
    """The slot is named, and may be refilled; the reading is of another time."""
    daily = Schedule(at=time(22, 0))  # 21:00 UTC
    slot, off = T0.replace(hour=21, minute=0, second=0), timedelta(hours=-9)
    boot_at = slot + timedelta(hours=9)
    laid = lay_anew(
        [row(slot, boot_at, 60, off)], [Begun(plan(schedule=daily), T0)], true_time(boot_at, boot_at + 99 * SECOND)
    )
    assert ([], 1) == (laid.records, laid.dropped)
    assert laid.base < slot


def test_a_meter_that_joined_meanwhile_owes_what_its_plan_promised():
    """The plan came while the clock was ahead: its slots count from when it really came."""
    off = timedelta(hours=1)
    said_at, first = T0 + off, T0.replace(minute=15, second=0) + off
    plans = [Begun(plan(T0 - timedelta(1), meters=()), T0 - timedelta(1)), Begun(plan(), said_at)]
    laid = lay_anew([row(first, T0, 1850, off)], plans, true_time(T0, T0 + timedelta(hours=1)))
    assert T0 == laid.base
    states = [SlotState.MISSING_OPEN, SlotState.READ]
    assert [15, 30] == [one.slot_at.minute for one in laid.records]
    assert states == [one.state for one in laid.records]


@pytest.mark.parametrize(
    ("stamp", "said_at", "begin"),
    [
        (None, T0, T0),
        (Stamp(T0 - timedelta(9), "floor", BOOT, 60.0), T0 - timedelta(9), T0 + 60 * SECOND),
        (Stamp(T0 + timedelta(9), "floor", BOOT, 60.0), T0 + timedelta(9), T0 + 60 * SECOND),
        (Stamp(T0 - timedelta(9), "floor", OTHER, 60.0), T0 - timedelta(9), T0 - timedelta(9)),
        (Stamp(T0 + timedelta(9), "floor", OTHER, 60.0), T0 + timedelta(9), T0),
        (Stamp(T0 - timedelta(9), "none", OTHER, 60.0), T0 - timedelta(9), T0),
    ],
)
def test_when_a_plan_really_began(stamp, said_at, begin):
    """By the boot's clock if it was this boot; else a time that can be right is believed."""
    (found,) = true_begins([(plan(said_at), stamp)], true_time(T0, T0 + timedelta(1)))
    assert (begin, said_at) == (found.plan.valid_from, found.said_at)


def test_plans_never_change_their_order():
    """One that came later begins later, whatever its clock said."""
    stamp = Stamp(T0, "floor", OTHER, 60.0)
    early = replace(plan(T0 - timedelta(9)), timezone="UTC")
    found = true_begins([(plan(), None), (early, stamp)], true_time(T0 + timedelta(1), T0 + timedelta(2)))
    assert found[1].plan.valid_from > found[0].plan.valid_from
