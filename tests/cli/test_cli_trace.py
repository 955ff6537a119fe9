"""`edge trace` and `edge bus`: heard on a port, told by the daemon, saved and shown again."""

import json
import os
import pty
import threading
import tty

import pytest

from edge.app.poll_half import open_poll
from edge.bus.memory_link import Arrival, MemoryLink
from edge.bus.trace import TraceEvent, TraceRing
from edge.cli.bus import _marked, _View
from edge.cli.main import _run
from edge.cli.trace_source import Source
from edge.clock import ManualClock
from edge.config.load import load_settings
from edge.control.jobs import TraceJob
from edge.control.server import ControlServer
from edge.health.model import Health
from edge.protocols.dlt645.frame import encode_frame

A, B = "202311004511", "202311004512"
ASK = encode_frame(A, 0x11, bytes.fromhex("00000100"))
ANSWER = encode_frame(A, 0x91, bytes.fromhex("0000010078563412"))
PORT = ["--port", "/dev/ttyUSB0", "--seconds", "3"]
HEADER = '{"kind": "edge-trace", "schema": 1, "baud": 2400, "time": "2026-01-01T00:00:00+00:00", "at": 0, "bus": "A"}\n'
ODD = ["null", *(f'{{"at": {at}, "direction": "rx", "hex": "68"}}' for at in ("NaN", "1e400", "1e12", "[]"))]


@pytest.fixture
def heard(site, sim_line):
    """Let a request and its answer go over the wire that is listened to, and a spark after them."""
    now = sim_line.clock.monotonic()
    sim_line.heard = [Arrival(now + 0.2, ASK), Arrival(now + 0.4, ANSWER), Arrival(now + 1.5, b"\x13\x55")]
    return sim_line


def test_a_port_is_listened_to_and_nothing_is_sent(heard, monkeypatch, capsys):
    """Who asked, who answered, in hex and in words; bytes that are no frame are shown as what they are."""
    sent = []
    monkeypatch.setattr("tests.cli.sim_line._Link.write", lambda link, data, timeout_s: sent.append(data))
    assert 0 == _run(["trace", *PORT])
    lines = [line[14:] for line in capsys.readouterr().out.splitlines()]
    assert [] == sent
    assert f"->  {ASK.hex().upper()}  {A} read data 00010000" == lines[0]
    assert f"<-  {ANSWER.hex().upper()}  {A} read data 00010000 = 123456.78 kWh" == lines[1]
    assert lines[2].startswith("??  1355  BAD: no 68H")


def test_lines_are_chosen_by_meter_and_by_text(heard, capsys):
    """--meter shows one address; --filter what holds a text, whatever its letters."""
    _run(["trace", *PORT, "--meter", A])
    assert 2 == len(capsys.readouterr().out.splitlines())
    assert 5 == _run(["trace", *PORT, "--meter", B])
    assert "nothing was heard" in capsys.readouterr().err
    _run(["trace", *PORT, "--filter", "bad"])
    assert 1 == len(capsys.readouterr().out.splitlines())


def test_what_is_saved_is_shown_again_as_it_was(heard, tmp_path, capsys):
    """A header with bus, line and time, then each event; --replay prints the same lines, also as documents."""
    _run(["trace", *PORT, "--save", "trace.jsonl"])
    live = capsys.readouterr().out
    header, *events = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    expected = {"schema": 1, "kind": "edge-trace", "port": "/dev/ttyUSB0", "baud": 2400, "parity": "even"}
    assert expected.items() <= header.items()
    assert [ASK.hex().upper(), ANSWER.hex().upper(), "1355"] == [event["hex"] for event in events]
    assert [0.2, 0.4] == [round(event["at"] - header["at"], 3) for event in events[:2]]
    assert 0 == _run(["trace", "--replay", "trace.jsonl"])
    assert live == capsys.readouterr().out
    assert 0 == _run(["trace", "--replay", "trace.jsonl", "--jsonl"])
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [("master", A, True), ("meter", A, True), (None, None, False)] == [
        (one["sender"], one["meter"], one["ok"]) for one in documents
    ]
    assert 0 == _run(["trace", "--replay", "trace.jsonl", "--json"])
    assert 3 == len(json.loads(capsys.readouterr().out)["lines"])


def test_a_trace_whose_last_line_was_cut_off_is_shown_without_it(heard, tmp_path, capsys):
    """A power cut in the middle of a line costs that line, not the file."""
    _run(["trace", *PORT, "--save", "trace.jsonl"])
    live = capsys.readouterr().out.splitlines()
    file = tmp_path / "trace.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    assert 0 == _run(["trace", "--replay", "trace.jsonl"])
    out, err = capsys.readouterr()
    assert live[:2] == out.splitlines()
    assert "cut off" in err


@pytest.mark.parametrize(
    ("text", "arguments", "code"),
    [
        ('{"schema": 1}', ["--replay", "file"], "E-CLI-113"),
        ("", ["--replay", "file"], "E-CLI-113"),
        ("[]\n", ["--replay", "file"], "E-CLI-113"),
        *((f"{HEADER}{line}\n", ["--replay", "file"], "E-CLI-113") for line in ODD),
        (
            '{"kind": "edge-trace", "schema": 2, "baud": 1, "time": "2026-01-01", "at": 0}',
            ["--replay", "file"],
            "E-CLI-113",
        ),
        ("", [*PORT, "--save", "no/such/folder"], "E-CLI-114"),
    ],
)
def test_files_that_are_none_are_refused(heard, text, arguments, code, capsys):
    """A file of another kind, an empty one, one of a newer schema; a folder that is not there."""
    with open("file", "w", encoding="utf-8") as file:  # noqa: PTH123 - the test's own directory
        file.write(text)
    assert 2 == _run(["trace", *arguments])
    assert f"[{code}]" in capsys.readouterr().err


