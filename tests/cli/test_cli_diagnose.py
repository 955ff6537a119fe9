"""`edge diagnose`: every verdict is seen in its document, every check on the screen, the cause with its exit code."""

import json
import os
import subprocess
import sys

import pytest

from edge.bus.memory_link import Arrival
from edge.cli.main import _run
from edge.errors import LinkError
from edge.protocols.dlt645.frame import encode_frame
from edge.reading.verdict import Verdict
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.store.meter import Meter
from edge.store.register import MeterRegister, RegisterLock, apply_change
from edge.store.register_change import RegisterChange

A, B = "202311004511", "202311004512"
FAULTS = {
    Verdict.OK: None,
    Verdict.SILENCE: "dead",
    Verdict.GARBAGE: "garbage",
    Verdict.BAD_CHECKSUM: "bad-checksum",
    Verdict.WRONG_ADDRESS: f"wrong-address:{B}",
    Verdict.REFUSED: "refuse",
    Verdict.LATE: "late:900",
    Verdict.MALFORMED: "malformed",
    Verdict.FOREIGN_MASTER: f"foreign-master:{B}",
    Verdict.COLLISION: "",
    Verdict.PORT_GONE: None,
}


@pytest.mark.parametrize("verdict", list(Verdict), ids=str)
def test_every_verdict_is_provoked_and_seen_in_the_document(site, sim_line, verdict, capsys):
    """All eleven words for what happens on a bus, each by its own fault, each in the JSON with its code."""
    fault = FAULTS[verdict]
    sim_line.meters = [SimMeter(A, seed=1, faults=(parse_fault(fault),) if fault else ())]
    if verdict is Verdict.COLLISION:
        sim_line.meters.append(SimMeter(A, seed=2))
    sim_line.vanish_after = 1 if verdict is Verdict.PORT_GONE else None
    exit_code = _run(["diagnose", "--port", "/dev/x", "--meter", A, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [(A, verdict.value)] == [(one["meter"], one["verdict"]) for one in document["meters"]]
    # A meter whose bytes make no frame at any setting: the search for other settings has the last word.
    expected = "E-BUS-217" if verdict is Verdict.GARBAGE else verdict.code
    if verdict is Verdict.SILENCE:
        expected = "E-BUS-216"
    assert expected == (document["conclusion"] and document["conclusion"]["code"])
    answering = (Verdict.REFUSED, Verdict.MALFORMED)
    assert {Verdict.OK: 0, Verdict.PORT_GONE: 4}.get(verdict, 6 if verdict in answering else 5) == exit_code


def test_known_meters_are_asked_in_the_order_of_the_list(site, sim_line, tmp_path, capsys):
    """From the register: the checks on the screen, the cause and the next act at the end, partly."""
    with RegisterLock(tmp_path), MeterRegister(tmp_path / "register.json") as register:
        apply_change(register, RegisterChange(add=(Meter(address=A, bus="A"), Meter(address=B, bus="A"))))
    sim_line.meters = [SimMeter(A)]
    assert 6 == _run(["diagnose", "A", "--config", str(site)])
    out, err = capsys.readouterr()
    assert ["port", "quiet line", "only master", "echo", "answers"] == [
        line.split("  ")[0] for line in out.splitlines()[:5]
    ]
    assert "answered 1  silent 1" in out
    assert f"error[E-BUS-201]: {B}" in err
    assert "next" in err


def test_a_port_that_cannot_be_opened_is_a_check_that_fails(site, monkeypatch, capsys):
    """The first check, exit code 4, and the port's own code as the cause."""

    def refuse(port, clock):
        raise LinkError("E-BUS-102", port=port)

    monkeypatch.setattr("edge.cli.direct.open_link", refuse)
    assert 4 == _run(["diagnose", "--port", "/dev/x", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [("port", "fail")] == [(one["check"], one["answer"]) for one in document["checks"]]
    assert "E-BUS-102" == document["conclusion"]["code"]


def test_events_are_lines_for_programs_and_ctrl_c_ends_it(site, sim_line, capsys):
    """--jsonl: each check as it comes; stopped in the middle: code 130."""
    sim_line.meters, sim_line.stop_at = [SimMeter(A)], 4
    assert 130 == _run(["diagnose", "--port", "/dev/x", "--meter", A, "--jsonl"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"check": "quiet", "answer": "pass", "values": {"bytes": 0, "seconds": 2.0}} in [
        line.get("result") for line in lines
    ]


def test_a_sound_bus_says_so_in_chinese_too(site, sim_line, capsys):
    """No cause: one sentence, code 0, in the language asked for."""
    sim_line.meters = [SimMeter(A)]
    assert 0 == _run(["diagnose", "--port", "/dev/x", "--meter", A, "--lang", "zh"])
    out, err = capsys.readouterr()
    assert "未发现故障：1 块电表有应答" in err
    assert "线路安静          通过       字节数 0  秒 2.0" in out


def test_a_foreign_master_on_a_wire_that_is_only_heard(site, sim_line, capsys):
    """Somebody else's request before we asked anything: the cause, whatever the meters say."""
    sim_line.meters = [SimMeter(A)]
    sim_line.heard = [Arrival(sim_line.clock.monotonic() + 1, encode_frame(B, 0x11, bytes(4)))]
    assert 6 == _run(["diagnose", "--port", "/dev/x", "--meter", A])
    assert "[E-BUS-209]" in capsys.readouterr().err


def test_a_simulated_process_is_diagnosed(tmp_path):
    """The whole way on a real pty, a hundred times faster: two meters of one address, named."""
    port = tmp_path / "bus"
    edge = [sys.executable, "-m", "edge.cli.main"]
    environment = {**os.environ, "EDGE_LANG": "en"}
    sim = [*edge, "sim", "--pty", str(port), "--meters", "1", "--first", A, "--fast", "--fault", f"{A}=duplicate"]
    with subprocess.Popen([*sim, "--json"], stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout.readline()
            command = [*edge, "diagnose", "--port", str(port), "--meter", A, "--json"]
            done = subprocess.run(command, capture_output=True, env=environment, check=False)
        finally:
            process.terminate()
    assert "E-BUS-206" == json.loads(done.stdout)["conclusion"]["code"]
