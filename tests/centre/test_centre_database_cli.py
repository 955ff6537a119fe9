"""`edge centre ... --database` as a person uses it, and two centres that meet at one ledger."""

import json
import signal
import subprocess
import sys

import pytest

from edge.centre.folder import make_folder
from edge.centre.ledger_schema import VERSION
from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.opening import open_ledger, watch_of
from edge.cli.main import main
from edge.config.centre import CentreSettings, load_centre
from edge.config.table import build_table
from edge.errors import StoreError, UsageError
from tests.centre.centre_kit import METER, QUARTER, SLOT, Gateway, record, take
from tests.centre.test_centre_completeness import PLAN
from tests.conftest import Mosquitto


@pytest.fixture(autouse=True)
def _in_english(monkeypatch):
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture
def folder(tmp_path):
    """Make a centre."""
    make_folder(tmp_path / "c", "hz")
    return tmp_path / "c"


@pytest.fixture
def place(ledgers, folder):
    """Return the options that name an empty ledger: none for the file of the folder."""
    return [] if ledgers.server is None else ["--database", ledgers.lonely_place()]


def edge(*arguments: str) -> int:
    """Run the command and return its exit code."""
    with pytest.raises(SystemExit) as exit_of:
        main([str(one) for one in arguments])
    return int(exit_of.value.code or 0)


def opened(folder, place):
    """Open the ledger that the options name."""
    return open_ledger(load_centre(folder), place[1] if place else None)


def test_every_verb_reads_the_ledger_that_is_named(folder, place, tmp_path, capsys):
    """Export, completeness, the list of meters and a backup: the same answers from either kind."""
    gateway = Gateway()
    polls = [record(), record(SLOT + QUARTER, value="13.00"), record(SLOT + 2 * QUARTER, value=None)]
    with opened(folder, place) as ledger:
        take(ledger, gateway, gateway.seal(*polls, plan=PLAN))
    (tmp_path / "meters.csv").write_text(f"address\n{METER}\n", encoding="utf-8")
    assert 0 == edge("centre", "enrol", folder, "--meters", tmp_path / "meters.csv", *place)
    assert "1 meters are known" in capsys.readouterr().err
    assert 0 == edge("centre", "export", folder, *place, "--json")
    rows = json.loads(capsys.readouterr().out)["readings"]
    assert [("12.30", "2026-11-23T08:00:00Z", True), ("13.00", "2026-11-23T08:15:00Z", True)] == [
        (row["value"], row["slot_at"], row["assigned"]) for row in rows
    ]
    span = ["--from", "2026-11-23T08:00Z", "--to", "2026-11-23T08:45Z"]
    assert 6 == edge("centre", "completeness", folder, *span, *place, "--json")
    (mine,) = [one for one in json.loads(capsys.readouterr().out)["meters"] if one["meter"] == METER]
    assert (3, 1) == (mine["expected"], mine["missing_open"])
    assert 0 == edge("centre", "backup", folder, tmp_path / "b", *place, "--json")
    made = json.loads(capsys.readouterr().out)
    assert [made["path"]] == [str(path) for path in (tmp_path / "b").iterdir()]
    with opened(folder, place) as ledger:
        assert [1] == [*ledger.durables().values()]


def test_a_database_in_the_settings_needs_no_option(folder, postgres, capsys):
    """The setting is the rule, the option the exception."""
    url = postgres.new_schema()
    text = (folder / "centre.toml").read_text(encoding="utf-8")
    (folder / "centre.toml").write_text(text.replace("[centre]", f'[centre]\ndatabase = "{url}"'), encoding="utf-8")
    gateway = Gateway()
    with opened(folder, []) as ledger:
        take(ledger, gateway, gateway.seal(record()))
    assert 0 == edge("centre", "export", folder)
    assert "12.30" in capsys.readouterr().out
    assert not (folder / "ledger.db").exists()
    postgres.drop_schema(url)


def test_looking_makes_no_tables(folder, place, capsys):
    """A centre that never ran has nothing to show and nothing to copy, of either kind."""
    for verb in (["export"], ["completeness"], ["backup"]):
        target = [str(folder / "b")] if verb == ["backup"] else []
        assert 2 == edge("centre", *verb, folder, *target, *place)
        assert "E-CEN-303" in capsys.readouterr().err


