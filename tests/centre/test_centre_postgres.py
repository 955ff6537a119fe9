"""The PostgreSQL ledger against a real server: lost connections, wrong logins and settings, and no secret anywhere."""

import contextlib
import socket
import subprocess
import sys
from datetime import UTC, date, datetime

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from edge.centre.accept import Fate
from edge.centre.database_url import DatabaseUrl, is_database_url, parse_database_url
from edge.centre.ledger import BatchKey, Span
from edge.centre.ledger_postgres import PostgresLedger
from edge.centre.postgres_schema import VERSION, month_of, partition_statements
from edge.centre.worker import Online, Trouble
from edge.errors import StoreError, UsageError
from tests.centre.centre_kit import EPOCH, QUARTER, SLOT, Gateway, record, take
from tests.centre.test_centre_worker import UP, Site
from tests.postgres_server import SECRET, SECRET_USER, running_server


@pytest.fixture
def url(postgres):
    """Make room for a ledger."""
    place = postgres.new_schema()
    yield place
    postgres.drop_schema(place)


def opened(url: str, **more) -> PostgresLedger:
    """Open a ledger."""
    return PostgresLedger(parse_database_url(url), **more)


def end_connection(ledger: PostgresLedger, postgres) -> None:
    """Let the server end the ledger's connection, as an operator or a fail-over does."""
    pid = ledger._db.info.backend_pid
    postgres.run(f"SELECT pg_terminate_backend({pid}, 5000)")


def test_a_lost_connection_ends_the_transaction_and_no_more(url, postgres):
    """The batch in hand is not there, the next one comes in over a new connection, and the numbers are learned anew."""
    gateway = Gateway()
    first, second = gateway.seal(record()), gateway.seal(record(SLOT + QUARTER, value="2.00"))
    with opened(url) as ledger:
        take(ledger, gateway, first)
        end_connection(ledger, postgres)
        with pytest.raises(StoreError) as caught:
            take(ledger, gateway, second)
        assert "E-CEN-306" == caught.value.code
        assert [Fate.DUPLICATE, Fate.STORED] == [one.fate for one in take(ledger, gateway, first, second)]
        assert ["12.30", "2.00"] == [row.value for row in ledger.readings(Span())]


def test_what_follows_a_loss_within_a_transaction_is_not_written_outside(url, postgres):
    """Even code that goes on after the first fault writes nothing over a new connection."""
    with opened(url) as ledger:
        with pytest.raises(StoreError):
            lose_and_go_on(ledger, postgres)
        assert {} == ledger.counts("gw-1")


def lose_and_go_on(ledger: PostgresLedger, postgres) -> None:
    """Lose the connection inside a transaction, and take no notice."""
    with ledger.transaction():
        end_connection(ledger, postgres)
        for _ in range(3):
            with contextlib.suppress(StoreError):
                ledger.count({("gw-1", "stored"): 1}, SLOT)


def test_a_claim_is_held_over_a_new_connection(url, postgres):
    """While the first centre was cut off another one may have come: then it is the first that has to wait."""
    with opened(url) as first, opened(url) as second:
        first.claim()
        end_connection(first, postgres)
        with pytest.raises(StoreError):
            first.gateways()
        assert [] == first.gateways()
        with pytest.raises(StoreError) as caught:
            second.claim()
        assert "E-CEN-305" == caught.value.code
        end_connection(first, postgres)
        second.claim()
        with pytest.raises(StoreError):
            first.gateways()
        with pytest.raises(StoreError) as caught:
            first.gateways()
        assert "E-CEN-305" == caught.value.code


def test_a_server_that_crashes_and_comes_back_loses_nothing_that_was_receipted():
    """Killed with batches under way: nothing is acknowledged meanwhile, told once, and then all is there once."""
    with running_server() as server:
        site = Site(None, ledger=opened(server.new_database()))
        site.step()
        envelopes = [site.gateway.seal(record(SLOT + n * QUARTER, value=f"{n}.5")) for n in range(6)]
        for envelope in envelopes[:3]:
            site.broker.bring(UP, envelope)
        site.step()
        server.kill()
        for envelope in envelopes[3:]:
            site.broker.bring(UP, envelope)
        site.step(5)
        assert (3, 3) == (site.receipts()[-1].epochs[0].stored, len(site.broker.unacknowledged))
        assert ["E-CEN-306"] == [notice.error.code for notice in site.notices if isinstance(notice, Trouble)]
        server.start()
        site.step(12)
        assert (6, {}) == (site.receipts()[-1].epochs[0].stored, site.broker.unacknowledged)
        assert Online() in site.notices[-4:]
        assert [f"{n}.5" for n in range(6)] == [row.value for row in site.ledger.readings(Span())]
        site.ledger.close()


