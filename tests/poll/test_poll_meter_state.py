"""What is known of one meter while it is polled: when a refusal counts for good."""

from datetime import date
from decimal import Decimal

import pytest

from edge.config.settings import Bus
from edge.poll.meter_state import MeterState
from edge.poll.plan import PolledMeter
from edge.reading.outcome import Answer, Item, Refused, Silence

A = "202311000001"
TODAY = date(2026, 3, 1)
LOAD, OTHER = ("energy_active_import_total", "frequency"), ("voltage_l1",)
FREQUENCY = "02800002"


@pytest.fixture
def state():
    """Give a meter of which nothing is known."""
    return MeterState.of(PolledMeter(A, "A", "dlt645-2007"), Bus(name="A", port="memory"))


def poll(state, keys, odd=None):
    """Poll a meter that answers everything, the frequency with `odd` if that is given."""
    one = state.poll(keys, TODAY, is_silent=False, late_from=frozenset())
    while not one.is_done:
        identifier, keys = one.request.identifier, one.request.keys
        answer = Answer(address=A, items=tuple(Item(key, identifier, Decimal(1), "") for key in keys))
        one.take(odd if odd is not None and identifier == FREQUENCY else answer)
    state.take(one, TODAY)


NO_DATA = Refused(code="02", is_lasting=True)


def test_a_refusal_counts_whatever_other_tasks_ask_in_between(state):
    """Three polls that ask for it are refused it: polls that never asked say nothing of it."""
    for _ in range(3):
        assert {} == dict(state.learned.refused)
        poll(state, LOAD, NO_DATA)
        poll(state, OTHER)
    assert {FREQUENCY: TODAY} == dict(state.learned.refused)


@pytest.mark.parametrize(("between", "expected"), [(None, set()), (Silence(), {FREQUENCY})])
def test_an_answer_in_between_begins_anew(state, between, expected):
    """It has the item after all; a lost answer says nothing."""
    for odd in (NO_DATA, NO_DATA, between, NO_DATA):
        poll(state, LOAD, odd)
    assert expected == set(state.learned.refused)
