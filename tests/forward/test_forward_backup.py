"""Backup and restore over the whole path: what a backup does not hold is still at the gateway, and comes again."""

import shutil
from pathlib import Path

import pytest

from edge.centre.backup import back_up
from edge.centre.durable import BackupWatch
from edge.centre.ledger import BatchKey
from tests.forward.centre_tools import LedgerCentre
from tests.forward.forward_tools import GATEWAY, PLAN, Bench
from tests.forward.test_forward_restore import is_settled, rounds
from tests.ledgers import Ledgers


class BackedUpCentre(LedgerCentre):
    """A centre whose policy is `backup`, on a ledger of either kind; `start` takes the place of one."""

    policy = "backup"

    def __init__(self, folder: Path, bench: Bench, ledgers: Ledgers) -> None:
        self.ledgers = ledgers
        self.folder, self.bench, self.runs = folder, bench, 0
        self.start(ledgers.lonely_place())

    def open(self, name):
        """Open a ledger by its place, and hold it as a running centre does."""
        opened = self.ledgers.open(name)
        opened.claim()
        return opened

    def watch(self):
        """Return what looks for marks."""
        return BackupWatch(self.ledger)

    def back_up(self) -> Path:
        """Make a backup as another process does, while the centre goes on; let both ends hear of it."""
        with self.ledgers.again(self.ledger) as other:
            made = back_up(other, self.folder / "backups", self.bench.clock.utc_now())
        self.run(20)
        return made

    def lose_everything(self, backup: Path) -> None:
        """Go back to a backup, with nothing left of what came after it."""
        self.ledger.close()
        self.start(self.ledgers.restore(backup))
        self.bench.broker.break_connections()
        self.run(600)

    def envelopes(self) -> dict[BatchKey, bytes]:
        """Return the exact bytes of all that is stored."""
        return {
            key: self.ledger.envelope(key) or b""
            for state in self.ledger.epochs(GATEWAY)
            for key in (BatchKey(GATEWAY, state.epoch, seq) for seq in range(1, state.stored + 1))
        }


@pytest.fixture
def pair(tmp_path, ledgers):
    """Yield a gateway and its centre."""
    bench = Bench(tmp_path / "edge.db")
    bench.journal.append_plan(PLAN)
    yield bench, BackedUpCentre(tmp_path, bench, ledgers)
    bench.close()


def kept(bench: Bench) -> int:
    """Return how many batches the gateway could still send again."""
    counts = bench.outbox.counts()
    return counts.unsent + counts.archived


def test_a_gateway_keeps_what_is_stored_until_a_backup_holds_it(pair):
    """Stored is not durable; the mark of a backup is, for what the backup holds and nothing above it."""
    bench, centre = pair
    rounds(bench, centre, 1, 2, 3)
    assert (3, True) == (kept(bench), is_settled(bench))
    centre.back_up()
    assert 0 == kept(bench)
    rounds(bench, centre, 4, 5)
    assert (2, True) == (kept(bench), is_settled(bench))


@pytest.mark.parametrize("which", ["newest", "before it"])
def test_a_restore_from_a_backup_loses_nothing(pair, which):
    """From the one with the durable mark, or a newer one: all that came later comes again, byte for byte, once."""
    bench, centre = pair
    rounds(bench, centre, 1, 2, 3)
    first = centre.back_up()
    rounds(bench, centre, 4, 5, 6)
    if which == "newest":
        first = centre.back_up()
    rounds(bench, centre, 7, 8)
    if which == "before it":
        # A second backup that is made but whose mark is never heard of: the first one still counts.
        centre.ledgers.again(centre.ledger).copy_to(centre.folder)
    before, epoch = centre.envelopes(), bench.outbox.head().epoch
    centre.lose_everything(first)
    assert before == centre.envelopes()
    assert [*range(1, 9)] == centre.slots()
    assert (epoch, True, 0) == (bench.outbox.head().epoch, is_settled(bench), bench.counter("batches_lost_by_centre"))
    rounds(bench, centre, 9)
    assert [*range(1, 10)] == centre.slots()
    centre.back_up()
    assert 0 == kept(bench)


def test_a_restore_from_an_older_backup_than_the_mark_is_told(pair):
    """What both have forgotten is gone: the gateway says which batches, and the rest goes on."""
    bench, centre = pair
    rounds(bench, centre, 1, 2)
    older = centre.back_up()
    rounds(bench, centre, 3, 4)
    centre.back_up()
    rounds(bench, centre, 5)
    centre.lose_everything(older)
    assert 2 == bench.counter("batches_lost_by_centre")
    assert [1, 2, 5] == centre.slots()


def test_a_backup_while_batches_come_holds_a_whole_chain(pair):
    """Copied between two batches of several: what the copy says is stored is in it, each envelope of it."""
    bench, centre = pair
    for number in range(1, 7):
        rounds(bench, centre, number)
        made = centre.back_up()
        with centre.ledgers.open(centre.ledgers.restore(made)) as copy:
            (state,) = copy.epochs(GATEWAY)
            keys = [BatchKey(GATEWAY, state.epoch, seq) for seq in range(1, state.stored + 1)]
            assert (number, set(keys)) == (state.stored, set(copy.links(keys)))
            assert centre.ledger.durables()[GATEWAY, state.epoch] == state.stored
        shutil.rmtree(made)
