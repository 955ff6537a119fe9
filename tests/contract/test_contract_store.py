"""What any store of readings owes the poller and the forwarder, whatever lies underneath.

Slots: settled once, in any order of repeats. Plans: the one in force is offered until it is sealed, and again in
each epoch. Batches: taken in arrival order, sealed once, kept to the byte, offered until a receipt covers them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import StoreError
from edge.reading.loss import Loss
from edge.reading.record import SlotState
from edge.store.database import open_database
from edge.store.inspection import find_fault
from edge.store.journal import Appended, Journal, OpenSlot
from edge.store.losses import append_loss
from edge.store.outbox import Outbox
from edge.store.receipts import EpochState
from edge.store.sealed import Sealing
from tests.store.store_kit import QUARTER, START, plan, receipt, record, seal

OPEN, FINAL, READ, REFILLED = SlotState.MISSING_OPEN, SlotState.MISSING_FINAL, SlotState.READ, SlotState.REFILLED


@contextmanager
def fresh_store() -> Iterator[tuple[Journal, Outbox]]:
    """Yield both sides of an empty store."""
    with TemporaryDirectory() as folder, open_database(Path(folder) / "edge.db", max_mib=16) as database:
        yield Journal(database), Outbox(database)


@pytest.fixture
def store():
    """Yield both sides of an empty store."""
    with fresh_store() as both:
        yield both


def test_records_come_out_in_the_order_of_arrival(store):
    """What was appended is taken in that order, equal to what went in."""
    journal, outbox = store
    sent = [record(slot, meter) for slot in range(3) for meter in ("000000000002", "000000000001")]
    assert Appended(6) == journal.append(sent)
    assert tuple(sent) == outbox.take(1000).records


def test_a_slot_is_settled_once(store):
    """The same record again, in the same call or a later one, is refused and named."""
    journal, outbox = store
    assert Appended(1, (record(5),)) == journal.append([record(5), record(5)])
    assert Appended(0, (record(5), record(4))) == journal.append([record(5), record(4)])
    assert (record(5),) == outbox.take(1000).records


def test_a_task_and_a_meter_have_slots_of_their_own(store):
    """The same slot of another task or meter is no repeat."""
    journal, _ = store
    assert Appended(3) == journal.append([record(1), record(1, task="day"), record(1, meter="000000000002")])
    assert {
        ("load", "000000000001"): START + QUARTER,
        ("day", "000000000001"): START + QUARTER,
        ("load", "000000000002"): START + QUARTER,
    } == journal.settled_marks()


def test_a_refill_settles_its_own_slot_only(store):
    """After an old slot was filled, the newest is still the newest: its repeat is refused."""
    journal, _ = store
    journal.append([record(1, state=OPEN), record(2)])
    assert Appended(1, (record(2),)) == journal.append([record(1), record(2)])


@pytest.mark.parametrize("state", [READ, REFILLED])
def test_an_open_slot_is_refilled_once(store, state):
    """A value for a missing slot closes it, leaves as refilled whatever it was called, and the next one is refused."""
    journal, outbox = store
    journal.append([record(1, state=OPEN), record(2)])
    assert [OpenSlot("load", "000000000001", START + QUARTER, "silence")] == journal.open_slots(10)
    assert Appended(1, (record(1),)) == journal.append([record(1, state=state), record(1)])
    assert [] == journal.open_slots(10)
    assert replace(record(1), state=REFILLED) == outbox.take(1000).records[-1]


def test_an_open_slot_is_given_up_once(store):
    """A final miss closes an open slot and is stored; nothing fills it afterwards."""
    journal, outbox = store
    journal.append([record(1, state=OPEN)])
    assert Appended(0, (record(1, state=OPEN),)) == journal.append([record(1, state=OPEN)])
    assert Appended(1, (record(1),)) == journal.append([record(1, state=FINAL), record(1)])
    assert ([], 2) == (journal.open_slots(10), len(outbox.take(1000).records))


def test_open_slots_come_oldest_first_and_bounded(store):
    """The poller gets the slots that are nearest to being given up."""
    journal, _ = store
    journal.append([record(slot, meter, state=OPEN) for slot in range(4) for meter in ("000000000001", "000000000002")])
    assert [START, START, START + QUARTER] == [slot.slot_at for slot in journal.open_slots(3)]


def test_open_slots_of_one_task_and_meter_after_an_instant(store):
    """Those of other tasks and meters stay out, those up to the instant too; the oldest come first, bounded."""
    journal, _ = store
    for number in range(4):
        journal.append([record(number, meter, state=OPEN) for meter in ("000000000001", "000000000002")])
    journal.append([replace(record(0, "000000000001", state=OPEN), task="other")])

    def found(after, limit):
        return [slot.slot_at for slot in journal.open_slots_of("load", "000000000001", after, limit)]

    assert [START + number * QUARTER for number in range(4)] == found(None, 9)
    assert [START + QUARTER, START + 2 * QUARTER] == found(START, 2)
    assert [] == found(START + 3 * QUARTER, 9)


def test_a_record_in_no_state_of_a_poll_is_refused(store):
    """`expected` is no result: the whole call is refused and nothing of it stays."""
    journal, outbox = store
    with pytest.raises(ValueError, match="expected"):
        journal.append([record(1), record(2, state=SlotState.EXPECTED)])
    assert () == outbox.take(1000).records


steps = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["1", "2"]), st.sampled_from([OPEN, FINAL, READ, REFILLED])),
    max_size=25,
)


@settings(max_examples=25)
@given(steps, st.integers(1, 5))
def test_whatever_is_appended_every_slot_is_settled_once(sequence, size):
    """Against a plain model: each slot leaves at most one value or final miss, and at most one open miss before it."""
    newest, still_open, expected = {}, set(), []
    for slot, meter, state in sequence:
        if slot > newest.get(meter, -1):
            newest[meter] = slot
            expected.append((slot, meter, state))
            if state is OPEN:
                still_open.add((slot, meter))
        elif (slot, meter) in still_open and state is not OPEN:
            still_open.remove((slot, meter))
            expected.append((slot, meter, FINAL if state is FINAL else REFILLED))
    with fresh_store() as (journal, outbox):
        for begin in range(0, len(sequence), size):
            journal.append([record(slot, meter, state=state) for slot, meter, state in sequence[begin : begin + size]])
        found = [((one.slot_at - START) // QUARTER, one.meter, one.state) for one in outbox.take(1000).records]
        assert expected == found
        assert still_open == {((one.slot_at - START) // QUARTER, one.meter) for one in journal.open_slots(100)}


def test_taking_stops_at_the_bound_but_never_at_nothing(store):
    """A batch holds as many whole records as fit; a record that is larger than the bound goes alone."""
    journal, outbox = store
    journal.append([record(slot) for slot in range(5)])  # two readings each
    assert [2, 2, 1] == [len(outbox.take(bound).records) for bound in (4, 5, 1)]
    assert 10 == outbox.waiting().readings


def test_taking_changes_nothing(store):
    """Without sealing, the same is taken again."""
    journal, outbox = store
    journal.append([record(1)])
    assert outbox.take(10) == outbox.take(10)


def test_waiting_says_since_when_by_the_time_of_reading(store):
    """The oldest is the one that was read first, not the one with the oldest slot."""
    journal, outbox = store
    assert (0, None, False) == (outbox.waiting().readings, outbox.waiting().oldest_at, outbox.waiting().has_plan)
    journal.append([record(7), record(8)])
    assert record(7).stamp.at == outbox.waiting().oldest_at


def test_sealing_moves_the_head_and_keeps_the_bytes(store):
    """The next envelope names the hash of this one; the bytes come back as they were."""
    journal, outbox = store
    first = outbox.head()
    assert (1, bytes(32), None) == (first.next_seq, first.prev, first.predecessor)
    journal.append([record(1)])
    kept = seal(outbox, content=b"\x00\xffexact")
    assert (2, kept.sha256) == (outbox.head().next_seq, outbox.head().prev)
    assert [kept] == outbox.unstored(None, 10)
    assert b"\x00\xffexact" == outbox.unstored(None, 10)[0].envelope[12:]
    assert () == outbox.take(10).records


def test_what_arrives_between_taking_and_sealing_stays(store):
    """Sealing removes what was taken and nothing else."""
    journal, outbox = store
    journal.append([record(1)])
    taken = outbox.take(10)
    journal.append([record(2)])
    seal(outbox, taken)
    assert (record(2),) == outbox.take(10).records


def test_an_envelope_of_another_number_is_not_sealed(store):
    """An envelope that is not the next of this epoch changes nothing."""
    journal, outbox = store
    journal.append([record(1)])
    for epoch, seq in ((outbox.head().epoch, 2), (bytes(8), 1)):
        with pytest.raises(StoreError) as caught:
            outbox.seal(outbox.take(10), Sealing(b"envelope", epoch, seq), lane=0)
        assert "E-STO-109" == caught.value.code
    assert ((record(1),), []) == (outbox.take(10).records, outbox.unstored(None, 10))


def test_the_same_rows_are_not_sealed_twice(store):
    """What was taken once cannot go into two batches."""
    journal, outbox = store
    journal.append([record(1)])
    taken = outbox.take(10)
    seal(outbox, taken)
    with pytest.raises(StoreError) as caught:
        seal(outbox, taken)
    assert ("E-STO-120", 1) == (caught.value.code, len(outbox.unstored(None, 10)))


def test_a_plan_is_the_same_whenever_it_is_valid_from(store):
    """Putting the same plan in force again is no news, a changed one is."""
    journal, _ = store
    assert None is journal.current_plan()
    assert [True, False, True] == [
        journal.append_plan(one) for one in (plan(), plan(valid_from=START + QUARTER), plan(items=("current_l1",)))
    ]
    assert plan(items=("current_l1",)) == journal.current_plan()


def test_plans_leave_one_a_batch_in_order_and_again_in_a_new_epoch(store):
    """No plan that was in force is passed over; a new epoch begins with the one in force, also across new ones."""
    journal, outbox = store
    journal.append_plan(plan())
    journal.append_plan(plan(items=("current_l1",)))
    leaving = []
    for _ in range(3):
        taken = outbox.take(10)
        leaving.append(taken.plan)
        seal(outbox, taken)
    assert [plan(), plan(items=("current_l1",)), None] == leaving
    assert not outbox.waiting().has_plan
    outbox.open_epoch("test")
    assert (True, plan(items=("current_l1",))) == (outbox.waiting().has_plan, outbox.take(10).plan)
    seal(outbox)
    assert None is outbox.take(10).plan


def test_a_plan_that_did_not_leave_is_still_offered(store):
    """Taking a plan is not sending it."""
    journal, outbox = store
    journal.append_plan(plan())
    assert (plan(), plan()) == (outbox.take(10).plan, outbox.take(10).plan)


def seal_some(store, count):
    """Seal so many batches."""
    _, outbox = store
    return [seal(outbox) for _ in range(count)]


def oldest(outbox):
    """Return the oldest number of the current epoch that can still be sent."""
    return outbox.standings(0)[0].oldest_seq


def numbers(outbox):
    """Return the numbers that no receipt covers."""
    return [one.seq for one in outbox.unstored(None, 100)]


def test_only_stored_ends_the_sending_and_only_durable_the_keeping(store):
    """A receipt moves batches to the archive; the archive forgets what is durable, and not before."""
    _, outbox = store
    sealed = seal_some(store, 4)
    applied = outbox.apply_receipt(receipt(sealed, 3))
    assert (3, 0, False) == (applied.stored, applied.archived_dropped, applied.mismatch)
    assert ([4], 3, 1) == (numbers(outbox), outbox.counts().archived, oldest(outbox))
    assert 2 == outbox.apply_receipt(receipt(sealed, 3, durable=2)).archived_dropped
    assert (1, 3) == (outbox.counts().archived, oldest(outbox))


def test_a_restored_centre_gets_everything_above_again(store):
    """`stored` may fall: what lies above it and is still here is offered again, byte for byte."""
    _, outbox = store
    sealed = seal_some(store, 4)
    outbox.apply_receipt(receipt(sealed, 4, durable=1))
    applied = outbox.apply_receipt(receipt(sealed, 2, durable=1))
    assert (2, False) == (applied.fallen, applied.mismatch)
    assert sealed[2:] == outbox.unstored(None, 10)


def test_durable_never_falls(store):
    """A lower `durable` later on neither brings anything back nor hurts."""
    _, outbox = store
    sealed = seal_some(store, 3)
    outbox.apply_receipt(receipt(sealed, 3, durable=2))
    applied = outbox.apply_receipt(receipt(sealed, 3, 1))
    assert (0, False) == (applied.archived_dropped, applied.mismatch)
    assert 3 == oldest(outbox)


def test_durable_beyond_stored_forgets_only_what_is_stored(store):
    """A receipt that contradicts itself cannot make the archive forget what it does not call stored."""
    _, outbox = store
    sealed = seal_some(store, 3)
    assert 1 == outbox.apply_receipt(receipt(sealed, 1, durable=3)).archived_dropped
    assert [2, 3] == numbers(outbox)


def test_a_receipt_at_the_durable_mark_is_still_checked(store):
    """The hash of the last forgotten batch is kept: a true receipt holds, a false one does not."""
    _, outbox = store
    sealed = seal_some(store, 2)
    outbox.apply_receipt(receipt(sealed, 2, durable=2))
    assert not outbox.apply_receipt(receipt(sealed, 2, durable=2)).mismatch
    assert outbox.apply_receipt(EpochState(sealed[0].epoch, 2, 2, bytes(32))).mismatch


@pytest.mark.parametrize("stored", [0, 1, 2])
def test_a_receipt_below_what_was_durable_is_of_the_same_chain(store, stored):
    """The centre lost what is forgotten here: nothing but what is still here is offered, and no epoch begins."""
    _, outbox = store
    sealed = seal_some(store, 6)
    outbox.apply_receipt(receipt(sealed, 5, durable=3, rejected=[(2, "no"), (5, "no")]))
    epoch = outbox.head().epoch
    applied = outbox.apply_receipt(receipt(sealed, stored))
    assert (False, 3 - stored, 2, None) == (applied.mismatch, applied.behind, applied.fallen, applied.new_epoch)
    assert ([4, 5, 6], [2]) == (numbers(outbox), [one.seq for one in outbox.quarantine()])
    assert (epoch, 4) == (outbox.head().epoch, oldest(outbox))
    assert 0 == outbox.apply_receipt(receipt(sealed, 6, durable=6)).behind
    assert [] == numbers(outbox)


@pytest.mark.parametrize("stored", [0, 1, 3])
def test_a_receipt_of_another_chain_changes_no_batch(store, stored):
    """More than was sealed, or another hash at `stored`: every batch stays as it was, and one new epoch begins."""
    _, outbox = store
    sealed = seal_some(store, 2)
    wrong = EpochState(sealed[0].epoch, stored, 2, b"\x01" * 32, ((1, "no"),))
    applied = outbox.apply_receipt(wrong)
    assert (True, 0, [1, 2], []) == (applied.mismatch, applied.stored, numbers(outbox), outbox.quarantine())
    head = outbox.head()
    assert (applied.new_epoch, sealed[0].epoch, 1) == (head.epoch, head.predecessor, head.next_seq)
    assert None is outbox.apply_receipt(wrong).new_epoch
    assert head == outbox.head()


def test_a_centre_that_says_that_our_chain_breaks_is_believed(store):
    """The hash may fit where a batch of ours stands alone behind other content: the centre's own word counts more."""
    _, outbox = store
    sealed = seal_some(store, 2)
    applied = outbox.apply_receipt(replace(receipt(sealed, 2, durable=2), is_foreign=True))
    assert (True, 0, [1, 2]) == (applied.mismatch, applied.stored, numbers(outbox))


