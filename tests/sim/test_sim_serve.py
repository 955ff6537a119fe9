"""The simulator on real ports: ptys and TCP, opened and opened again, and the command around it."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from edge.bus.link import LineSettings
from edge.bus.open import open_link
from edge.bus.runner import run_exchange
from edge.clock import SystemClock
from edge.errors import LinkError
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.drivers import driver
from edge.protocols.exchange import Request, Timing
from edge.reading.verdict import Verdict
from edge.sim.faults import UnknownFaultError
from edge.sim.scenario import WireSpec, build_wire, meter_seed, plan_meters
from edge.sim.second_master import SecondMaster
from edge.sim.serve import PtyServer, Stop, TcpServer, run_servers

FIRST = "202600000001"
FAULTS = ("202600000002=dead", "202600000003=duplicate", "202600000004=garbage", "202600000005=bad-checksum")
TIMING = Timing(reply_s=0.3, gap_s=0.05)  # a busy machine may take its time
CLOCK = SystemClock()


def _read(link, address, di="0001FF00", *, baud=9600):
    exchange = driver("dlt645-2007").read(address, Request(di, ()), TIMING)
    return run_exchange(link, exchange, CLOCK, LineSettings(baud=baud), gap_s=0.002)


def _wire(*, fast, meters=5, faults=FAULTS):
    spec = WireSpec(line=LineSettings(baud=9600), fast=fast, reply_delay_ms=20)
    return build_wire(plan_meters(FIRST, meters, "2007", faults), spec, CLOCK)


@contextmanager
def _served(*servers):
    stop = Stop()
    thread = threading.Thread(target=run_servers, args=(servers, CLOCK, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        stop.close()
        for server in servers:
            server.close()
        assert not thread.is_alive()


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "true-speed"])
@pytest.mark.parametrize("make", [PtyServer, TcpServer], ids=["pty", "tcp"])
def test_meters_over_a_real_port(make, fast):
    """Over a pty and over TCP, at wire speed and fast, healthy and faulty meters give their verdicts."""
    wire = _wire(fast=fast)
    server = make(wire)
    with _served(server):
        link = open_link(server.port, CLOCK)
        verdicts = [_read(link, meter.address).verdict for meter in plan_meters(FIRST, 5, "2007", ())]
        link.close()
    expected = [Verdict.OK, Verdict.SILENCE, Verdict.COLLISION, Verdict.GARBAGE, Verdict.BAD_CHECKSUM]
    assert expected == verdicts


def test_values_over_a_port_are_the_truth():
    """What a reader gets over a port is what the meter remembers to have answered."""
    wire = _wire(fast=True, faults=())
    server = PtyServer(wire)
    with _served(server):
        link = open_link(server.port, CLOCK)
        outcome = _read(link, FIRST)
        link.close()
    assert wire.meters[0].answered[-1].values == tuple(item.value for item in outcome.items)


def test_pty_may_be_opened_again(tmp_path):
    """A master may leave and another may come by the same name; the name goes when the server closes."""
    name = tmp_path / "bus-a"
    server = PtyServer(_wire(fast=True), name)
    with _served(server):
        for _ in range(3):
            link = open_link(str(name), CLOCK)
            assert _read(link, FIRST).verdict is Verdict.OK
            link.close()
    assert not name.is_symlink()


def test_name_of_an_earlier_run_is_taken_over(tmp_path):
    """A symbolic link that a killed run left is replaced; a real file is not touched."""
    (tmp_path / "stale").symlink_to("/dev/pts/nowhere")
    server = PtyServer(_wire(fast=True), tmp_path / "stale")
    assert server.device == str((tmp_path / "stale").readlink())
    server.close()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(LinkError) as caught:
        PtyServer(_wire(fast=True), tmp_path / "file")
    assert caught.value.code == "E-BUS-109"
    assert (tmp_path / "file").read_text() == "mine"


def test_tcp_client_may_come_and_go():
    """A client that leaves without a word disturbs neither the wire nor the next client."""
    server = TcpServer(_wire(fast=True))
    with _served(server):
        for _ in range(3):
            link = open_link(server.port, CLOCK)
            link.write(b"\x68half a request", 1.0)
            link.close()
        link = open_link(server.port, CLOCK)
        outcomes = [_read(link, FIRST).verdict for _ in range(2)]
        link.close()
    assert outcomes[-1] is Verdict.OK


def test_pty_knows_the_speed_of_the_master():
    """A master at another speed is not understood over a pty; at the meters' speed it is, on the same open port."""
    server = PtyServer(_wire(fast=True, faults=()))
    with _served(server):
        link = open_link(server.port, CLOCK)
        verdicts = [_read(link, FIRST, baud=baud).verdict for baud in (2400, 9600)]
        link.close()
    assert [Verdict.SILENCE, Verdict.OK] == verdicts


def test_pty_begins_with_the_speed_of_its_wire():
    """A master that leaves the speed as it is talks at the wire's."""
    server = PtyServer(_wire(fast=True, faults=()))
    with _served(server):
        end = os.open(server.device, os.O_RDWR | os.O_NOCTTY)
        os.write(end, encode_frame(FIRST, 0x11, bytes.fromhex("00000100")))
        heard = os.read(end, 1)
        os.close(end)
    assert b"\xfe" == heard


