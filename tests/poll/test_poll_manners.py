"""How a meter wants to be talked to: trials, proofs, blame, and the way back."""

from dataclasses import replace

import pytest

from edge.poll.learned import Learned
from edge.poll.manners import LongWay, Manners

LONG = LongWay(wake=4, quiet_ms=20, reply_s=0.6)
WARM = 2


def manners(**known):
    return Manners(Learned(**known), LONG)


def ask(one, *, needs_wake=0, needs_quiet_ms=0, is_first=False, response_ms=25):
    """Ask once, and the long way if that fails, of a meter that is deaf without what it needs; return the requests."""
    approaches = []
    for is_retry in (False, True):
        approach = one.approach(is_first=is_first, is_retry=is_retry)
        approaches.append(approach)
        if approach.wake >= needs_wake and approach.quiet_s * 1000 >= needs_quiet_ms:
            one.answered(approach, response_ms)
            return approaches
        one.unanswered(approach)
    one.gave_up()
    return approaches


def test_nothing_is_tried_on_a_meter_that_has_not_answered():
    """The first requests go as the standard and the settings say."""
    one = manners()
    assert [(4, 0.02, 0.6)] * WARM == [(a.wake, a.quiet_s, a.reply_s) for _ in range(WARM) for a in ask(one)]


def test_wake_bytes_and_quiet_are_left_out_where_proven():
    """A meter that needs neither is asked without them in the end; first requests of a poll are proven apart."""
    one = manners()
    for _ in range(40):
        ask(one, is_first=True)
        ask(one)
    assert (0, 0, 0) == (one.learned.wake_first, one.learned.wake_next, one.learned.quiet_ms)


@pytest.mark.parametrize("needs_wake", [1, 4])
def test_a_meter_that_needs_wake_bytes_keeps_them(needs_wake):
    """The trial costs two unanswered requests each, and is not made again soon."""
    one = manners()
    asked = [a for _ in range(60) for first in (True, False) for a in ask(one, is_first=first, needs_wake=needs_wake)]
    assert (4, 4) == (one.learned.wake_first, one.learned.wake_next)
    assert 2 * 2 == sum(a.wake < needs_wake for a in asked)


@pytest.mark.parametrize(("needs_ms", "kept_ms"), [(20, 20), (10, 10), (3, 5), (1, 1)])
def test_quiet_is_shortened_only_as_far_as_it_is_answered(needs_ms, kept_ms):
    """Halved step by step; the step that goes unanswered is the last."""
    one = manners()
    asked = [a for _ in range(60) for a in ask(one, needs_quiet_ms=needs_ms)]
    assert kept_ms == one.learned.quiet_ms or (one.learned.quiet_ms is None and kept_ms == LONG.quiet_ms)
    assert sum(a.quiet_s * 1000 < needs_ms for a in asked) <= 2


def test_a_proven_short_way_that_fails_twice_is_given_up():
    """The meter was exchanged for one that needs its wake bytes: after two strikes the long way is back."""
    one = manners(wake_first=0, wake_next=0, quiet_ms=0)
    for _ in range(2):
        assert 2 == len(ask(one, needs_wake=4))
    assert 1 == len(ask(one, needs_wake=4))
    assert (4, 4, 20) == (one.learned.wake_first, one.learned.wake_next, one.learned.quiet_ms)


def test_a_dead_meter_blames_nothing():
    """Where the long way is silent too, the short way is not to blame."""
    one = manners(wake_first=0, wake_next=0, quiet_ms=0)
    before = one.learned
    for _ in range(10):
        ask(one, needs_wake=99)
    assert before == one.learned


def test_the_deadline_follows_proven_response_times():
    """After thirty answers the wait is half as long again as the slowest, and a bit; a second try waits in full."""
    one = manners()
    for number in range(30):
        assert 0.6 == one.approach(is_first=False, is_retry=False).reply_s
        ask(one, response_ms=80 if number == 7 else 25)
    assert 1.5 * 0.08 + 0.06 == pytest.approx(one.approach(is_first=False, is_retry=False).reply_s)
    assert 0.6 == one.approach(is_first=False, is_retry=True).reply_s


def test_the_settings_bound_what_was_learned():
    """A bus that is set to less quiet or shorter patience than was learned goes by its settings."""
    one = Manners(Learned(slowest_ms=900, answers=30, wake_next=4), replace(LONG, set_ms=5, reply_s=0.3))
    approach = one.approach(is_first=False, is_retry=False)
    assert (0.005, 0.3) == (approach.quiet_s, approach.reply_s)


def test_a_gap_of_nothing_is_given_up_where_a_meter_needs_one():
    """The settings ask for no quiet at all: who is deaf without is asked the standard's way."""
    one = Manners(Learned(wake_first=0, wake_next=0), replace(LONG, set_ms=0))
    for _ in range(2):
        assert [0.0, 0.02] == [a.quiet_s for a in ask(one, needs_quiet_ms=15)]
    assert 20 == one.learned.quiet_ms
    assert 1 == len(ask(one, needs_quiet_ms=15))


def test_answers_lost_by_chance_end_no_way_that_works():
    """One of a hundred answers is lost: the meter is still asked the short way after a thousand."""
    one = manners()
    for number in range(1000):
        approach = one.approach(is_first=False, is_retry=False)
        if number % 100 == 99:
            one.unanswered(approach)
            one.answered(one.approach(is_first=False, is_retry=True), 25)
        else:
            one.answered(approach, 25)
    assert (0, 0) == (one.learned.wake_next, one.learned.quiet_ms)


def test_a_way_that_failed_is_tried_again_after_thousands_of_answers():
    """Another firmware may need less: the trial costs little, and comes rarely."""
    one = manners(wake_next=4)
    asked = [a.wake for _ in range(2300) for a in ask(one)]
    assert 0 in asked
    assert asked.index(0) > 1900
    assert 0 == one.learned.wake_next
