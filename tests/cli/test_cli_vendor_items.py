"""`[[item]]` on the command line: `edge config check` says what is wrong, `edge read --config` reads what is right."""

import json

import pytest

import edge.cli.direct
from edge.cli.main import _run
from edge.sim.meter import SimMeter
from tests.cli.sim_line import SimLine

METER = "202107072529"
SETTINGS = """schema = 1
[gateway]
id = "g"
tenant = "t"
state_dir = "{state}"
[[bus]]
name = "A"
port = "/dev/one"
[[item]]
key = "vendor_heat"
di = "{di}"
format = "XXX.X"
unit = "°C"
"""


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Messages are compared in English, whatever this machine speaks."""
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture
def line(monkeypatch):
    """Put a meter behind every port that sends 23 10 for the vendor's identifier."""
    made = SimLine(meters=[SimMeter(METER, truths={"04A00101": ("2310",)})])
    monkeypatch.setattr(edge.cli.direct, "open_link", made.open)
    monkeypatch.setattr(edge.cli.direct, "SystemClock", lambda: made.clock)
    return made


def write(folder, di="04A00101"):
    file = folder / "edge.toml"
    file.write_text(SETTINGS.format(state=folder, di=di), encoding="utf-8")
    return str(file)


def run(capsys, *words):
    exit_code = _run(list(words))
    shown = capsys.readouterr()
    return exit_code, shown.out, shown.err


@pytest.mark.parametrize("more", [(), ("--port", "/dev/two")])
def test_read_knows_the_items_of_the_settings(tmp_path, capsys, line, more):
    """Key and identifier give the value by the format, on the bus of the settings and on any port."""
    words = ("read", METER, "vendor_heat", "di:04A00101", "--config", write(tmp_path), "--json", *more)
    exit_code, out, _ = run(capsys, *words)
    readings = json.loads(out)["readings"]
    assert (0, [("04A00101", "102.3", "°C")] * 2) == (
        exit_code,
        [(one["di"], one["value"], one["unit"]) for one in readings],
    )


def test_without_settings_the_key_is_unknown_and_the_identifier_raw(capsys, line):
    """The definition is in the settings and nowhere else."""
    exit_code, _, err = run(capsys, "read", METER, "vendor_heat", "--port", "/dev/two")
    assert (2, True) == (exit_code, "E-CTL-104" in err)
    exit_code, out, _ = run(capsys, "read", METER, "di:04A00101", "--port", "/dev/two", "--json")
    assert (0, ["2310"]) == (exit_code, [one["value"] for one in json.loads(out)["readings"]])


def test_check_names_the_line_and_the_way_out(tmp_path, capsys):
    """An identifier of the standard is refused at its line, with its name and the two ways out."""
    exit_code, _, err = run(capsys, "config", "check", write(tmp_path, "02010100"))
    assert 3 == exit_code
    assert "E-CFG-072" in err
    assert ":11:6" in err
    assert "voltage" in err
    assert "replaces_standard = true" in err
