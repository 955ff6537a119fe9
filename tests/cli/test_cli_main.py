"""How the command leaves: exit codes, errors with code, cause and next act, languages, pipes."""

import contextlib
import json
import os
import subprocess
import sys

import pytest

from edge.cli.main import _VERBS, _run, cli


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Messages are compared in English, whatever this machine speaks."""
    for name in ("LC_ALL", "LC_MESSAGES", "EDGE_LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


@pytest.mark.parametrize("verb", sorted(_VERBS))
def test_every_verb_has_help_in_its_list(verb, capsys):
    """Each verb loads, and says what it does."""
    assert 0 == _run([verb, "--help"])
    assert "Usage: edge " + verb in capsys.readouterr().out
    assert cli.get_command(None, verb).get_short_help_str()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["reed"], 2, "No such command"),
        (["read"], 2, "Missing argument"),
        (["read", "123"], 2, "E-CTL-105"),
        (["read", "２０２３１１０００００１", "--port", "/dev/null"], 2, "E-CTL-105"),
        (["read", "202311000001", "volts", "--port", "/dev/null"], 2, "E-CTL-104"),
        (["read", "202311000001"], 2, "E-CLI-101"),
        (["read", "202311000001", "--port", "/dev/does-not-exist"], 4, "E-BUS-101"),
        (["read", "202311000001", "--port", "socket://127.0.0.1:1"], 4, "E-BUS-107"),
        (["scan", "--port", "/dev/null", "--range", "202311000009-202311000001"], 2, "E-CLI-104"),
        (["run", "--config", "/does/not/exist.toml"], 3, "E-CFG-"),
        (["status", "--config", "/does/not/exist.toml"], 3, "E-CFG-"),
    ],
)
def test_wrong_calls_have_their_exit_code_and_text(arguments, code, text, capsys):
    """Usage is 2, settings 3, ports 4; the text names the code."""
    assert code == _run(arguments)
    assert text in capsys.readouterr().err


def test_an_error_says_cause_and_next_act(capsys):
    """Three lines: the fact, the cause, what to do."""
    _run(["read", "202311000001"])
    lines = capsys.readouterr().err.splitlines()
    assert "error[E-CLI-101]" in lines[0]
    assert lines[1].strip().startswith("cause")
    assert lines[2].strip().startswith("next")


def test_chinese_on_request(capsys, monkeypatch):
    """--lang zh, or a Chinese locale, turns messages to Chinese."""
    _run(["read", "202311000001", "--lang", "zh"])
    assert "原因" in capsys.readouterr().err
    _run(["--lang", "zh", "read", "202311000001"])
    assert "原因" in capsys.readouterr().err
    _run(["read", "202311000001"])
    assert "cause" in capsys.readouterr().err
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    _run(["read", "202311000001"])
    assert "没有可用的总线" in capsys.readouterr().err


def test_json_errors_are_documents(capsys):
    """With --json an error is one document on standard output, with the words that the terminal shows."""
    assert 2 == _run(["read", "202311000001", "--json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert "E-CLI-101" == error["code"]
    assert {"code", "fact", "cause", "next"} <= set(error)


def test_a_reader_that_goes_away_is_no_error():
    """`edge ... | head` ends quietly."""
    command = [sys.executable, "-m", "edge.cli.main", "explain", "--jsonl"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        frames = b"6861010000000068910833333433593333338A16\n" * 2000
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(frames)
            process.stdin.close()
        error = process.stderr.read()
    assert b"" == error
    assert 0 == process.returncode


def test_what_the_system_refuses_is_told():
    """Output onto a full disk: one error with its code, no traceback, and a failure for whoever counts on it."""
    command = [sys.executable, "-m", "edge.cli.main", "explain", "6861010000000068910833333433593333338A16"]
    environment = {**os.environ, "EDGE_LANG": "en"}
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device, not a path of ours
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False, text=True)
    assert "error[E-CLI-119]" in done.stderr
    assert "No space left on device" in done.stderr
    assert ("Traceback" in done.stderr, 6) == (False, done.returncode)


def test_no_colours_in_a_pipe():
    """Escape codes are for terminals: a pipe gets plain text."""
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli.main", "read", "202311000001"],
        capture_output=True,
        check=False,
        env={**os.environ, "LANG": "C.UTF-8"},
    )
    assert b"\x1b" not in done.stdout + done.stderr
