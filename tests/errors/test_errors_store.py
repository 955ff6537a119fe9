"""The store's rarer errors."""

import resource

import pytest

from edge.errors import StoreError
from edge.store.database import open_database
from edge.store.journal import Journal
from tests.store.store_kit import record


@pytest.fixture
def small_files():
    """Return a function after which the kernel lets no file of this process grow; the bound is taken away again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_does_not_obey_is_told(tmp_path, small_files):
    """The kernel refuses a write for a reason that is no full disk: told with the path, and nothing counts as kept."""
    path = tmp_path / "edge.db"
    with open_database(path, max_mib=8) as database:
        journal = Journal(database)
        small_files()
        with pytest.raises(StoreError) as caught:
            journal.append([record(slot) for slot in range(100)])
    assert ("E-STO-106", path) == (caught.value.code, caught.value.values["path"])