@pytest.mark.parametrize(
    ("address", "code", "exit_code"),
    [
        ("postgresql://edge@127.0.0.1:{port}/no_such_database", "E-CEN-310", 9),
        (f"postgresql://{SECRET_USER}:wr0ng@127.0.0.1:{{port}}/postgres", "E-CEN-310", 9),
        ("postgresql://nobody@127.0.0.1:{port}/postgres", "E-CEN-310", 9),
        ("postgresql://edge@no-such-host.invalid:{port}/postgres", "E-CEN-312", 3),
        ("postgresql://edge@127.0.0.1:{free}/postgres", "E-CEN-306", 5),
    ],
    ids=["no database", "wrong password", "no login", "no host", "no server"],
)
def test_why_a_database_does_not_open_is_told(postgres, address, code, exit_code, monkeypatch):
    """What waiting mends has its own code; what the operator has to mend too; no secret is in the words."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving("no-such-host.invalid", socket.EAI_NONAME))
    with pytest.raises(StoreError) as caught:
        opened(address.format(port=postgres.port, free=free_port()))
    assert (code, exit_code) == (caught.value.code, caught.value.exit_code)
    assert "wr0ng" not in caught.value.fact()


def test_a_resolver_that_is_away_may_come_back(postgres, monkeypatch):
    """At a start without a network no name is known: that is waited for."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving("no-such-host.invalid", socket.EAI_AGAIN))
    with pytest.raises(StoreError) as caught:
        opened(f"postgresql://edge@no-such-host.invalid:{postgres.port}/postgres")
    assert "E-CEN-306" == caught.value.code


def resolving(unknown, fault):
    """Return a resolver that has a fault for one name."""
    real = socket.getaddrinfo

    def resolve(host, *more, **options):
        if host == unknown:
            raise socket.gaierror(fault, "as the test says")
        return real(host, *more, **options)

    return resolve


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_a_server_without_a_connection_left_is_waited_for(postgres):
    """It refuses for the moment only."""
    url = postgres.new_database("CONNECTION LIMIT 0")
    postgres.run("CREATE ROLE plain LOGIN")
    try:
        with pytest.raises(StoreError) as caught:
            opened(url.replace("edge@", "plain@"))
        assert "E-CEN-306" == caught.value.code
    finally:
        postgres.drop(url)
        postgres.run("DROP ROLE plain")


def test_a_login_without_rights_is_told(url, postgres):
    """It may connect and nothing else; or it sees the schema, and the tables are another's."""
    postgres.run("CREATE ROLE nobody LOGIN")
    schema = url.rpartition("%3D")[2]
    try:
        with pytest.raises(StoreError) as caught:
            opened(url.replace("edge@", "nobody@"))
        assert ("E-CEN-311", 9) == (caught.value.code, caught.value.exit_code)
        opened(url).close()
        postgres.run(f"GRANT USAGE ON SCHEMA {schema} TO nobody")
        with pytest.raises(StoreError) as caught:
            opened(url.replace("edge@", "nobody@"))
        assert "E-CEN-311" == caught.value.code
    finally:
        postgres.run(f"REVOKE ALL ON SCHEMA {schema} FROM nobody")
        postgres.run("DROP ROLE nobody")


def test_a_database_in_another_encoding_is_refused(postgres):
    """A Chinese task name would stop it some day."""
    with pytest.raises(StoreError) as caught:
        opened(postgres.new_database("ENCODING 'SQL_ASCII'"))
    assert ("E-CEN-308", True) == (caught.value.code, "SQL_ASCII" in caught.value.fact())


