"""Plans that change while slots run: each slot is asked for, or named, by the plan that was in force at it."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.poll.rounds import Rounds
from edge.quality.slots import slots_between
from edge.reading.plan import Plan, PlanTask, Schedule

T0 = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
A, B = "000000000001", "000000000002"
ZONE = "Asia/Shanghai"
MINUTE, QUARTER = Schedule(every_s=60), Schedule(every_s=900)


def plan(valid_from, schedule, items, meters):
    tasks = (PlanTask("load", schedule, items, meters),) if meters else ()
    return Plan(valid_from, ZONE, tasks)


def seen_by(rounds, now):
    """Take all that is due or unasked: (slot, meter, items) of each."""
    found = [(one.slot_at, one.meter, None) for one in rounds.take_unasked(10_000)]
    while (due := rounds.next_poll(now)) is not None:
        found.append((due[0].slot_at, due[1], due[0].task.items))
    return found


def promised(plans, until):
    """Yield the slots that these plans promise, each up to the next one."""
    for one, end in zip(plans, [*(later.valid_from for later in plans[1:]), until], strict=True):
        for task in one.tasks:
            for slot in slots_between(task.schedule, ZONE, one.valid_from, end):
                yield from ((slot, meter, task.items) for meter in task.meters)


def test_a_round_under_way_is_asked_for_what_its_plan_promised():
    """Other items from now on: the centre expects of the slot before what was in force at it."""
    rounds = Rounds(plan(T0, QUARTER, ("voltage_l1",), (A, B)), {})
    rounds.begin(T0)
    slot = T0 + timedelta(minutes=15)
    rounds.make_due(slot)
    rounds.replace_plan(plan(slot + timedelta(seconds=2), QUARTER, ("current_l1",), (A,)))
    later = slot + timedelta(minutes=15)
    assert [(slot, B, None), (slot, A, ("voltage_l1",))] == seen_by(rounds, slot + timedelta(seconds=3))
    rounds.make_due(later)
    assert [(later, A, ("current_l1",))] == seen_by(rounds, later)


def test_a_slot_made_before_the_plan_was_taken_is_the_new_plans():
    """A change during a long exchange: a slot that came since then has the new items, or is not promised at all."""
    changed, slot = T0 + timedelta(seconds=59), T0 + timedelta(minutes=1)
    for schedule, expected in ((MINUTE, [(slot, A, ("current_l1",))]), (QUARTER, [])):
        rounds = Rounds(plan(T0, MINUTE, ("voltage_l1",), (A,)), {})
        rounds.begin(T0)
        rounds.make_due(slot)
        rounds.replace_plan(plan(changed, schedule, ("current_l1",), (A,)))
        assert expected == seen_by(rounds, slot)


_CHANGES = st.tuples(
    st.integers(1, 1500),
    st.integers(0, 3),
    st.sampled_from([MINUTE, QUARTER]),
    st.sampled_from([("voltage_l1",), ("current_l1",)]),
    st.sampled_from([(A,), (A, B), (B,), ()]),
    st.booleans(),
)


@settings(max_examples=300)
@given(st.lists(_CHANGES, min_size=1, max_size=8))
@example([(58, 3, QUARTER, ("voltage_l1",), (A,), True)])
def test_whatever_plans_follow_each_slot_comes_up_once_and_as_promised(changes):
    """Periods, items and meters change at any moment, taken at once or some seconds later."""
    plans = [plan(T0, MINUTE, ("voltage_l1",), (A, B))]
    rounds, now, found = Rounds(plans[0], {}), T0, []
    rounds.begin(now)
    for wait_s, late_s, schedule, items, meters, has_looked in changes:
        now += timedelta(seconds=wait_s)
        rounds.make_due(now)
        found += seen_by(rounds, now)
        plans.append(plan(now, schedule, items, meters))
        now += timedelta(seconds=late_s)
        if has_looked:
            rounds.make_due(now)
        rounds.replace_plan(plans[-1])
        rounds.make_due(now)
        found += seen_by(rounds, now)
    end = now + timedelta(seconds=1)
    rounds.make_due(end)
    found += seen_by(rounds, end)
    expected = sorted(promised(plans, end))
    assert [one[:2] for one in expected] == sorted(one[:2] for one in found)
    by_slot = {one[:2]: one[2] for one in expected}
    assert [] == [one for one in found if one[2] is not None and by_slot[one[:2]] != one[2]]
