"""What waits for a store that was full: it goes in portions, so that a little room is enough to begin with."""

import pytest

from edge.clock import ManualClock
from edge.errors import StoreError
from edge.health.model import Health
from edge.poll.buffer import RecordBuffer, RecordGroup
from edge.store.database import open_database
from edge.store.journal import Journal
from tests.store.store_kit import record


class Portions:
    """A real journal with room for so many portions."""

    def __init__(self, journal: Journal, room: int) -> None:
        self.journal, self.room, self.sizes = journal, room, []

    def append(self, records):
        if len(self.sizes) >= self.room:
            raise StoreError("E-STO-103", path="edge.db")
        self.sizes.append(len(records))
        return self.journal.append(records)


@pytest.mark.parametrize(("room", "stored"), [(0, 0), (1, 512), (2, 1024), (9, 1300)])
def test_a_little_room_takes_a_portion(tmp_path, room, stored):
    """What fits is stored and counted once; the rest stays, in order, and follows when there is room again."""
    clock = ManualClock()
    health = Health(clock)
    with open_database(tmp_path / "edge.db", max_mib=16) as database:
        sink = Portions(Journal(database), room)
        buffer = RecordBuffer(bus="A", sink=sink, group=RecordGroup(clock=clock, health=health))
        for slot in range(1300):
            buffer.add(record(slot))
        buffer.commit()
        counters = health.snapshot()["counters"]
        assert (stored, "no" if stored < 1300 else "yes") == (counters.get("records.stored", 0), health.answer("store"))
        sink.room = 99
        buffer.commit()
        assert 1300 == health.snapshot()["counters"]["records.stored"]
        assert "records.refused" not in health.snapshot()["counters"]
        assert record(1299).slot_at in Journal(database).settled_marks().values()
