"""Rounds: which meter is asked for which slot, and which slots passed unasked."""

from datetime import UTC, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from edge.poll.rounds import Rounds, passed_slots
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.verdict import SlotReason

T0 = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
A, B = "000000000001", "000000000002"
QUARTER = Schedule(every_s=900)


def plan(*meters, schedule=QUARTER, valid_from=T0):
    return Plan(valid_from, "Asia/Shanghai", (PlanTask("load", schedule, ("voltage_l1",), meters),))


def rounds_at(now, *meters, marks=None, **kwargs):
    rounds = Rounds(plan(*meters, **kwargs), dict(marks or {}))
    rounds.begin(now)
    rounds.make_due(now)
    return rounds


def polled(rounds, now):
    taken = []
    while (due := rounds.next_poll(now)) is not None:
        taken.append((due[0].slot_at, due[1]))
    return taken


def passed(rounds):
    return [(one.slot_at, one.meter) for one in rounds.take_unasked(10_000)]


def test_first_start_waits_for_the_next_slot():
    """A plan that begins between two slots promises nothing before its begin."""
    start = T0 + timedelta(minutes=7)
    rounds = rounds_at(start, A, valid_from=start)
    assert [] == polled(rounds, start)
    assert [] == passed(rounds)
    assert T0 + timedelta(minutes=15) == rounds.next_due()


def test_a_slot_polls_each_meter_once():
    """At its instant a slot makes one poll a meter, and none again."""
    rounds = rounds_at(T0 + timedelta(minutes=1), A, B)
    slot = T0 + timedelta(minutes=15)
    rounds.make_due(slot)
    assert [(slot, A), (slot, B)] == polled(rounds, slot)
    rounds.make_due(slot + timedelta(seconds=1))
    assert [] == polled(rounds, slot + timedelta(seconds=1))


def test_restart_continues_the_slot_under_way():
    """After a restart inside the live window, only the meters whose slot is not settled are asked."""
    slot = T0 + timedelta(minutes=15)
    marks = {("load", A): slot, ("load", B): T0}
    rounds = rounds_at(slot + timedelta(seconds=20), A, B, marks=marks)
    assert [(slot, B)] == polled(rounds, slot + timedelta(seconds=20))
    assert [] == passed(rounds)


def test_slots_passed_while_down_are_named():
    """Slots between the mark and the restart are passed, one for each meter; the live one is polled."""
    marks = {("load", A): T0, ("load", B): T0 + timedelta(minutes=15)}
    now = T0 + timedelta(minutes=46)
    rounds = rounds_at(now, A, B, marks=marks)
    expected = [
        (T0 + timedelta(minutes=15), A),
        (T0 + timedelta(minutes=30), A),
        (T0 + timedelta(minutes=30), B),
    ]
    assert expected == sorted(passed(rounds))
    assert [(T0 + timedelta(minutes=45), A), (T0 + timedelta(minutes=45), B)] == polled(rounds, now)


def test_a_new_meter_owes_nothing_from_before_its_plan():
    """A meter without a mark is expected from the plan's begin on."""
    rounds = rounds_at(T0 + timedelta(minutes=31), A, valid_from=T0 + timedelta(minutes=14))
    assert [(T0 + timedelta(minutes=15), A)] == passed(rounds)


def test_what_an_earlier_plan_promised_is_named():
    """A plan that is replaced does not hide the slots that it promised and nobody asked for."""
    now = T0 + timedelta(hours=1, minutes=3)
    hour = [T0 + timedelta(minutes=15 * n) for n in range(1, 5)]
    found = list(passed_slots(plan(A, B), {("load", A): hour[0]}, now))
    assert [(slot, A) for slot in hour[1:]] + [(slot, B) for slot in hour] == [
        (one.slot_at, one.meter) for one in found
    ]
    assert {SlotReason.GATEWAY_DOWN} == {one.reason for one in found}


def test_an_older_round_ends_when_the_next_begins():
    """Meters that were not reached by the next slot are expired, with their own slot."""
    first, second = T0 + timedelta(minutes=15), T0 + timedelta(minutes=30)
    rounds = rounds_at(T0 + timedelta(minutes=1), A, B)
    rounds.make_due(first)
    assert (first, A) == (rounds.next_poll(first)[0].slot_at, A)
    rounds.make_due(second)
    assert [(first, B, SlotReason.OVERRUN)] == [(one.slot_at, one.meter, one.reason) for one in rounds.take_unasked(10)]
    assert [(second, B), (second, A)] == polled(rounds, second)