@pytest.mark.parametrize(("address", "code"), [("postgresql://u:p4ss#w@h/n", "E-CEN-108"), ("ledger.db", "E-CEN-108")])
def test_an_address_that_is_none_is_usage(folder, address, code, capsys):
    """Refused before anything is opened, with no secret in what is shown."""
    assert 2 == edge("centre", "export", folder, "--database", address)
    said = capsys.readouterr().err
    assert (True, False) == (code in said, "p4ss" in said)


def test_without_the_library_it_says_what_to_install(folder, monkeypatch):
    """A gateway's installation has no psycopg."""
    for name in [name for name in sys.modules if name.startswith("edge.centre.ledger_postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "edge.centre.ledger_postgres", None)
    with pytest.raises(UsageError) as caught:
        open_ledger(load_centre(folder), "postgresql://h/n")
    assert "E-CEN-109" == caught.value.code


def test_a_file_has_no_standby(folder, tmp_path):
    """`durable = "replica"` without a database is refused at the start, not found out when nothing becomes durable."""
    facts = {"tenant": "hz", "durable": "replica", "ledger": str(tmp_path / "ledger.db")}
    settings = build_table(CentreSettings, {"centre": facts})
    with pytest.raises(UsageError) as caught:
        open_ledger(settings)
    assert "E-CEN-110" == caught.value.code
    with SqliteLedger(tmp_path / "ledger.db") as ledger, pytest.raises(UsageError):
        watch_of(settings, ledger)


class Running:
    """`edge centre run` as a process."""

    def __init__(self, folder, broker: Mosquitto, place) -> None:
        command = [sys.executable, "-m", "edge.cli.main", "centre", "run", str(folder), "--broker", broker.url]
        self.process = subprocess.Popen(
            [*command, "--jsonl", *place], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def is_online(self) -> bool:
        """Wait for its first word and return True if it is that the broker took it."""
        line = self.process.stdout.readline()
        return bool(line) and json.loads(line)["event"] == "online"

    def end(self, how: signal.Signals) -> None:
        """End it."""
        self.process.send_signal(how)
        self.process.communicate()


def test_the_second_centre_on_a_ledger_is_refused(folder, place, mosquitto):
    """It ends at once with what to do; once the first has ended, killed even, the next one may have the ledger."""
    first = Running(folder, mosquitto, place)
    try:
        assert first.is_online()
        second = Running(folder, mosquitto, place)
        _, said = second.process.communicate()
        assert (9, True) == (second.process.returncode, "E-CEN-305" in said)
        assert None is first.process.poll()
    finally:
        first.end(signal.SIGKILL)
    third = Running(folder, mosquitto, place)
    try:
        assert third.is_online()
    finally:
        third.end(signal.SIGTERM)
    assert 0 == third.process.returncode


def test_a_ledger_of_the_first_layout_is_brought_forward(tmp_path):
    """What it holds stays; nothing in it is durable by a mark yet."""
    gateway = Gateway()
    with SqliteLedger(tmp_path / "ledger.db") as ledger:
        take(ledger, gateway, gateway.seal(record()))
        before = ledger.epochs("gw-1")
        ledger._run("ALTER TABLE epoch DROP COLUMN durable; DROP TABLE closed; DROP TABLE plan")
        ledger._run("CREATE TABLE plan (gateway TEXT, valid_from TEXT, document TEXT, batch INTEGER)")
        ledger._run("PRAGMA user_version = 1")
    with SqliteLedger(tmp_path / "ledger.db") as ledger:
        assert (before, [(VERSION,)]) == (ledger.epochs("gw-1"), ledger._all("PRAGMA user_version"))
        ledger.mark_durable(before)
        assert [1] == [*ledger.durables().values()]


def test_a_lock_that_cannot_be_made_is_told(tmp_path):
    """The folder has become read-only, or a folder stands where the lock should be."""
    with SqliteLedger(tmp_path / "ledger.db") as ledger:
        (tmp_path / "ledger.db.lock").mkdir()
        with pytest.raises(StoreError) as caught:
            ledger.claim()
        assert "E-CEN-301" == caught.value.code
