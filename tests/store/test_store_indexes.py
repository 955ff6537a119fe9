"""Bits of an index that flipped: SQLite's quick check passes, and what it leads to would not be found any more."""

import apsw
import pytest

from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from tests.store.store_kit import receipt, record, seal


def filled(path):
    """Make a store with three sealed batches; return these."""
    with open_database(path, max_mib=16) as database:
        for number in range(3):
            Journal(database).append([record(number)])
            seal(Outbox(database))
        database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return Outbox(database).unstored(None, 9)


def flip(path, name, known):
    """Flip a bit of the last of these bytes, where they stand first in the leaves of a table or an index."""
    connection = apsw.Connection(str(path))
    size = connection.pragma("page_size")
    pages = [
        number
        for (number,) in connection.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (name,))
    ]
    connection.close()
    data = bytearray(path.read_bytes())
    for page in pages:
        place = data.find(known, (page - 1) * size, page * size)
        if place >= 0:
            data[place + len(known) - 1] ^= 1
            path.write_bytes(data)
            return
    pytest.fail(f"{known!r} does not stand in {name}")


def check(path):
    """Return what SQLite says of the whole file."""
    connection = apsw.Connection(str(path))
    verdicts = [next(connection.execute(f"PRAGMA {name}_check(1)"))[0] for name in ("quick", "integrity")]
    connection.close()
    return verdicts


@pytest.mark.parametrize("index", ["sqlite_autoindex_epoch_1", "sqlite_autoindex_outbox_1"])
def test_a_damaged_index_is_made_anew_from_its_table(tmp_path, caplog, index):
    """The store goes on with all that it holds, and receipts find their batches again."""
    path = tmp_path / "edge.db"
    batches = filled(path)
    flip(path, index, batches[0].epoch)
    assert [True, False] == [verdict == "ok" for verdict in check(path)]
    with open_database(path, max_mib=16) as database:
        outbox = Outbox(database)
        assert (None, batches) == (database.set_aside, outbox.unstored(None, 9))
        applied = outbox.apply_receipt(receipt(batches, 3, 3))
        assert (True, 3) == (applied.is_known, applied.stored)
    assert ["ok", "ok"] == check(path)
    assert "made anew" in caplog.text


def test_an_index_that_cannot_be_made_anew_is_a_damaged_store(tmp_path):
    """The table itself names one number twice: the file is set aside, nothing crashes."""
    path = tmp_path / "edge.db"
    batches = filled(path)
    flip(path, "outbox", batches[1].epoch + bytes([batches[1].seq]))
    with open_database(path, max_mib=16) as database:
        assert None is not database.set_aside
        assert 1 == Journal(database).append([record(9)]).stored
