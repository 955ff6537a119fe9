"""What any store of readings owes whoever gives up batches: the order, the place of a replacement, and its receipts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import StoreError
from edge.store.database import open_database
from edge.store.inspection import find_fault
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.receipts import EpochState
from edge.store.sealed import Sealing
from edge.store.shedding import Replacement, ShedTotals, Step
from tests.store.store_kit import receipt, record, seal


@contextmanager
def fresh_outbox() -> Iterator[Outbox]:
    """Yield the forwarder's side of an empty store."""
    with TemporaryDirectory() as folder, open_database(Path(folder) / "edge.db", max_mib=16) as database:
        yield Outbox(database)


@pytest.fixture
def outbox():
    """Yield the forwarder's side of an empty store."""
    with fresh_outbox() as opened:
        yield opened


def seal_some(outbox, count):
    """Seal so many batches of one record each."""
    sealed = []
    for _ in range(count):
        Journal(outbox._database).append([record(outbox.head().next_seq)])
        sealed.append(seal(outbox, content=bytes(500)))
    return sealed


def give_up(outbox, under_way=(), content=b""):
    """Put something smaller in the place of the batch whose turn it is; return step, number and the bytes."""
    shedding = outbox.shedding()
    candidate = shedding.next(under_way)
    if candidate is None:
        return None
    envelope = b"less" + bytes([candidate.level, candidate.sealed.seq]) + content
    shedding.replace(candidate, Replacement(envelope, 1, 1))
    return candidate.step, candidate.sealed.seq, envelope


def everything(outbox):
    """Give up until nothing is left; return the steps in order."""
    return list(iter(lambda: give_up(outbox), None))


def test_the_order_is_archive_then_reductions_then_whole_batches_oldest_first(outbox):
    """What the centre has, then what can go of the unsent ones, then the unsent ones; then nothing is left."""
    sealed = seal_some(outbox, 5)
    outbox.apply_receipt(receipt(sealed, 2))
    assert [
        (Step.ARCHIVED, 1), (Step.ARCHIVED, 2),
        (Step.REDUCED, 3), (Step.REDUCED, 4), (Step.REDUCED, 5),
        (Step.DROPPED, 3), (Step.DROPPED, 4), (Step.DROPPED, 5),
    ] == [one[:2] for one in everything(outbox)]  # fmt: skip
    assert ShedTotals(archived=2, reduced=3, dropped=3, readings=6) == outbox.shedding().totals()


def test_a_replacement_is_sent_in_its_originals_place(outbox):
    """Same number, same order, the chain as it was: what comes after stays valid, and so does the next one sealed."""
    sealed, head = seal_some(outbox, 3), outbox.head()
    _, _, envelope = give_up(outbox)
    assert [envelope, sealed[1].envelope, sealed[2].envelope] == [one.envelope for one in outbox.unstored(None, 9)]
    assert [one.sha256 for one in sealed] == [one.sha256 for one in outbox.unstored(None, 9)]
    assert head == outbox.head()
    assert None is find_fault(outbox._database)
    assert 4 == seal(outbox).seq
    assert None is find_fault(outbox._database)


def test_a_receipt_for_the_original_settles_the_replacement(outbox):
    """It was under way when it was given up: the receipt names the original's hash, as it does for the replacement."""
    sealed = seal_some(outbox, 3)
    give_up(outbox)
    applied = outbox.apply_receipt(receipt(sealed, 1, durable=1))
    assert (1, 1, False, 0) == (
        applied.stored,
        applied.archived_dropped,
        applied.mismatch,
        outbox.shedding().unsettled(),
    )
    assert [2, 3] == [one.seq for one in outbox.unstored(None, 9)]
    assert None is find_fault(outbox._database)


def test_what_is_under_way_is_left_alone(outbox):
    """The next one gives up instead; if all are under way, none does."""
    sealed = seal_some(outbox, 3)
    keys = [(one.epoch, one.seq) for one in sealed]
    assert (Step.REDUCED, 3) == give_up(outbox, keys[:2])[:2]
    assert None is give_up(outbox, keys)


def test_a_batch_that_is_passed_over_stays_and_has_another_turn_in_the_next_step(outbox):
    """Nothing can go of it alone: it is as it was, and goes as a whole when it must."""
    sealed = seal_some(outbox, 2)
    shedding = outbox.shedding()
    shedding.pass_over(shedding.next())
    assert (sealed, ShedTotals(), 0) == (outbox.unstored(None, 9), shedding.totals(), shedding.unsettled())
    assert [(Step.REDUCED, 2), (Step.DROPPED, 1), (Step.DROPPED, 2)] == [one[:2] for one in everything(outbox)]


def test_a_batch_that_changed_meanwhile_is_not_replaced(outbox):
    """Replaced already, or settled by a receipt: refused, and nothing is changed."""
    sealed = seal_some(outbox, 2)
    shedding = outbox.shedding()
    candidate = shedding.next()
    give_up(outbox)
    before = outbox.unstored(None, 9)
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            shedding.replace(candidate, Replacement(b"late", 0, 2))
        assert "E-STO-109" == caught.value.code
        with pytest.raises(StoreError):
            shedding.pass_over(candidate)
        assert before == outbox.unstored(None, 9)
        outbox.apply_receipt(receipt(sealed, 1))
        before = outbox.unstored(None, 9)
    assert 1 == shedding.totals().reduced