def move(outbox):
    """Move the next disputed batch to the current epoch; return what stands there now."""
    old, head = outbox.disputed(None), outbox.head()
    return outbox.reseal(old, Sealing(b"again" + old.envelope, head.epoch, head.next_seq))


def test_disputed_batches_move_one_by_one_in_order(store):
    """Unsent and archived ones, not what is durable or rejected; the old rows say where to, the chain stays whole."""
    journal, outbox = store
    journal.append([record(1)])
    sealed = seal_some(store, 5)
    outbox.apply_receipt(receipt(sealed, 4, durable=1, rejected=[(3, "no")]))
    assert None is outbox.disputed(None)
    new = outbox.apply_receipt(EpochState(sealed[0].epoch, 9, 9, b"\x01" * 32)).new_epoch
    moved = [move(outbox) for _ in range(3)]
    assert [(new, 1), (new, 2), (new, 3)] == [(one.epoch, one.seq) for one in moved]
    assert [b"again" + sealed[at].envelope for at in (1, 3, 4)] == [one.envelope for one in moved]
    assert moved == outbox.unstored(None, 9)
    assert None is outbox.disputed(None)
    assert [(2, f"resealed into {new.hex()}/1"), (3, "no")] == [(q.seq, q.reason) for q in outbox.quarantine()][:2]
    assert [new] == [one.epoch for one in outbox.standings(9)]
    database = outbox._database
    assert None is find_fault(database)
    applied = outbox.apply_receipt(receipt(sealed, 1, durable=1))  # the centre came back with our own chain
    assert (0, 0, moved) == (applied.behind, applied.fallen, outbox.unstored(None, 9))


