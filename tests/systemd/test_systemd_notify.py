"""What the supervisor hears, on a real datagram socket; and that nothing is lost when it does not listen."""

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Return the value of NOTIFY_SOCKET and the socket that listens there."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@edge-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1))
        listening.settimeout(5)
        yield name, listening


def test_every_message_is_one_datagram(supervisor: tuple[str, socket.socket]) -> None:
    """Ready with its status, alive, a status alone, stopping: as sd_notify(3) wants them."""
    name, listening = supervisor
    notifier = Notifier.from_env({"NOTIFY_SOCKET": name})
    notifier.ready("2 buses, 40 meters")
    notifier.alive()
    notifier.status("总线 A：端口已消失")
    notifier.stopping()
    assert [
        "READY=1\nSTATUS=2 buses, 40 meters",
        "WATCHDOG=1",
        "STATUS=总线 A：端口已消失",
        "STOPPING=1",
    ] == [listening.recv(4096).decode() for _ in range(4)]


def test_a_status_cannot_smuggle_in_a_message(supervisor: tuple[str, socket.socket]) -> None:
    """A line break in a status would begin another assignment: it becomes a blank; a long one is cut."""
    name, listening = supervisor
    notifier = Notifier.from_env({"NOTIFY_SOCKET": name})
    notifier.status("fine\nMAINPID=1\r\n")
    notifier.alive("x" * 100_000)
    assert "STATUS=fine MAINPID=1" == listening.recv(4096).decode()
    assert len("WATCHDOG=1\nSTATUS=") + 200 == len(listening.recv(4096))


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_supervisor_nothing_is_sent(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by hand, no socket is opened."""

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("edge.notify.socket.socket", refuse)
    notifier = Notifier.from_env(environ)
    notifier.ready("x")
    notifier.alive()
    notifier.stopping()
    assert "" == notifier.address


@pytest.mark.parametrize("name", ["/nonexistent/notify", "@nobody-listens-here", "/" + "n" * 300])
def test_a_supervisor_that_is_gone_stops_nothing(name: str) -> None:
    """A failure to tell is dropped: meters are read all the same."""
    notifier = Notifier.from_env({"NOTIFY_SOCKET": name})
    notifier.ready("x")
    assert name == notifier.address


@pytest.mark.parametrize(("value", "seconds"), [("30000000", 30.0), ("", 0.0), ("x", 0.0), ("-5", 0.0), ("³", 0.0)])
def test_the_watchdogs_time_is_taken_from_the_environment(value: str, seconds: float) -> None:
    """WATCHDOG_USEC in seconds; anything that is no number asks for no sign."""
    assert seconds == Notifier.from_env({"WATCHDOG_USEC": value}).watchdog_s
