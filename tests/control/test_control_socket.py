"""The control socket: jobs in, documents out, over a real Unix socket."""

import contextlib
import json
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.control.client import ask, is_served
from edge.control.jobs import (
    MOST_BYTES,
    CarriedReceiptJob,
    DetectJob,
    DiagnoseJob,
    ReadJob,
    RegisterJob,
    ScanJob,
    SealJob,
    StatusJob,
    parse_job,
)
from edge.control.server import ControlServer
from edge.errors import ControlError, EdgeError


@contextlib.contextmanager
def served(path, start_job, own=tuple):
    """Serve with a server stepped by a thread of the test, as the daemon's main thread steps it."""
    server = ControlServer(path, start_job, own)
    stopping = threading.Event()

    def run():
        while not stopping.is_set():
            server.step(0.05)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield server
    finally:
        stopping.set()
        server.wake()
        thread.join()
        server.close()


def echo(job, reply):
    reply.put({"progress": 1})
    reply.end({"result": repr(job)})


def test_a_job_streams_its_documents(tmp_path):
    """Progress comes first, the last document says done."""
    with served(tmp_path / "s", echo):
        documents = list(ask(tmp_path / "s", {"job": "status"}))
    assert [{"progress": 1}, {"done": True, "result": "StatusJob()"}] == documents


def test_replies_may_come_from_another_thread(tmp_path):
    """A bus worker answers from its own thread, after the server went back to waiting."""
    threads = []

    def start(job, reply):
        def work():
            for number in range(50):
                reply.put({"progress": number})
            reply.end()

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    with served(tmp_path / "s", start):
        documents = list(ask(tmp_path / "s", {"job": "status"}))
    threads[0].join()
    assert [*({"progress": number} for number in range(50)), {"done": True}] == documents


def test_closing_the_connection_ends_the_job(tmp_path):
    """The job sees that its peer has gone."""
    replies, gone = [], threading.Event()

    def start(job, reply):
        replies.append(reply)
        reply.put({"progress": 0})

    with served(tmp_path / "s", start):
        asking = ask(tmp_path / "s", {"job": "status"})
        next(asking)
        asking.close()
        for _ in range(200):
            if replies[0].is_closed:
                gone.set()
                break
            gone.wait(0.01)
    assert gone.is_set()


def test_an_item_of_the_settings_may_be_asked_for(tmp_path):
    """A key that the settings define is as good as a quantity's, and is handed on as it is."""
    job = {"job": "read", "meter": "202311000001", "items": ["vendor_heat"]}
    with served(tmp_path / "s", echo, lambda: {"vendor_heat"}):
        assert repr(ReadJob("202311000001", ("vendor_heat",))) == list(ask(tmp_path / "s", job))[-1]["result"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "E-CTL-101"),
        (b"{", "E-CTL-101"),
        (b"[1]", "E-CTL-101"),
        (b"\xff\xfe", "E-CTL-101"),
        (b"[" * 100_000, "E-CTL-101"),
        (b'{"job": "trip"}', "E-CTL-102"),
        (b'{"job": ["read"]}', "E-CTL-102"),
        (b'{"job": "read", "meter": "202311000001", "items": "voltage"}', "E-CTL-103"),
        (b'{"job": "read", "meter": 202311000001, "items": []}', "E-CTL-103"),
        (b'{"job": "read", "meter": "202311000001", "items": ["volts"]}', "E-CTL-104"),
        (b'{"job": "read", "meter": "2023110001", "items": ["voltage"]}', "E-CTL-105"),
        ('{"job": "read", "meter": "２０２３１１０００００１", "items": ["voltage"]}'.encode(), "E-CTL-105"),
        (b'{"job": "scan", "bus": "A", "addresses": ["12"]}', "E-CTL-105"),
        (b'{"job": "\\ud800"}', "E-CTL-102"),
        (b'{"job": "read", "meter": "\\ud800", "items": ["voltage"]}', "E-CTL-103"),
        (b'{"job": "read", "meter": "202311000001", "items": []}', "E-CTL-103"),
        (b'{"job": "scan", "bus": "A", "protocol": "modbus"}', "E-CTL-103"),
        (b'{"job": "scan", "bus": "A", "state": [1]}', "E-CTL-103"),
        (b'{"job": "scan", "bus": "A", "quick": 1}', "E-CTL-103"),
        (b'{"job": "detect", "bus": "A", "all": "yes"}', "E-CTL-103"),
        (b'{"job": "diagnose", "bus": "A", "meter": "12"}', "E-CTL-105"),
        (b'{"job": "trace", "bus": "A", "last": -1}', "E-CTL-103"),
        (b'{"job": "trace", "bus": "A", "last": true}', "E-CTL-103"),
        (b'{"job": "read", "meter": "202311000001", "items": ["voltage"], "protocol": "foo"}', "E-CTL-103"),
    ],
)
def test_wrong_jobs_are_refused_with_their_code(tmp_path, line, code):
    """Each wrong line gets an error document with code, fact, cause and next act; the server lives on."""
    with served(tmp_path / "s", echo):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(tmp_path / "s"))
            sock.sendall(line + b"\n")
            error = json.loads(sock.makefile("rb").readline())["error"]
        assert code == error["code"]
        assert all(error[part] for part in ("fact", "cause", "next"))
        assert [{"done": True}] == [
            {"done": one["done"]} for one in ask(tmp_path / "s", {"job": "status"}) if "done" in one
        ]


