"""A store that was set aside: what it held unsent arrives, the rest is named, and the centre waits no more."""

from datetime import timedelta

import apsw
import pytest

from edge.centre.completeness import Fill, Question, SlotFate, Statement, slot_fates
from edge.store import asides
from edge.store import recovery as taking_over
from edge.store.asides import load_asides
from tests.forward.centre_tools import LedgerCentre, both
from tests.forward.forward_tools import AT, PLAN, Bench

QUARTER = timedelta(minutes=15)
HEAD = "UPDATE epoch SET prev = zeroblob(32)"


@pytest.fixture
def pair(tmp_path):
    """Yield a gateway and its real centre: slots 1 to 3 are there for good, 4 to 8 are sealed and unsent."""
    with both(tmp_path) as (bench, centre):
        bench.journal.append_plan(PLAN)
        rounds(bench, centre, 1, 2, 3)
        centre.is_up = False
        rounds(bench, centre, 4, 5, 6, 7, 8)
        assert 5 == bench.outbox.counts().unsent
        yield bench, centre


def rounds(bench: Bench, centre: LedgerCentre, *numbers: int) -> None:
    """Poll so many slots, a batch each."""
    for number in numbers:
        bench.clock.advance((AT + QUARTER * number - bench.clock.utc_now()).total_seconds())
        bench.poll(number)
        centre.run(5)


def damage(bench: Bench, *changes: str) -> None:
    """Change the closed store behind its back."""
    bench.close()
    connection = apsw.Connection(str(bench.path))
    for change in changes:
        connection.execute(change)
    connection.close()


def bring_up(bench: Bench, centre: LedgerCentre) -> None:
    """Let the centre run again; what the broker took meanwhile is lost."""
    centre.worker.link.heard = len(bench.broker.published)
    centre.is_up = True
    centre.run(1500)


def start_again(bench: Bench, centre: LedgerCentre) -> None:
    """Start the gateway on what there is, and let both ends run."""
    bench.reopen()
    bring_up(bench, centre)


def fates(bench: Bench, centre: LedgerCentre, last: int = 8) -> list[SlotFate]:
    """Return what the centre says of each slot."""
    now = bench.clock.utc_now()
    question = Question(since=AT + QUARTER, until=AT + QUARTER * (last + 1), now=now, grace_s=60)
    return list(slot_fates(centre.ledger, question, Statement(question.since, question.until)))


def lost(bench: Bench, centre: LedgerCentre, last: int = 8) -> dict[int, str]:
    """Return the slots that are missing for good, with their reasons; fails if nobody has a word for one."""
    found = fates(bench, centre, last)
    assert not [fate for fate in found if fate.fill in (Fill.NOT_HEARD, Fill.AWAITED)]
    return {(fate.slot_at - AT) // QUARTER: fate.reason for fate in found if fate.fill is Fill.MISSING_FINAL}


def waited_for(centre: LedgerCentre) -> list[tuple[tuple[int, int], ...]]:
    """Return the gaps in all epochs that the centre knows."""
    return [centre.ledger.missing(state, 10) for state in centre.ledger.epochs("gw-hz-0001")]


def test_what_was_sealed_and_unsent_arrives_once(pair):
    """Every reading of the file is in the ledger once, no slot is lost, and both epochs have no gap."""
    bench, centre = pair
    damage(bench, HEAD)
    start_again(bench, centre)
    assert list(range(1, 9)) == sorted(centre.slots())
    assert ({}, [(), ()]) == (lost(bench, centre), waited_for(centre))
    (note,) = load_asides(bench.databases[0])
    assert (5, 0, True) == (note.batches, note.unread, note.is_done)
    assert 5 == bench.counter("batches_recovered")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE envelope SET bytes = substr(bytes, 1, 200) WHERE n = (SELECT min(n) + 2 FROM outbox)",
        "UPDATE envelope SET bytes = x'00' WHERE n = (SELECT min(n) + 2 FROM outbox)",
        "DELETE FROM envelope WHERE n = (SELECT min(n) + 2 FROM outbox)",
    ],
)
def test_a_batch_that_cannot_be_read_is_named_slot_by_slot(pair, change):
    """The centre has a reason for each slot of it, signed, and everything else."""
    bench, centre = pair
    damage(bench, HEAD, change)
    start_again(bench, centre)
    numbers = [number for number in range(1, 9) if number not in lost(bench, centre)]
    assert numbers == sorted(centre.slots())
    assert {"damaged"} == set(lost(bench, centre).values())
    assert 7 == len(numbers)


