"""The settings file read again while the daemon runs: what comes into force, what waits, what is refused."""

import sys
import time

import pytest

from edge.app.reload import Reload, SettingsFile
from edge.cli.settings_file import parse_settings
from edge.clock import ManualClock
from edge.config.force import in_force_after
from edge.config.history import kept_settings
from edge.health.model import Answer, Health

TEXT = """schema = 1
[gateway]
id = "gw"
tenant = "t"
state_dir = "{state}"
[[bus]]
name = "A"
port = "/dev/ttyUSB0"
[[task]]
name = "load"
every = "15m"
items = ["voltage_l1"]
"""


class Reply:
    def __init__(self):
        self.document = None

    def end(self, document):
        self.document = document

    def fail(self, error):
        self.document = {"error": error.code}


class Site:
    """A settings file, and what takes it."""

    def __init__(self, folder, *command):
        self.path, self.used = folder / "edge.toml", []
        self.text = TEXT.replace("{state}", str(folder / "state"))
        self.path.write_text(self.text, encoding="utf-8")
        settings = parse_settings(self.text.encode(), self.path).value
        read_again = list(command) or [sys.executable, "-P", "-m", "edge.cli.reread", str(self.path)]
        file = SettingsFile(path=self.path, data=self.text.encode(), read_again=read_again)
        clock = ManualClock()
        self.health = Health(clock)
        self.reload = Reload(settings, file, clock, self.health, self.use)
        self.reload.began()

    def use(self, settings):
        self.used.append(in_force_after(self.reload.settings, settings))
        return self.used[-1]

    def again(self, *change):
        """Read the file again after a change of its text; return the answer."""
        self.path.write_text(self.text.replace(*change) if change else self.text, encoding="utf-8")
        reply = Reply()
        self.reload.ask(reply)
        while reply.document is None:
            self.reload.tend()
            time.sleep(0.01)
        return reply.document

    def condition(self, claim):
        return self.health.snapshot()["conditions"][claim]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_another_period_comes_into_force_and_is_kept(site, tmp_path):
    """The answer names the value; the file in force is the newest that was kept."""
    result = site.again('"15m"', '"5m"')["result"]
    assert [{"path": "task[load].every", "before": "15m", "after": "5m", "restart": False}] == result["changed"]
    assert [] == result["waiting"]
    assert "5m" == site.used[-1].task[0].every
    newest, first = kept_settings(tmp_path / "state")
    assert (site.path.read_bytes(), site.text.encode()) == (newest.text(), first.text())


def test_wrong_settings_change_nothing_and_are_a_condition_until_they_are_right(site, tmp_path):
    """What was in force stays; the condition names the file and the line of the first mistake."""
    assert {"error": "E-CFG-001"} == site.again("every =", "evry =")
    assert [] == site.used
    wrong = site.condition("settings_are_right")
    assert ("no", "E-CFG-083") == (wrong["answer"], wrong["code"])
    assert "line 9," in wrong["values"]["detail"]
    assert 1 == len(kept_settings(tmp_path / "state"))
    site.again()
    assert Answer.YES is site.health.answer("settings_are_right")


def test_what_only_a_start_can_take_waits_and_the_rest_is_in_force(site):
    """A port and a gateway's id wait, a condition names them; taking the change back ends it."""
    site.text = site.text.replace("ttyUSB0", "ttyUSB1").replace('id = "gw"', 'id = "gw2"')
    result = site.again('"15m"', '"5m"')["result"]
    assert ["gateway.id", "bus[A].port"] == [one["path"] for one in result["waiting"]]
    assert ("gw", "/dev/ttyUSB0", "5m") == (
        site.used[-1].gateway.id,
        site.used[-1].bus[0].port,
        site.used[-1].task[0].every,
    )
    waiting = site.condition("settings_are_in_force")
    assert ("E-CFG-084", "gateway.id, bus[A].port") == (waiting["code"], waiting["values"]["names"])
    site.text = site.text.replace("ttyUSB1", "ttyUSB0").replace("gw2", "gw")
    site.again()
    assert Answer.YES is site.health.answer("settings_are_in_force")


@pytest.mark.parametrize("command", [("/no/such/program",), ("/bin/false",), ("/bin/echo", "no JSON")])
def test_a_reader_that_fails_changes_nothing(tmp_path, command):
    """It cannot be started, ends badly, or says nothing that can be read."""
    site = Site(tmp_path, *command)
    assert {"error": "E-CFG-085"} == site.again()
    assert ([], "E-CFG-085") == (site.used, site.condition("settings_are_right")["code"])


def test_a_state_folder_that_takes_no_copy_stops_nothing(site, tmp_path, caplog):
    """The change is in force; the log says that it could not be kept."""
    for one in (tmp_path / "state" / "settings").iterdir():
        one.unlink()
    (tmp_path / "state" / "settings").rmdir()
    (tmp_path / "state" / "settings").write_text("", encoding="utf-8")
    assert site.again('"15m"', '"5m"')["result"]["changed"]
    assert "E-CFG-087" in caplog.text