def test_a_server_that_does_not_sync_is_refused():
    """Its promise would be worth nothing."""
    with running_server("fsync = off\n") as server, pytest.raises(StoreError) as caught:
        opened(server.url())
    assert ("E-CEN-308", True) == (caught.value.code, "fsync = off" in caught.value.fact())


def test_a_commit_is_synced_whatever_the_database_says(url, postgres):
    """`synchronous_commit = off` of the database is not for this connection."""
    postgres.run("ALTER DATABASE postgres SET synchronous_commit = off")
    try:
        with opened(url) as ledger:
            assert [("on",)] == ledger._all("SHOW synchronous_commit")
    finally:
        postgres.run("ALTER DATABASE postgres RESET synchronous_commit")


def test_a_full_disk_is_told_as_such(url, postgres, monkeypatch):
    """Whatever the server has no room for is one code, with nothing acknowledged."""
    with opened(url) as ledger:
        monkeypatch.setattr(ledger._polls, "write", _raise_full)
        gateway = Gateway()
        with pytest.raises(StoreError) as caught:
            take(ledger, gateway, gateway.seal(record()))
        assert "E-CEN-302" == caught.value.code
        assert {} == ledger.links([BatchKey("gw-1", EPOCH, 1)])


def _raise_full(db, batches):
    raise psycopg.errors.DiskFull("could not extend file")


SECRETS = [SECRET, "s3cr%25t%2Fw%40rd"]


def secret_url(server, password: str = SECRETS[1]) -> str:
    """Return an address with a password in it."""
    return server.url(user=f"{SECRET_USER}:{password}")


def test_a_password_in_the_address_works_and_is_never_shown(postgres, capfd):
    """Not in an error's words or values, not in a name, not in what the server is told of the program."""
    url = parse_database_url(secret_url(postgres) + "?options=-csearch_path%3Dpublic")
    with PostgresLedger(url) as ledger:
        shown = [
            str(url),
            repr(url),
            str(ledger._url),
            *(str(row) for row in ledger._all("SELECT * FROM pg_stat_activity")),
        ]
    for wrong in ("wr0ng%2Fw%40rd", "wr0ng"):
        with pytest.raises(StoreError) as caught:
            opened(secret_url(postgres, wrong))
        shown += [str(caught.value), repr(caught.value.values), caught.value.fact("zh"), caught.value.advice()]
    for secret in [*SECRETS, "wr0ng/w@rd", "wr0ng"]:
        assert not [text for text in shown if secret in text], secret
    postgres.run("DROP SCHEMA public CASCADE")
    postgres.run("CREATE SCHEMA public")


def test_a_password_from_a_file_works(postgres, tmp_path, monkeypatch, url):
    """The way that the documents advise."""
    (tmp_path / "pgpass").write_text(f"127.0.0.1:{postgres.port}:*:{SECRET_USER}:{SECRET}\n", encoding="utf-8")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    with opened(url.replace("edge@", f"{SECRET_USER}@")) as ledger:
        assert [(SECRET_USER,)] == ledger._all("SELECT current_user::text")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:p4ss/w@host/db",
        "postgresql://u:p4ss#w@host/db",
        "postgresql://u:p4ss?w@host/db",
        "postgresql://u:p4ss@host",
        "postgresql://u:p4ss@[host/db",
        "postgresql://u:a@p4ss/w@host/db",
        "mysql://u:p4ss@host/db",
    ],
)
def test_an_address_that_is_none_shows_no_secret(text):
    """Whatever is left of the last @ may be one; it is masked where the parts are not clear."""
    with pytest.raises(UsageError) as caught:
        parse_database_url(text)
    assert ("E-CEN-108", False) == (caught.value.code, "p4ss" in str(caught.value))


