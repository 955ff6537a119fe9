"""What tests of several rooms share: a real broker on a loopback port, a real database, a ledger of either kind."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

from edge.cli.common import choose_language
from tests.ledgers import KINDS, Ledgers, Opened, ledgers_of
from tests.postgres_server import PostgresServer, running_server

settings.register_profile("no clock", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("no clock")


@dataclass
class Mosquitto:
    """A mosquitto of its own; it can be stopped and started again on the same port, and then remembers nothing."""

    port: int
    settings: Path
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program is not None, "these tests need mosquitto: apt-get install mosquitto"
        self._process = subprocess.Popen(
            [program, "-c", str(self.settings)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        while not self._listens():
            assert self._process.poll() is None, "mosquitto ended"

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Run mosquitto for one test."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    settings = tmp_path / "mosquitto.conf"
    # Started by root, mosquitto would become another user that may not read the test's files.
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n", encoding="utf-8"
    )
    broker = Mosquitto(port, settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run one PostgreSQL for all tests; each takes a database of its own."""
    with running_server() as server:
        server.make_secret_user()
        yield server


@pytest.fixture(params=KINDS)
def ledgers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledgers]:
    """Make empty ledgers, once of each kind."""
    with ledgers_of(request, tmp_path) as made:
        yield made


@pytest.fixture
def ledger(ledgers: Ledgers) -> Opened:
    """Open an empty ledger, once of each kind."""
    return ledgers.new()


@pytest.fixture(autouse=True)
def _own_language():
    """Let each test begin in the language of the environment: a verb that was run with --lang leaves its choice."""
    choose_language("")
