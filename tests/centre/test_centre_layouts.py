"""A ledger of an older layout: brought forward with all that is in it, alone, with a copy where it is a file."""

import threading
from dataclasses import replace
from pathlib import Path

import apsw
import psycopg
import pytest

from edge.centre import postgres_link, sqlite_file
from edge.centre.database_url import parse_database_url
from edge.centre.ledger import Span
from edge.centre.ledger_postgres import PostgresLedger
from edge.centre.ledger_schema import VERSION
from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.sqlite_file import lock_beside
from edge.errors import StoreError
from tests.centre.centre_kit import QUARTER, SLOT, Gateway, record, take
from tests.centre.test_centre_completeness import PLAN

FIRST_LAYOUT = Path(__file__).with_name("ledger_layout_1.sql")
TABLES = ("batch", "epoch", "itemset", "poll", "plan", "loss", "quarantine", "meter", "gateway")
PLANS = (PLAN, replace(PLAN, valid_from=PLAN.valid_from - QUARTER))  # made under a clock that had gone back
DERIVED = {("plan", "valid_from"): "json_extract(document, '$.valid_from')"}


@pytest.fixture
def older(tmp_path):
    """Make a ledger of the first layout, by its own tables, with the rows of two batches, and return its path."""
    path, gateway = tmp_path / "ledger.db", Gateway()
    with SqliteLedger(tmp_path / "source.db") as ledger:
        take(ledger, gateway, *(gateway.seal(record(SLOT + n * QUARTER), plan=PLANS[n]) for n in range(2)))
        ledger.import_meters(["202107072529"])
    db = apsw.Connection(str(path))
    db.execute(FIRST_LAYOUT.read_text(encoding="utf-8"))
    db.execute("ATTACH ? AS source", (str(tmp_path / "source.db"),))
    for table in TABLES:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(DERIVED.get((table, column), column) for column in columns)
        db.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM source.{table}")
    db.close()
    return path


def layout_of(path):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return db.execute("PRAGMA user_version").fetchall()[0][0]
    finally:
        db.close()


def test_a_file_of_the_first_layout_goes_forward_and_a_copy_stays(older, tmp_path):
    """All its readings, its chain and its list of meters; the copy is the old layout, whole."""
    with SqliteLedger(older) as ledger, SqliteLedger(tmp_path / "source.db") as source:
        assert list(source.readings(Span())) == list(ledger.readings(Span()))
        assert source.epochs("gw-1") == ledger.epochs("gw-1")
        assert ["202107072529"] == ledger.meters()
        assert [*PLANS] == ledger.plans("gw-1")
        ledger.mark_durable(ledger.epochs("gw-1"))
        assert [2] == [*ledger.durables().values()]
    kept = older.with_name("ledger.db.v1")
    assert (1, VERSION) == (layout_of(kept), layout_of(older))
    kept.rename(tmp_path / "looked-at.db")
    with SqliteLedger(tmp_path / "looked-at.db") as ledger:
        assert 2 == ledger.epochs("gw-1")[0].stored


def test_nothing_is_changed_under_a_centre_that_runs_on_the_older_layout(older):
    """Whoever opens the file meanwhile is refused; once that centre has ended it goes forward."""
    import os

    lock = lock_beside(older)
    with pytest.raises(StoreError) as caught:
        SqliteLedger(older)
    assert ("E-CEN-316", 1, 9) == (caught.value.code, layout_of(older), caught.value.exit_code)
    assert not older.with_name("ledger.db.v1").exists()
    os.close(lock)
    SqliteLedger(older).close()
    assert VERSION == layout_of(older)


def test_two_that_open_an_older_file_at_once_take_the_step_once(older):
    """One brings it forward; the others wait or are refused, and find it whole afterwards."""
    refused, gate = [], threading.Barrier(4)

    def open_it():
        gate.wait()
        try:
            SqliteLedger(older).close()
        except StoreError as exc:
            refused.append(exc.code)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {*refused} <= {"E-CEN-316"}
    assert len(refused) < len(threads)
    with SqliteLedger(older) as ledger:
        assert 2 == ledger.epochs("gw-1")[0].stored


def test_without_room_for_the_copy_nothing_is_changed(older, monkeypatch):
    """It says how much is needed."""
    monkeypatch.setattr(sqlite_file.os, "statvfs", lambda _: type("Room", (), {"f_bavail": 0, "f_frsize": 4096})())
    with pytest.raises(StoreError) as caught:
        SqliteLedger(older)
    assert ("E-CEN-317", 1) == (caught.value.code, layout_of(older))


def test_a_step_that_fails_leaves_the_older_layout(older, monkeypatch):
    """All steps are one transaction."""
    monkeypatch.setattr(sqlite_file, "STEPS", (*sqlite_file.STEPS, "no statement at all"))
    with pytest.raises(StoreError):
        SqliteLedger(older)
    monkeypatch.undo()
    assert 1 == layout_of(older)
    SqliteLedger(older).close()


def test_a_database_of_another_program_is_left_alone(tmp_path):
    """A path that was typed wrong gets no tables of ours."""
    db = apsw.Connection(str(tmp_path / "other.db"))
    db.execute("CREATE TABLE theirs (id INTEGER)")
    with pytest.raises(StoreError) as caught:
        SqliteLedger(tmp_path / "other.db")
    assert "E-CEN-301" == caught.value.code
    assert [("theirs",)] == db.execute("SELECT name FROM sqlite_schema").fetchall()
    db.close()


