"""`edge ports`: what a person and a program are told about each state, and what to do next."""

import json
import os
import pty
import subprocess
import sys
from functools import partial

import pytest
from click.testing import CliRunner

import edge.cli.ports
from edge.bus.ports import Port, PortState, look_at_ports
from edge.cli.common import choose_language
from edge.cli.main import cli
from edge.errors import ConfigError, UsageError
from tests.bus.port_tree import CH340, FTDI, PortTree

SETTINGS = """
schema = 1
[gateway]
id = "gw-1"
tenant = "hz"
[[bus]]
name = "A"
port = "{port}"
[[bus]]
name = "B"
port = "socket://10.0.0.9:4001"
"""


@pytest.fixture(autouse=True)
def _english_and_no_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGE_LANG", "en")
    monkeypatch.setattr("edge.cli.direct.DEFAULT_CONFIG", tmp_path / "none.toml")
    yield
    choose_language("")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Let the command look at a made-up machine."""
    made_up = PortTree(tmp_path / "machine")
    monkeypatch.setattr(edge.cli.ports, "look_at_ports", partial(look_at_ports, places=made_up.places))
    return made_up


def run(*arguments):
    return CliRunner().invoke(cli, ["ports", *arguments])


def document(*arguments):
    result = run("--json", *arguments)
    assert (0, "") == (result.exit_code, result.stderr)
    return json.loads(result.stdout)


def codes(*arguments):
    """Return the codes of all remarks, those of the ports first."""
    found = document(*arguments)
    return [one["code"] for part in [*found["ports"], found] for one in part["remarks"]]


def test_no_port_is_said_and_is_no_fault(tree):
    """Without any port the exit code is 0, the data are empty, and the person is told what to do."""
    result = run()
    assert (0, "") == (result.exit_code, result.stdout)
    assert "[E-CLI-412] no serial port on this machine" in result.stderr
    assert {"schema": 1, "ports": []} == {key: document()[key] for key in ("schema", "ports")}
    assert ["E-CLI-412"] == codes()


def test_a_free_port_with_its_line_for_the_settings(tree):
    """The table holds state, chip and timer, and the very line that goes into edge.toml; nothing is in the way."""
    device = tree.add_usb("ttyUSB0", FTDI | {"serial": "A50285BI"}, socket="1-1", driver="ftdi_sio")
    by_id = tree.link("serial/by-id/usb-FTDI_A50285BI-if00-port0", device)
    tree.set_latency_timer("ttyUSB0", 1)
    result = run()
    head, row, line = result.stdout.splitlines()
    assert ["device", "state", "bus", "latency", "chip"] == head.split()
    assert f"{device}  free   -    1 ms     0403:6001 FTDI FT232R USB UART A50285BI (ftdi_sio)" == row
    assert (f'  port = "{by_id}"', "") == (line, result.stderr)


def test_the_document_of_a_port(tree):
    """Everything that is known stands in the document under names that stay."""
    device = tree.add_usb("ttyUSB0", CH340 | {"serial": "9"}, socket="1-1")
    tree.link("serial/by-id/usb-1a86_9-if00-port0", device)
    tree.add_process(812, "edge", str(device))
    (port,) = document()["ports"]
    assert [{"pid": 812, "program": "edge"}] == port["holders"]
    assert ("used", True, True, None) == (port["state"], port["is_sure"], port["is_stable"], port["latency_timer_ms"])
    assert ("1a86", "7523", "", "9") == tuple(
        port["usb"][key] for key in ("vendor", "product", "manufacturer", "serial")
    )
    assert ("E-CLI-401", "edge (812)") == (port["remarks"][0]["code"], port["remarks"][0]["values"]["holders"])
    assert {"code", "fact", "cause", "next", "values"} == set(port["remarks"][0])


def test_a_used_port_names_its_programs(tree):
    """The table and the remark name each program with its number."""
    device = tree.add_uart("ttyAMA0", kind="32", driver="uart-pl011")
    tree.add_process(7, "agetty", str(device))
    tree.add_process(8, "minicom", str(device))
    result = run()
    assert "used by agetty (7), minicom (8)" in result.stdout
    assert f"[E-CLI-401] {device} is used by agetty (7), minicom (8)" in result.stderr


def test_ports_that_are_gone(tree):
    """A name that leads nowhere, and one that a program still holds; neither has a line for the settings."""
    missing = str(tree.places.dev / "ttyUSB9")
    tree.add_process(31, "edge", f"{tree.places.dev}/ttyUSB3 (deleted)")
    assert ["E-CLI-405", "E-CLI-404"] == codes("--port", missing)
    result = run("--port", missing)
    assert (0, 0, 2) == (result.exit_code, result.stdout.count("port ="), result.stdout.count("  gone  "))


def test_names_that_may_change(tree):
    """A USB port without a name that stays is told, a built-in one keeps its device."""
    tree.add_uart("ttyAMA0", kind="32", driver="uart-pl011")
    tree.add_usb("ttyUSB0", CH340, socket="1-1")
    assert ["E-CLI-406"] == codes()
    assert [True, False] == [port["is_stable"] for port in document()["ports"]]


def test_adapters_that_cannot_be_told_apart(tree):
    """Both are told, each with the name by its own socket."""
    for number in range(2):
        device = tree.add_usb(f"ttyUSB{number}", CH340, socket=f"1-{number}")
        tree.link(f"serial/by-path/usb-0:{number}:1.0-port0", device)
    assert ["E-CLI-407", "E-CLI-407"] == codes()
    assert "use " + document()["ports"][1]["port"] in document()["ports"][1]["remarks"][0]["next"]


def test_an_adapter_that_holds_bytes_back(tree):
    """The usual timer of an FTDI chip is told with the command that shortens it."""
    device = tree.add_usb("ttyUSB0", FTDI | {"serial": "1"}, socket="1-1")
    tree.link("serial/by-id/usb-FTDI_1-if00-port0", device)
    tree.set_latency_timer("ttyUSB0", 16)
    assert ["E-CLI-408"] == codes()
    assert "tee /sys/bus/usb-serial/devices/ttyUSB0/latency_timer" in run().stderr


def test_a_port_that_only_seems_free(tree):
    """Where processes cannot be seen the state has a question mark, and one remark says how to be sure."""
    tree.add_uart("ttyAMA0", kind="32", driver="uart-pl011")
    tree.add_uart("ttyAMA1", kind="32", driver="uart-pl011")
    tree.contain()
    assert ["E-CLI-409"] == codes()
    assert 2 == run().stdout.count("free (?)")


def test_the_bus_of_a_port(tree, tmp_path):
    """The settings' bus stands beside its port, its changing name is told, and a serial server is no port of ours."""
    device = tree.add_usb("ttyUSB0", CH340 | {"serial": "9"}, socket="1-1")
    by_id = tree.link("serial/by-id/usb-1a86_9-if00-port0", device)
    config = tmp_path / "edge.toml"
    config.write_text(SETTINGS.format(port=device), encoding="utf-8")
    assert (["A"], ["E-CLI-410"]) == (
        [port["bus"] for port in document("--config", str(config))["ports"]],
        codes("--config", str(config)),
    )
    config.write_text(SETTINGS.format(port=by_id), encoding="utf-8")
    assert (["A"], []) == (
        [port["bus"] for port in document("--config", str(config))["ports"]],
        codes("--config", str(config)),
    )
    config.write_text(SETTINGS.format(port="/dev/serial/by-id/gone"), encoding="utf-8")
    assert ["A", None] == [port["bus"] for port in document("--config", str(config))["ports"]]


