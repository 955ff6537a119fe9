"""`edge detect`: rows for people, a document for programs, and the change of the settings."""

import json
import os
import subprocess
import sys

import pytest

from edge.bus.link import LineSettings
from edge.cli.main import _run
from edge.config.edit import with_bus_values
from edge.config.load import load_settings
from edge.errors import ConfigError
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter

A = "202311004511"


def test_rows_and_verdict_without_any_settings(site, sim_line, capsys):
    """One line a combination (a delay of 30 ms and a byte); at the end what to write into the settings."""
    sim_line.meters, sim_line.line = [SimMeter(A)], LineSettings(baud=9600)
    assert 0 == _run(["detect", "--port", "/dev/ttyUSB0"])
    out, err = capsys.readouterr()
    assert ["2400 8E1  dlt645-2007  silence", f"9600 8E1  dlt645-2007  frame from {A}, 31 ms"] == [
        line.strip() for line in out.splitlines()
    ]
    assert 'baud = 9600\n  parity = "even"\n  protocol = "dlt645-2007"' in err


def test_a_wrong_parity_is_named_and_written(site, sim_line, capsys):
    """The bus is set to 8E1, the meters speak 8N1: E-BUS-218, the change shown, everything else kept."""
    sim_line.meters, sim_line.line = [SimMeter(A)], LineSettings(parity="none")
    assert 0 == _run(["detect", "A", "--write", "--config", str(site), "--json"])
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (1, "E-BUS-218") == (document["schema"], document["condition"]["code"])
    assert '+parity = "none"' in err
    buses = {bus.name: bus.parity for bus in load_settings(site).bus}
    assert {"A": "none", "B": "even"} == buses
    text = site.read_text(encoding="utf-8")
    assert "# kept as it was written" in text
    assert "# the left one" in text


def test_a_bus_of_either_year_keeps_that(site, sim_line, capsys):
    """The settings leave the year open: which one answered first is no reason to close it."""
    site.write_text(site.read_text(encoding="utf-8").replace('name = "A"', 'name = "A"\nprotocol = "dlt645"'))
    sim_line.meters, sim_line.line = [SimMeter(A)], LineSettings(baud=9600)
    assert 0 == _run(["detect", "A", "--write", "--config", str(site), "--json"])
    assert "E-BUS-219" == json.loads(capsys.readouterr().out)["condition"]["code"]
    bus = load_settings(site).bus[0]
    assert (9600, "dlt645") == (bus.baud, bus.protocol)


def test_a_bus_of_either_year_stays_one(site, sim_line, capsys):
    """The year of the first meter that answers is not written: the others may speak another."""
    text = site.read_text(encoding="utf-8").replace('port = "/dev/two"', 'port = "/dev/two"\nprotocol = "dlt645"')
    site.write_text(text, encoding="utf-8")
    sim_line.meters, sim_line.line = [SimMeter(A, "1997")], LineSettings(parity="none")
    assert 0 == _run(["detect", "B", "--write", "--all", "--config", str(site)])
    bus = load_settings(site).bus[1]
    assert ("none", "dlt645") == (bus.parity, bus.protocol)


@pytest.mark.parametrize(("fault", "expected"), [("dead", (5, "E-BUS-216")), ("garbage", (6, "E-BUS-217"))])
def test_what_answers_nothing_or_nonsense_has_its_exit_code(site, sim_line, fault, expected, capsys):
    """Silence is 5, bytes that make no frame are 6; both name their next act."""
    sim_line.meters = [SimMeter(A, faults=(parse_fault(fault),))]
    assert expected[0] == _run(["detect", "--port", "/dev/ttyUSB0"])
    assert f"[{expected[1]}]" in capsys.readouterr().err


def test_stopping_says_how_far_it_came(site, sim_line, capsys):
    """Ctrl-C: the rows stand on the screen, code 130."""
    sim_line.stop_at = 4
    assert 130 == _run(["detect", "--port", "/dev/ttyUSB0"])
    out, err = capsys.readouterr()
    assert 1 == len(out.splitlines())
    assert "stopped after 1" in err


def test_values_go_where_they_belong():
    """A value that is there is replaced with its comment kept; a new one goes below the port of the right bus."""
    text = '[[bus]]\nname = "A"\nport = "a"\n\n# second\n[[bus]]\nname = "B"\nbaud = 9600  # fast\nport = "b"'
    changed = with_bus_values(text, "B", {"baud": 1200, "parity": "odd"})
    expected = '[[bus]]\nname = "A"\nport = "a"\n\n# second\n[[bus]]\nname = "B"\nbaud = 1200  # fast\nport = "b"\n'
    assert expected + 'parity = "odd"\n' == changed
    assert text.replace('"a"\n', '"a"\nbaud = 600\n') == with_bus_values(text, "A", {"baud": 600})


@pytest.mark.parametrize("text", ["[[bus]]\nname = 'B'\nport='b'\n", "bus = 3\n", "[[bus\n", '[[bus]]\nname = "A"\n'])
def test_a_file_that_cannot_be_changed_is_left_alone(text):
    """No such bus, no such table, no TOML, no port to write below: E-CFG-065, and the person writes it."""
    with pytest.raises(ConfigError) as caught:
        with_bus_values(text, "A", {"baud": 1200})
    assert "E-CFG-065" == caught.value.code


def test_the_speed_of_a_simulated_process_is_found(tmp_path):
    """The whole way on a real pty: a simulator that understands its own speed only, and the command as a process."""
    port = tmp_path / "bus"
    edge = [sys.executable, "-m", "edge.cli.main"]
    environment = {**os.environ, "EDGE_LANG": "en"}
    sim = [*edge, "sim", "--pty", str(port), "--meters", "1", "--first", A, "--baud", "9600", "--json"]
    with subprocess.Popen(sim, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout.readline()
            done = subprocess.run(
                [*edge, "detect", "--port", str(port), "--json"], capture_output=True, env=environment, check=False
            )
        finally:
            process.terminate()
    document = json.loads(done.stdout)
    assert (0, A) == (done.returncode, document["address"])
    assert {"baud": 9600, "parity": "even", "protocol": "dlt645-2007"} == document["found"]
