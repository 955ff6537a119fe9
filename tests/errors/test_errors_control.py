"""The control socket's errors: who may ask, how many, and what is said when the daemon cannot be had."""

import json
import socket
import threading
from contextlib import ExitStack
from itertools import islice

import pytest

import edge.control.server
from edge.app.forward_half import ForwardHalf
from edge.app.poll_half import open_poll
from edge.clock import ManualClock
from edge.config.load import parse_toml_model
from edge.config.settings import Settings
from edge.control.client import ask
from edge.control.jobs import ScanJob, StatusJob
from edge.control.server import ControlServer
from edge.errors import ControlError
from edge.health.model import Health
from tests.control.test_control_socket import echo, served
from tests.forward.forward_tools import Bench

TWO_BUSES = 'bus = [{ name = "A", port = "/dev/a" }, { name = "B", port = "/dev/b" }]'


def codes(documents) -> list[str]:
    """Return the codes of the error documents."""
    return [one["error"]["code"] for one in documents if "error" in one]


def greeting(path):
    """Return what the server says to somebody who has not asked anything yet."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        return json.loads(sock.makefile("rb").readline())


def test_a_stranger_is_refused(tmp_path, monkeypatch):
    """A peer that is neither root nor this user or group gets an error and no job."""
    monkeypatch.setattr(edge.control.server, "_is_trusted", lambda _: False)
    jobs = []
    with served(tmp_path / "s", lambda job, reply: jobs.append(job)):
        document = greeting(tmp_path / "s")
    assert (["E-CTL-106"], 9, []) == (codes([document]), document["error"]["exit"], jobs)


def test_too_many_at_once_are_refused(tmp_path):
    """Eight may ask at a time; the ninth is told so, and the eight are not disturbed."""
    replies = []

    def hold(job, reply):
        replies.append(reply)
        reply.put({"progress": 0})

    with ExitStack() as stack, served(tmp_path / "s", hold):
        asking = [ask(tmp_path / "s", {"job": "status"}) for _ in range(8)]
        for one in asking:
            stack.callback(one.close)
            assert {"progress": 0} == next(one)
        assert ["E-CTL-107"] == codes([greeting(tmp_path / "s")])
        for reply in replies:
            reply.end()
        assert [{"done": True}] * 8 == [next(one) for one in asking]


def test_a_socket_that_cannot_be_made_is_told(tmp_path):
    """No folder for it, and a path longer than the kernel takes."""
    for path in (tmp_path / "none" / "s", tmp_path / ("n" * 120)):
        with pytest.raises(ControlError) as caught:
            ControlServer(path, echo)
        assert ("E-CTL-108", str(path)) == (caught.value.code, caught.value.values["path"])


@pytest.mark.parametrize("said", [b"", b'{"progress": 1}\n', b"no JSON\n"])
def test_a_daemon_that_falls_silent_is_told(tmp_path, said):
    """It goes away before the last document, or answers what is no document."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        replies = ask(tmp_path / "s", {"job": "status"})
        with pytest.raises(ControlError) as caught:
            list(_answered(replies, listener, said))
    assert ("E-CTL-111", 5) == (caught.value.code, caught.value.exit_code)


def _answered(replies, listener, said):
    """Yield the replies to a peer that is answered and left as soon as it has connected."""

    def answer():
        peer, _ = listener.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(said)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield from replies
    finally:
        thread.join()


@pytest.fixture
def settings(tmp_path):
    """Return the settings of a gateway with two buses."""
    text = f'gateway = {{ id = "g", tenant = "t", state_dir = "{tmp_path / "state"}" }}\n' + TWO_BUSES
    (tmp_path / "state").mkdir()
    return parse_toml_model(text.encode(), tmp_path / "edge.toml", Settings).value


def refusal(half, job) -> ControlError:
    """Return why a half does not start a job."""
    with pytest.raises(ControlError) as caught:
        half.start_job(job, reply=None, nudge=print)
    return caught.value


def test_what_the_poller_cannot_do_is_told(settings):
    """A bus that the settings do not have, with those there are; a job that the main thread answers itself."""
    clock = ManualClock()
    with open_poll(settings, clock, Health(clock)) as half:
        unknown = refusal(half, ScanJob("C"))
        assert ("E-CTL-113", "use one of: A, B") == (unknown.code, unknown.advice())
        assert "E-CTL-114" == refusal(half, StatusJob()).code


def test_the_forwarder_has_no_bus(settings, tmp_path):
    """A scan asked of the wrong half."""
    bench = Bench(tmp_path / "edge.db")
    try:
        half = ForwardHalf(settings, bench.clock, lambda _: bench.worker, bench.outbox, watches=())
        assert "E-CTL-114" == refusal(half, ScanJob("A")).code
    finally:
        bench.close()


def test_a_defect_in_a_job_is_an_answer(tmp_path, caplog):
    """The peer hears of it, the log has the traceback, the server goes on."""

    def fall(job, reply):
        raise ZeroDivisionError

    with served(tmp_path / "s", fall):
        documents = [list(ask(tmp_path / "s", {"job": "status"}))[-1] for _ in range(2)]
    assert ["E-CTL-115", "E-CTL-115"] == codes(documents)
    assert 1 == documents[0]["error"]["exit"]
    assert "ZeroDivisionError" in caplog.text


def test_error_documents_are_one_line(tmp_path):
    """What the daemon says of an error is one line of JSON, whatever the values hold."""
    with served(tmp_path / "s", echo), socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(tmp_path / "s"))
        sock.sendall(b'{"job": "tr\\nip"}\n')
        lines = list(islice(sock.makefile("rb"), 2))
    assert [["E-CTL-102"]] == [codes([json.loads(line)]) for line in lines]
