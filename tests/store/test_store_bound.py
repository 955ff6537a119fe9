"""The bound of the store's file stays where the settings put it."""

from edge.store.database import open_database
from edge.store.outbox import Outbox


def test_the_bound_does_not_grow_with_each_opening(tmp_path):
    """The sealing connection's reserve is counted from the setting, not from what the file has become."""
    bounds = []
    for _ in range(3):
        with open_database(tmp_path / "edge.db", max_mib=4) as database:
            Outbox(database)
            bounds.append(database.limit_bytes())
            with database.writing():
                room = database.limit_bytes() - database.size_bytes() - (1 << 16)
                database.change("INSERT INTO damaged (origin, why, bytes) VALUES ('x', 'x', zeroblob(?))", max(0, room))
    assert [bounds[0]] * 3 == bounds
