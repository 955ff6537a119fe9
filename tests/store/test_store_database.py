"""Opening, bounding and setting aside the file."""

import random
import stat
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from edge.clock import ManualClock
from edge.errors import StoreError
from edge.reading.record import SlotState
from edge.store import database as door
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.schema import SCHEMA
from tests.store.store_kit import START, plan, receipt, record, seal


def opened(path, **more):
    """Open a small store."""
    return open_database(path, max_mib=16, **more)


def filled(path, records=40, batches=2):
    """Make a store with sealed batches, waiting records, an open slot and a plan; return its epoch."""
    with opened(path) as database:
        journal, outbox = Journal(database), Outbox(database)
        journal.append_plan(plan())
        for number in range(batches):
            journal.append([record(number)])
            seal(outbox, content=b"%d" % number * 300)
        journal.append(
            [
                record(slot, state=SlotState.MISSING_OPEN if slot == 100 else SlotState.READ)
                for slot in range(100, 100 + records)
            ]
        )
        database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return outbox.head().epoch


def raw_change(path, sql, *values):
    """Change a closed store behind its back."""
    connection = apsw.Connection(str(path))
    connection.execute(sql, values)
    connection.close()


def test_the_file_is_bounded_durable_and_shared_by_the_group(tmp_path):
    """WAL, every commit synced, bounded in pages, mode 0660, and marked as ours."""
    with opened(tmp_path / "edge.db") as database:
        found = [database.rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "user_version")]
        assert ["wal", 2, SCHEMA] == found
        assert 16 << 20 == database.limit_bytes()
        Journal(database).append([record(1)])
        modes = {stat.S_IMODE((tmp_path / f"edge.db{part}").stat().st_mode) for part in ("", "-wal", "-shm")}
        assert {0o660} == modes