@pytest.mark.parametrize(
    ("text", "bare", "secrets"),
    [
        ("postgresql://edge@db.example/edge", "postgresql://edge@db.example/edge", {}),
        ("postgres://e:p%40ss@h:5433/n", "postgresql://e@h:5433/n", {"password": "p@ss"}),
        ("postgresql://h:1,i:2/n?password=x&sslmode=require", "postgresql://h:1,i:2/n?sslmode=require", {"password": "x"}),  # noqa: E501
        ("postgresql:///n?host=/run/postgresql", "postgresql:///n?host=%2Frun%2Fpostgresql", {}),
    ],
)  # fmt: skip
def test_an_address_is_taken_apart_as_the_library_does(text, bare, secrets):
    """The open part and the secrets together are the whole address."""
    assert DatabaseUrl(bare, secrets) == parse_database_url(text)
    said = " ".join([*secrets.values(), "and", *secrets.values()])
    assert not [secret for secret in secrets.values() if secret in parse_database_url(text).masked(said)]
    assert conninfo_to_dict(text) == conninfo_to_dict(make_conninfo(bare, **secrets))


def test_a_file_is_no_address():
    """A path stays one, also with a strange name."""
    assert [False, False, True] == [is_database_url(one) for one in ("ledger.db", "a:/postgresql", "Postgresql://h/n")]


def test_a_month_has_its_partition_once_it_is_needed(url):
    """Polls lie in the month of their slot in UTC; years far away make no table."""
    gateway = Gateway()
    times = [
        datetime(2026, 11, 30, 23, 45, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
        datetime(2199, 1, 1, tzinfo=UTC),
    ]
    with opened(url) as ledger:
        take(ledger, gateway, gateway.seal(*(record(at) for at in times)))
        rows = ledger._all("SELECT tableoid::regclass::text, count(*) FROM poll GROUP BY 1 ORDER BY 1")
        assert [("poll_2026_11", 1), ("poll_2026_12", 1), ("poll_after", 1)] == rows
        take(ledger, gateway, gateway.seal(record(times[0], value="99")))
        assert 3 == len(ledger._all("SELECT 1 FROM reading"))


def test_every_month_follows_the_one_before():
    """No slot between two partitions, and none in both."""
    assert (None, None) == (month_of(datetime(2019, 12, 31, tzinfo=UTC)), month_of(datetime(2060, 1, 1, tzinfo=UTC)))
    assert date(2026, 12, 1) == month_of(datetime.fromisoformat("2027-01-01T07:59:59+08:00"))
    (_, attach) = partition_statements(date(2026, 12, 1))
    assert "FROM ('2026-12-01Z') TO ('2027-01-01Z')" in attach


def test_a_new_month_does_not_wait_for_a_reader(url):
    """A long export or a copy is under way when the month turns: the batch comes in."""
    gateway = Gateway()
    with opened(url) as reader, opened(url) as ledger:
        take(ledger, gateway, gateway.seal(record()))
        rows = reader.readings(Span())
        next(rows)
        ledger._run("SET lock_timeout = '2s'")
        (taken,) = take(ledger, gateway, gateway.seal(record(SLOT.replace(year=2027))))
        assert Fate.STORED is taken.fate
        assert [] == list(rows)


def test_the_view_gives_numbers_to_whoever_reads_with_sql(url):
    """Exact text and exact number side by side; text that is none has no number."""
    from decimal import Decimal

    gateway = Gateway()
    values = {"energy_active_import_total": Decimal("0012.30"), "di:04000101": "2.5V", "di:04000102": Decimal("-0.0")}
    with opened(url) as ledger:
        take(ledger, gateway, gateway.seal(record(values=values)))
        found = ledger._all("SELECT value, number FROM reading ORDER BY quantity")
    assert [("2.5V", None), ("-0.0", Decimal("0.0")), ("12.30", Decimal("12.30"))] == found
    assert "12.30" == str(found[2][1])


def test_opening_at_the_same_time_makes_one_layout(postgres):
    """Four processes meet at an empty schema: one makes the tables, all of them work."""
    url = postgres.new_schema()
    code = (
        "import sys; from edge.centre.database_url import parse_database_url as p;"
        "from edge.centre.ledger_postgres import PostgresLedger as L; L(p(sys.argv[1])).close()"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE) for _ in range(4)]
    said = [one.communicate()[1] for one in running]
    assert [(0, b"")] * 4 == [(one.returncode, text) for one, text in zip(running, said, strict=True)]
    with opened(url, must_exist=True) as ledger:
        assert [(VERSION,)] == ledger._all("SELECT version FROM layout")
    postgres.drop_schema(url)
