"""A store in a folder of its own, closed at the end whatever the test does."""

import pytest

from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox


@pytest.fixture
def database(tmp_path):
    """Yield an open store."""
    with open_database(tmp_path / "edge.db", max_mib=16) as opened:
        yield opened


@pytest.fixture
def journal(database):
    """Return the poller's side of the store."""
    return Journal(database)


@pytest.fixture
def outbox(database):
    """Return the forwarder's side of the same store."""
    return Outbox(database)
