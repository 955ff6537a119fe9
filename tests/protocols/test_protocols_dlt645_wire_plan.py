"""The plan of requests: as cheap as any there is, and every key brought once."""

from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.wire_plan import UNLISTED, plan_requests, request_cost
from edge.protocols.exchange import PlanTerms
from edge.reading.quantities import expand_item

FIFTEEN = (
    *expand_item("energy_active_import"),
    "energy_active_export_total",
    *expand_item("voltage"),
    *expand_item("current"),
    "power_active_total",
    "power_factor_total",
    "frequency",
)
BLOCKS = ("0001FF00", "0002FF00", "0201FF00", "0202FF00", "0203FF00", "0204FF00", "0205FF00", "0206FF00", *UNLISTED)
KEYS = (*FIFTEEN, *expand_item("energy_active_export"), *expand_item("power_active"), *expand_item("power_factor"))


def _total(requests, terms):
    return sum(request_cost("2007", request.identifier, terms) for request in requests)


@pytest.mark.parametrize(("baud", "published_s"), [(2400, 11.67), (9600, 3.64)])
def test_the_least_time_of_eight_meters_is_the_published_one(baud, published_s):
    """8 meters x 15 registers, 20 ms response delay, no gap: the figure published for the best block plan."""
    terms = PlanTerms(with_unlisted=True, tariffs=4, byte_s=11 / baud, turn_s=0.02)
    requests, unknown = plan_requests("2007", FIFTEEN, terms)
    assert () == unknown
    assert {"0001FF00", "00020000", "0201FF00", "0202FF00", "02FF0000", "02800002"} == {r.identifier for r in requests}
    assert published_s == round(8 * _total(requests, terms), 2)


@pytest.mark.parametrize(("baud", "published_s"), [(2400, 26.09), (9600, 8.32)])
def test_one_identifier_a_request_takes_the_published_time(baud, published_s):
    """The same fifteen registers, each asked alone."""
    terms = PlanTerms(avoid=frozenset(BLOCKS), byte_s=11 / baud, turn_s=0.02)
    requests, _ = plan_requests("2007", FIFTEEN, terms)
    assert 15 == len(requests)
    assert published_s == round(8 * _total(requests, terms), 2)


def _brute_force(keys, terms):
    """Return the least cost over every choice of the blocks, by trying all."""
    book = catalogue("2007")
    wanted = {book.identifier_of(key) for key in keys}
    usable = [block for block in BLOCKS if block not in terms.avoid and (terms.with_unlisted or block not in UNLISTED)]
    found = []
    for choice in chain.from_iterable(combinations(usable, size) for size in range(len(usable) + 1)):
        covered = set(chain.from_iterable(book.find(block).members for block in choice))
        rest = wanted - covered
        if rest.isdisjoint(terms.avoid):
            found.append(sum(request_cost("2007", one, terms) for one in (*choice, *rest)))
    return min(found, default=None)


@settings(max_examples=60)
@given(
    st.sets(st.sampled_from(KEYS), min_size=1, max_size=12),
    st.sets(st.sampled_from(BLOCKS), max_size=3),
    st.booleans(),
    st.sampled_from([(11 / 600, 0.02), (11 / 2400, 0.05), (11 / 9600, 0.02), (11 / 9600, 0.5)]),
    st.sampled_from([None, 0, 2, 4, 12]),
)
def test_no_choice_of_blocks_is_cheaper(keys, avoid, with_unlisted, times, tariffs):
    """Whatever is wanted and refused: trying every choice finds nothing better."""
    byte_s, turn_s = times
    terms = PlanTerms(
        avoid=frozenset(avoid), with_unlisted=with_unlisted, tariffs=tariffs, byte_s=byte_s, turn_s=turn_s
    )
    requests, unknown = plan_requests("2007", tuple(sorted(keys)), terms)
    brought = [key for request in requests for key in request.keys]
    assert sorted(keys) == sorted(brought)
    assert () == unknown
    assert _brute_force(keys, terms) == pytest.approx(_total(requests, terms))


def test_an_odd_size_of_a_block_is_reckoned_with():
    """A meter that answers a block far longer than the table says is asked for its two phases alone."""
    keys = ("voltage_l1", "voltage_l2")
    usual, _ = plan_requests("2007", keys, PlanTerms(turn_s=0.02))
    odd, _ = plan_requests("2007", keys, PlanTerms(turn_s=0.02, sizes=frozenset({("0201FF00", 150)})))
    assert ["0201FF00"] == [request.identifier for request in usual]
    assert ["02010100", "02010200"] == [request.identifier for request in odd]


def test_a_block_that_costs_more_than_it_saves_is_not_read():
    """Two tariffs of a meter that has sixty: alone they take less time than the whole block."""
    keys = ("energy_active_import_total", "energy_active_import_t1")
    few, _ = plan_requests("2007", keys, PlanTerms(tariffs=4, turn_s=0.02))
    many, _ = plan_requests("2007", keys, PlanTerms(tariffs=60, turn_s=0.02))
    assert ["0001FF00"] == [request.identifier for request in few]
    assert ["00010000", "00010100"] == [request.identifier for request in many]