def test_a_batch_that_moved_is_never_offered_again(store):
    """Also where one before it could not move, and the centre came back with our own chain."""
    _, outbox = store
    sealed = seal_some(store, 3)
    outbox.apply_receipt(EpochState(sealed[0].epoch, 9, 9, b"\x01" * 32))
    head = outbox.head()
    second = outbox.disputed((sealed[0].epoch, 1))
    moved = outbox.reseal(second, Sealing(b"again", head.epoch, 1))
    assert 0 == outbox.apply_receipt(receipt(sealed, 0)).fallen
    assert [sealed[0], sealed[2], moved] == outbox.unstored(None, 9)
    assert None is find_fault(outbox._database)


def test_a_batch_moves_once_and_only_to_the_next_number(store):
    """Another number, another epoch, or the same batch again: refused, and nothing is changed."""
    _, outbox = store
    sealed = seal_some(store, 1)
    outbox.apply_receipt(EpochState(sealed[0].epoch, 9, 9, b"\x01" * 32))
    old, head = outbox.disputed(None), outbox.head()
    for epoch, seq in ((head.epoch, 2), (old.epoch, 1)):
        with pytest.raises(StoreError):
            outbox.reseal(old, Sealing(b"x", epoch, seq))
    assert sealed == outbox.unstored(None, 9)
    move(outbox)
    with pytest.raises(StoreError) as caught:
        outbox.reseal(old, Sealing(b"x", head.epoch, 2))
    assert ("E-STO-109", 2) == (caught.value.code, outbox.head().next_seq)