def test_a_snapshot_for_programs(heard, capsys):
    """`edge bus --json`: one document with a row an address, after the time is over."""
    assert 0 == _run(["bus", *PORT, "--json"])
    document = json.loads(capsys.readouterr().out)
    (row,) = document["rows"]
    assert (1, A, 1, 1, {}) == (document["schema"], *(row[key] for key in ("meter", "requests", "answers", "errors")))
    assert "123456.78" == row["values"]["energy_active_import_total"]["value"]
    assert 2 == document["stray_bytes"]


def test_one_line_a_frame_without_a_terminal(heard, capsys):
    """Piped into a file, each frame is a line; a silent bus ends with code 5."""
    assert 0 == _run(["bus", *PORT])
    assert 3 == len(capsys.readouterr().out.splitlines())
    heard.heard = []
    assert 5 == _run(["bus", *PORT])


def test_ctrl_c_ends_with_what_was_heard(heard, monkeypatch, capsys):
    """Stopped in the middle: what was heard stands there, the file is whole, code 130, and the port is given back."""
    closed = []

    def close(link):
        closed.append(link)

    monkeypatch.setattr("tests.cli.sim_line._Link.close", close)
    reading, turns = MemoryLink.read, iter(range(1, 1000))

    def read(link, limit, timeout_s):
        if next(turns) % 10 == 0:
            raise KeyboardInterrupt
        return reading(link, limit, timeout_s)

    monkeypatch.setattr(MemoryLink, "read", read)
    assert 130 == _run(["trace", *PORT, "--save", "trace.jsonl"])
    assert 2 == len(capsys.readouterr().out.splitlines())
    assert 0 == _run(["trace", "--replay", "trace.jsonl", "--meter", A])
    assert 130 == _run(["bus", *PORT, "--json"])
    assert [A] == [row["meter"] for row in json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]]
    assert 2 == len(closed)


def test_keys_change_what_is_shown():
    """q ends, c clears, s sorts by errors, space pauses, h helps; others do nothing."""
    now = 100.0
    events = [TraceEvent(now, "tx", ASK), TraceEvent(now + 9, "tx", encode_frame(B, 0x11, bytes(4))), None]
    header = {"baud": 2400, "time": "2026-11-25T00:00:00+00:00", "at": now}
    view = _View(Source(header, iter(events), is_listening=False), "")
    list(view.turns())
    assert [A, B] == [row.address for row in view.rows()]
    assert ["silence 1" in line for line in view.text().plain.splitlines()[1:3]] == [True, False]
    assert all(view.press(key) for key in "s hx")
    assert (True, True) == (view.is_paused, view.has_help)
    assert not view.press("q")
    assert view.press("c")
    assert [] == view.rows()


def test_changed_digits_are_marked():
    """The mark stands before the first digit that changed."""
    assert ["123.^5", "123.4", "9"] == [_marked("123.4", "123.5"), _marked("123.4", "123.4"), _marked("", "9")]


def test_the_daemon_tells_what_goes_over_its_bus(site, capsys):
    """The last events at once, further ones as they happen, a beat a second: over a real control socket."""
    settings, clock = load_settings(site), ManualClock()
    with open_poll(settings, clock, Health(clock)) as half:
        ring = half._workers["A"].port.trace
        ring.add(TraceEvent(clock.monotonic(), "tx", ASK))
        server = ControlServer(settings.state_dir / "poll.sock", lambda job, reply: half.start_job(job, reply, print))
        done = threading.Event()

        def ask():
            codes.append(_run(["trace", "A", "--config", str(site), "--last", "5", "--seconds", "1", "--jsonl"]))
            done.set()

        codes = []
        thread = threading.Thread(target=ask)
        thread.start()
        while not done.is_set():
            server.step(0.05)
            if half._followers and len(ring.events()) == 1:
                ring.add(TraceEvent(clock.monotonic() + 0.3, "rx", ANSWER))
            half.tend()
            clock.advance(0.5)
        thread.join()
        server.step(0)
        half.tend()
        server.close()
        assert ([0], []) == (codes, half._followers)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [("tx", "master"), ("rx", "meter")] == [(one["direction"], one["sender"]) for one in lines]


def test_a_follower_that_has_gone_is_forgotten():
    """The ring tells nobody who said that it is enough, and keeps no empty event."""
    ring, told = TraceRing(10), []
    ring.follow(lambda event: told.append(event) or len(told) < 2)
    for number in range(4):
        ring.add(TraceEvent(float(number), "rx", b"x"))
    ring.add(TraceEvent(9.0, "tx", b""))
    assert (2, 4) == (len(told), len(ring.events()))


def test_a_trace_job_names_its_bus():
    """The job is a value like the others."""
    from edge.control.jobs import parse_job

    assert TraceJob("A", 7) == parse_job(b'{"job": "trace", "bus": "A", "last": 7}')


def test_a_real_port_is_only_listened_to(site, capsys):
    """On a pty: what its other end says is shown, and nothing comes out of it."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    over = threading.Event()

    def talk():
        while not over.wait(0.05):
            os.write(master, ANSWER)

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        assert 0 == _run(["trace", "--port", os.ttyname(slave), "--seconds", "0.4", "--jsonl"])
        over.set()
        talking.join()
        assert {A} == {json.loads(line)["meter"] for line in capsys.readouterr().out.splitlines()[1:-1]}
        with pytest.raises(BlockingIOError):
            os.read(master, 1)
    finally:
        over.set()
        talking.join()
        os.close(master)
        os.close(slave)
