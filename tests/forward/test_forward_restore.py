"""One of the two ends goes back in time: the centre to an older ledger, or the gateway to an older store."""

import shutil
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.forward.worker import ForwardWorker
from edge.messages.birth import open_birth
from edge.messages.signing import Ed25519Signer
from edge.messages.topics import birth_topic
from edge.store.outbox import Outbox
from tests.forward.centre_tools import LedgerCentre, both
from tests.forward.forward_tools import GATEWAY, GATEWAY_KEY, PLAN, TENANT, Bench


@pytest.fixture
def pair(tmp_path):
    """Yield a gateway and its real centre, policy `commit`: what is stored is durable."""
    with both(tmp_path) as made:
        yield made


def rounds(bench: Bench, centre: LedgerCentre, *numbers: int) -> None:
    """Poll so many slots, a batch each."""
    for number in numbers:
        bench.poll(number)
        centre.run(5)


def is_settled(bench: Bench) -> bool:
    """Return True if nothing waits for the centre any more, in the store or in the window."""
    counts = bench.outbox.counts()
    return (0, 0, 0) == (counts.waiting, counts.unsent, len(bench.worker._window))


@pytest.mark.parametrize("rest", ["current", "old", "both"])
@pytest.mark.parametrize(("keep", "copy"), [(5, "copy.db"), (0, "empty.db")])
def test_a_centre_restored_below_what_was_durable_gets_all_that_is_left(pair, rest, keep, copy):
    """Durable and forgotten 1 to 10, then unsent ones: all that is here gets under a receipt, the rest is reported."""
    bench, centre = pair
    rounds(bench, centre, *range(1, 6))
    centre.copy("copy.db")
    rounds(bench, centre, *range(6, 11))
    assert (0, 0) == (bench.outbox.counts().unsent, bench.outbox.counts().archived)
    centre.is_up = False
    if rest == "old":
        rounds(bench, centre, *range(11, 23))
        bench.outbox.open_epoch("test")
    else:
        rounds(bench, centre, *range(11, 17))
        if rest == "both":
            bench.outbox.open_epoch("test")
        rounds(bench, centre, *range(17, 23))
    epoch = bench.outbox.head().epoch
    centre.restart(copy)
    bench.broker.break_connections()
    centre.run(1200)
    assert 10 - keep == bench.counter("batches_lost_by_centre")
    assert [*range(1, keep + 1), *range(11, 23)] == centre.slots()
    assert is_settled(bench)
    assert 0 == bench.outbox.counts().archived  # durable again, so forgotten
    assert epoch == bench.outbox.head().epoch
    assert ("yes", None) == bench.condition("centre_keeps")
    rounds(bench, centre, 23, 24)
    assert [23, 24] == centre.slots()[-2:]
    assert is_settled(bench)


@pytest.mark.parametrize("copy", ["copy.db", "empty.db"])
def test_a_centre_that_lost_what_nobody_holds_goes_on(pair, copy):
    """Everything was durable and forgotten: the next batch closes the gap, and births do not go round in a circle."""
    bench, centre = pair
    rounds(bench, centre, 1, 2)
    centre.copy("copy.db")
    rounds(bench, centre, 3, 4)
    centre.restart(copy)
    centre.run(300)
    births = [topic for topic, _ in bench.broker.published].count(birth_topic(TENANT, GATEWAY))
    assert births < 6
    assert ("no", "E-FWD-212") == bench.condition("centre_keeps")
    rounds(bench, centre, 5, 6)
    assert [5, 6] == centre.slots()[-2:]
    assert is_settled(bench)
    assert ("yes", None) == bench.condition("centre_keeps")


def test_an_old_epoch_that_nobody_holds_makes_no_births(pair):
    """The centre lost an epoch of which nothing is left here: no birth can help, so none is sent for it."""
    bench, centre = pair
    rounds(bench, centre, 1, 2)
    centre.copy("copy.db")
    rounds(bench, centre, 3)
    bench.outbox.open_epoch("test")
    rounds(bench, centre, 4)
    centre.restart("copy.db")
    centre.run(60)
    before = [topic for topic, _ in bench.broker.published].count(birth_topic(TENANT, GATEWAY))
    rounds(bench, centre, *range(5, 15))
    assert before == [topic for topic, _ in bench.broker.published].count(birth_topic(TENANT, GATEWAY))
    assert [1, 2, *range(5, 15)] == centre.slots()


