"""`durable = "replica"` against a real standby: it is made by pg_basebackup, stopped, started, and taken over."""

import os
import subprocess
import time
from dataclasses import replace

import pytest

from edge.centre.database_url import parse_database_url
from edge.centre.durable import ReplicaWatch
from edge.centre.ledger import Span
from edge.centre.ledger_postgres import PostgresLedger
from edge.centre.opening import watch_of
from edge.config.centre import CentreFacts, CentreSettings
from edge.errors import StoreError, UsageError
from tests.centre.centre_kit import EPOCH, QUARTER, SLOT, Gateway, record, take
from tests.postgres_server import PostgresServer, postgres_folder, program, run_as_owner, running_server

NAME = "second"


@pytest.fixture(scope="module")
def primary():
    """Run a server that others may copy."""
    with running_server("max_wal_senders = 4\nwal_keep_size = '256MB'\n") as server:
        yield server


@pytest.fixture
def standby(primary):
    """Make a standby of it and start it."""
    with postgres_folder() as folder:
        made = PostgresServer(folder)
        source = f"host=127.0.0.1 port={primary.port} user=edge application_name={NAME}"
        run_as_owner(program("pg_basebackup"), "-D", str(made.data), "-R", "-c", "fast", "-d", source)
        conf = made.data / "postgresql.conf"
        text = conf.read_text(encoding="utf-8").replace(str(primary.folder), str(folder))
        conf.write_text(text, encoding="utf-8")
        made.start()
        try:
            yield made
        finally:
            made.kill()


@pytest.fixture
def ledger(primary):
    """Open a ledger of its own."""
    url = primary.new_database()
    with PostgresLedger(parse_database_url(url)) as opened:
        yield opened
    primary.drop(url)


class Looking:
    """Looks by a clock of its own, every look a minute after the last one."""

    def __init__(self, watch: ReplicaWatch) -> None:
        self.watch, self.now = watch, 0.0

    def look(self) -> list[str]:
        """Look once."""
        self.now += 60
        return [*self.watch.look(self.now)]

    def until_risen(self) -> list[str]:
        """Look until somebody's durable has risen; the standby is another process and takes its time."""
        for _ in range(600):
            risen = self.look()
            if risen:
                return risen
            time.sleep(0.05)
        raise AssertionError("the standby never came so far")


def send(ledger, gateway: Gateway, *numbers: int) -> None:
    """Let a gateway send a batch a slot."""
    for number in numbers:
        take(ledger, gateway, gateway.seal(record(SLOT + number * QUARTER)))


def test_what_a_standby_has_on_its_disk_is_durable(ledger, standby):
    """And it is there when the standby takes over: the primary is gone, everything durable is not."""
    gateway, looking = Gateway(), Looking(ReplicaWatch(ledger, NAME))
    send(ledger, gateway, 0, 1, 2)
    assert ["gw-1"] == looking.until_risen()
    assert {("gw-1", EPOCH): 3} == ledger.durables()
    assert [] == looking.look()
    name = str(ledger._url).rpartition("/")[2]
    standby.run("SELECT pg_promote()")
    with PostgresLedger(parse_database_url(standby.url(name)), must_exist=True) as other:
        assert 3 == len(list(other.readings(Span())))
        assert 3 == other.epoch("gw-1", EPOCH).stored


def test_a_standby_that_is_away_makes_nothing_durable(ledger, standby):
    """It stops, batches come, nothing moves; it comes back, catches up, and then it moves."""
    gateway, looking = Gateway(), Looking(ReplicaWatch(ledger, NAME))
    send(ledger, gateway, 0)
    looking.until_risen()
    standby.stop()
    send(ledger, gateway, 1, 2)
    assert [] == [name for _ in range(5) for name in looking.look()]
    assert {("gw-1", EPOCH): 1} == ledger.durables()
    standby.start()
    looking.until_risen()
    assert {("gw-1", EPOCH): 3} == ledger.durables()


def test_only_the_standby_that_is_named_counts(ledger, standby):
    """Another one may be as far as it likes."""
    gateway, other = Gateway(), Looking(ReplicaWatch(ledger, "third"))
    send(ledger, gateway, 0)
    assert None is ledger.standby_position("third")
    assert [] == [name for _ in range(5) for name in other.look()]
    assert ["gw-1"] == Looking(ReplicaWatch(ledger, NAME)).until_risen()


