"""Each slot once: which poll counts, told by pairs of polls and by the ledger's rows."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.centre.ledger import Span
from edge.centre.once import Once, PollFace, settle
from edge.centre.rows import amounts_text, face_of, faults_text, items_text, parse_face, parse_plan, plan_text
from edge.reading.plan import Plan
from edge.reading.record import SlotState
from edge.reading.verdict import SlotReason
from tests.centre.centre_kit import ENERGY, METER, QUARTER, SLOT, Gateway, record, refilled, take
from tests.centre.test_centre_completeness import PLAN


def face(state: SlotState, value: str | None = None, **more) -> PollFace:
    """Return what of a poll decides, with one value or none."""
    values = {} if value is None else {"a": value}
    return replace(PollFace(state, values, dict.fromkeys(values, "kWh"), {}), **more)


READ, OPEN = face(SlotState.READ, "1.0"), face(SlotState.MISSING_OPEN, reason="silence")
UNDATED = replace(READ, is_dated=False)
FINAL, REFILLED = face(SlotState.MISSING_FINAL, reason="silence"), face(SlotState.REFILLED, "1.0")


@pytest.mark.parametrize(
    ("standing", "new", "once"),
    [
        (None, OPEN, Once.COUNT),
        (OPEN, READ, Once.SUPERSEDE),
        (OPEN, REFILLED, Once.SUPERSEDE),
        (FINAL, REFILLED, Once.SUPERSEDE),
        (OPEN, FINAL, Once.SUPERSEDE),
        (OPEN, OPEN, Once.IGNORE),
        (OPEN, replace(OPEN, reason="garbage"), Once.SUPERSEDE),
        (FINAL, OPEN, Once.HISTORY),
        (READ, OPEN, Once.HISTORY),
        (REFILLED, FINAL, Once.HISTORY),
        (READ, REFILLED, Once.IGNORE),
        (READ, face(SlotState.READ, "1.1"), Once.CONFLICT),
        (READ, face(SlotState.READ, "1.00"), Once.CONFLICT),
        (face(SlotState.READ, faults={"a": "refused"}), READ, Once.SUPERSEDE),
        (READ, face(SlotState.READ, faults={"a": "refused"}), Once.IGNORE),
        (UNDATED, face(SlotState.READ, "1.1"), Once.SUPERSEDE),
        (READ, face(SlotState.READ, "1.1", is_dated=False), Once.HISTORY),
        (UNDATED, face(SlotState.READ, "1.1", is_dated=False), Once.CONFLICT),
        (UNDATED, READ, Once.IGNORE),
        (OPEN, UNDATED, Once.SUPERSEDE),
    ],
)
def test_which_poll_counts(standing, new, once):
    """One line a pair: what stands, what comes, what becomes of it."""
    assert once is settle(standing, new).once


def test_polls_that_agree_count_together():
    """The second brought what failed in the first: both items count, and the fault is over."""
    first = PollFace(SlotState.READ, {"a": "1"}, {"a": "kWh"}, {"b": "silence", "c": "refused"})
    second = PollFace(SlotState.REFILLED, {"b": "2"}, {"b": "V"}, {})
    ruling = settle(first, second)
    assert Once.SUPERSEDE is ruling.once
    assert ({"a": "1", "b": "2"}, {"c": "refused"}) == (ruling.face.values, ruling.face.faults)


def test_a_refilled_slot_shows_its_value_and_keeps_its_history(ledger):
    """The miss left with its round; the refill comes later in the next batch and takes its place."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(value=None)))
    assert [] == list(ledger.readings(Span()))
    (taken,) = take(ledger, gateway, gateway.seal(refilled()))
    assert (1, 1) == (taken.counts.superseded, taken.counts.readings)
    (row,) = ledger.readings(Span())
    assert (METER, ENERGY, "12.30", "kWh", "load_record") == (
        row.meter, row.quantity, row.value, row.unit, row.source
    )  # fmt: skip
    (slot,) = ledger.slots("gw-1", SLOT, SLOT + QUARTER)
    assert SlotState.REFILLED is slot.state
    assert 2 == len(ledger._all("SELECT counts FROM poll"))