def test_readings_of_a_moved_batch_count_as_unsent(store):
    """What is buffered is the same before and after."""
    journal, outbox = store
    journal.append([record(1), record(2)])
    sealed = seal_some(store, 1)
    journal.append([record(3)])
    assert (2, 4) == (outbox.counts().waiting, outbox.counts().unsent_readings)
    outbox.apply_receipt(EpochState(sealed[0].epoch, 9, 9, b"\x01" * 32))
    move(outbox)
    assert (2, 4) == (outbox.counts().waiting, outbox.counts().unsent_readings)


def test_the_oldest_epochs_are_named_first_of_all(store):
    """Newest first behind the current one, and if there are too many, those that are sent first."""
    _, outbox = store
    epochs = []
    for _ in range(4):
        seal_some(store, 1)
        epochs.append(outbox.head().epoch)
        outbox.open_epoch("test")
    current = outbox.head().epoch
    assert [current, *reversed(epochs)] == [one.epoch for one in outbox.standings(9)]
    assert [current, epochs[1], epochs[0]] == [one.epoch for one in outbox.standings(2)]


def test_a_plan_that_is_passed_over_is_not_offered_until_there_is_another(store):
    """Not in this epoch and not in the next; a changed plan is offered."""
    journal, outbox = store
    journal.append_plan(plan())
    outbox.pass_plan(outbox.take(1).plan_id)
    assert (None, False) == (outbox.take(1).plan, outbox.waiting().has_plan)
    outbox.open_epoch("test")
    assert not outbox.waiting().has_plan
    journal.append_plan(plan(items=("current_l1",)))
    assert (True, plan(items=("current_l1",))) == (outbox.waiting().has_plan, outbox.take(1).plan)