OLDER_PLANS = """
ALTER TABLE plan RENAME TO newer;
CREATE TABLE plan (
  gateway text COLLATE "C" NOT NULL, valid_from timestamptz NOT NULL, document text NOT NULL, batch bigint NOT NULL,
  PRIMARY KEY (gateway, valid_from)
);
INSERT INTO plan SELECT gateway, (document::json ->> 'valid_from')::timestamptz, document, batch FROM newer;
DROP TABLE newer;
UPDATE layout SET version = 1;
"""
STEP = "ALTER TABLE gateway ADD COLUMN note text NOT NULL DEFAULT 'none'"


@pytest.fixture
def url(postgres):
    """Make a ledger of this layout with a batch, which is the older one once there is a newer."""
    place, gateway = postgres.new_schema(), Gateway()
    with opened(place) as ledger:
        take(ledger, gateway, gateway.seal(record()))
    yield place
    postgres.drop_schema(place)


@pytest.fixture
def newer(monkeypatch):
    """Let this program be one step newer."""
    monkeypatch.setattr(postgres_link, "VERSION", postgres_link.VERSION + 1)
    monkeypatch.setattr(postgres_link, "STEPS", (*postgres_link.STEPS, STEP))
    return postgres_link.VERSION


def opened(url, **more):
    return PostgresLedger(parse_database_url(url), **more)


def test_a_database_goes_forward_with_all_that_is_in_it(url, newer):
    """The readings, the counts, and the change of the layout; an older program refuses it then."""
    with opened(url, must_exist=True) as ledger:
        assert [(newer,)] == ledger._all("SELECT version FROM layout")
        assert ["12.30"] == [row.value for row in ledger.readings(Span())]
        assert [("none",)] == ledger._all("SELECT note FROM gateway")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_link, "VERSION", newer - 1)
        with pytest.raises(StoreError) as caught:
            opened(url)
        assert ("E-CEN-304", 9) == (caught.value.code, caught.value.exit_code)


@pytest.mark.parametrize("more", ["DROP TABLE closed", ""], ids=["older", "restored"])
def test_plans_of_the_first_layout_of_a_database_go_forward_in_the_order_of_their_batches(postgres, more):
    """It kept them by the instant that they name; which one was made later their batches tell."""
    place, gateway = postgres.new_schema(), Gateway()
    with opened(place) as ledger:
        take(ledger, gateway, *(gateway.seal(plan=plan) for plan in PLANS))
        ledger._db.execute(OLDER_PLANS + more)
        assert [(1,)] == ledger._all("SELECT version FROM layout")
    with opened(place) as ledger:
        assert [*PLANS] == ledger.plans("gw-1")
        assert [(postgres_link.VERSION,)] == ledger._all("SELECT version FROM layout")
        take(ledger, gateway, gateway.seal(plan=PLAN))
        assert [*PLANS, PLAN] == ledger.plans("gw-1")
    postgres.drop_schema(place)


def test_a_database_is_not_changed_under_a_centre_of_the_older_layout(url, monkeypatch):
    """Until that centre has ended."""
    with opened(url) as running:
        running.claim()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(postgres_link, "VERSION", postgres_link.VERSION + 1)
            patch.setattr(postgres_link, "STEPS", (*postgres_link.STEPS, STEP))
            with pytest.raises(StoreError) as caught:
                opened(url)
        assert "E-CEN-316" == caught.value.code
        assert [(postgres_link.VERSION,)] == running._all("SELECT version FROM layout")


def test_who_comes_while_it_goes_forward_waits_for_it(url, newer, monkeypatch):
    """The second start sees the new layout, and takes no step itself."""
    steps = []
    real = PostgresLedger._bring_forward
    inside, go = threading.Event(), threading.Event()

    def slow(self, db):
        if not inside.is_set():
            inside.set()
            with db.transaction():
                db.execute(postgres_link._LAYOUT)
                real(self, db)
                steps.append(threading.current_thread().name)
                go.wait()
        else:
            real(self, db)

    monkeypatch.setattr(PostgresLedger, "_bring_forward", slow)
    first = threading.Thread(target=lambda: opened(url).close(), name="first")
    first.start()
    inside.wait()
    second = threading.Thread(target=lambda: opened(url).close())
    second.start()
    go.set()
    first.join()
    second.join()
    assert ["first"] == steps
    with psycopg.connect(parse_database_url(url).bare) as db:
        assert [(newer,)] == db.execute("SELECT version FROM layout").fetchall()


def test_a_worker_ends_when_a_newer_version_has_taken_the_ledger(url, postgres, monkeypatch):
    """Its connection was cut for the upgrade: it does not go on in a layout that it does not know."""
    from tests.centre.test_centre_worker import Site

    site = Site(None, ledger=opened(url))
    site.step()
    postgres.run(f"UPDATE {url.rpartition('%3D')[2]}.layout SET version = 99")
    postgres.run(f"SELECT pg_terminate_backend({site.ledger._db.info.backend_pid}, 5000)")
    site.broker.bring("e1/hz/gw-1/up/b/0", site.gateway.seal(record()))
    with pytest.raises(StoreError) as caught:
        site.step(6)
    assert ("E-CEN-304", False) == (caught.value.code, site.broker.is_connected)
    site.ledger.close()