def test_a_late_birth_of_an_old_epoch_is_answered(pair):
    """It has the centre ask for a batch that went with the old store; the gateway says so, and asking ends."""
    bench, centre = pair
    rounds(bench, centre, 1)
    late = bench.worker.birth()
    centre.is_up = False
    rounds(bench, centre, 2, 3)
    bench.broker.published.remove(next(one for one in bench.broker.published if one[1] == bench.broker.envelopes()[1]))
    centre.is_up = True
    centre.run(1)
    bench.close()
    for path in bench.path.parent.glob(f"{bench.path.name}*"):
        path.unlink()
    bench.reopen()
    rounds(bench, centre, 5)
    assert (3, ()) == told(centre)
    bench.broker.published.append((birth_topic(TENANT, GATEWAY), late))
    centre.worker.step(bench.clock.monotonic())
    assert (1, ((2, 2),)) == told(centre)
    rounds(bench, centre, 6)
    assert (3, ()) == told(centre)


def told(centre: LedgerCentre):
    """Return what the centre's receipts say of the first epoch: how far it is stored, and its gaps."""
    state = centre.ledger.epochs(GATEWAY)[0]
    return state.stored, centre.ledger.missing(state, 9)


def test_the_birth_names_every_epoch_that_can_still_be_sent(pair):
    """The current one first, then the older ones with something left, and how much is under no receipt."""
    bench, centre = pair
    rounds(bench, centre, 1, 2)
    centre.is_up = False
    rounds(bench, centre, 3, 4)
    first = bench.outbox.head().epoch
    second = bench.outbox.open_epoch("test")
    third = bench.outbox.open_epoch("test")
    rounds(bench, centre, 5)
    bench.clock.advance(1)
    bench.poll(6)
    bench.broker.break_connections()
    bench.until(lambda: bench.broker.links[-1].is_connected)
    payload = bench.broker.retained[birth_topic(TENANT, GATEWAY)]
    birth = open_birth(payload, lambda _gateway, _kid: GATEWAY_KEY.verifier())
    assert [(third, 1, 2), (first, 3, 5)] == [(one.epoch, one.oldest_seq, one.next_seq) for one in birth.standings]
    assert second not in {one.epoch for one in birth.standings}
    assert 4 * 3 == birth.buffered  # slots 3, 4 and 5 sealed, 6 not yet


class Copied:
    """A gateway that can be put back to an older copy of its card."""

    def __init__(self, folder: Path, bench: Bench) -> None:
        self.folder = folder
        self.bench = bench

    def copy(self) -> None:
        """Keep the card as it is now."""
        for suffix in ("", "-wal"):
            shutil.copy(f"{self.bench.path}{suffix}", self.folder / f"card{suffix}")

    def restore(self) -> None:
        """Put the old card in, and start."""
        self.bench.close()
        for suffix in ("", "-wal", "-shm"):
            self.bench.path.with_name(self.bench.path.name + suffix).unlink(missing_ok=True)
        for suffix in ("", "-wal"):
            shutil.copy(self.folder / f"card{suffix}", f"{self.bench.path}{suffix}")
        self.bench.reopen()


@pytest.fixture
def card(tmp_path, pair):
    """Return the gateway's card."""
    return Copied(tmp_path, pair[0])


@pytest.mark.parametrize("offline", [0, 3, 12])
def test_a_gateway_restored_from_an_older_copy_loses_and_doubles_nothing(pair, card, offline):
    """The centre has continued under our numbers: whatever is sealed under them here moves to a new epoch."""
    bench, centre = pair
    bench.journal.append_plan(PLAN)
    rounds(bench, centre, 1, 2, 3)
    bench.poll(4)  # in the journal of the copy; the centre gets it from the gateway that goes on
    card.copy()
    rounds(bench, centre, *range(5, 10))
    card.restore()
    bench.broker.is_up = False
    rounds(bench, centre, *range(20, 20 + offline))
    old = bench.outbox.head()
    bench.broker.is_up = True
    centre.run(1200)
    assert 1 == bench.counter("epochs_opened")
    rounds(bench, centre, 60)
    assert [*range(1, 10), *range(20, 20 + offline), 60] == centre.slots()
    assert is_settled(bench)
    assert old.epoch == bench.outbox.head().predecessor
    assert ("yes", None) == bench.condition("resealing_works")
    assert ("yes", None) == bench.condition("centre_keeps")


