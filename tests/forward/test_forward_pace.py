"""How fast a backlog shrinks: what receipts released less what was sealed, in the last ten minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forward.pace import SPAN_S, Pace, Rates, seconds_left

events = st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50), st.integers(0, 50)), max_size=60)


@pytest.mark.parametrize(
    ("unsent", "rates", "expected"),
    [
        (0, Rates(600, 0, 5), 0.0),
        (100, Rates(600, 60, 0), 1000.0),
        (100, Rates(600, 60, 10), 1200.0),
        (100, Rates(600, 10, 10), None),
        (100, Rates(600, 0, 0), None),
        (100, Rates(0, 5, 0), None),
    ],
)
def test_the_estimate_is_what_is_left_by_the_net_pace(unsent, rates, expected):
    """By hand: 100 batches, 60 released and 10 sealed in 600 s, is 100 * 600 / 50 s. No gain, no estimate."""
    assert expected == seconds_left(unsent, rates)


@given(events)
def test_only_the_last_ten_minutes_count_and_memory_is_bounded(steps):
    """Whatever happens when: never more than was noted, never what is long over, and few buckets."""
    pace, now_s = Pace(0.0), 0.0
    for pause_s, released, sealed in steps:
        now_s += pause_s
        pace.note(now_s, released=released, sealed=sealed)
        assert len(pace._buckets) <= 21
    rates = pace.rates(now_s)
    assert rates.released <= sum(released for _, released, _ in steps)
    assert min(SPAN_S, now_s) == rates.seconds
    assert Rates(SPAN_S, 0, 0) == pace.rates(now_s + 2 * SPAN_S)
    if now_s < SPAN_S:
        assert sum(sealed for _, _, sealed in steps) == rates.sealed


def test_the_forwarder_counts_receipts_and_seals(bench):
    """Batches that a receipt released and that were sealed; what the broker takes counts for nothing."""
    bench.poll(0, 1)
    bench.run(10)
    assert (0, 1) == ((rates := bench.worker.pace.rates(bench.clock.monotonic())).released, rates.sealed)
    bench.confirm()
    assert 1 == bench.worker.pace.rates(bench.clock.monotonic()).released
