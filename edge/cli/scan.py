"""`edge scan`: find the meters of a bus, by address, by range, or everybody by wildcards."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from edge.cli.common import check_address, config_option, json_option, say, tell
from edge.cli.direct import (
    ask_daemon,
    choose_bus,
    daemon_socket,
    load_settings_if_any,
    refuse_line_options,
    run_directly,
)
from edge.cli.read import BAUDS
from edge.clock import Clock
from edge.config.settings import Bus
from edge.errors import UsageError
from edge.poll.jobs import ScanRun, Way
from edge.protocols.drivers import driver
from edge.protocols.exchange import Timing

_NOTHING, _PARTLY = 5, 6
_MOST_PROBES = 10_000


@click.command()
@click.argument("bus_name", metavar="[BUS]", required=False)
@click.option("--range", "span", metavar="FIRST-LAST", help="addresses of 12 digits, both included")
@click.option("--address", "addresses", multiple=True, help="ask this address; may be given several times")
@click.option("--port", help="/dev/..., socket://host:port; needs no settings file")
@click.option("--baud", type=click.Choice([str(baud) for baud in BAUDS]), help="speed of the port [default: 2400]")
@click.option("--parity", type=click.Choice(["even", "odd", "none"]), help="[default: even]")
@click.option("--protocol", type=click.Choice(["dlt645-2007", "dlt645-1997"]), help="[default: the bus's]")
@config_option
@json_option
def scan(
    bus_name: str | None,
    span: str | None,
    addresses: tuple[str, ...],
    port: str | None,
    baud: str | None,
    parity: str | None,
    protocol: str | None,
    config_path: Path | None,
    as_json: bool,
) -> int:
    """Find the meters of BUS. Without --range or --address everybody is asked by wildcards."""
    wanted = tuple(check_address(address) for address in addresses) + (_expand_range(span) if span else ())
    settings = None if port else load_settings_if_any(config_path)
    socket_path = daemon_socket(settings, port)
    if socket_path is not None:
        refuse_line_options({"--baud": baud, "--parity": parity})
        job = {"job": "scan", "bus": bus_name or "", "addresses": list(wanted), "protocol": protocol or ""}
        documents = ask_daemon(socket_path, job)
    else:
        given = {"port": port, "baud": int(baud) if baud else None, "parity": parity, "protocol": protocol}
        documents = _scan_directly(choose_bus(settings, bus_name, given), wanted)
    return _show(documents, as_json=as_json)


def _expand_range(span: str) -> tuple[str, ...]:
    first, _, last = span.partition("-")
    low, high = int(check_address(first)), int(check_address(last))
    if not 0 <= high - low < _MOST_PROBES:
        raise UsageError("E-CLI-104", span=span, count=_MOST_PROBES)
    return tuple(f"{number:012d}" for number in range(low, high + 1))


def _scan_directly(bus: Bus, addresses: tuple[str, ...]) -> Iterator[dict[str, object]]:
    def make(clock: Clock, way: Way) -> ScanRun:
        return ScanRun.over(driver(bus.protocol), Timing(reply_s=bus.reply_ms / 1000), way, addresses)

    return run_directly(bus, make)


def _show(documents: Iterator[dict[str, object]], *, as_json: bool) -> int:
    last: dict[str, object] = {}
    for document in documents:
        result, progress = document.get("result"), document.get("progress")
        if isinstance(result, dict) and not as_json:
            click.echo(f"{result['meter']}  {result['protocol']}")
        elif isinstance(progress, dict) and sys.stderr.isatty():
            line = say("asked {asked}, left {left}, found {found}", "已询问 {asked}，剩余 {left}，找到 {found}")
            click.echo("\r" + line.format(**progress) + "   ", nl=False, err=True)
        last = document
    found, collisions = _texts(last.get("found")), _texts(last.get("collisions"))
    if as_json:
        click.echo(json.dumps({"found": found, "collisions": collisions, "probes": last.get("probes")}))
    for address in collisions:
        tell(f"{address}: " + say("two meters have this address", "有两块表使用此地址"))
    tell(say(f"{len(found)} meters found", f"找到 {len(found)} 块电表"))
    if not found:
        return _NOTHING
    return _PARTLY if collisions else 0


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
