"""A state directory that cannot be used: every command that needs it names it, and says whose it should be."""

import json
import os
from pathlib import Path

import pytest

import edge.cli.daemon
from edge.cli.main import _run

SETTINGS = """schema = 1
[gateway]
id = "g"
tenant = "t"
state_dir = "{state}"
[[bus]]
name = "A"
port = "/dev/one"
"""


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Messages are compared in English, whatever this machine speaks."""
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture
def config(tmp_path):
    """Return a function that writes settings with a state directory."""

    def write(state: Path) -> str:
        file = tmp_path / "edge.toml"
        file.write_text(SETTINGS.format(state=state))
        return str(file)

    return write


@pytest.fixture(params=["below a file", "a file", "read-only", "below a read-only one"])
def useless(request, tmp_path, monkeypatch):
    """Return a state directory that cannot be used. Root may write everywhere, so the kernel's answer is played."""
    folder = tmp_path / "theirs"
    if request.param.endswith("file"):
        folder.write_text("no folder")
        return folder / "state" if request.param.startswith("below") else folder
    folder.mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and access(path, mode))
    return folder / "state" if request.param.startswith("below") else folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--only", "poll"],
        ["meters", "list"],
        ["meters", "export"],
        ["meters", "add", "202311000001", "--bus", "A"],
    ],
)
def test_the_directory_and_its_owner_are_named(arguments, useless, config, capsys):
    """Exit code 3, the path, and what to do; no meters are claimed to be none, nothing is made."""
    assert 3 == _run([*arguments, "--config", config(useless)])
    out, err = capsys.readouterr()
    assert "" == out
    assert f"error[E-CLI-105]: the state directory {useless} cannot be used" in err
    assert f"sudo chown edge-poll:edge {useless}" in err
    assert "0 meters" not in err


def test_a_directory_that_is_not_there_yet_is_fine(config, tmp_path, capsys):
    """Before the first start there are no meters, and looking makes nothing."""
    state = tmp_path / "new" / "state"
    assert 0 == _run(["meters", "list", "--json", "--config", config(state)])
    assert {"meters": []} == json.loads(capsys.readouterr().out)
    assert not state.parent.exists()


def test_the_daemon_makes_its_directory(config, tmp_path, monkeypatch):
    """With its parents, before anything is opened in it."""
    state = tmp_path / "new" / "state"
    became = []
    monkeypatch.setattr(edge.cli.daemon, "become_daemon", lambda order, _: became.append(order.settings.state_dir))
    assert 0 == _run(["run", "--config", config(state)])
    assert [state] == became
    assert state.is_dir()


def test_an_error_that_only_making_shows_is_the_same_error(config, tmp_path, monkeypatch, capsys):
    """The kernel may refuse what the rights allow: a name too long, a full disk."""
    state = tmp_path / ("n" * 300)
    assert 3 == _run(["run", "--config", config(state)])
    assert "E-CLI-105" in (err := capsys.readouterr().err)
    assert "File name too long" in err
