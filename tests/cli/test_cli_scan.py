"""`edge scan` as a person uses it: stop and resume, lists, the register, what it prints for programs."""

import json

import pytest

from edge.bus.link import LineSettings
from edge.cli.main import _run
from edge.sim.meter import SimMeter
from edge.store.meter import Meter
from edge.store.register import MeterRegister, RegisterLock, apply_change
from edge.store.register_change import RegisterChange

A, B, C = "202311004511", "202311004512", "202312009911"


def meters(*addresses):
    return [SimMeter(address, seed=number) for number, address in enumerate(addresses)]


def registered(folder):
    with MeterRegister(folder / "register.json") as register:
        return {meter.address: (meter.bus, meter.protocol) for meter in register.meters()}


def register(folder, *known):
    with RegisterLock(folder), MeterRegister(folder / "register.json") as opened:
        apply_change(opened, RegisterChange(add=known))


def test_everybody_is_found_without_any_settings(site, sim_line, capsys):
    """A port and nothing else: the document has its schema, the meters with their protocol, and how it went."""
    sim_line.meters = meters(A, B, C)
    assert 0 == _run(["scan", "--port", "/dev/ttyUSB0", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (1, [A, B, C], 0) == (document["schema"], document["found"], document["left"])


def test_a_scan_that_is_stopped_says_what_it_found_and_goes_on_later(site, sim_line, tmp_path, capsys):
    """Ctrl-C: what was found stands on the screen, code 130; --resume asks the rest and takes the state away."""
    sim_line.meters = meters(A, B, C)
    sim_line.stop_at = 60
    assert 130 == _run(["scan", "A", "--config", str(site), "--json"])
    out, err = capsys.readouterr()
    stopped = json.loads(out)
    assert 0 < len(stopped["found"]) < 3
    assert stopped["left"] > 0
    kept = tmp_path / "scan-A.json"
    assert f"--resume {kept}" in err
    sim_line.stop_at = None
    assert 0 == _run(["scan", "A", "--resume", "--config", str(site), "--json"])
    assert [A, B, C] == json.loads(capsys.readouterr().out)["found"]
    assert not kept.exists()


def test_the_state_can_be_kept_in_a_file_of_ones_own(site, sim_line, tmp_path, capsys):
    """--resume FILE keeps the state there, and begins anew where there is none yet."""
    sim_line.meters, sim_line.stop_at = meters(A, C), 60
    arguments = ["scan", "--port", "/dev/ttyUSB0", "--resume", "state.json", "--json"]
    assert 130 == _run(arguments)
    assert 1 == json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))["schema"]
    sim_line.stop_at = None
    capsys.readouterr()
    assert 0 == _run(arguments)
    assert [A, C] == json.loads(capsys.readouterr().out)["found"]


def test_a_scan_that_is_cut_off_goes_on_later(site, sim_line, tmp_path, capsys):
    """The state is on the disk while it runs: a port that vanishes, as a power cut, costs the last few probes."""
    sim_line.meters, sim_line.vanish_after = meters(A, B, C), 60
    assert 4 == _run(["scan", "A", "--config", str(site)])
    kept = tmp_path / "scan-A.json"
    assert f"--resume {kept}" in capsys.readouterr().err
    assert json.loads(kept.read_text(encoding="utf-8"))["probes"] > 0
    sim_line.vanish_after = None
    assert 0 == _run(["scan", "A", "--resume", "--config", str(site), "--json"])
    assert [A, B, C] == json.loads(capsys.readouterr().out)["found"]
    assert not kept.exists()


def test_a_bus_of_either_year_is_scanned_and_its_meters_keep_their_year_open(site, sim_line, tmp_path, capsys):
    """Known meters are asked in both years; what is new gets no year, for a refusal comes from either."""
    text = site.read_text(encoding="utf-8").replace('port = "/dev/two"', 'port = "/dev/two"\nprotocol = "dlt645"')
    site.write_text(text, encoding="utf-8")
    register(tmp_path, Meter(address=A, bus="B"))
    sim_line.meters = [SimMeter(A, "1997", seed=1), SimMeter(B, "1997", seed=2)]
    assert 0 == _run(["scan", "B", "--known", "--config", str(site), "--json"])
    assert [A] == json.loads(capsys.readouterr().out)["found"]
    assert 0 == _run(["scan", "B", "--address", B, "--write", "--config", str(site)])
    assert {A: ("B", ""), B: ("B", "")} == registered(tmp_path)


def test_found_meters_go_into_the_register_after_they_were_shown(site, sim_line, tmp_path, capsys):
    """--write adds what is new, with its protocol where it differs, and leaves what is known as it is."""
    register(tmp_path, Meter(address=A, bus="A", name="kept"))
    sim_line.meters = [SimMeter(A, seed=1), SimMeter(B, seed=2)]
    assert 0 == _run(["scan", "A", "--address", A, "--address", B, "--write", "--config", str(site)])
    err = capsys.readouterr().err
    assert f"+ {B}  A  dlt645-2007" in err
    assert f"+ {A}" not in err
    assert {A: ("A", ""), B: ("A", "")} == registered(tmp_path)
    sim_line.meters = [SimMeter(C, "1997", seed=3)]
    _run(["scan", "B", "--address", C, "--protocol", "dlt645-1997", "--write", "--config", str(site)])
    assert {A: ("A", ""), B: ("A", ""), C: ("B", "dlt645-1997")} == registered(tmp_path)


