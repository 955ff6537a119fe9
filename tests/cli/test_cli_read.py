"""`edge read` and `edge scan` on simulated meters: what they print for programs, and how each verdict leaves."""

import json
from datetime import datetime
from decimal import Decimal

import pytest

import edge.cli.direct
from edge.bus.memory_link import Arrival
from edge.cli.main import _run
from edge.protocols.dlt645.frame import encode_frame
from edge.reading.verdict import Verdict
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.store.meter import Meter
from edge.store.register import REGISTER_FILE, MeterRegister, apply_change
from edge.store.register_change import RegisterChange
from tests.cli.sim_line import SimLine

METER, OTHER = "202107072529", "202107072530"
ENERGY = "energy_active_import_total"
READING = {"quantity", "di", "value", "unit", "time", "response_ms", "tries"}
SETTINGS = """schema = 1
[gateway]
id = "g"
tenant = "t"
state_dir = "{state}"
[[bus]]
name = "A"
port = "/dev/one"
[[bus]]
name = "B"
port = "/dev/two"
"""


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Messages are compared in English, whatever this machine speaks."""
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture
def config(tmp_path):
    """Write settings with two buses."""
    file = tmp_path / "edge.toml"
    file.write_text(SETTINGS.format(state=tmp_path))
    return file


@pytest.fixture
def line(monkeypatch):
    """Put simulated meters behind every port."""
    made = SimLine()
    monkeypatch.setattr(edge.cli.direct, "open_link", made.open)
    monkeypatch.setattr(edge.cli.direct, "SystemClock", lambda: made.clock)
    return made


def meter(*faults, address=METER, **more):
    return SimMeter(address, faults=tuple(parse_fault(fault) for fault in faults), **more)


def read(*items):
    return _run(["read", METER, *items, "--port", "/dev/ttyUSB0"])


def document_of(capsys, *items):
    """Return the exit code and the document of a read."""
    code = _run(["read", METER, *items, "--port", "/dev/ttyUSB0", "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("meters", "code", "verdict"),
    [
        ([meter("dead")], "E-BUS-201", Verdict.SILENCE),
        ([], "E-BUS-201", Verdict.SILENCE),
        ([meter("garbage")], "E-BUS-202", Verdict.GARBAGE),
        ([meter("bad-checksum")], "E-BUS-203", Verdict.BAD_CHECKSUM),
        ([meter(f"wrong-address:{OTHER}")], "E-BUS-204", Verdict.WRONG_ADDRESS),
        ([meter("refuse")], "E-BUS-205", Verdict.REFUSED),
        ([meter(seed=1), meter("duplicate", seed=2)], "E-BUS-206", Verdict.COLLISION),
        ([meter("malformed")], "E-BUS-208", Verdict.MALFORMED),
        ([meter(f"foreign-master:{OTHER}")], "E-BUS-209", Verdict.FOREIGN_MASTER),
    ],
)
def test_each_verdict_is_told_with_its_cause(line, meters, code, verdict, capsys):
    """Code, verdict, meter, cause and next act on standard error; nothing on standard output; exit code 5."""
    line.meters = meters
    assert 5 == read(ENERGY)
    out, err = capsys.readouterr()
    assert "" == out
    assert f"error[{code}] {verdict}: {METER}" in err
    assert ["cause", "next"] == [one.split(":")[0].strip() for one in err.splitlines()[1:3]]
    assert (5, verdict) == ((found := document_of(capsys, ENERGY))[0], found[1]["verdict"])


def test_a_late_answer_is_told(line, capsys):
    """The answer to what an earlier command asked comes while ours gets none: late, not silence."""
    line.meters = [meter("dead")]
    line.heard = [Arrival(line.clock.monotonic() + 0.4, encode_frame(METER, 0x91, bytes.fromhex("000101020020")))]
    assert 5 == read(ENERGY)
    assert f"error[E-BUS-207] late: {METER}" in capsys.readouterr().err


def test_a_wrong_address_names_who_answered(line, capsys):
    """The other address stands in the text, so that it can be looked for on the nameplates."""
    line.meters = [meter(f"wrong-address:{OTHER}")]
    read(ENERGY)
    assert OTHER in capsys.readouterr().err


def test_a_port_that_is_gone_before_anything_was_read(line, capsys):
    """Nothing was read and the port is gone: exit code 4, as for a port that cannot be opened."""
    line.meters, line.vanish_after = [meter()], 0
    assert 4 == read(ENERGY)
    assert "error[E-BUS-210] port_gone" in capsys.readouterr().err


def test_a_port_that_is_gone_in_the_middle(line, capsys):
    """What was read stands; the rest is told as gone with the port: partly."""
    line.meters, line.vanish_after = [meter()], 1
    assert 6 == read(ENERGY, "voltage_l1")
    out, err = capsys.readouterr()
    assert [ENERGY] == [row.split()[0] for row in out.splitlines()]
    assert "error[E-BUS-210] port_gone" in err


def test_items_that_the_protocol_does_not_have(line, capsys):
    """An identifier of the other version can be read from no meter of this one: usage, not a silent meter."""
    line.meters = [meter()]
    assert 2 == read("di:9010")
    assert "error[E-CLI-103] unknown_item: di:9010 cannot be read" in capsys.readouterr().err
    assert 6 == read("di:9010", ENERGY)
    assert 5 == read("di:9010", "di:09999999", "di:09999998")


def test_the_fields_of_an_identifier_are_told_apart(line, capsys):
    """A value and its time have one identifier: the field's name stands in the table and in the document."""
    line.meters = [meter()]
    assert 0 == read("di:01010000")
    assert ["di:01010000", "di:01010000.time"] == [one.split()[0] for one in capsys.readouterr().out.splitlines()]
    _, document = document_of(capsys, "di:01010000")
    assert [None, "time"] == [one.get("field") for one in document["readings"]]


