"""`edge sim`: simulated meters on ptys and TCP ports, for trying things without a cabinet."""

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click

from edge.bus.link import LineSettings
from edge.cli.common import json_option, say, tell
from edge.clock import SystemClock
from edge.errors import UsageError
from edge.sim.faults import KNOBS, Fault, Knob, UnknownFaultError, knob_of
from edge.sim.meter import Answered
from edge.sim.scenario import PROTOCOLS, MeterSpec, WireSpec, build_wire, plan_listed, plan_meters
from edge.sim.serve import PtyServer, Server, Stop, TcpServer, run_servers
from edge.sim.traits import TRAITS, Trait
from edge.sim.wire import SimWire

_STOPPED = 130
_MOST_METERS = 256


@dataclass(frozen=True, slots=True)
class _Bus:
    """One bus that is offered: its meters, its wire, and the ports that lead to it."""

    name: str
    meters: tuple[MeterSpec, ...]
    wire: SimWire
    servers: tuple[Server, ...]


def _faults_help() -> str:
    known: dict[str, Knob | Trait] = {**KNOBS, **TRAITS}
    lines = [f"  {name:<16}{knob.value or '':<17}{knob.default:<14}{knob.en}" for name, knob in known.items()]
    return "\b\nFaults and traits: name, what VALUE is, its default, what happens\n" + "\n".join(lines)


@click.command(epilog=_faults_help())
@click.option("--pty", "pty_link", metavar="LINK", help="offer bus A on a pty, by this name")
@click.option("--tcp", "tcp_port", metavar="[HOST:]PORT", help="offer bus A on TCP too or instead; 0 takes a free port")
@click.option(
    "--bus",
    "buses",
    multiple=True,
    metavar="NAME=pty[:LINK]|tcp[:[HOST:]PORT]",
    help="offer a bus; may be given several times, each has --meters meters  [default: A=pty]",
)
@click.option("--meters", "count", type=click.IntRange(1, _MOST_METERS), default=3, show_default=True, help="per bus")
@click.option(
    "--first", default="202600000001", show_default=True, help="address of the first meter; the others follow"
)
@click.option("--scatter", type=int, metavar="SEED", help="scatter the addresses over all twelve digits")
@click.option("--list", "listed", type=click.File(), help="take the meters from a CSV: address[,protocol]")
@click.option("--protocol", type=click.Choice(list(PROTOCOLS)), default="dlt645-2007", show_default=True)
@click.option("--baud", type=click.IntRange(300, 115200), default=2400, show_default=True, help="speed of the wires")
@click.option("--speed", "speeds", multiple=True, metavar="ADDRESS=BAUD", help="let a meter talk at another speed")
@click.option("--fast", is_flag=True, help="a hundred times faster than the wire")
@click.option("--echo", is_flag=True, help="the master hears its own requests")
@click.option("--latency", type=click.FloatRange(0, 1000), default=0, metavar="MS", help="the adapter hands over late")
@click.option("--loses-first", is_flag=True, help="the adapter loses the first byte after it has sent")
@click.option(
    "--second-master", type=click.FloatRange(min=0.1), metavar="SECONDS", help="another master reads so often"
)
@click.option("--reply-ms", type=click.IntRange(0, 5000), default=30, show_default=True, help="delay of every answer")
@click.option("--seed", type=int, default=1, show_default=True, help="the same seed gives the same values at a time")
@click.option("--fault", "faults", multiple=True, metavar="ADDRESS=FAULT[:VALUE][@SHARE]", help="* is every meter")
@click.option("--answers", type=click.File("w", lazy=False), help="write each answered value to this file, a line each")
@json_option
def sim(
    pty_link: str | None,
    tcp_port: str | None,
    buses: tuple[str, ...],
    count: int,
    first: str,
    scatter: int | None,
    listed: TextIO | None,
    protocol: str,
    baud: int,
    speeds: tuple[str, ...],
    fast: bool,
    echo: bool,
    latency: float,
    loses_first: bool,
    second_master: float | None,
    reply_ms: int,
    seed: int,
    faults: tuple[str, ...],
    answers: TextIO | None,
    as_json: bool,
) -> int:
    """Let simulated meters answer on a pty or a TCP port until Ctrl-C.

    Prints the ports and the meters. Without --pty, --tcp and --bus, bus A is offered on a pty.
    """
    wanted = _wanted_ports(pty_link, tcp_port, buses)
    spec = WireSpec(
        line=LineSettings(baud=baud),
        fast=fast,
        echo=echo,
        latency_ms=latency,
        loses_first=loses_first,
        second_master_s=second_master,
        seed=seed,
        reply_delay_ms=reply_ms,
    )
    texts = [*faults, *(speed.replace("=", "=speed:", 1) for speed in speeds)]
    with ExitStack() as stack:
        try:
            meters = (
                plan_meters(first, count * len(wanted), PROTOCOLS[protocol], texts, scatter=scatter)
                if listed is None
                else plan_listed(listed, texts, PROTOCOLS[protocol])
            )
            made = _make_buses(stack, wanted, meters, spec)
        except UnknownFaultError as exc:
            raise UsageError("E-BUS-110", detail=str(exc)) from exc
        if answers is not None:
            _log_answers(made, answers)
        stop = stack.enter_context(_stopped_by_signals())
        _show(made, spec, protocol, as_json=as_json)
        run_servers([server for bus in made for server in bus.servers], SystemClock(), stop.stop)
    return stop.exit_code


