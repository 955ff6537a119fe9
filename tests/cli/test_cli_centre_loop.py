"""The centre as systemd sees it: ready once, alive after turns that ended, stopping at the end."""

import socket
from pathlib import Path

import pytest

from edge.cli.centre_loop import Turns, step_until
from edge.clock import ManualClock


class Worker:
    """A centre whose every turn takes so many seconds."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self.clock, self.seconds, self.turns = clock, seconds, 0

    def step(self, now: float) -> float:
        self.turns += 1
        self.clock.advance(self.seconds)
        return now


def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, turns: int) -> list[str]:
    """Return what systemd hears of so many turns."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        clock = ManualClock()
        worker = Worker(clock, seconds)
        asked = Turns(clock, lambda: worker.turns >= turns)
        step_until(worker, clock, asked.are_over)
        asked.close()
        messages = []
        try:
            while True:
                messages.append(sock.recv(4096).decode().split("\n")[0])
        except BlockingIOError:
            return messages


def test_ready_alive_after_each_turn_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that took a while is told when it has ended."""
    assert ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"] == heard(tmp_path, monkeypatch, 2.0, 2)


def test_quick_turns_are_told_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy centre does not write to systemd for each batch."""
    assert 4 == heard(tmp_path, monkeypatch, 0.25, 16).count("WATCHDOG=1")