def test_a_slow_bus_has_the_whole_period():
    """A meter may be asked until the next slot comes."""
    slot = T0 + timedelta(minutes=15)
    rounds = rounds_at(T0 + timedelta(minutes=1), A)
    rounds.make_due(slot)
    assert [(slot, A)] == polled(rounds, slot + timedelta(minutes=14, seconds=59))


def test_a_restart_late_in_a_slot_leaves_it():
    """In the second half of its time a slot is not taken up again: it is named as passed."""
    slot = T0 + timedelta(minutes=15)
    now = slot + timedelta(minutes=7, seconds=31)
    rounds = rounds_at(now, A, marks={("load", A): T0})
    assert [] == polled(rounds, now)
    assert [(slot, A)] == passed(rounds)


def test_a_daily_slot_is_live_for_an_hour():
    """A daily round is not read as if it were in time when the hour is over: it expires."""
    slot = datetime(2026, 3, 1, 16, 5, tzinfo=UTC)
    rounds = rounds_at(T0 + timedelta(minutes=1), A, schedule=Schedule(at=time(0, 5)))
    rounds.make_due(slot)
    late = slot + timedelta(minutes=61)
    rounds.make_due(late)
    assert [] == polled(rounds, late)
    assert [(slot, A)] == passed(rounds)


def test_a_wall_clock_that_steps_back_repeats_no_slot():
    """A slot that was made is not made again when the wall clock returns to before it."""
    slot = T0 + timedelta(minutes=15)
    rounds = rounds_at(T0 + timedelta(minutes=1), A)
    rounds.make_due(slot)
    assert [(slot, A)] == polled(rounds, slot)
    rounds.make_due(slot - timedelta(minutes=10))
    rounds.make_due(slot + timedelta(seconds=1))
    assert [] == polled(rounds, slot + timedelta(seconds=1))


def test_a_wall_clock_that_steps_forward_names_what_it_skipped():
    """Slots that a step of the clock jumped over are passed, not silently gone."""
    rounds = rounds_at(T0 + timedelta(minutes=1), A)
    rounds.make_due(T0 + timedelta(minutes=47))
    assert [T0 + timedelta(minutes=15), T0 + timedelta(minutes=30)] == [slot for slot, _ in passed(rounds)]


def test_priority_goes_first():
    """Of two tasks at one slot, the lower priority number is polled first."""
    tasks = (
        PlanTask("slow", QUARTER, ("voltage_l1",), (A,), priority=5),
        PlanTask("first", QUARTER, ("voltage_l1",), (B,), priority=0),
    )
    rounds = Rounds(Plan(T0, "Asia/Shanghai", tasks), {})
    rounds.begin(T0 + timedelta(minutes=1))
    slot = T0 + timedelta(minutes=15)
    rounds.make_due(slot)
    assert [B, A] == [meter for _, meter in polled(rounds, slot)]


def test_meter_taken_out_of_the_plan_leaves_a_named_slot():
    """A meter that a new plan no longer holds does not vanish from the round under way."""
    slot = T0 + timedelta(minutes=15)
    rounds = rounds_at(T0 + timedelta(minutes=1), A, B)
    rounds.make_due(slot)
    rounds.replace_plan(plan(A, valid_from=slot + timedelta(seconds=5)))
    assert [(slot, A)] == polled(rounds, slot + timedelta(seconds=6))
    assert [(slot, B)] == passed(rounds)


def test_the_same_plan_again_repeats_nothing():
    """A change of the register that changes no plan leaves the slots where they are."""
    now = T0 + timedelta(minutes=46)
    rounds = rounds_at(T0 + timedelta(minutes=1), A)
    rounds.make_due(now)
    polled(rounds, now)
    passed(rounds)
    rounds.replace_plan(plan(A))
    rounds.make_due(now + timedelta(seconds=1))
    assert [] == polled(rounds, now + timedelta(seconds=1))
    assert [] == passed(rounds)


def test_a_task_with_another_period_owes_nothing_from_before_the_change():
    """The new plan counts from its begin: no slot of its schedule before that, none of the old one lost."""
    now = T0 + timedelta(minutes=17)
    rounds = rounds_at(T0 + timedelta(minutes=1), A)
    faster = plan(A, schedule=Schedule(every_s=60), valid_from=now)
    rounds.replace_plan(faster)
    assert [(T0 + timedelta(minutes=15), A)] == polled(rounds, now)
    rounds.make_due(now + timedelta(seconds=30))
    assert [] == polled(rounds, now + timedelta(seconds=30))
    rounds.make_due(now + timedelta(minutes=1))
    assert [(now + timedelta(minutes=1), A)] == polled(rounds, now + timedelta(minutes=1))
    assert [] == passed(rounds)


