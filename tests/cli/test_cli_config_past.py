"""`edge config reload | diff | history | revert` with a real daemon, and SIGHUP."""

import json
import signal
import subprocess

import pytest

from tests.flow.processes import command, edge, eventually

TEXT = """# what a person wrote
schema = 1
[gateway]
id = "gw"
tenant = "t"
state_dir = "state"
[[bus]]
name = "A"
port = "/dev/no-such-port"
[[task]]
name = "load"
every = "15m"   # four times an hour
items = ["voltage_l1"]
"""


@pytest.fixture
def site(tmp_path):
    """Run the polling half; return the settings file."""
    path = tmp_path / "edge.toml"
    path.write_text(TEXT, encoding="utf-8")
    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen(command("run", "--only", "poll", "--config", path), stdout=log, stderr=log)
        try:
            eventually((tmp_path / "state" / "settings").is_dir, what="the settings in force")
            yield path, daemon
        finally:
            daemon.send_signal(signal.SIGTERM)
            assert 0 == daemon.wait(timeout=60)


def config(verb, path, *arguments):
    return edge("config", verb, *arguments, "--config", path, check=False)


def test_there_and_back(site):
    """A change is seen, taken, listed and taken back, comments and all; a port waits; mistakes change nothing."""
    path, _ = site
    path.write_text(TEXT.replace('"15m"', '"5m"').replace("no-such", "other"), encoding="utf-8")
    changed = config("diff", path)
    assert 'task[load].every: "15m" -> "5m"\n' in changed.stdout
    assert '"/dev/other-port"  (after a restart)' in changed.stdout
    done = config("reload", path, "--json")
    taken = json.loads(done.stdout)["poll"]
    assert (6, ["task[load].every"], ["bus[A].port"]) == (
        done.returncode,
        [one["path"] for one in taken["changed"]],
        [one["path"] for one in taken["waiting"]],
    )
    status = edge("status", "--config", path, check=False)
    assert "[E-CFG-084]" in status.stderr
    path.write_text(TEXT.replace("every", "evry"), encoding="utf-8")
    wrong = config("reload", path)
    assert (3, True) == (wrong.returncode, 'evry = "15m"' in wrong.stderr)
    assert [2, 1] == [one["number"] for one in json.loads(config("history", path, "--json").stdout)["kept"]]
    assert 0 == config("revert", path, "1").returncode
    assert TEXT == path.read_text(encoding="utf-8")
    assert "evry" in path.with_name("edge.toml.replaced").read_text(encoding="utf-8")
    assert 0 == config("reload", path).returncode
    assert "" == config("diff", path).stdout


def test_a_signal_lets_it_read_the_file_again(site, tmp_path):
    """What `systemctl reload` may send as well."""
    path, daemon = site
    path.write_text(TEXT.replace('"15m"', '"5m"'), encoding="utf-8")
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: b'"15m" -> "5m"' in (tmp_path / "log").read_bytes(), what="the new period")


def test_nothing_to_go_back_to_and_nobody_to_ask(tmp_path):
    """Each says what is missing; a kept file that was changed since is refused, and the settings stay."""
    path = tmp_path / "edge.toml"
    path.write_text(TEXT, encoding="utf-8")
    none = config("revert", path)
    assert (2, True) == (none.returncode, "E-CFG-086" in none.stderr)
    assert "E-CTL-110" in config("reload", path).stderr
    kept = tmp_path / "state" / "settings" / "000001-20260301T000000Z-0123456789abcdef.toml"
    kept.parent.mkdir(parents=True)
    kept.write_text(TEXT, encoding="utf-8")
    damaged = config("revert", path, "1")
    assert (3, True) == (damaged.returncode, "E-CFG-089" in damaged.stderr)
    assert TEXT == path.read_text(encoding="utf-8")