def _wanted_ports(pty_link: str | None, tcp_port: str | None, buses: Sequence[str]) -> dict[str, list[str]]:
    """Return the ports of each bus, as "pty:LINK" or "tcp:PORT"."""
    wanted: dict[str, list[str]] = {}
    if pty_link is not None:
        wanted["A"] = [f"pty:{pty_link}"]
    if tcp_port is not None:
        wanted.setdefault("A", []).append(f"tcp:{tcp_port}")
    for text in buses:
        name, separator, port = text.partition("=")
        if not name or not separator or port.partition(":")[0] not in ("pty", "tcp"):
            raise UsageError("E-BUS-110", detail=f'"{text}": write NAME=pty[:LINK] or NAME=tcp[:[HOST:]PORT]')
        wanted.setdefault(name, []).append(port)
    return wanted or {"A": ["pty"]}


def _make_buses(
    stack: ExitStack, wanted: Mapping[str, Sequence[str]], meters: tuple[MeterSpec, ...], spec: WireSpec
) -> list[_Bus]:
    """Deal out the meters to the buses, in their order, and open the ports."""
    share = -(-len(meters) // len(wanted))
    return [
        _make_bus(stack, name, ports, meters[n * share : (n + 1) * share], spec)
        for n, (name, ports) in enumerate(wanted.items())
    ]


def _make_bus(stack: ExitStack, name: str, ports: Sequence[str], meters: tuple[MeterSpec, ...], spec: WireSpec) -> _Bus:
    wire = build_wire(meters, spec, SystemClock())
    servers = []
    for port in ports:
        server = _open_server(wire, port)
        stack.callback(server.close)
        servers.append(server)
    return _Bus(name, meters, wire, tuple(servers))


def _open_server(wire: SimWire, port: str) -> Server:
    kind, _, place = port.partition(":")
    if kind == "pty":
        return PtyServer(wire, Path(place).absolute() if place else None)
    host, _, number = place.rpartition(":")
    if not (number or "0").isdecimal() or int(number or 0) > 65535:  # noqa: PLR2004 - the highest port number
        raise UsageError("E-BUS-110", detail=f'"{place}" is no TCP port')
    return TcpServer(wire, host or "127.0.0.1", int(number or 0))


def _show(buses: Sequence[_Bus], spec: WireSpec, protocol: str, *, as_json: bool) -> None:
    if as_json:
        documents = [_document(bus, spec, protocol) for bus in buses]
        click.echo(json.dumps({"buses": documents}, ensure_ascii=False))
        return
    for bus in buses:
        ports = "  ".join(server.port for server in bus.servers)
        click.echo(f"{say('bus', '总线')} {bus.name}  {ports}  {spec.line.baud} Bd  {protocol}")
        for meter in bus.meters:
            faults = "  ".join(_fault_text(fault) for fault in meter.faults)
            click.echo(f"  {meter.address}  {meter.version}  {meter.phases}{say('-phase', ' 相')}  {faults}".rstrip())
    tell(say("Ctrl-C ends", "按 Ctrl-C 结束"))


def _fault_text(fault: Fault) -> str:
    knob = knob_of(fault)
    return f"{fault} ({say(knob.en, knob.zh)})"


def _document(bus: _Bus, spec: WireSpec, protocol: str) -> dict[str, object]:
    return {
        "name": bus.name,
        "ports": [server.port for server in bus.servers],
        "baud": spec.line.baud,
        "parity": spec.line.parity,
        "protocol": protocol,
        "fast": spec.fast,
        "meters": [
            {
                "address": meter.address,
                "protocol": f"dlt645-{meter.version}",
                "phases": meter.phases,
                "tariffs": meter.tariffs,
                "faults": [str(fault) for fault in meter.faults],
            }
            for meter in bus.meters
        ],
    }


def _log_answers(buses: Sequence[_Bus], answers: TextIO) -> None:
    def log(answered: Answered) -> None:
        values = [None if value is None else str(value) for value in answered.values]
        line = {"meter": answered.meter, "at": answered.at.isoformat(), "di": answered.di, "values": values}
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    for bus in buses:
        for meter in bus.wire.meters:
            meter.on_answer = log


class _Ending:
    """How the run ended: by Ctrl-C, or because the system asked for it."""

    def __init__(self) -> None:
        self.stop = Stop()
        self.exit_code = 0

    def interrupt(self, *_: object) -> None:
        self.exit_code = _STOPPED
        self.stop.set()

    def terminate(self, *_: object) -> None:
        self.stop.set()


@contextmanager
def _stopped_by_signals() -> Iterator[_Ending]:
    ending = _Ending()
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, ending.interrupt),
        signal.SIGTERM: signal.signal(signal.SIGTERM, ending.terminate),
    }
    try:
        yield ending
    finally:
        for number, act in before.items():
            signal.signal(number, act)
        ending.stop.close()