@given(st.lists(st.tuples(st.integers(min_value=-1200, max_value=5000), st.booleans()), min_size=1, max_size=25))
def test_every_slot_is_polled_or_named_exactly_once_and_in_order(steps):
    """Whatever the wall clock and a busy bus do, each slot comes up once, polled or named, in ascending order."""
    now = T0 + timedelta(minutes=1)
    rounds = rounds_at(now, A)
    seen, highest = [], now
    for step, take in steps:
        now = max(T0, now + timedelta(seconds=step))
        highest = max(highest, now)
        rounds.make_due(now)
        seen += [slot for slot, _ in passed(rounds)]
        if take:
            seen += [slot for slot, _ in polled(rounds, now)]
    rounds.make_due(highest + timedelta(hours=1))
    seen += [slot for slot, _ in passed(rounds)]
    expected = []
    slot = T0 + timedelta(minutes=15)
    while slot <= highest + timedelta(minutes=45):
        expected.append(slot)
        slot += timedelta(minutes=15)
    assert expected == [slot for slot in seen if slot <= highest + timedelta(minutes=45)]


def test_a_meter_put_back_into_an_ended_round_is_still_settled():
    """The last meter of a round comes back after the round was forgotten: it waits again, or is named."""
    slot = T0 + timedelta(minutes=15)
    rounds = rounds_at(T0 + timedelta(minutes=1), A)
    rounds.make_due(slot)
    one, address = rounds.next_poll(slot)
    rounds.make_due(slot + timedelta(seconds=5))
    rounds.put_back(one, address)
    assert [(slot, A)] == polled(rounds, slot + timedelta(seconds=6))
    rounds.make_due(slot + timedelta(minutes=15))
    rounds.put_back(one, address)
    assert [(slot, A)] == passed(rounds)


def test_a_meter_that_joins_late_owes_what_its_plan_promised():
    """A plan that is taken a slot too late: the new meter takes part in the live round, and older slots are named."""
    begin = T0 + timedelta(minutes=14)
    rounds = rounds_at(T0 + timedelta(minutes=1), A)
    now = T0 + timedelta(minutes=31)
    rounds.make_due(now)
    rounds.replace_plan(plan(A, B, valid_from=begin))
    named = passed(rounds)
    assert [(T0 + timedelta(minutes=15), B)] == [one for one in named if one[1] == B]
    assert [(T0 + timedelta(minutes=30), A), (T0 + timedelta(minutes=30), B)] == sorted(polled(rounds, now))


def test_beginning_anew_keeps_the_past_settled():
    """After a clock that was ahead is right again, what was settled before is not named a second time."""
    now = T0 + timedelta(hours=5, minutes=10)
    rounds = rounds_at(now, A, marks={("load", A): T0 + timedelta(days=3650)})
    rounds.begin_anew(now)
    assert [] == passed(rounds)
    assert T0 + timedelta(hours=5, minutes=15) == rounds.next_due()


def test_a_slot_that_comes_while_the_clock_is_put_right_is_due():
    """The clock is found wrong a second before a slot, the bus is free a second after it: the slot is read."""
    found, slot = T0 + timedelta(hours=5, seconds=-1), T0 + timedelta(hours=5)
    ahead = T0 + timedelta(days=30)
    rounds = rounds_at(slot + timedelta(seconds=1), A, marks={("load", A): ahead}, valid_from=ahead)
    rounds.begin_anew(slot + timedelta(seconds=1), found)
    rounds.replace_plan(plan(A, valid_from=found))
    rounds.make_due(slot + timedelta(seconds=1))
    assert [(slot, A)] == polled(rounds, slot + timedelta(seconds=1))


def test_a_bus_that_is_too_slow_reads_every_meter_in_turn():
    """With time for two of five meters a slot, none is left out for ever, and none is asked before its turn."""
    meters = [f"{n:012d}" for n in range(1, 6)]
    rounds = rounds_at(T0 + timedelta(minutes=1), *meters)
    asked = []
    for number in range(1, 11):
        now = T0 + number * timedelta(minutes=15)
        rounds.make_due(now)
        asked += [rounds.next_poll(now)[1] for _ in range(2)]
    assert meters * 4 == asked


def test_the_order_of_the_list_is_kept_where_time_suffices():
    """Whoever looks at the wire finds the meters in the order of the plan, round after round."""
    meters = [f"{n:012d}" for n in (3, 1, 2)]
    rounds = rounds_at(T0 + timedelta(minutes=1), *meters)
    for number in range(1, 4):
        now = T0 + number * timedelta(minutes=15)
        rounds.make_due(now)
        assert meters == [address for _, address in polled(rounds, now)]
