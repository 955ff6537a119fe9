"""What is given up of a batch: what goes first, what stays, and that whatever goes is named."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forward.shed_rules import bare_batch, is_secondary, reduced_batch, values_in
from edge.messages.batch import Batch, build_batch, parse_batch
from edge.messages.envelope import MAX_SEQ, Header, seal_envelope
from edge.reading.loss import Loss
from edge.reading.quantities import quantities
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.reading.verdict import SlotReason
from tests.forward.forward_tools import AT, GATEWAY_KEY, PLAN
from tests.messages.samples import batch_of, load

STAYS = (
    *("energy_", "demand_active_import_max_", "demand_active_export_max_", "daily_freeze_", "monthly_freeze_"),
    *("load_profile", "credit_", "water_", "hot_water_", "heat_", "gas_", "pt_ratio", "ct_ratio"),
)
QUARTER = timedelta(minutes=15)
ENERGY, VOLTAGE, CURRENT = "energy_active_import_total", "voltage_l1", "current_l1"


def record(slot: int = 0, meter: str = "000000000001", task: str = "load", **more) -> PollRecord:
    """Return a poll with an energy, a voltage and a current."""
    slot_at = AT + slot * QUARTER
    values = {ENERGY: Decimal("1.00"), VOLTAGE: Decimal("220.1"), CURRENT: None}
    whole = PollRecord(
        task=task,
        slot_at=slot_at,
        meter=meter,
        bus="",
        stamp=Stamp(slot_at, "synchronised", "ab" * 16, 100.0),
        state=SlotState.READ,
        values=values,
    )
    return replace(whole, **more)


def missed(slot: int = 0, state: SlotState = SlotState.MISSING_OPEN, **more) -> PollRecord:
    """Return a miss by silence."""
    return record(slot, state=state, values={}, reason=SlotReason.SILENCE, **more)


def batch(*records: PollRecord, losses: tuple[Loss, ...] = ()) -> Batch:
    """Return a batch with a plan."""
    return Batch(records, PLAN, losses, AT)


def shed(first: int, last: int, count: int, meter: str = "000000000001", task: str = "load") -> Loss:
    """Return the loss of slots that were given up."""
    return Loss(task, meter, AT + first * QUARTER, AT + last * QUARTER, count, "shed")


@pytest.mark.parametrize("key", quantities())
def test_every_quantity_is_decided(key):
    """No quantity of the table goes or stays by accident: it is in exactly one of two lists, one of them here."""
    assert key.startswith(STAYS) != is_secondary(key)


@pytest.mark.parametrize("key", ["di:02010100", "di:B611", "vendor_voltage", "voltage", "freeze_voltage_l1"])
def test_what_nobody_here_can_judge_stays(key):
    """Raw identifiers, a maker's own items, and names that only look like one of the table."""
    assert not is_secondary(key)


def test_reducing_takes_voltages_and_leaves_energies_with_the_reason():
    """Each reading that goes is a fault `shed` of its poll; an item that had failed keeps its own reason."""
    refused = record(
        1, values={ENERGY: Decimal("1.50"), VOLTAGE: Decimal("220.2")}, faults={CURRENT: SlotReason.REFUSED}
    )
    reduced = reduced_batch(batch(record(), refused))
    assert [{ENERGY: Decimal("1.00")}, {ENERGY: Decimal("1.50")}] == [one.values for one in reduced.records]
    gone = SlotReason.SHED
    assert [{VOLTAGE: gone, CURRENT: gone}, {VOLTAGE: gone, CURRENT: SlotReason.REFUSED}] == [
        one.faults for one in reduced.records
    ]
    assert (PLAN, (), AT) == (reduced.plan, reduced.losses, reduced.sealed_at)


def test_a_poll_without_a_value_left_becomes_a_loss():
    """A slot of voltages alone: it is named, and does not pass for read."""
    volts = record(1, values={VOLTAGE: Decimal("220.2")}, faults={ENERGY: SlotReason.REFUSED})
    reduced = reduced_batch(batch(record(), volts))
    assert ([record().slot_at], (shed(1, 1, 1),)) == ([one.slot_at for one in reduced.records], reduced.losses)