def test_the_document_of_a_reading(line, capsys):
    """Exactly the fields that are promised, each of its type; `bytes_seen` stays inside."""
    line.meters = [meter()]
    code, document = document_of(capsys, ENERGY, "di:02010100", "di:04000401")
    assert (0, {"meter", "protocol", "readings", "verdict"}) == (code, set(document))
    assert (METER, "dlt645-2007", "ok") == (document["meter"], document["protocol"], document["verdict"])
    for one in document["readings"]:
        assert READING | {"verdict"} == set(one)
        assert ("ok", str, str) == (one["verdict"], type(one["unit"]), type(one["value"]))
        assert datetime.fromisoformat(one["time"]).tzinfo is not None
        assert (int, 1) == (type(one["response_ms"]), one["tries"])
    energy, volts, address = document["readings"]
    assert (ENERGY, "00010000", "kWh") == (energy["quantity"], energy["di"], energy["unit"])
    assert Decimal(energy["value"]).as_tuple().exponent == -2
    assert (None, "02010100", "V") == (volts["quantity"], volts["di"], volts["unit"])
    assert METER == address["value"]


def test_the_document_of_what_was_not_read(line, capsys):
    """A refused item is a reading without a value, with verdict and detail; what was read stands: exit code 6."""
    line.meters = [meter()]
    code, document = document_of(capsys, ENERGY, "di:09999999")
    refused = document["readings"][1]
    assert (6, "ok") == (code, document["verdict"])
    assert READING | {"verdict", "detail"} == set(refused)
    assert (None, "09999999", None, "", None) == tuple(
        refused[key] for key in ("quantity", "di", "value", "unit", "response_ms")
    )
    assert ("refused", "no requested data (ERR 02)") == (refused["verdict"], refused["detail"])


def test_a_second_try_is_counted(line, capsys):
    """An answer to the second question says so: the wire is not in order."""
    line.meters = [meter("bad-checksum@0.5", seed=2)]
    code, document = document_of(capsys, ENERGY, "voltage", "current")
    assert (0, [2, 1, 1, 1, 2, 2, 2]) == (code, [one["tries"] for one in document["readings"]])


