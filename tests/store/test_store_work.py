"""What a question costs the store: it follows what is asked for, not what lies beside it."""

from datetime import timedelta

import pytest

from edge.reading.record import SlotState
from edge.store.database import open_database
from edge.store.inspection import are_slots_sound
from edge.store.instants import to_us
from edge.store.outbox import Outbox
from edge.store.packing import crc_of
from tests.store.store_kit import QUARTER, START, receipt, record, seal

_TURN = 100  # instructions of SQLite's machine


def turns(database, work):
    """Return how many hundreds of instructions SQLite ran for some work."""
    seen = []
    database._connection.set_progress_handler(lambda: bool(seen.append(1)), _TURN)
    work()
    database._connection.set_progress_handler(None)
    return len(seen)


def missed(slot, meter, task="load"):
    """Return a slot that is open."""
    return record(slot, meter, task, SlotState.MISSING_OPEN)


@pytest.fixture
def archives(tmp_path):
    """Yield stores with few and with many archived batches, and what is sealed after these."""
    made = []
    for count in (8, 800):
        database = open_database(tmp_path / str(count) / "edge.db", max_mib=16)
        outbox = Outbox(database)
        sealed = [seal(outbox, content=bytes([n % 256])) for n in range(count + 3)]
        outbox.apply_receipt(receipt(sealed, count))
        made.append((database, outbox, sealed))
    yield made
    for database, _, _ in made:
        database.close()


def test_a_receipt_and_a_page_do_not_walk_the_archive(archives):
    """A hundred times the archive costs the same."""
    costs = []
    for database, outbox, sealed in archives:
        last = sealed[-3]
        page = turns(database, lambda outbox=outbox, last=last: outbox.unstored((last.epoch, last.seq), 8))
        assert [one.seq for one in sealed[-2:]] == [one.seq for one in outbox.unstored((last.epoch, last.seq), 8)]
        say = receipt(sealed, len(sealed) - 1)
        costs.append((page, turns(database, lambda outbox=outbox, say=say: outbox.apply_receipt(say))))
        assert (1, len(sealed) - 1) == (len(outbox.unstored(None, 8)), outbox.reached(sealed[0].epoch))
    (page, stored), (large_page, large_stored) = costs
    assert (large_page <= page + 2, large_stored <= stored + 2) == (True, True)


def test_old_slots_are_found_without_a_look_at_all(database, journal):
    """Of each meter the oldest, and no more than asked for; a year of younger ones costs nothing."""
    meters = [f"{n:012d}" for n in range(1, 6)]
    journal.append([missed(n, meter, task) for task in ("day", "load") for meter in meters for n in range(4)])
    limit = START + 2 * QUARTER
    few = turns(database, lambda: journal.open_slots_before(limit, 500))
    journal.append([missed(n, meter) for meter in meters for n in range(4, 1000)])
    assert turns(database, lambda: journal.open_slots_before(limit, 500)) <= few + 2
    found = {(slot.task, slot.meter, slot.slot_at) for slot in journal.open_slots_before(limit, 500)}
    pairs = [(task, meter) for task in ("day", "load") for meter in meters]
    assert {(*pair, START + n * QUARTER) for pair in pairs for n in range(2)} == found
    assert 3 == len(journal.open_slots_before(limit, 3))
    assert [] == journal.open_slots_before(START - timedelta(days=1), 500)


@pytest.mark.parametrize("number", [0, 3000, 4999])
def test_one_damaged_slot_among_thousands_is_found(database, journal, number):
    """They are checked a portion at a time; each of them is."""
    rows = [(to_us(START + n * QUARTER), "silence") for n in range(5000)]
    with database.writing():
        database.change_each(
            "INSERT INTO slot (task, meter, slot_us, reason, crc) VALUES ('load', '000000000001', ?, ?, ?)",
            [(at_us, why, crc_of("load", "000000000001", at_us, why)) for at_us, why in rows],
        )
    assert are_slots_sound(database)
    with database.writing():
        database.change("UPDATE slot SET crc = crc + 1 WHERE slot_us = ?", rows[number][0])
    assert not are_slots_sound(database)