def test_a_batch_without_secondary_readings_is_left_as_it_is():
    """Energies, misses, losses and plan: nothing to reduce."""
    whole = batch(record(values={ENERGY: Decimal(1)}), missed(1), losses=(shed(7, 7, 1),))
    assert whole == reduced_batch(whole)


def test_a_bare_batch_names_every_slot_that_was_read():
    """No reading is left; the plan, earlier losses and the misses are."""
    old = Loss("", "", AT, AT, 1, "damaged")
    bare = bare_batch(batch(record(), record(1), missed(2), record(3, meter="000000000002"), losses=(old,)))
    assert (missed(2),) == bare.records
    assert (old, shed(0, 1, 2), shed(3, 3, 1, "000000000002")) == bare.losses
    assert (PLAN, AT) == (bare.plan, bare.sealed_at)


def test_a_reading_that_filled_a_miss_of_the_same_batch_is_a_loss_beside_it():
    """Open first, refilled later: the miss stays as it was told, and the loss says what became of the filling."""
    filled = record(0, state=SlotState.REFILLED)
    assert ((missed(),), (shed(0, 0, 1),)) == (
        bare_batch(batch(missed(), filled)).records,
        bare_batch(batch(missed(), filled)).losses,
    )


slots = st.sets(
    st.tuples(st.integers(0, 30), st.sampled_from(["000000000001", "000000000002"]), st.sampled_from(["load", "day"])),
    max_size=40,
)


@given(slots)
def test_losses_cover_exactly_what_went(slots):
    """Whatever pattern of slots went, every one is covered and no other is."""
    bare = bare_batch(batch(*(record(*slot) for slot in sorted(slots))))
    every = [
        (slot, meter, task)
        for slot in range(32)
        for meter in ("000000000001", "000000000002")
        for task in ("load", "day")
    ]
    covered = {
        (slot, meter, task)
        for slot, meter, task in every
        for loss in bare.losses
        if (loss.task, loss.meter) == (task, meter) and loss.covers(AT + slot * QUARTER)
    }
    assert slots == covered
    assert len(slots) == sum(loss.count for loss in bare.losses)


def test_a_loss_that_cannot_be_even_covers_all_in_between():
    """As it was always read: from first to last."""
    uneven = Loss("load", "1", AT, AT + timedelta(seconds=10), 4, "x")
    assert [False, True, True, True, False] == [uneven.covers(AT + timedelta(seconds=at)) for at in (-1, 0, 3, 10, 11)]
    assert [True, True] == [Loss("load", "1", AT, AT, count, "x").covers(AT) for count in (1, 5)]


def size_of(batch: Batch) -> int:
    """Return the length of a batch's envelope."""
    raw = build_batch(batch)
    header = Header(gateway="g", epoch=bytes(8), seq=MAX_SEQ, prev=b"p" * 32, raw_length=len(raw), replaces=b"r" * 32)
    return len(seal_envelope(header, raw, GATEWAY_KEY))


@pytest.mark.parametrize(("meters", "rounds"), [(256, 1), (40, 4), (8, 96), (1, 200)])
def test_giving_up_makes_room(meters, rounds):
    """A reduced batch takes at most two thirds of the whole one, a bare one at most a fifth of it."""
    whole = batch_of(*load(meters, rounds))
    assert 3 * size_of(reduced_batch(whole)) <= 2 * size_of(whole)
    assert 5 * size_of(bare_batch(whole)) <= size_of(whole)


@pytest.mark.parametrize("giving_up", [reduced_batch, bare_batch])
def test_what_is_given_up_survives_the_wire(giving_up):
    """What the centre reads is what was decided here; giving up once more changes nothing."""
    less = giving_up(batch(*load(5, 3), missed(70), record(80, values={VOLTAGE: Decimal(1)})))
    again = parse_batch(build_batch(less))
    assert (values_in(less), less.losses) == (values_in(again), again.losses)
    assert [dict(one.faults) for one in less.records] == [dict(one.faults) for one in again.records]
    assert again == giving_up(again)
