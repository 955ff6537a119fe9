"""How fast the backlog may leave: a window at once, then so many a minute; what is live waits for nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forward.allowance import Allowance
from edge.forward.outbox import Parcel, SendWindow
from edge.messages.topics import BACKLOG, EVENTS, LIVE
from tests.forward.forward_tools import PLAN


@given(st.lists(st.floats(0, 10), max_size=60))
def test_no_minute_sees_more_than_it_may(pauses):
    """Whatever the pauses, in any span go at most the burst and what the span allows."""
    allowance, now_s, went = Allowance(30, 3), 0.0, []
    for pause_s in pauses:
        now_s += pause_s
        if allowance.is_free(now_s):
            allowance.take(now_s)
            went.append(now_s)
    for index, first_s in enumerate(went):
        for number, last_s in enumerate(went[index:], start=1):
            assert number <= 3 + (last_s - first_s) / 2 + 1e-6


def test_it_says_when_the_next_one_may_go():
    """At that instant it is free, and not before."""
    allowance = Allowance(60, 2)
    assert (True, 0.0) == (allowance.is_free(10), allowance.due_s())
    allowance.take(10)
    allowance.take(10)
    assert (11.0, False, True) == (allowance.due_s(), allowance.is_free(10.9), allowance.is_free(11))


@pytest.mark.parametrize(("per_minute", "burst"), [(0, 1), (1, 0)])
def test_nothing_at_all_is_no_allowance(per_minute, burst):
    """Readings that never leave are no setting."""
    with pytest.raises(ValueError, match="minute"):
        Allowance(per_minute, burst)


def parcel(seq, lane=BACKLOG):
    """Return a parcel of that number."""
    return Parcel((b"epoch---", seq), lane, b"")


def test_live_batches_and_events_do_not_wait_for_the_backlog():
    """The allowance is used up: another of the backlog waits until it may go, the others go at once."""
    window = SendWindow(4, 30, 600, 60)
    assert 3 == window.room()
    window.load([parcel(1), parcel(2), parcel(3)])
    for seq in (1, 2, 3):
        window.mark_sent((b"epoch---", seq), 100)
    window.mark_lost()
    assert (b"epoch---", 1) == window.next_parcel(100).key
    window.mark_sent((b"epoch---", 1), 100)
    assert (None, 101.0) == (window.next_parcel(100), window.next_due_s())
    assert window.add_live(parcel(9, LIVE))
    assert (b"epoch---", 9) == window.next_parcel(100).key
    window.mark_sent((b"epoch---", 9), 100)
    assert (b"epoch---", 2) == window.next_parcel(101).key


def test_an_event_is_not_of_the_backlog():
    """It goes though the allowance is used up."""
    window = SendWindow(1, 30, 600, 1)
    window.load([parcel(1)])
    window.mark_sent((b"epoch---", 1), 0)
    window.drop((b"epoch---", 1))
    window.load([parcel(2, EVENTS)])
    assert (b"epoch---", 2) == window.next_parcel(0).key


def test_a_long_backlog_leaves_slowly_and_what_is_polled_now_at_once(bench):
    """Forty batches after an outage: within ten seconds a window of them and a few more, and the new one."""
    bench.settings = replace(bench.settings, backlog_per_minute=30, window=8)
    bench.broker.is_up = False
    bench.journal.append_plan(PLAN)
    bench.start()
    for number in range(1, 41):
        bench.poll(number)
        bench.run(5)
    bench.broker.is_up = True
    bench.until(lambda: bench.counter("connections") == 1)
    for _ in range(20):
        bench.run(1)
        bench.confirm()
    assert 8 <= bench.broker.lanes().count(BACKLOG) < 40
    bench.poll(41)
    bench.run(4)
    assert 1 == bench.broker.lanes().count(LIVE)
    bench.run(600)
    bench.confirm()
    bench.run(600)
    bench.confirm()
    assert 0 == bench.outbox.counts().unsent