def test_a_live_batch_that_outruns_the_mismatch_hides_nothing(pair, card):
    """Batches beyond the centre's last number arrive first: rejected for the chain, and that alone is a mismatch."""
    bench, centre = pair
    rounds(bench, centre, 1, 2, 3)
    card.copy()
    rounds(bench, centre, 4, 5)
    card.restore()
    del bench.broker.retained["e1/hz/gw-hz-0001/dn/rc"]  # the broker lost it: nothing warns the gateway
    bench.broker.is_up = False
    rounds(bench, centre, 20, 21, 22, 23)
    bench.broker.is_up = True
    centre.run(1200)
    assert [*range(1, 6), *range(20, 24)] == centre.slots()
    assert is_settled(bench)
    assert 1 == bench.counter("epochs_opened")


def test_two_boxes_with_one_key_lose_nothing(tmp_path, pair, card):
    """A cloned card: both go on, the second box opens its own epoch, and each slot is there once."""
    bench, centre = pair
    rounds(bench, centre, 1, 2)
    card.copy()
    rounds(bench, centre, 3, 4)
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"card{suffix}", tmp_path / f"clone{suffix}")
    clone = Bench(tmp_path / "clone", clock=bench.clock)
    clone.broker = bench.broker
    clone.start()
    try:
        for number in range(10, 16):
            clone.poll(number)
            clone.run(5)
            centre.run(5)
            bench.poll(number + 20)
            centre.run(5)
            clone.run(5)
        assert [*range(1, 5), *range(10, 16), *range(30, 36)] == sorted(centre.slots())
        assert (1, 0) == (clone.counter("epochs_opened"), bench.counter("epochs_opened"))
        assert is_settled(clone)
        assert is_settled(bench)
    finally:
        clone.close()


class CutAfter(Outbox):
    """A store whose power is cut at the third batch that moves, before or after the commit."""

    moved = 0
    is_before = True

    def reseal(self, old, sealing):
        """Fail at the third."""
        type(self).moved += 1
        if type(self).moved == 3:
            if not self.is_before:
                super().reseal(old, sealing)
            raise StoreError("E-STO-106", path="edge.db", detail="power")
        return super().reseal(old, sealing)


@pytest.mark.parametrize("is_before", [True, False])
def test_a_cut_while_batches_move_neither_loses_nor_doubles(pair, card, is_before):
    """After the cut the rest moves, in order, and no number is given twice."""
    bench, centre = pair
    rounds(bench, centre, 1, 2, 3)
    card.copy()
    rounds(bench, centre, 4, 5)
    card.restore()
    bench.broker.is_up = False
    rounds(bench, centre, *range(20, 28))
    bench.outbox_class = type("Cut", (CutAfter,), {"is_before": is_before, "moved": 0})
    bench.start()
    bench.broker.is_up = True
    while bench.outbox_class.moved < 3:
        centre.run(1)
    moved = 2 if is_before else 3
    assert moved == sum(one.reason.startswith("resealed into") for one in bench.outbox.quarantine())
    bench.outbox_class = Outbox
    bench.start()
    centre.run(600)
    assert [*range(1, 6), *range(20, 28)] == centre.slots()
    assert is_settled(bench)
    assert 8 - moved == bench.counter("batches_resealed")
    head = bench.outbox.head()
    places = [one.reason for one in bench.outbox.quarantine()]
    assert [f"resealed into {head.epoch.hex()}/{number}" for number in range(1, 9)] == places


def test_an_envelope_that_our_key_does_not_open_stays_and_is_named(pair, card):
    """Sealed with another key: kept as it is and reported; the others move and the window is free for them."""
    bench, centre = pair
    rounds(bench, centre, 1, 2, 3)
    card.copy()
    rounds(bench, centre, *range(4, 30))
    card.restore()
    bench.broker.is_up = False
    bench.signer = Ed25519Signer(b"old" + bytes(29))
    bench.start()
    rounds(bench, centre, 40)
    bench.signer = GATEWAY_KEY
    bench.start()
    rounds(bench, centre, 41, 42)
    bench.broker.is_up = True
    centre.run(600)
    assert [*range(1, 30), 41, 42] == centre.slots()
    assert ("no", "E-FWD-211") == bench.condition("resealing_works")
    assert (1, 0) == (bench.outbox.counts().unsent, len(bench.worker._window))
    kept = bench.outbox.unstored(None, 9)
    assert [4] == [one.seq for one in kept]
    bench.reopen()
    assert kept == bench.outbox.unstored(None, 9)  # the check at opening finds nothing wrong


def test_every_claim_is_unknown_at_first(bench):
    """Nobody has looked yet: that is never "fine"."""
    conditions = bench.health.snapshot()["conditions"]
    assert {"unknown"} == {one["answer"] for one in conditions.values()}
    assert isinstance(bench.worker, ForwardWorker)
    assert {"store_works", "centre_keeps", "plan_fits"} <= set(conditions)
