"""A worker pauses when the time becomes known, and no record mixes both times."""

import pytest

from edge.clock import ClockTrust, ManualClock
from edge.poll.records import missing_record, stamp_of
from edge.poll.rounds import Unasked
from edge.poll.time_turn import GoOn, TimeTurn
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.verdict import SlotReason

TASK = PlanTask("load", Schedule(every_s=900), ("voltage_l1",), ("000000000001",))


@pytest.fixture
def turn():
    """Return the turn of a clock that is not known yet."""
    made = TimeTurn(ManualClock(trusted=ClockTrust.FLOOR))
    assert not made.must_pause()
    return made


def record(turn):
    clock = turn.clock
    return missing_record(Unasked(TASK, clock.now, TASK.meters[0], SlotReason.SILENCE), "A", stamp_of(clock))


def test_a_clock_that_was_always_known_is_never_waited_for():
    """The common case."""
    turn = TimeTurn(ManualClock())
    assert not turn.must_pause()
    assert turn.may_keep(record(turn))


def test_from_the_moment_the_time_is_known_nothing_is_polled(turn):
    """Until it is let go on: then all is as it was before."""
    assert turn.may_keep(record(turn))
    turn.clock.trusted = ClockTrust.SYNCHRONISED
    assert turn.must_pause()
    assert turn.must_pause()
    turn.go_on(GoOn(Plan(turn.clock.now, "UTC", (TASK,)), {}, {}))
    assert turn.take() is not None
    assert None is turn.take()
    assert not turn.must_pause()


def test_a_poll_that_ends_after_the_time_became_known_is_dropped(turn):
    """It was begun for a slot of the wrong time."""
    turn.clock.trusted = ClockTrust.SYNCHRONISED
    assert not turn.may_keep(record(turn))


def test_time_that_was_lost_between_two_looks_is_noticed_by_its_record():
    """The clock is good at both looks; the record in between says that it was not."""
    turn = TimeTurn(ManualClock())
    turn.clock.trusted = ClockTrust.FLOOR
    assert turn.may_keep(record(turn))
    turn.clock.trusted = ClockTrust.SYNCHRONISED
    assert turn.must_pause()


def test_one_that_is_held_stays_so_though_the_time_is_lost_again(turn):
    """Its records may be under the main thread's hands."""
    turn.clock.trusted = ClockTrust.SYNCHRONISED
    turn.is_held = turn.must_pause()
    turn.clock.trusted = ClockTrust.FLOOR
    assert turn.must_pause()