def test_a_centre_that_fell_back_gets_the_replacement_of_what_it_had(outbox):
    """An archived batch was given up and the restored centre wants it: what is left of it is offered, no hole."""
    sealed = seal_some(outbox, 3)
    outbox.apply_receipt(receipt(sealed, 3))
    _, _, envelope = give_up(outbox)
    assert 0 == outbox.shedding().unsettled()
    applied = outbox.apply_receipt(receipt(sealed, 0))
    assert (3, False, 1) == (applied.fallen, applied.mismatch, outbox.shedding().unsettled())
    assert [envelope, sealed[1].envelope, sealed[2].envelope] == [one.envelope for one in outbox.unstored(None, 9)]
    assert 1 == outbox.standings(0)[0].oldest_seq
    assert 3 == outbox.apply_receipt(receipt(sealed, 3, durable=3)).archived_dropped


def test_a_replacement_moves_with_its_epoch(outbox):
    """Disputed numbers: the replacement's bytes are what is moved, and nothing is given up before."""
    sealed = seal_some(outbox, 2)
    _, _, envelope = give_up(outbox)
    outbox.apply_receipt(EpochState(sealed[0].epoch, 9, 9, b"\x01" * 32))
    assert None is outbox.shedding().next()
    moved = []
    while (old := outbox.disputed(None)) is not None:
        head = outbox.head()
        moved.append(outbox.reseal(old, Sealing(b"again" + old.envelope, head.epoch, head.next_seq)))
    assert [b"again" + envelope, b"again" + sealed[1].envelope] == [one.envelope for one in moved]
    assert (moved, None) == (outbox.unstored(None, 9), find_fault(outbox._database))
    assert [(Step.REDUCED, 1), (Step.REDUCED, 2)] == [give_up(outbox)[:2] for _ in range(2)]


def test_readings_that_were_given_up_are_no_longer_buffered(outbox):
    """What is counted as unsent is what is still there."""
    seal_some(outbox, 2)
    assert 4 == outbox.counts().unsent_readings
    give_up(outbox)
    assert 3 == outbox.counts().unsent_readings


def test_free_pages_are_room(outbox):
    """What was given up inside the file makes room, although the file does not shrink."""
    before = outbox.shedding().room()
    seal_some(outbox, 1)
    seal(outbox, content=bytes(60_000))
    full = outbox.shedding().room()
    assert 50_000 < full.used - before.used < 90_000
    give_up(outbox)
    give_up(outbox)
    assert full.used - outbox.shedding().room().used > 50_000
    assert (16 << 20, 16 << 20) == (before.limit, full.limit)


def test_small_batches_make_room_too(outbox):
    """Many that share a page each lose a little: together that frees pages."""
    for _ in range(64):
        seal(outbox, content=bytes(600))
    full = outbox.shedding().room().used
    for _ in range(64):
        give_up(outbox, content=bytes(400))
    assert full - outbox.shedding().room().used > 64 * 200 // 2
    assert 64 == outbox.shedding().unsettled()


acts = st.lists(
    st.one_of(
        st.just("seal"),
        st.just("shed"),
        st.just("pass"),
        st.tuples(st.integers(0, 8), st.integers(0, 8)),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(acts)
def test_whatever_happens_the_order_holds_and_the_chain_is_whole(sequence):
    """Sealing, giving up and receipts in any order, against a plain model; the file passes its checks at the end."""
    with fresh_outbox() as outbox:
        sealed, model, durable = [], {}, 0  # model: seq -> [is archived, level, bytes]
        for act in sequence:
            if act == "seal":
                sealed += seal_some(outbox, 1)
                model[len(sealed)] = [False, 0, sealed[-1].envelope]
            elif act in ("shed", "pass"):
                expected = _turn(model)
                candidate = outbox.shedding().next()
                assert expected == (candidate and (candidate.step, candidate.sealed.seq))
                if candidate is not None:
                    own = model[candidate.sealed.seq]
                    own[1] = 1 if candidate.step is Step.REDUCED else 2
                    if act == "shed":
                        own[2] = give_up(outbox)[2]
                    else:
                        outbox.shedding().pass_over(candidate)
            elif sealed:
                stored = min(act[0], len(sealed))
                outbox.apply_receipt(receipt(sealed, stored, min(act[1], stored)))
                durable = max(durable, min(act[1], stored))
                for seq in [seq for seq in model if seq <= durable]:
                    del model[seq]
                for seq, one in model.items():
                    one[0] = seq <= stored
            unsent = [(seq, one[2]) for seq, one in model.items() if not one[0]]
            assert unsent == [(one.seq, one.envelope) for one in outbox.unstored(None, 99)]
        assert None is find_fault(outbox._database)


def _turn(model):
    """Return step and number by the rules as they are told."""
    for step, is_archived, levels in (
        (Step.ARCHIVED, True, [0]),
        (Step.ARCHIVED, True, [1]),
        (Step.REDUCED, False, [0]),
        (Step.DROPPED, False, [1]),
    ):
        for seq, one in sorted(model.items()):
            if one[0] is is_archived and one[1] in levels:
                return step, seq
    return None