def test_a_refill_that_comes_before_its_miss_stands(ledger):
    """Lanes may swap them: the result is the same."""
    gateway = Gateway()
    miss, refill = gateway.seal(record(value=None)), gateway.seal(refilled())
    take(ledger, gateway, refill, miss)
    assert ["12.30"] == [row.value for row in ledger.readings(Span())]


def test_items_that_failed_are_readings_without_a_value(ledger):
    """A slot that was read but for one item: that item is there with its reason."""
    gateway = Gateway()
    partly = record(faults={"voltage_l1": SlotReason.REFUSED}, values={ENERGY: Decimal("1.0"), "voltage_l2": None})
    take(ledger, gateway, gateway.seal(partly))
    rows = {row.quantity: (row.value, row.reason) for row in ledger.readings(Span())}
    assert {ENERGY: ("1.0", None), "voltage_l1": (None, "refused"), "voltage_l2": (None, None)} == rows


def test_an_unknown_meter_is_kept_and_marked(ledger):
    """Without a list all are assigned; with one, only those on it, also for readings that came before."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record(), record(meter="000000000007")))
    assert {True} == {row.assigned for row in ledger.readings(Span())}
    assert 1 == ledger.import_meters([METER])
    assert {METER: True, "000000000007": False} == {row.meter: row.assigned for row in ledger.readings(Span())}
    assert ["000000000007"] == ledger.unassigned()


amounts = st.one_of(st.none(), st.text(max_size=5), st.decimals(allow_nan=False, allow_infinity=False, places=3))


@given(st.dictionaries(st.sampled_from(["voltage_l1", "voltage_l2", "di:04000102"]), amounts, min_size=1))
def test_a_poll_survives_its_row(values):
    """Values, units and faults come back from the texts of a row as they were."""
    before = face_of(record(values=values, units={"di:04000102": "Hz"}, faults={"current_l1": SlotReason.LATE}))
    after = parse_face("read", None, items_text(before), amounts_text(before), faults_text(before))
    assert before == after


def test_a_number_is_written_without_an_exponent():
    """A decimal with few digits and a far point stays readable and exact."""
    assert {ENERGY: "120000"} == face_of(record(value="1.2E+5")).values


def test_a_plan_survives_its_text():
    """All kinds of schedules come back."""
    assert parse_plan(plan_text(PLAN)) == PLAN
    assert isinstance(parse_plan(plan_text(PLAN)), Plan)


def test_a_reading_of_a_known_time_takes_the_place_of_one_that_was_not(ledger):
    """A gateway that ran under a wrong clock named a slot that was not it: all are kept, one counts."""
    gateway = Gateway()
    undated = record(value="12.30")
    undated = replace(undated, stamp=replace(undated.stamp, trust="floor"))
    take(ledger, gateway, gateway.seal(undated))
    take(ledger, gateway, gateway.seal(record(value="12.50")))
    take(ledger, gateway, gateway.seal(replace(undated, values={ENERGY: Decimal("12.40")})))
    (row,) = ledger.readings(Span())
    assert ("12.50", "synchronised", False) == (row.value, row.trust, row.conflict)


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_a_flag_stays_when_values_are_added(ledger, is_one_batch):
    """12.30, then 13.00, then 12.30 with a voltage: which is right is still not known."""
    gateway = Gateway()
    more = record(values={ENERGY: Decimal("12.30"), "voltage_a": Decimal("230.1")})
    polls = [record(), record(value="13.00"), more]
    for batch in [polls] if is_one_batch else [[poll] for poll in polls]:
        take(ledger, gateway, gateway.seal(*batch))
    rows = [(row.quantity, row.value, row.conflict) for row in ledger.readings(Span())]
    assert [(ENERGY, "12.30", True), ("voltage_a", "230.1", True)] == rows
    (slot,) = ledger.slots("gw-1", SLOT, SLOT + QUARTER)
    assert slot.conflict


def test_a_reading_of_a_known_time_ends_a_conflict_of_two_that_were_not(ledger):
    """Both may be of another slot; they are history."""
    gateway = Gateway()
    undated = replace(record().stamp, trust="none")
    polls = (record(stamp=undated), record(value="13.00", stamp=undated), record(value="14.00"))
    take(ledger, gateway, gateway.seal(*polls))
    assert [("14.00", False)] == [(row.value, row.conflict) for row in ledger.readings(Span())]
