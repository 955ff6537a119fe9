"""Numbers that are left in the store: what merged, and what moved to another epoch."""

import pytest

from edge.errors import StoreError
from edge.store.database import open_database
from edge.store.inspection import find_fault
from edge.store.journal import Journal
from edge.store.merging import Part
from edge.store.outbox import Outbox
from edge.store.receipts import EpochState
from edge.store.sealed import Sealing
from edge.store.shedding import Replacement
from tests.store.store_kit import receipt, record, seal


@pytest.fixture
def outbox(tmp_path):
    """Return an outbox on a file."""
    with open_database(tmp_path / "edge.db", max_mib=16) as database:
        yield Outbox(database)


def seal_some(outbox, count):
    """Seal so many batches of a reading each."""
    journal = Journal(outbox._database)
    sealed = []
    for number in range(count):
        journal.append([record(number)])
        sealed.append(seal(outbox, content=b"%d" % number))
    return sealed


def give_up_all(outbox):
    """Let every batch give up all that it can."""
    shedding = outbox.shedding()
    while (candidate := shedding.next()) is not None:
        shedding.replace(candidate, Replacement(b"%d/%d" % (candidate.level, candidate.sealed.seq), 0, 0))


def merge(outbox, members):
    """Put one envelope in the place of these."""
    head = outbox.head()
    part = Part(Sealing(b"all of them", head.epoch, head.next_seq), 0, has_values=False)
    outbox.merging().replace(members, [part], 1, 0)


def run_of(outbox, under_way=()):
    """Return what may be merged."""
    return next(outbox.merging().runs(under_way, 2, 64), ())


def test_what_merged_leaves_its_numbers(outbox):
    """The chain stays whole, the birth does not name them, and a receipt of the new one settles all."""
    sealed = seal_some(outbox, 5)
    give_up_all(outbox)
    members = run_of(outbox)
    assert [1, 2, 3, 4, 5] == [one.sealed.seq for one in members]
    merge(outbox, members)
    (left,) = outbox.unstored(None, 9)
    assert (6, b"all of them") == (left.seq, left.envelope)
    assert [(6, 7)] == [(one.oldest_seq, one.next_seq) for one in outbox.standings(9)]
    assert 1 == outbox.shedding().unsettled()
    assert None is find_fault(outbox._database)
    applied = outbox.apply_receipt(receipt([*sealed, left], 6, durable=6))
    assert (False, 1, 0) == (applied.mismatch, applied.stored, applied.behind)
    assert [] == outbox.unstored(None, 9)


@pytest.mark.parametrize(("stored", "behind"), [(5, 0), (3, 0), (2, 0), (1, 1)])
def test_a_merged_number_was_never_durable(outbox, stored, behind):
    """A centre that has lost what it had stored of them lost nothing for good; one that forgot number 2 did."""
    sealed = seal_some(outbox, 5)
    outbox.apply_receipt(receipt(sealed, 3, durable=2))
    give_up_all(outbox)
    merge(outbox, run_of(outbox))
    applied = outbox.apply_receipt(receipt(sealed, stored, durable=min(stored, 2)))
    assert (False, behind) == (applied.mismatch, applied.behind)
    assert [6] == [one.seq for one in outbox.unstored(None, 9)]


def test_only_the_oldest_without_a_gap_may_go(outbox):
    """Up to one under way; and one that still holds what it can give up holds up those behind it."""
    sealed = seal_some(outbox, 5)
    shedding = outbox.shedding()
    assert () == run_of(outbox)
    give_up_all(outbox)
    assert [1, 2] == [one.sealed.seq for one in run_of(outbox, {(sealed[0].epoch, 3)})]
    outbox._database.change("UPDATE outbox SET shed = 1 WHERE seq = 4")
    assert [1, 2, 3] == [one.sealed.seq for one in run_of(outbox)]
    assert 4 == shedding.next().sealed.seq


def test_nothing_changes_if_one_of_them_is_another_by_now(outbox):
    """A receipt came in between, or there is one before them: the merge is refused, whole."""
    sealed = seal_some(outbox, 3)
    give_up_all(outbox)
    members = run_of(outbox)
    outbox.apply_receipt(receipt(sealed, 1, durable=1))
    before = outbox.unstored(None, 9)
    for some in (members, members[2:]):
        with pytest.raises(StoreError, match="E-STO-109"):
            merge(outbox, some)
    assert (before, 4) == (outbox.unstored(None, 9), outbox.head().next_seq)


def test_rows_of_batches_that_moved_are_bounded(outbox):
    """They tell where a batch went; the oldest of very many go, what the centre rejected stays."""
    sealed = seal_some(outbox, 300)
    outbox.apply_receipt(receipt(sealed, 1, rejected=[(1, "no")]))
    outbox.apply_receipt(EpochState(sealed[0].epoch, 999, 0, b"\x01" * 32))
    while (old := outbox.disputed(None)) is not None:
        head = outbox.head()
        outbox.reseal(old, Sealing(b"again" + old.envelope, head.epoch, head.next_seq))
    rows = outbox.quarantine()
    assert [(1, False), *((seq, True) for seq in range(45, 301))] == [(one.seq, one.is_moved) for one in rows]
    assert 299 == len(outbox.unstored(None, 999))
    assert None is find_fault(outbox._database)
