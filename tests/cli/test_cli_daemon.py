"""From the verb `edge run` to the process that stays: what is handed over arrives, and so do its errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli.daemon import Order, become_daemon, read_order
from edge.cli.settings_file import load_settings

ROOT = Path(__file__).parent.parent.parent
SITE = ROOT / "config" / "two-buses-40-meters.toml"


@pytest.fixture
def config(tmp_path):
    """Write settings that name a broker and keys that are not there."""
    file = tmp_path / "edge.toml"
    file.write_text(
        f'schema = 1\n[gateway]\nid = "g"\ntenant = "t"\nstate_dir = "{tmp_path / "state"}"\n'
        '[mqtt]\nendpoints = ["mqtt://127.0.0.1:1"]\n',
        encoding="utf-8",
    )
    return file


def start(folder, *arguments):
    command = [sys.executable, "-P", "-m", "edge.cli.main", "run", *map(str, arguments)]
    environment = {**os.environ, "EDGE_LANG": "en"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False
    )


def test_what_is_handed_over_arrives(monkeypatch):
    """Every setting, a folder whose name is no text, and the options; the arguments stay to be seen."""
    order = Order(
        settings=load_settings(SITE),
        file=Path("/é\udcff/edge.toml"),
        data=b"\xff\xfe# \n",
        only="poll",
        is_verbose=True,
        lang="zh",
    )
    called = []
    monkeypatch.setattr(os, "execv", lambda path, arguments: called.append(arguments))
    become_daemon(order, ["run", "--only", "poll"])
    descriptor, *shown = called[0][called[0].index("edge.cli.daemon") + 1 :]
    assert ["run", "--only", "poll"] == shown
    assert os.get_inheritable(int(descriptor))
    assert order == read_order(int(descriptor))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(int(descriptor))


def test_an_error_of_the_daemon_is_shown_as_of_any_verb(config):
    """Code, cause and next act, in the language that was asked for, and the exit code of the error."""
    done = start(config.parent, "--only", "forward", "--config", config)
    assert (9, "") == (done.returncode, done.stdout)
    assert "error[E-KEY-" in done.stderr
    assert "cause: " in done.stderr
    done = start(config.parent, "--lang", "zh", "--only", "forward", "--config", config)
    assert (9, True) == (done.returncode, "原因" in done.stderr)


def test_the_folder_that_one_stands_in_holds_no_modules(config):
    """The daemon is the installed program, whatever lies where it was started."""
    for name in ("edge.py", "logging.py", "signal.py"):
        (config.parent / name).write_text("raise SystemExit(77)\n", encoding="utf-8")
    assert 9 == start(config.parent, "--only", "forward", "--config", config).returncode


def test_the_program_alone_says_who_starts_it():
    """Called by hand it is a usage error, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli.daemon"], capture_output=True, text=True, timeout=180, check=False
    )
    assert (2, "edge run starts this\n") == (done.returncode, done.stderr)