def test_a_bus_must_be_named_where_there_are_several(line, config, capsys):
    """Two buses in the settings: the command says which there are."""
    assert 2 == _run(["read", METER, "--config", str(config)])
    assert "[E-CLI-102]" in (err := capsys.readouterr().err)
    assert "A, B" in err
    assert 2 == _run(["read", METER, "--bus", "C", "--config", str(config)])
    assert '[E-CTL-113]: there is no bus "C"' in capsys.readouterr().err
    line.meters = [meter()]
    assert 0 == _run(["read", METER, ENERGY, "--bus", "B", "--config", str(config)])
    assert ["/dev/two"] == line.opened


def test_a_meter_of_the_register_is_read_as_it_is_known(line, config, capsys):
    """Without a daemon too: on its bus, in its year, at the speed that it was raised to; --baud stands above that."""
    known = Meter(address=METER, bus="B", protocol="dlt645", learned={"protocol": "dlt645-1997", "baud": 9600})
    with MeterRegister(config.with_name(REGISTER_FILE)) as register:
        apply_change(register, RegisterChange(add=(known,)))
        register.learn_all({METER: dict(known.learned)})
    line.meters = [SimMeter(METER, "1997", faults=(parse_fault("speed:9600"),))]
    assert 0 == _run(["read", METER, ENERGY, "--config", str(config), "--json"])
    assert "dlt645-1997" == json.loads(capsys.readouterr().out)["protocol"]
    assert ["/dev/two"] == line.opened
    assert 5 == _run(["read", METER, ENERGY, "--baud", "2400", "--config", str(config)])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["read", METER, "--baud", "1200", "--tries", "3"], "--baud --tries"),
        (["read", METER, "--parity", "even"], "--parity"),
        (["read", METER, "--reply-ms", "900"], "--reply-ms"),
        (["scan", "A", "--baud", "1200"], "--baud"),
    ],
)
def test_line_options_are_refused_while_the_daemon_has_the_port(arguments, named, config, monkeypatch, capsys):
    """An option that the daemon would not follow is no silent wish: the command says so and what to do."""
    served = []
    monkeypatch.setattr(edge.cli.direct, "is_served", lambda path: served.append(path) or True)
    assert 2 == _run([*arguments, "--config", str(config)])
    err = capsys.readouterr().err
    assert f"[E-CLI-109]: {named}: not while the daemon runs" in err
    assert "stop the daemon" in err
    assert [config.with_name("poll.sock")] == served


def test_a_scan_finds_who_is_there(line, capsys):
    """Every address of the range is asked; those who answered are printed."""
    line.meters = [meter(), meter(address=OTHER)]
    assert 0 == _run(["scan", "--range", f"{METER}-202107072532", "--port", "/dev/ttyUSB0", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert ([METER, OTHER], [], 5) == tuple(document[key] for key in ("found", "collisions", "probes"))
    assert [{"meter": one, "protocol": "dlt645-2007"} for one in (METER, OTHER)] == document["meters"]


def test_a_scan_tells_two_meters_of_one_address(line, capsys):
    """A collision at a full address is two meters with the same one: partly if others were found."""
    line.meters = [meter(seed=1), meter("duplicate", seed=2), meter(address=OTHER)]
    assert 6 == _run(["scan", "--address", METER, "--address", OTHER, "--port", "/dev/ttyUSB0", "--json"])
    out, err = capsys.readouterr()
    assert ([OTHER], [METER]) == (json.loads(out)["found"], json.loads(out)["collisions"])
    assert f"{METER}: two meters have this address" in err


def test_a_scan_of_nobody_ends_with_5(line):
    """Nothing answered."""
    assert 5 == _run(["scan", "--address", METER, "--port", "/dev/ttyUSB0"])


@pytest.mark.parametrize("left", [0, 2])
def test_a_scan_on_a_dying_port_fails_with_the_port(line, left, capsys):
    """A port that goes away is no bus without meters."""
    line.meters, line.vanish_after = [meter()], left
    assert 4 == _run(["scan", "--range", f"{METER}-202107072539", "--port", "/dev/ttyUSB0", "--json"])
    out, err = capsys.readouterr()
    assert "E-BUS-104" == json.loads(out.splitlines()[-1])["error"]["code"]
    assert "error[E-BUS-104]" in err
