"""Facts about a meter: both ways through the register, and what an odd register cannot do."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from edge.poll.learned import RETRY_AFTER, Learned, facts_of, learned_of

_COUNT = st.none() | st.integers(0, 10**6)
_IDENTIFIERS = st.text("0123456789ABCDEF", min_size=4, max_size=8)
_LEARNED = st.builds(
    Learned,
    protocol=st.sampled_from(["", "dlt645-2007", "dlt645-1997"]),
    refused=st.dictionaries(_IDENTIFIERS, st.dates(date(2020, 1, 1), date(2100, 1, 1)), max_size=4),
    proven=st.frozensets(_IDENTIFIERS, max_size=3),
    tariffs=_COUNT,
    sizes=st.dictionaries(_IDENTIFIERS, st.integers(0, 10**4), max_size=3),
    wake_first=_COUNT,
    wake_next=_COUNT,
    quiet_ms=_COUNT,
    slowest_ms=_COUNT,
    answers=st.integers(0, 30),
    baud=st.sampled_from([None, 600, 9600, 19200]),
    clock_set=st.none() | st.dates(date(2020, 1, 1), date(2100, 1, 1)),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(_LEARNED)
def test_facts_go_both_ways(learned):
    """What the register keeps is what comes back."""
    assert learned == learned_of(facts_of(learned))


@given(st.dictionaries(st.sampled_from(list(Learned.__slots__)), _JSON))
def test_odd_facts_are_not_known(facts):
    """Whatever a hand wrote into the register: it is read, or left out, and can be written again."""
    learned = learned_of(facts)
    assert learned == learned_of(facts_of(learned))


def test_a_list_of_refusals_is_tried_again():
    """The first version kept no days: such a refusal is old."""
    learned = learned_of({"refused": ["0001FF00"], "protocol": "dlt645-2031"})
    assert "" == learned.protocol
    assert {"0001FF00"} == set(learned.refused)
    assert frozenset() == learned.avoid(date(2026, 3, 1))


def test_a_refusal_of_a_day_to_come_counts_no_more():
    """It was noted while the clock was wrong: it would hold until that day and a month."""
    learned = Learned(refused={"0001FF00": date(2036, 1, 1)})
    assert frozenset() == learned.avoid(date(2026, 3, 1))


def test_refusals_grow_old():
    """A refused identifier is asked for again after a month, not before."""
    day = date(2026, 3, 1)
    learned = Learned(refused={"0001FF00": day})
    assert frozenset({"0001FF00"}) == learned.avoid(day + RETRY_AFTER - timedelta(days=1))
    assert frozenset() == learned.avoid(day + RETRY_AFTER)


def test_a_speed_that_no_meter_has_is_not_known():
    """A hand that wrote one into the register cannot make the port fail at every poll of that meter."""
    assert learned_of({"baud": 12345}).baud is None
    assert 9600 == learned_of({"baud": 9600}).baud