def test_losses_wait_to_be_sealed(store):
    """A loss alone is something that waits."""
    _, outbox = store
    with outbox._database.writing():
        append_loss(outbox._database, Loss("load", "1", START, START, 1, "damaged"))
    assert (0, 1) == (outbox.waiting().readings, outbox.waiting().losses)
    seal(outbox)
    assert 0 == outbox.waiting().losses


def test_the_waiting_for_the_clock_is_remembered(store):
    """In seconds, as it was marked last; nothing was waited at first."""
    _, outbox = store
    assert 0 == outbox.waited_s()
    outbox.mark_waited(61.2)
    assert 61 == outbox.waited_s()


def test_nothing_stored_has_the_head_of_an_empty_chain(store):
    """stored 0 with 32 zero bytes is an honest receipt of a centre that has nothing yet."""
    _, outbox = store
    sealed = seal_some(store, 1)
    applied = outbox.apply_receipt(receipt(sealed, 0))
    assert (False, 0) == (applied.mismatch, applied.stored)


def test_an_epoch_that_was_never_ours_changes_nothing(store):
    """A receipt may name epochs of a store that was set aside."""
    _, outbox = store
    seal_some(store, 1)
    applied = outbox.apply_receipt(EpochState(b"strange!", 7, 7, bytes(32)))
    assert (False, False, [1]) == (applied.is_known, applied.mismatch, numbers(outbox))