@pytest.fixture(scope="module")
def follower(tmp_path_factory):
    """Run a server where changes are followed under the standby's name, by somebody who keeps no copy of it."""
    with running_server("max_wal_senders = 4\nwal_level = logical\n") as server:
        url = server.new_database()
        follow = [program("pg_recvlogical"), "-d", url, "-S", "follower", "-P", "test_decoding"]
        env = {**os.environ, "PGAPPNAME": NAME}
        subprocess.run([*follow, "--create-slot"], check=True, timeout=60)
        process = subprocess.Popen(
            [*follow, "--start", "--status-interval=1", "-f", str(tmp_path_factory.mktemp("followed") / "changes")],
            env=env,
        )
        try:
            yield url
        finally:
            process.terminate()
            process.wait(30)


def test_who_follows_changes_through_a_logical_slot_is_no_standby(follower):
    """It has the name, it streams, it says how far it has synced: and has no copy of the ledger."""
    with PostgresLedger(parse_database_url(follower)) as ledger:
        send(ledger, Gateway(), 0)
        flushed = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND flush_lsn IS NOT NULL"
        for _ in range(600):
            if ledger._all(f"{flushed} AND application_name = '{NAME}'") == [(1,)]:
                break
            time.sleep(0.05)
        else:
            raise AssertionError("nobody follows")
        assert None is ledger.standby_position(NAME)


def test_a_policy_without_the_standbys_name_is_refused(ledger, tmp_path):
    """Whoever happens to follow the log is not what somebody meant."""
    settings = CentreSettings(centre=CentreFacts(tenant="demo", durable="replica"))
    with pytest.raises(UsageError) as caught:
        watch_of(settings, ledger)
    assert "E-CEN-114" == caught.value.code
    named = replace(settings, centre=replace(settings.centre, standby=NAME))
    assert NAME == watch_of(named, ledger).name


def test_without_a_standby_nothing_is_durable(postgres):
    """And nothing fails."""
    url = postgres.new_schema()
    with PostgresLedger(parse_database_url(url)) as ledger:
        gateway, looking = Gateway(), Looking(ReplicaWatch(ledger, NAME))
        send(ledger, gateway, 0)
        assert [] == [name for _ in range(3) for name in looking.look()]
        assert {} == ledger.durables()
    postgres.drop_schema(url)


class Positions:
    """A ledger whose positions the test gives; the rest is the real one's."""

    def __init__(self, ledger) -> None:
        self._ledger, self.session, self.here, self.there = ledger, 1, 100, 0

    def wal_position(self) -> int:
        """Return the server's position."""
        return self.here

    def standby_position(self, name) -> int:
        """Return the standby's."""
        return self.there

    def __getattr__(self, name):
        return getattr(self._ledger, name)


def test_a_mark_is_passed_at_its_very_position_and_not_before(ledger):
    """One byte less is not there; what came after the mark waits for the next one."""
    given, gateway = Positions(ledger), Gateway()
    looking = Looking(ReplicaWatch(given, NAME))
    send(ledger, gateway, 0)
    given.there = 99
    assert [[], []] == [looking.look(), looking.look()]
    send(ledger, gateway, 1)
    given.there = 100
    assert ["gw-1"] == looking.look()
    assert {("gw-1", EPOCH): 1} == ledger.durables()


def test_a_mark_of_an_older_connection_is_worth_nothing(ledger):
    """It may be another server by now, whose positions tell nothing about the mark."""
    given, gateway = Positions(ledger), Gateway()
    looking = Looking(ReplicaWatch(given, NAME))
    send(ledger, gateway, 0)
    looking.look()
    given.session, given.there, given.here = 2, 150, 200
    assert [[], []] == [looking.look(), looking.look()]
    assert {} == ledger.durables()


def test_a_login_that_may_not_see_standbys_is_told_at_the_start(postgres):
    """Without the right, positions look as if there were no standby."""
    url = postgres.new_schema()
    postgres.run("CREATE ROLE plain LOGIN")
    postgres.run(f"GRANT ALL ON SCHEMA {url.rpartition('%3D')[2]} TO plain")
    try:
        with PostgresLedger(parse_database_url(url.replace("edge@", "plain@"))) as ledger:
            with pytest.raises(StoreError) as caught:
                ReplicaWatch(ledger, NAME).check()
            assert "E-CEN-309" == caught.value.code
            postgres.run("GRANT pg_monitor TO plain")
            ReplicaWatch(ledger, NAME).check()
    finally:
        postgres.drop_schema(url)
        postgres.run("DROP ROLE plain")