def test_second_master_is_heard_by_everybody():
    """What a second master says on a wire, and is answered, leaves every port of the wire without a request of ours."""
    wire = _wire(fast=True, faults=())
    wire.second_master = SecondMaster([(FIRST, "2007")], begin=CLOCK.monotonic() + 0.2, every_s=60)
    pty, tcp = PtyServer(wire), TcpServer(wire)
    with _served(pty, tcp):
        heard = []
        links = [open_link(port.port, CLOCK) for port in (pty, tcp)]
        for link in links:
            link.use(LineSettings(baud=9600))
            data = b""
            while len(data) < 20 + 24 and (more := link.read(100, 5.0)):
                data += more
            heard.append(data)
            link.close()
    assert [encode_frame(FIRST, 0x11, bytes.fromhex("00000100"))] * 2 == [data[:20] for data in heard]
    assert [b"\xfe\xfe\xfe\xfe\x68"] * 2 == [data[20:25] for data in heard]


def test_taken_tcp_port():
    """A port that somebody else has cannot be offered, and the error says which."""
    first = TcpServer(_wire(fast=True))
    with pytest.raises(LinkError) as caught:
        TcpServer(_wire(fast=True), first.host, first.number)
    first.close()
    assert caught.value.code == "E-BUS-109"
    assert str(first.number) in caught.value.fact()


def test_scenario_seeds_are_computable():
    """Whoever knows the scenario's seed can build the same meter and compute its truths."""
    (meter,) = _wire(fast=True, meters=1, faults=()).meters
    spec = WireSpec(line=LineSettings())
    (again,) = build_wire(plan_meters(FIRST, 1, "2007", ()), spec, CLOCK).meters
    at = CLOCK.utc_now()
    assert meter.truth("0001FF00", at) == again.truth("0001FF00", at)
    assert meter_seed(1, FIRST) != meter_seed(2, FIRST)


@pytest.mark.parametrize(
    ("first", "faults"),
    [("1234", ()), ("99999999999X", ()), ("999999999999", ()), (FIRST, ("dead",)), (FIRST, ("000000000007=dead",))],
)
def test_impossible_scenario(first, faults):
    """A wrong address, too many meters, or a fault for nobody is refused."""
    with pytest.raises(UnknownFaultError):
        plan_meters(first, 2, "2007", faults)


@contextmanager
def _command(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.cli.main", "sim", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["term", "ctrl-c"])
def test_command_offers_its_buses_and_ends_clean(tmp_path, number, code):
    """`edge sim --json` prints its ports as one line, serves them, logs its answers, and ends without a trace."""
    name, log = tmp_path / "a", tmp_path / "answers"
    with _command(
        "--json", "--fast", "--meters", "2", "--bus", f"A=pty:{name}", "--bus", "B=tcp:0",
        "--fault", "202600000003=dead", "--answers", str(log),
    ) as process:  # fmt: skip
        document = json.loads(process.stdout.readline())
        bus_a, bus_b = document["buses"]
        assert [str(name)] == bus_a["ports"]
        assert ["dead"] == bus_b["meters"][0]["faults"]
        verdicts = []
        for bus in (bus_a, bus_b):
            link = open_link(bus["ports"][0], CLOCK)
            verdicts += [_read(link, meter["address"], baud=bus["baud"]).verdict for meter in bus["meters"]]
            link.close()
        assert [Verdict.OK, Verdict.OK, Verdict.SILENCE, Verdict.OK] == verdicts
        process.send_signal(number)
        assert (b"", code) == (process.communicate(timeout=90)[1], process.returncode)
    assert not name.is_symlink()
    answered = [json.loads(line) for line in log.read_text().splitlines()]
    assert ["202600000001", "202600000002", "202600000004"] == [line["meter"] for line in answered]
    assert all(len(line["values"]) == 5 for line in answered)


@pytest.mark.parametrize(
    "arguments",
    [
        *(("--fault", f"{FIRST}=daed"), ("--bus", "A=usb"), ("--tcp", "99999"), ("--first", "12")),
        *(("--speed", f"{FIRST}=2401"), ("--speed", "9600"), ("--second-master", "0.2")),
    ],
)
def test_command_refuses_what_it_cannot_do(arguments):
    """A mistyped fault, bus, port or address is a usage error with a code; a wrong fault lists the known ones."""
    with _command(*arguments) as process:
        _, error = process.communicate(timeout=90)
    assert process.returncode == 2
    assert b"E-BUS-110" in error
    assert (b"known: dead" in error) == (b"daed" in error)


def test_command_with_a_list_and_other_speeds(tmp_path):
    """Meters from a list, one of them at another speed, behind an adapter that is late and loses its first byte."""
    (tmp_path / "meters.csv").write_text("address,protocol\n202600000009,dlt645-1997\n202600000007\n")
    with _command(
        "--json", "--fast", "--list", str(tmp_path / "meters.csv"), "--speed", "202600000007=9600", "--latency", "5",
        "--loses-first",
    ) as process:  # fmt: skip
        (bus,) = json.loads(process.stdout.readline())["buses"]
        shown = [(meter["address"], meter["protocol"], meter["faults"]) for meter in bus["meters"]]
        link = open_link(bus["ports"][0], CLOCK)
        verdicts = [_read(link, "202600000007", baud=baud).verdict for baud in (2400, 9600)]
        link.close()
    expected = [("202600000009", "dlt645-1997", []), ("202600000007", "dlt645-2007", ["speed:9600"])]
    assert expected == shown
    assert [Verdict.SILENCE, Verdict.OK] == verdicts


def test_help_names_every_fault():
    """The help lists each fault and trait that the simulator knows."""
    from edge.sim.faults import KNOBS
    from edge.sim.traits import TRAITS

    with _command("--help") as process:
        text, _ = process.communicate(timeout=90)
    assert all(f"  {name} ".encode() in text for name in (*KNOBS, *TRAITS))