def test_known_meters_that_are_silent_are_named(site, sim_line, tmp_path, capsys):
    """--known asks the register's meters of this bus only: partly, for one of them is silent."""
    register(tmp_path, Meter(address=A, bus="A"), Meter(address=B, bus="A"), Meter(address=C, bus="B"))
    sim_line.meters = meters(A, C)
    assert 6 == _run(["scan", "A", "--known", "--config", str(site), "--json"])
    out, err = capsys.readouterr()
    assert ([A], [B]) == (json.loads(out)["found"], json.loads(out)["silent"])
    assert f"{B}: known, but silent" in err


def test_a_meter_of_the_register_is_asked_at_its_speed_in_its_year_on_its_bus(site, sim_line, tmp_path, capsys):
    """Without a daemon too: the register knows what the settings of the bus do not."""
    register(tmp_path, Meter(address=A, bus="B", protocol="dlt645-1997"))
    with RegisterLock(tmp_path), MeterRegister(tmp_path / "register.json") as opened:
        opened.learn_all({A: {"baud": 9600}})
    sim_line.meters, sim_line.line = [SimMeter(A, "1997", seed=1)], LineSettings(baud=9600)
    assert 0 == _run(["scan", "B", "--known", "--config", str(site)])
    assert 0 == _run(["read", A, "energy_active_import_total", "--config", str(site)])
    assert 0 == _run(["diagnose", "B", "--config", str(site)])
    assert ["/dev/two"] * 3 == sim_line.opened
    assert 5 == _run(["read", A, "--baud", "2400", "--config", str(site)])
    for name in ("register.json", "register.json.bak"):
        (tmp_path / name).write_text("{", encoding="utf-8")
    capsys.readouterr()
    assert 5 == _run(["read", A, "--bus", "B", "--config", str(site)])
    assert "[E-STO-206]" in capsys.readouterr().err


def test_a_list_is_any_file_with_numbers_of_twelve_digits(site, sim_line, tmp_path, capsys):
    """Headings, separators and other columns are passed over; shorter and longer numbers are no addresses."""
    sim_line.meters = meters(A, B, C)
    (tmp_path / "list.csv").write_text(f"address;note\n{A};1\n{B};1234567890123\n", encoding="utf-8")
    assert 0 == _run(["scan", "--port", "/dev/ttyUSB0", "--list", "list.csv", "--json"])
    assert [A, B] == json.loads(capsys.readouterr().out)["found"]


def test_every_event_is_a_line_for_programs(site, sim_line, capsys):
    """--jsonl: progress and results as they come, the end as the last line."""
    sim_line.meters = meters(A)
    assert 0 == _run(["scan", "--port", "/dev/ttyUSB0", "--address", A, "--address", B, "--jsonl"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"result": {"meter": A, "protocol": "dlt645-2007"}} in lines
    assert (True, [A]) == (lines[-1]["done"], lines[-1]["found"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--port", "/dev/x", "--write"], "E-CLI-110"),
        (["--port", "/dev/x", "--resume", "broken.json"], "E-CLI-111"),
        (["--port", "/dev/x", "--resume", "null.json"], "E-CLI-111"),
        (["--port", "/dev/x", "--list", "empty.csv"], "E-CLI-112"),
    ],
)
def test_what_cannot_be_scanned_is_refused_before_the_port_is_opened(site, sim_line, arguments, code, capsys):
    """Settings that are missing, a state that is none, a list without addresses: usage, and nothing is sent."""
    site.with_name("broken.json").write_text('{"schema": 1', encoding="utf-8")
    site.with_name("null.json").write_text("null", encoding="utf-8")
    site.with_name("empty.csv").write_text("address\n12345\n", encoding="utf-8")
    assert 2 == _run(["scan", *arguments])
    assert f"[{code}]" in capsys.readouterr().err
    assert [] == sim_line.opened


def test_a_condition_stands_in_the_document_and_on_the_screen(site, sim_line, capsys):
    """Meters that obey no shortened address: E-BUS-215 with cause and next act, in both."""

    class Stubborn(SimMeter):
        def _is_asked(self, request):
            return request.address in ("A" * 12, self.address) and super()._is_asked(request)

    sim_line.meters = [Stubborn(A, seed=1), Stubborn(C, seed=2)]
    assert 5 == _run(["scan", "--port", "/dev/x", "--json"])
    out, err = capsys.readouterr()
    (condition,) = json.loads(out)["conditions"]
    assert "E-BUS-215" == condition["code"]
    assert "edge scan --list FILE" in condition["next"]
    assert condition["fact"] in err