def test_an_endless_line_is_cut_off(tmp_path):
    """A peer that sends without end gets an error, not our memory."""
    with served(tmp_path / "s", echo), socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(tmp_path / "s"))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(b"x" * (MOST_BYTES + 200_000))
        assert "E-CTL-101" == json.loads(sock.makefile("rb").readline())["error"]["code"]


def test_an_error_of_the_job_reaches_the_peer(tmp_path):
    """An error raised while the job starts comes back as its document."""

    def start(job, reply):
        raise EdgeError("E-CTL-112", meter="202311000001")

    with served(tmp_path / "s", start):
        documents = list(ask(tmp_path / "s", {"job": "status"}))
    assert "E-CTL-112" == documents[-1]["error"]["code"]
    assert "202311000001" in documents[-1]["error"]["fact"]


def test_a_defect_in_a_job_does_not_end_the_server(tmp_path, caplog):
    """What nobody expected is logged and answered with its code; the next job is served."""

    def start(job, reply):
        if isinstance(job, ReadJob):
            raise ZeroDivisionError
        echo(job, reply)

    job = {"job": "read", "meter": "202311000001", "items": ["voltage"]}
    with served(tmp_path / "s", start):
        assert "E-CTL-115" == list(ask(tmp_path / "s", job))[-1]["error"]["code"]
        assert list(ask(tmp_path / "s", {"job": "status"}))[-1]["done"]
    assert "ZeroDivisionError" in caplog.text


def test_a_second_server_is_refused_and_a_dead_one_replaced(tmp_path):
    """Two daemons never serve one path; the file of a killed one is no hindrance."""
    path = tmp_path / "s"
    with served(path, echo):
        assert is_served(path)
        with pytest.raises(ControlError) as caught:
            ControlServer(path, echo)
        assert "E-CTL-109" == caught.value.code
    assert not path.exists()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert not is_served(path)
    with served(path, echo):
        assert is_served(path)


def test_only_this_user_and_group_reach_the_socket(tmp_path):
    """The socket's file is closed to others."""
    with served(tmp_path / "s", echo):
        assert 0o660 == (tmp_path / "s").stat().st_mode & 0o777


def test_nobody_there_is_said_clearly(tmp_path):
    """Asking without a daemon names the path and what to do."""
    with pytest.raises(ControlError) as caught:
        list(ask(tmp_path / "none", {"job": "status"}))
    assert "E-CTL-110" == caught.value.code


def test_good_jobs_are_values():
    """Each job parses to its value."""
    assert DetectJob("A", "202311000001", is_all=True) == parse_job(
        b'{"job": "detect", "bus": "A", "meter": "202311000001", "all": true}'
    )
    assert DiagnoseJob("A") == parse_job(b'{"job": "diagnose", "bus": "A"}')
    assert StatusJob() == parse_job(b'{"job": "status"}')
    assert SealJob() == parse_job(b'{"job": "seal"}')
    assert CarriedReceiptJob(b"\x01\xff") == parse_job(b'{"job": "receipt", "receipt": "01ff"}')
    read = b'{"job": "read", "meter": "202311000001", "items": ["voltage"], "bus": "A"}'
    assert ReadJob("202311000001", ("voltage",), "", "A") == parse_job(read)
    scan = b'{"job": "scan", "bus": "A", "addresses": ["AAAAAAAAAA01", "202311000001"]}'
    assert ScanJob("A", ("AAAAAAAAAA01", "202311000001")) == parse_job(scan)
    assert RegisterJob({"add": []}) == parse_job(b'{"job": "register", "add": []}')


@given(st.binary(max_size=200))
def test_any_bytes_are_a_job_or_a_control_error(line):
    """No line raises anything but ControlError."""
    with contextlib.suppress(ControlError):
        assert parse_job(line)