def test_the_last_batch_is_missed_too(pair):
    """What the head of the chain speaks of and no table holds any more is named."""
    bench, centre = pair
    damage(bench, "DELETE FROM envelope WHERE n = (SELECT max(n) FROM envelope)")
    start_again(bench, centre)
    assert {8: "damaged"} == lost(bench, centre)
    assert list(range(1, 8)) == sorted(centre.slots())


def test_a_gap_in_the_old_epoch_ends(tmp_path):
    """The centre holds a batch above one that is gone: it no longer waits for it, and says so to the gateway."""
    with both(tmp_path) as (bench, centre):
        bench.journal.append_plan(PLAN)
        rounds(bench, centre, 1, 2)
        centre.is_up = False
        rounds(bench, centre, 3)
        skipped = len(bench.broker.published)
        bench.poll(4)  # soon after: the one before is not sent again yet
        centre.run(5)
        centre.worker.link.heard = skipped
        centre.is_up = True
        centre.run(5)
        assert [((3, 3),)] == waited_for(centre)
        damage(bench, HEAD, "UPDATE envelope SET bytes = x'00' WHERE n = (SELECT min(n) FROM envelope)")
        bench.reopen()
        centre.run(1500)
        assert [(), ()] == waited_for(centre)
        assert {3: "damaged"} == lost(bench, centre, 4)
        assert [] == bench.outbox.recovery().ended()


@pytest.mark.parametrize("step", range(1, 14))
def test_power_may_fail_at_any_step_of_taking_over(pair, monkeypatch, step):
    """Cut before any note of how far it came: each reading arrives once, each lost slot has its reason."""
    bench, centre = pair
    damage(bench, HEAD, "UPDATE envelope SET bytes = x'00' WHERE n = (SELECT min(n) + 2 FROM outbox)")
    left = [step]

    class PowerCutError(Exception):
        pass

    def cut(original):
        def wrapped(*arguments, **more):
            left[0] -= 1
            if left[0] == 0:
                raise PowerCutError
            return original(*arguments, **more)

        return wrapped

    centre.worker.link.heard = len(bench.broker.published)
    centre.is_up = True
    with monkeypatch.context() as patch:
        for where, name in ((taking_over, "save_aside"), (asides, "save_aside"), (asides, "note_holes")):
            patch.setattr(where, name, cut(getattr(where, name)))
        patch.setattr(taking_over, "name_losses", cut(taking_over.name_losses))
        bench.reopen()
        try:
            centre.run(1500)
        except PowerCutError:
            bench.reopen()
    centre.run(1500)
    assert 1 == len(lost(bench, centre))
    assert [number for number in range(1, 9) if number not in lost(bench, centre)] == sorted(centre.slots())


def test_a_file_that_is_taken_away_too_early_is_missed(pair):
    """Somebody deletes it before it was taken over: what was in it is named."""
    bench, centre = pair
    damage(bench, HEAD)
    bench.reopen()
    for path in bench.path.parent.glob("edge.db.bad-*"):
        path.unlink()
    bring_up(bench, centre)
    assert dict.fromkeys(range(4, 9), "damaged") == lost(bench, centre)


def test_a_file_of_which_nothing_can_be_read_is_missed(pair):
    """Its bytes are gone: a new plan says which slots there were, and each of them is lost with its reason."""
    bench, centre = pair
    bench.close()
    bench.path.write_bytes(b"\0" * bench.path.stat().st_size)
    for path in bench.path.parent.glob("edge.db-*"):
        path.unlink()
    bench.reopen()
    bench.journal.append_plan(PLAN)
    bring_up(bench, centre)
    assert dict.fromkeys(range(4, 9), "damaged") == lost(bench, centre)


def test_live_readings_do_not_wait_for_the_old_ones(pair):
    """What is polled now is sealed before the rest of the old file is taken over."""
    bench, centre = pair
    damage(bench, HEAD)
    bench.reopen()
    bench.poll(9)
    bench.until(lambda: bench.counter("batches_sealed") >= 1 and bench.outbox.recovery().note() is None)
    bring_up(bench, centre)
    assert list(range(1, 10)) == sorted(centre.slots())


def test_a_damaged_row_is_not_believed_about_its_slot(tmp_path):
    """Its slot says another one: the true one is named as lost, the other keeps its reading."""
    with both(tmp_path) as (bench, centre):
        bench.journal.append_plan(PLAN)
        rounds(bench, centre, 1)
        for number in (2, 3, 4):
            bench.clock.advance(900)
            bench.poll(number)
        rows = bench.databases[0].rows("SELECT id, slot_us FROM journal ORDER BY id")
        bench.databases[0].change("UPDATE journal SET slot_us = ? WHERE id = ?", rows[0][1], rows[1][0])
        centre.run(1500)
        assert {3: "damaged"} == lost(bench, centre, 4)
        assert [1, 2, 4] == sorted(centre.slots())