def test_a_rejected_batch_is_kept_apart_and_passed(store):
    """A rejected batch is not sent again, is listed with its reason, and survives what is durable around it."""
    _, outbox = store
    sealed = seal_some(store, 3)
    assert 1 == outbox.apply_receipt(receipt(sealed, 3, durable=3, rejected=[(2, "bad signature")])).rejected
    assert [(2, "bad signature")] == [(one.seq, one.reason) for one in outbox.quarantine()]
    assert ([], 0, 1) == (numbers(outbox), outbox.counts().archived, outbox.counts().quarantined)
    assert 0 == outbox.apply_receipt(receipt(sealed, 3, durable=3, rejected=[(2, "bad signature")])).rejected


def test_a_rejected_batch_is_offered_again_when_the_centre_fell_back(store):
    """A centre that lost it and does not reject it any more gets it again: else its number would be a hole."""
    _, outbox = store
    sealed = seal_some(store, 3)
    outbox.apply_receipt(receipt(sealed, 2, rejected=[(2, "no")]))
    outbox.apply_receipt(receipt(sealed, 1))
    assert ([2, 3], []) == (numbers(outbox), outbox.quarantine())


def test_an_old_epoch_goes_before_a_new_one(store):
    """A new epoch begins at 1 with its predecessor's name; the old one's batches are offered first, and settle."""
    _, outbox = store
    old = seal_some(store, 2)
    epoch = outbox.open_epoch("the centre knows another chain")
    assert (epoch, 1, bytes(32), old[0].epoch) == (
        outbox.head().epoch,
        outbox.head().next_seq,
        outbox.head().prev,
        outbox.head().predecessor,
    )
    assert "the centre knows another chain" == outbox.why()
    new = seal_some(store, 2)
    assert [*old, *new] == outbox.unstored(None, 10)
    outbox.apply_receipt(receipt(old, 2, durable=2))
    assert new == outbox.unstored(None, 10)


