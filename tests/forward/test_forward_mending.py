"""A sealed batch whose bytes the disk has changed: the others travel, it is replaced, and its slots are named."""

import apsw
import pytest

from edge.forward.store_work import Work
from edge.store.inspection import find_fault
from tests.forward.centre_tools import both
from tests.forward.forward_tools import PLAN, Bench
from tests.forward.test_forward_recovery import bring_up, lost, rounds, waited_for


@pytest.fixture
def pair(tmp_path):
    """Yield a gateway and its real centre, which has nothing yet: the plan and slots 1 to 6 are sealed and unsent."""
    with both(tmp_path) as (bench, centre):
        centre.is_up = False
        bench.broker.is_up = False
        bench.journal.append_plan(PLAN)
        rounds(bench, centre, 1, 2, 3, 4, 5, 6)
        yield bench, centre


def spoil(bench: Bench, *numbers: int, change: str = "UPDATE envelope SET bytes = zeroblob(length(bytes))") -> None:
    """Change the bytes of these batches while the forwarder runs."""
    connection = apsw.Connection(str(bench.path))
    for number in numbers:
        where = "WHERE n = (SELECT n FROM outbox ORDER BY n LIMIT 1 OFFSET ?)"
        connection.execute(f"{change} {where}", (number - 1,))
    connection.close()


def connect(bench: Bench, centre) -> None:
    """Bring broker and centre up, and let both run."""
    bench.broker.is_up = True
    bring_up(bench, centre)


@pytest.mark.parametrize("change", ["UPDATE envelope SET bytes = zeroblob(length(bytes))", "DELETE FROM envelope"])
def test_one_bad_batch_does_not_hold_up_the_others(pair, change):
    """All but its slot arrive, that one has its signed reason, no number is waited for, and one connection was enough.

    A row without bytes makes no fault when it is sent: it is found with the one beside it that is zeroed.
    """
    bench, centre = pair
    spoil(bench, 3, change=change)
    spoil(bench, 5)
    connect(bench, centre)
    assert {3: "damaged", 5: "damaged"} == lost(bench, centre, 6)
    assert [1, 2, 4, 6] == sorted(centre.slots())
    assert [()] == waited_for(centre)
    assert (1, 2) == (bench.counter("connections"), bench.counter("batches_damaged"))
    assert ("yes", None) == bench.condition("batches_whole")
    assert find_fault(bench.databases[0]) is None


def test_the_operator_hears_of_it_until_the_centre_has_the_losses(pair):
    """The condition comes with the find and outlasts a restart."""
    bench, _ = pair
    spoil(bench, 2)
    bench.broker.is_up = True
    bench.run(60)
    assert ("no", "E-FWD-216") == bench.condition("batches_whole")
    bench.start()
    bench.poll(9)
    bench.run(10)
    assert ("no", "E-FWD-216") == bench.condition("batches_whole")


def test_a_plan_that_was_in_a_bad_batch_goes_out_again(pair):
    """Without it the centre could not know what is missing."""
    bench, centre = pair
    spoil(bench, 1, 2)
    connect(bench, centre)
    assert {"damaged"} == set(lost(bench, centre, 6).values())
    assert [()] == waited_for(centre)


def test_live_batches_go_while_a_bad_one_is_not_mended_yet(pair, monkeypatch):
    """A store that cannot be mended now costs neither the connection nor what is sealed meanwhile."""
    bench, _ = pair
    spoil(bench, 2)
    bench.worker._work.hold(Work.MEND, float("inf"))
    bench.broker.is_up = True
    bench.run(30)
    bench.poll(9)
    bench.run(60)
    assert 1 == bench.counter("connections")
    assert bench.broker.lanes()[-1:] == [0]


def test_an_opening_finds_a_bad_batch_behind_many(pair):
    """All unsent batches are hashed, not only those that are sent next."""
    bench, _ = pair
    for number in range(300):
        bench.poll(10 + number)
        assert bench.worker.seal_now()
    assert find_fault(bench.databases[0]) is None
    spoil(bench, 301)
    assert "the bytes of batch 301 are not those that were sealed" == find_fault(bench.databases[0])
