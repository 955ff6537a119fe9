"""How polling goes, from one half to the other through the store."""

from datetime import timedelta

from edge.clock import ManualClock
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.meta import mark_fact
from edge.store.outbox import Outbox
from edge.store.poll_state import PollState
from tests.store.store_kit import START

STATE = PollState((("A", 99), ("B", 0)), 3, 40, ("E-BUS-104",))


def test_the_other_half_reads_what_was_noted(tmp_path):
    """The last word counts, over another connection; after two hours without one nobody polls."""
    path = tmp_path / "edge.db"
    clock = ManualClock(now=START)
    with (
        open_database(path, max_mib=16, clock=clock) as one,
        open_database(path, max_mib=16, check=False, clock=clock) as other,
    ):
        outbox = Outbox(other, clock)
        assert None is outbox.poll_state(START)
        Journal(one).note_state(PollState(), START)
        Journal(one).note_state(STATE, START)
        assert STATE == outbox.poll_state(START + timedelta(hours=2))
        assert None is outbox.poll_state(START + timedelta(hours=2, seconds=1))
        with one.writing():
            mark_fact(one, "poll_state", "something else")
        assert None is outbox.poll_state(START)