def test_sending_goes_on_after_a_place_in_the_order(store):
    """`after` skips what was offered, across epochs, also when that place is forgotten meanwhile."""
    _, outbox = store
    old = seal_some(store, 3)
    outbox.open_epoch("test")
    new = seal_some(store, 1)
    assert [*old[1:], *new] == outbox.unstored((old[0].epoch, 1), 10)
    assert new == outbox.unstored((old[0].epoch, 3), 10)
    assert old[:2] == outbox.unstored(None, 2)
    outbox.apply_receipt(receipt(old, 2, durable=2))
    assert [old[2], *new] == outbox.unstored((old[0].epoch, 1), 10)


def test_receipts_are_marked_forward_only(store):
    """Within a run only a higher number is new; another run begins anew."""
    _, outbox = store
    assert None is outbox.last_receipt()
    runs = [(b"a", 5), (b"a", 5), (b"a", 4), (b"a", 6), (b"b", 1)]
    assert [True, False, False, True, True] == [outbox.mark_receipt(*one) for one in runs]
    assert (b"b", 1) == outbox.last_receipt()


def test_counts_tell_what_lies_here_and_since_when(store):
    """What waits counts in readings, batches by state; the oldest is the first unsent batch, else the first waiting."""
    journal, outbox = store
    sealed = seal_some(store, 3)
    journal.append([record(9999), record(10000)])
    outbox.apply_receipt(receipt(sealed, 1))
    counts = outbox.counts()
    assert (4, 2, 1, 0) == (counts.waiting, counts.unsent, counts.archived, counts.quarantined)
    assert sealed[1].sealed_at == counts.oldest_unsent_at
    outbox.apply_receipt(receipt(sealed, 3))
    assert record(9999).stamp.at == outbox.counts().oldest_unsent_at


receipts = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.sets(st.integers(1, 6), max_size=2)), max_size=12
)


@settings(max_examples=25)
@given(receipts)
def test_whatever_receipts_come_nothing_is_forgotten_before_it_is_durable(sequence):
    """Any honest receipts in any order: what is not durable is here to the byte, and is unsent, stored or rejected."""
    with fresh_store() as store:
        _, outbox = store
        sealed, durable_so_far = seal_some(store, 6), 0
        for stored, durable, rejected in sequence:
            applied = outbox.apply_receipt(receipt(sealed, stored, durable, [(seq, "no") for seq in sorted(rejected)]))
            assert (False, max(0, durable_so_far - stored)) == (applied.mismatch, applied.behind)
            durable_so_far = max(durable_so_far, min(durable, stored))
            lost = max(stored, durable_so_far)
            expected = [one for one in sealed if one.seq > lost and one.seq not in rejected]
            assert expected == [one for one in outbox.unstored(None, 10) if one.seq > stored]
            counts = outbox.counts()
            assert 6 - durable_so_far <= counts.unsent + counts.archived + counts.quarantined