def test_pages_are_small_and_an_older_file_keeps_its_own(tmp_path, monkeypatch):
    """A commit writes whole pages; the log is played in when it is nearly 4 MiB long, whatever the pages."""
    for page_bytes in (1024, 4096):
        path = tmp_path / f"{page_bytes}.db"
        with monkeypatch.context() as older:
            if page_bytes != 1024:
                older.setattr(door, "_PAGE_BYTES", page_bytes)
            opened(path).close()
        with opened(path) as database:
            Journal(database).append([record(1)])
            found = [database.rows(f"PRAGMA {name}")[0][0] for name in ("page_size", "wal_autocheckpoint")]
            assert [page_bytes, 3_900_000 // page_bytes] == found
            assert 16 << 20 == database.limit_bytes()
        with opened(path) as database:
            assert [record(1).meter] == [meter for _, meter in Journal(database).settled_marks()]


def test_the_log_is_used_again_and_not_cut(tmp_path):
    """Many commits: the log grows to nearly 4 MiB, and stays: growing and cutting it is work for the card too."""
    with opened(tmp_path / "edge.db") as database:
        log, sizes = tmp_path / "edge.db-wal", []
        for _ in range(90):
            database.change("INSERT INTO envelope (bytes) VALUES (zeroblob(100000))")
            database.change("DELETE FROM envelope")
            sizes.append(log.stat().st_size)
    assert sorted(sizes) == sizes
    assert 3_800_000 < sizes[-1] <= 4 << 20


@pytest.mark.parametrize(
    ("version", "is_good"), [("3.51.2", False), ("3.40.1", False), ("3.51.3", True), ("4.0.0", True)]
)
def test_an_old_sqlite_is_refused(tmp_path, monkeypatch, version, is_good):
    """Versions with the write-ahead log's bug are not used."""
    monkeypatch.setattr(door.apsw, "sqlitelibversion", lambda: version)
    if is_good:
        opened(tmp_path / "edge.db").close()
        return
    with pytest.raises(StoreError) as caught:
        opened(tmp_path / "edge.db")
    assert "E-STO-107" == caught.value.code


def test_a_newer_schema_is_refused_and_untouched(tmp_path):
    """A file of a newer program is not set aside, not changed, and the error names both versions."""
    path = tmp_path / "edge.db"
    filled(path)
    raw_change(path, "PRAGMA user_version = 7")
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        opened(path)
    assert ("E-STO-102", 7) == (caught.value.code, caught.value.values["version"])
    assert before == path.read_bytes()
    assert "7" in caught.value.fact("zh")


def test_an_older_schema_is_brought_up(tmp_path, monkeypatch):
    """Migrations run in order, once, and what was there stays."""
    path = tmp_path / "edge.db"
    filled(path)
    monkeypatch.setattr(door, "MIGRATIONS", (*door.MIGRATIONS, ("CREATE TABLE later (a)",)))
    monkeypatch.setattr(door, "SCHEMA", SCHEMA + 1)
    for _ in range(2):
        with opened(path) as database:
            assert SCHEMA + 1 == database.rows("PRAGMA user_version")[0][0]
            assert [] == database.rows("SELECT * FROM later")
            assert 40 == len(Outbox(database).take(1000).records)


def test_a_store_that_cannot_be_opened_says_so(tmp_path):
    """A folder in the file's place, or a file in the folder's, is an error with a next act."""
    (tmp_path / "edge.db").mkdir()
    (tmp_path / "plain").write_text("no folder")
    for path in (tmp_path / "edge.db", tmp_path / "plain" / "edge.db"):
        with pytest.raises(StoreError) as caught:
            opened(path)
        assert "E-STO-101" == caught.value.code
        assert str(path) in caught.value.fact()


@pytest.mark.parametrize("content", [b"no database at all" * 300, b"SQLite format 3\0" + bytes(5000)])
def test_what_is_no_database_is_set_aside(tmp_path, content):
    """Any other file in the place is kept under a new name, a new store begins, and why is told."""
    path = tmp_path / "edge.db"
    path.write_bytes(content)
    with opened(path, clock=ManualClock(now=START)) as database:
        assert tmp_path / "edge.db.bad-20261101T000000Z" == database.set_aside
        assert "set aside as edge.db.bad-20261101T000000Z" in Outbox(database).why()
        assert "E-STO-110" == database.notice().code
        Journal(database).append([record(1)])
    assert content == (tmp_path / "edge.db.bad-20261101T000000Z").read_bytes()
    with opened(path) as database:
        assert (None, None, 1) == (database.set_aside, database.notice(), len(Outbox(database).take(9).records))


def test_two_files_set_aside_in_one_second_are_both_kept(tmp_path):
    """A name that is taken is not taken again."""
    path = tmp_path / "edge.db"
    for content in (b"first" * 200, b"second" * 200):
        path.write_bytes(content)
        opened(path, clock=ManualClock(now=START)).close()
    kept = sorted(one.read_bytes()[:5] for one in tmp_path.glob("edge.db.bad-*Z*"))
    assert [b"first", b"secon"] == kept


def test_the_log_of_a_vanished_file_is_not_played_into_the_new_one(tmp_path):
    """An orphan of a deleted store is set aside too."""
    path = tmp_path / "edge.db"
    (tmp_path / "edge.db-wal").write_bytes(b"orphan")
    opened(path).close()
    assert [b"orphan"] == [one.read_bytes() for one in tmp_path.glob("edge.db.bad-*-wal")]


DAMAGES = {
    "an envelope's bytes": "UPDATE envelope SET bytes = x'00' WHERE n = 1",
    "a missing envelope": "DELETE FROM envelope WHERE n = 2",
    "a missing batch": "DELETE FROM outbox WHERE seq = 1",
    "a link of the chain": "UPDATE outbox SET prev = zeroblob(32) WHERE seq = 2",
    "a number": "UPDATE outbox SET seq = 9 WHERE seq = 1",
    "an epoch": "UPDATE epoch SET why = 'another'",
    "what an index is": "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'e = 0', 'e = 1')",
    "the head": "UPDATE epoch SET prev = zeroblob(32)",
    "the next number": "UPDATE epoch SET next_seq = 2",
    "no epoch": "DELETE FROM epoch",
    "a batch of nobody": "UPDATE outbox SET epoch = x'0102030405060708' WHERE seq = 2",
    "an index": "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'outbox_unsent'",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_broken_chain_sets_the_file_aside_and_saves_what_is_not_sealed(tmp_path, damage):
    """A new epoch begins and names the old one; waiting records, marks, open slots and the plan go on."""
    path = tmp_path / "edge.db"
    epoch = filled(path)
    raw_change(path, damage)
    with opened(path) as database:
        journal, outbox = Journal(database), Outbox(database)
        assert (40, True) == (database.salvaged, database.set_aside.exists())
        assert outbox.head().epoch != epoch
        assert (1, None if "DELETE FROM epoch" in damage else epoch) == (
            outbox.head().next_seq,
            outbox.head().predecessor,
        )
        assert (plan(), 40) == (outbox.take(1000).plan, len(outbox.take(1000).records))
        assert [record(100).slot_at] == [slot.slot_at for slot in journal.open_slots(9)]
        assert 0 == journal.append([record(139)]).stored


def test_a_damaged_row_of_a_damaged_file_is_reported_too(tmp_path):
    """What is carried over is checked like anything else: the bad row becomes a loss, the others go on."""
    path = tmp_path / "edge.db"
    filled(path)
    raw_change(path, "UPDATE journal SET body = x'01ff' WHERE id = (SELECT max(id) FROM journal)")
    raw_change(path, DAMAGES["the head"])
    with opened(path) as database:
        taken = Outbox(database).take(1000)
        assert (39, [record(139).slot_at]) == (len(taken.records), [one.first_at for one in taken.losses])


def test_a_store_whose_batches_are_settled_is_sound(tmp_path):
    """Forgotten and rejected batches are no holes in the chain, and a forgotten one leaves no bytes behind."""
    path = tmp_path / "edge.db"
    filled(path, batches=4)
    with opened(path) as database:
        outbox = Outbox(database)
        outbox.apply_receipt(receipt(outbox.unstored(None, 9), 3, durable=3, rejected=[(2, "no")]))
        assert [(2,), (4,)] == database.rows("SELECT n FROM envelope")
    with opened(path) as database:
        assert (None, [4]) == (database.set_aside, [one.seq for one in Outbox(database).unstored(None, 9)])


def test_a_damaged_file_is_not_set_aside_while_somebody_writes_to_it(tmp_path):
    """A writer that went on in the renamed file would write for nobody: the second opening fails and says why."""
    path = tmp_path / "edge.db"
    filled(path)
    with opened(path) as first:
        first.change("UPDATE epoch SET next_seq = 9")
        with pytest.raises(StoreError) as caught:
            opened(path)
        assert "E-STO-108" == caught.value.code
        assert path.exists()
    with opened(path) as alone:
        assert alone.set_aside is not None


def test_without_the_check_a_damaged_file_is_an_error(tmp_path):
    """Whoever only looks sets nothing aside."""
    path = tmp_path / "edge.db"
    path.write_bytes(b"no database at all" * 300)
    with pytest.raises(StoreError) as caught:
        opened(path, check=False)
    assert ("E-STO-105", []) == (caught.value.code, list(tmp_path.glob("*.bad-*")))


def test_a_damaged_row_becomes_a_loss(tmp_path):
    """A record whose bytes changed is kept aside and reported with its slot; the others go on."""
    path = tmp_path / "edge.db"
    filled(path, records=3)
    raw_change(path, "UPDATE journal SET body = x'01ff' WHERE slot_us = (SELECT max(slot_us) FROM journal)")
    raw_change(path, "UPDATE journal SET task = CAST(x'ff' AS TEXT) WHERE id = (SELECT min(id) FROM journal)")
    with opened(path) as database:
        outbox = Outbox(database)
        taken = outbox.take(1000)
        assert (None, [101], 2) == (
            database.set_aside,
            [(one.slot_at - START) // timedelta(minutes=15) for one in taken.records],
            outbox.counts().damaged,
        )
        lost = record(102)
        assert [("", "", 1), (lost.task, lost.meter, 1)] == [(one.task, one.meter, one.count) for one in taken.losses]
        assert (lost.slot_at, lost.slot_at, "damaged") == (
            taken.losses[1].first_at,
            taken.losses[1].last_at,
            taken.losses[1].reason,
        )
        database.change("UPDATE loss SET meter = CAST(x'ff' AS TEXT)")
        assert [("", "damaged")] * 2 == [(one.meter, one.reason) for one in outbox.take(1000).losses]
        seal(outbox, taken)
        assert ((), ()) == (outbox.take(1000).losses, outbox.take(1000).records)


def test_a_mark_that_was_changed_refuses_nothing(tmp_path):
    """A mark in the future would refuse true records as repeats: it is dropped at opening."""
    path = tmp_path / "edge.db"
    filled(path)
    raw_change(path, "UPDATE mark SET slot_us = slot_us * 2")
    raw_change(path, "UPDATE slot SET slot_us = slot_us + 1")
    with opened(path) as database:
        journal = Journal(database)
        assert ({}, [], 2) == (journal.settled_marks(), journal.open_slots(9), Outbox(database).counts().damaged)
        assert 1 == journal.append([record(500)]).stored


@pytest.mark.parametrize(("column", "kept"), [("crc", [10]), ("meter", [])])
def test_no_slot_stays_open_above_a_mark_that_went_back(tmp_path, column, kept):
    """What fills an open slot moves no mark: after a restart the same slot would be read a second time.

    A mark whose meter cannot be told any more is none: then all slots of the meter are settled anew.
    """
    path, other = tmp_path / "edge.db", "000000000002"
    missed = [record(slot, state=SlotState.MISSING_OPEN) for slot in (10, 190)]
    with opened(path) as database:
        Journal(database).append([*missed, record(199), record(199, meter=other)])
    raw_change(path, f"UPDATE mark SET {column} = {column} + 7 WHERE meter <> ?", other)
    with opened(path) as database:
        journal = Journal(database)
        open_slots = [one.slot_at for one in journal.open_slots(9)]
        assert [record(slot).slot_at for slot in kept] == open_slots
        assert 1 == journal.append([record(190)]).stored
    with opened(path) as database:
        assert 0 == Journal(database).append([record(190)]).stored


def test_a_changed_plan_is_no_plan(tmp_path):
    """The poller then puts its plan in force again."""
    path = tmp_path / "edge.db"
    filled(path)
    raw_change(path, "UPDATE plan SET body = x'80'")
    with opened(path) as database:
        assert (None, True, True) == (
            Journal(database).current_plan(),
            Journal(database).append_plan(plan()),
            Outbox(database).waiting().has_plan,
        )


def test_random_damage_is_never_a_crash_nor_a_false_record(tmp_path):
    """Of files with flipped bits: opened, taken and appended to, each record is as it was written or a known loss."""
    path = tmp_path / "edge.db"
    filled(path)
    sound, chance = path.read_bytes(), random.Random(4711)
    written = [record(100, state=SlotState.MISSING_OPEN), *(record(slot) for slot in range(101, 140))]
    outcomes = set()
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir()
        damaged = bytearray(sound)
        for _ in range(3):
            place = chance.randrange(100, len(sound))
            damaged[place] ^= 1 << chance.randrange(8)
        (folder / "edge.db").write_bytes(damaged)
        with opened(folder / "edge.db") as database:
            taken = Outbox(database).take(1000)
            assert [] == [one for one in taken.records if one not in written]
            outcomes.add("aside" if database.set_aside else "loss" if taken.losses else "whole")
            assert len(taken.records) + len(taken.losses) == 40 or database.set_aside
            assert 1 == Journal(database).append([record(9000, meter="000000000009")]).stored
    assert {"aside", "loss", "whole"} == outcomes


def test_a_full_store_refuses_and_keeps_what_it_has(tmp_path):
    """An append beyond the bound raises with a next act, leaves nothing half done, and delivery makes room again."""
    with opened(tmp_path / "edge.db") as poller, opened(tmp_path / "edge.db", check=False) as forwarder:
        for one in (poller, forwarder):
            one.limit(200_000)
        journal, outbox, stored = Journal(poller), Outbox(forwarder), 0
        with pytest.raises(StoreError) as caught:  # noqa: PT012 - until it is full
            while True:
                journal.append([record(stored + more, flags=("x" * 50 + str(stored + more),)) for more in range(20)])
                stored += 20
        assert ("E-STO-103", True) == (caught.value.code, stored > 100)
        assert "max_mib" in caught.value.advice()
        assert stored * 2 == outbox.waiting().readings
        assert {record(stored - 1).slot_at} == set(journal.settled_marks().values())
        seal(outbox, outbox.take(1), content=bytes(60000))  # more than it frees: the forwarder has a reserve
        seal(outbox, outbox.take(10000), content=bytes(20000))
        assert 1 == journal.append([record(stored)]).stored


def test_a_transaction_that_fails_leaves_nothing(database):
    """An error inside a transaction undoes it, and the next one works."""
    with pytest.raises(RuntimeError), database.writing():  # noqa: PT012 - the block is what is tested
        database.change("INSERT INTO loss VALUES (1, '', '', 0, 0, 1, '', 0)")
        raise RuntimeError
    with database.writing():
        database.change("INSERT INTO loss VALUES (2, '', '', 0, 0, 1, '', 0)")
    assert [(2,)] == database.rows("SELECT id FROM loss")


def test_a_reader_hears_of_news(tmp_path):
    """`news` changes when another connection commits, and only then."""
    with opened(tmp_path / "edge.db") as one, opened(tmp_path / "edge.db", check=False) as other:
        before = Outbox(one).news()
        assert before == Outbox(one).news()
        Journal(other).append([record(1)])
        assert before != Outbox(one).news()


def test_an_error_of_ours_is_not_dressed_up(database):
    """A mistake in our own SQL stays a traceback: it is a defect, not a fault of the disk."""
    with pytest.raises(apsw.SQLError):
        database.rows("SELECT nonsense FROM nowhere")


def test_a_locked_store_is_busy(tmp_path, monkeypatch):
    """Somebody else's long transaction is told as such."""
    monkeypatch.setattr(door, "_BUSY_MS", 1)
    with opened(tmp_path / "edge.db") as one, opened(tmp_path / "edge.db", check=False) as other:
        with one.writing(), pytest.raises(StoreError) as caught, other.writing():
            pass
        assert "E-STO-104" == caught.value.code


def test_closing_lets_the_file_go_also_after_an_error(tmp_path):
    """The hold on the store ends with the block, whatever is raised inside."""
    with pytest.raises(RuntimeError), opened(tmp_path / "edge.db") as database:
        raise RuntimeError
    with pytest.raises(apsw.ConnectionClosedError):
        database.rows("SELECT 1")
    database.close()
    Path(tmp_path / "edge.db").write_bytes(b"damaged" * 900)
    with opened(tmp_path / "edge.db") as again:
        assert again.set_aside is not None


def test_what_was_read_does_not_stay_in_memory(tmp_path):
    """A connection that has read far more holds under 1 MiB of it: a daemon has one for each bus, for years."""
    with opened(tmp_path / "edge.db") as database:
        database.rows("CREATE TABLE bulk (content BLOB)")
        numbers = "WITH RECURSIVE one(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < 2000)"
        database.rows(f"{numbers} INSERT INTO bulk SELECT randomblob(3000) FROM one")
        assert 2000 * 3000 == database.rows("SELECT sum(length(content)) FROM bulk")[0][0]
        held = database._connection.status(apsw.SQLITE_DBSTATUS_CACHE_USED)[0]
    assert 0 < held < 1 << 20