def test_wrong_settings_hide_no_port(tree, tmp_path, monkeypatch):
    """Mistakes in settings that nobody named are told beside the table; in named ones they end the command."""
    tree.add_uart("ttyAMA0", kind="32", driver="uart-pl011")
    config = tmp_path / "edge.toml"
    config.write_text("schema = 1\n", encoding="utf-8")
    monkeypatch.setattr("edge.cli.direct.DEFAULT_CONFIG", config)
    result = run()
    assert (0, True, True) == (result.exit_code, "ttyAMA0" in result.stdout, "error[E-CFG" in result.stderr)
    assert isinstance(run("--config", str(config)).exception, ConfigError)


@pytest.mark.parametrize("path", ["/dev/null", "/", "socket://10.0.0.9:4001"])
def test_what_is_no_port_is_refused(path):
    """A path to something else and a serial server are told apart from a port that is gone."""
    refused = run("--port", path).exception
    assert (UsageError, "E-CLI-411", 2) == (type(refused), refused.code, refused.exit_code)


def test_chinese_columns_stand_below_each_other(tree):
    """A Chinese character takes two columns of a terminal, and the table knows."""
    tree.add_usb("ttyUSB0", CH340 | {"serial": "9"}, socket="1-1")
    head, row, _ = run("--lang", "zh").stdout.splitlines()
    wide = head.encode("gb18030").index("芯片".encode("gb18030"))
    assert row.encode("gb18030").index(b"1a86") == wide
    assert "空闲" in row


def test_nobody_is_told_to_join_root(tree, monkeypatch):
    """Where the group of the port is root's, the rule of the system is at fault, not the user's groups."""
    port = Port(device="/dev/ttyS0", state=PortState.NO_PERMISSION, group="root", is_for_group=True)
    monkeypatch.setattr(edge.cli.ports, "look_at_ports", lambda asked: (port,))
    assert ["E-CLI-403"] == codes()


AS_ANOTHER_USER = """
import json, os, sys
import edge.cli.ports, edge.config.load
from edge.cli.main import cli
from click.testing import CliRunner
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
result = CliRunner().invoke(cli, ["--lang", "en", "ports", "--json", "--port", sys.argv[1]])
port = next(port for port in json.loads(result.stdout)["ports"] if port["device"] == sys.argv[1])
print(port["state"], port["remarks"][0]["code"], port["remarks"][0]["values"]["group"] == port["group"])
"""


@pytest.mark.parametrize(("mode", "code"), [(0o060, "E-CLI-402"), (0o000, "E-CLI-403")])
def test_a_port_without_permission(mode, code):
    """Another user is told the group to join, or that joining it would not help."""
    master, slave = pty.openpty()
    try:
        if os.geteuid() == 0:
            os.fchown(slave, -1, 20)
        os.fchmod(slave, mode)
        command = [sys.executable, "-c", AS_ANOTHER_USER, os.ttyname(slave)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        os.close(master)
        os.close(slave)
    assert f"no_permission {code} True\n" == done.stdout
