"""The forwarding half as `edge status` sees it."""

from pathlib import Path

from edge.app.forward_half import ForwardHalf
from edge.config.load import load_settings
from edge.errors import StoreError
from edge.store.shedding import Replacement
from tests.forward.forward_tools import Bench

EXAMPLE = Path(__file__).parents[2] / "config" / "single-bus-usb.toml"


def test_what_was_given_up_stands_in_the_status(tmp_path):
    """Batches by step and readings, since the store began: also after a restart."""
    bench = Bench(tmp_path / "edge.db")
    try:
        bench.poll(1)
        bench.run(5)
        shedding = bench.outbox.shedding()
        shedding.replace(shedding.next(), Replacement(b"less", 1, 2))
        bench.start()
        half = ForwardHalf(load_settings(EXAMPLE), bench.clock, lambda _: bench.worker, bench.outbox, watches=())
        none = dict.fromkeys(("archived", "dropped", "quarantined", "merged"), 0)
        assert {**none, "reduced": 1, "readings": 2} == half.status()["shed"]
    finally:
        bench.close()


def test_a_store_that_cannot_be_read_at_a_reload_ends_nothing(tmp_path):
    """The worker that is there goes on with the old settings, until the store can be read again."""
    bench = Bench(tmp_path / "edge.db")
    settings, made = load_settings(EXAMPLE), []

    def make_worker(given):
        made.append(given)
        if len(made) == 2:
            raise StoreError("E-STO-104", path=bench.path)
        return bench.worker

    try:
        bench.start()
        half = ForwardHalf(settings, bench.clock, make_worker, bench.outbox, watches=())
        ((_, worker),) = half.workers()
        worker.use_settings(settings)
        worker.step()
        worker.step()
        assert 2 == len(made)
        bench.clock.advance(5)
        worker.step()
        worker.step()
        assert 3 == len(made)
    finally:
        bench.close()
