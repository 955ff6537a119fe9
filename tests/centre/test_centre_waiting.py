"""The start of a centre whose database is not there yet, and what it does when the database goes away meanwhile."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from edge.centre.database_url import parse_database_url
from edge.centre.folder import make_folder
from edge.centre.ledger import Span
from edge.centre.ledger_postgres import PostgresLedger
from edge.centre.waiting import start_when_there
from edge.centre.worker import Trouble
from edge.clock import ManualClock
from edge.errors import StoreError
from edge.identity.keys import save_public
from edge.messages.topics import batch_topic
from tests.centre.centre_kit import QUARTER, SLOT, Gateway, record
from tests.centre.test_centre_mosquitto import Peer
from tests.postgres_server import PostgresServer, postgres_folder


class Server:
    """A database that is not reached for some tries."""

    def __init__(self, *faults: str) -> None:
        self.faults = list(faults)
        self.clock = ManualClock(SLOT)
        self.told: list[Trouble] = []
        self.tries: list[float] = []

    def start(self) -> str:
        """Open it."""
        self.tries.append(self.clock.monotonic())
        if self.faults:
            raise StoreError(self.faults.pop(0), path="db", detail="as the test says")
        return "there"

    def wait(self, is_stopped=lambda: False) -> str | None:
        """Start as the centre does."""
        return start_when_there(self.start, self.clock, self.told.append, is_stopped)


def test_the_pause_grows_and_is_told_while_it_grows():
    """One second, then twice as long each time, up to half a minute; then it is quiet and goes on."""
    server = Server(*["E-CEN-306"] * 9)
    assert "there" == server.wait()
    pauses = [after - before for before, after in zip(server.tries, server.tries[1:], strict=False)]
    assert [1, 2, 4, 8, 16, 30, 30, 30, 30] == [round(pause) for pause in pauses]
    assert [1, 2, 4, 8, 16, 30] == [one.pause_s for one in server.told]


@pytest.mark.parametrize("code", ["E-CEN-304", "E-CEN-305", "E-CEN-308", "E-CEN-310", "E-CEN-311", "E-CEN-312"])
def test_what_waiting_does_not_mend_ends_the_start(code):
    """At once, or when the server is there and says so."""
    server = Server("E-CEN-306", code)
    with pytest.raises(StoreError) as caught:
        server.wait()
    assert (code, 2) == (caught.value.code, len(server.tries))


def test_a_centre_that_waits_can_be_stopped():
    """Within the pause, not at its end."""
    server = Server(*["E-CEN-306"] * 99)
    assert None is server.wait(lambda: server.clock.monotonic() - server.tries[0] > 100 if server.tries else False)
    assert server.clock.monotonic() - server.tries[0] < 102


@pytest.fixture
def server():
    """Make a PostgreSQL that does not run, and is at a known port."""
    with postgres_folder() as folder:
        made = PostgresServer(folder)
        made.init()
        made.start()
        made.stop()
        yield made
        made.kill()


@pytest.fixture
def folder(tmp_path):
    """Make a centre with one gateway."""
    make_folder(tmp_path / "c", "hz")
    return tmp_path / "c"


class Centre:
    """`edge centre run` as a process."""

    def __init__(self, folder, broker, url, *more) -> None:
        command = [sys.executable, "-m", "edge.cli.main", "centre", "run", str(folder), "--broker", broker.url]
        log = (folder / "centre.log").open("ab")
        self.process = subprocess.Popen(
            [*command, "--jsonl", "--database", url, *more], stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()

    def until(self, wanted: str) -> list[dict]:
        """Read its events up to and with the first of this kind."""
        events = []
        for line in self.process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == wanted:
                return events
        raise AssertionError(f"{wanted} never came: {events}")

    def end(self) -> int:
        """End it in order; return its exit code."""
        self.process.terminate()
        self.process.communicate()
        return self.process.returncode


def test_a_centre_begins_when_the_database_comes_and_outlives_its_loss(server, folder, mosquitto):
    """Started first, it waits; what comes while the database is away stays at the broker, and is stored once."""
    gateway = Gateway()
    save_public(folder / "gateways" / "gw-1.pub", gateway.signer)
    envelopes = [gateway.seal(record(SLOT + n * QUARTER, value=f"{n}.5")) for n in range(9)]
    centre = Centre(folder, mosquitto, server.url())
    peer = Peer(mosquitto, folder)
    try:
        (trouble,) = centre.until("trouble")
        assert ("E-CEN-306", 1.0) == (trouble["code"], trouble["retry_s"])
        server.start()
        centre.until("online")
        peer.connect()
        for envelope in envelopes[:3]:
            peer.link.publish(batch_topic("hz", "gw-1", 0), envelope, qos=1)
        peer.until(lambda: peer.stored() == 3)
        server.kill()
        for envelope in envelopes[3:]:  # each once: nobody sends again what the broker lost
            peer.link.publish(batch_topic("hz", "gw-1", 0), envelope, qos=1)
        assert "E-CEN-306" == centre.until("trouble")[-1]["code"]
        peer.until(lambda: peer.is_online() is False)
        assert 3 == peer.stored()
        server.start()
        peer.until(lambda: peer.stored() == 9)
        assert 0 == centre.end()
    finally:
        centre.process.kill()
        centre.process.wait()
        centre.process.stdout.close()
        peer.link.disconnect()
    with PostgresLedger(parse_database_url(server.url()), must_exist=True) as ledger:
        assert Counter(f"{n}.5" for n in range(9)) == Counter(row.value for row in ledger.readings(Span()))


def test_a_centre_that_waits_ends_when_it_is_told_to(server, folder, mosquitto):
    """As a service is stopped: with code 0, before it ever reached its database."""
    centre = Centre(folder, mosquitto, server.url())
    centre.until("trouble")
    assert 0 == centre.end()


def test_a_start_with_a_wrong_name_ends_with_its_code(server, folder, mosquitto):
    """Not waited for: nobody makes that database but the operator."""
    server.start()
    centre = Centre(folder, mosquitto, server.url("no_such_database"))
    out, _ = centre.process.communicate()
    assert (9, "E-CEN-310") == (centre.process.returncode, json.loads(out)["error"]["code"])
