"""`edge read`: read items of one meter, now."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from edge.cli.common import check_address, config_option, json_option, language, say, tell
from edge.cli.direct import (
    ask_daemon,
    choose_bus,
    daemon_socket,
    load_settings_if_any,
    refuse_line_options,
    run_directly,
)
from edge.cli.register import polled_meters
from edge.clock import Clock
from edge.config.settings import Bus, Settings
from edge.control.jobs import ReadJob, parse_job
from edge.errors import StoreError, entry_of
from edge.poll.jobs import ReadOrder, ReadRun, Way
from edge.poll.plan import PolledMeter
from edge.poll.vendor_items import vendor_items
from edge.reading.vendor import VendorItem
from edge.reading.verdict import SlotReason, Verdict
from edge.store.register import REGISTER_FILE

_USUAL_ITEMS = ("energy_active_import_total", "voltage", "current", "power_active_total")
_USAGE, _PORT, _NOTHING, _PARTLY = 2, 4, 5, 6
# What another speed or wire cannot mend has an exit code of its own.
_EXITS = {SlotReason.UNKNOWN_ITEM.value: _USAGE, SlotReason.PORT_GONE.value: _PORT}

PROTOCOLS = ["dlt645-2007", "dlt645-1997", "dlt645"]  # the last one: found out
BAUDS = [300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]


@click.command()
@click.argument("address")
@click.argument("item", nargs=-1)
@click.option("--port", help="/dev/..., socket://host:port or rfc2217://host:port; needs no settings file")
@click.option("--baud", type=click.Choice([str(baud) for baud in BAUDS]), help="speed of the port [default: 2400]")
@click.option("--parity", type=click.Choice(["even", "odd", "none"]), help="[default: even]")
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="[default: the meter's or bus's]")
@click.option("--bus", "bus_name", help="bus of the settings")
@click.option("--reply-ms", type=click.IntRange(50, 60000), help="longest wait for the first byte [default: 600]")
@click.option("--tries", type=click.IntRange(1, 5), help="how often to ask [default: 2]")
@config_option
@json_option
def read(  # one argument an option
    address: str,
    item: tuple[str, ...],
    port: str | None,
    baud: str | None,
    parity: str | None,
    protocol: str | None,
    bus_name: str | None,
    reply_ms: int | None,
    tries: int | None,
    config_path: Path | None,
    as_json: bool,
) -> int:
    """Read ITEMs of the meter with ADDRESS (12 digits): quantity keys, groups, keys of [[item]], or di:00010000.

    With a running daemon the reading goes through it, between its polls; with --port no settings are needed, but
    --config brings the items that they define.
    """
    check_address(address)
    items = item or _USUAL_ITEMS
    wanted = {"job": "read", "meter": address, "items": list(items), "protocol": protocol or "", "bus": bus_name or ""}
    settings = None if port and config_path is None else load_settings_if_any(config_path)
    extra = vendor_items(settings) if settings else ()
    job = parse_job(json.dumps(wanted).encode(), {one.key for one in extra})
    socket_path = daemon_socket(settings, port)
    if socket_path is not None:
        refuse_line_options({"--baud": baud, "--parity": parity, "--reply-ms": reply_ms, "--tries": tries})
        documents = ask_daemon(socket_path, wanted)
    else:
        given = {
            "port": port,
            "baud": int(baud) if baud else None,
            "parity": parity,
            "reply_ms": reply_ms,
            "tries": tries,
        }
        known = _known(settings, address) if settings and not port else None
        if known is not None:
            bus_name, protocol = bus_name or known.bus, protocol or known.known_protocol
        bus = choose_bus(settings, bus_name, {**given, "protocol": protocol})
        meters = {address: known} if known is not None and not baud else {}
        documents = _read_directly(bus, job, extra, meters) if isinstance(job, ReadJob) else iter(())
    result: dict[str, object] = {}
    for document in documents:
        found = document.get("result")
        if isinstance(found, dict):
            result = found
    return show_result(result, as_json=as_json)


def _known(settings: Settings, address: str) -> PolledMeter | None:
    """Return what the register knows of a meter; a register that may not be read is no hindrance to reading."""
    if not os.access(Path(settings.state_dir) / REGISTER_FILE, os.R_OK):
        return None
    try:
        return polled_meters(settings).get(address)
    except StoreError as exc:  # a damaged register is none either
        tell(f"  [{exc.code}] {exc.fact(language())}")
        return None


def _read_directly(
    bus: Bus, job: ReadJob, extra: tuple[VendorItem, ...], meters: Mapping[str, PolledMeter]
) -> Iterator[dict[str, object]]:
    def make(clock: Clock, way: Way) -> ReadRun:
        return ReadRun(ReadOrder.of(job.meter, job.items, bus.protocol, bus, extra), clock, way)

    return run_directly(bus, make, meters)


def show_result(result: dict[str, object], *, as_json: bool) -> int:
    """Print what was read and, for what was not, the cause; return the exit code."""
    readings = [one for one in _list(result.get("readings")) if isinstance(one, dict)]
    failed = [one for one in readings if one["verdict"] != Verdict.OK.value]
    if as_json:
        click.echo(json.dumps({key: value for key, value in result.items() if key != "bytes_seen"}, ensure_ascii=False))
    else:
        _print_table([one for one in readings if one not in failed])
    for verdict in dict.fromkeys(str(one["verdict"]) for one in failed):
        _explain(verdict, [one for one in failed if one["verdict"] == verdict], result)
    if result.get("verdict") != Verdict.OK.value:
        return _EXITS.get(str(result.get("verdict")), _NOTHING)
    return _PARTLY if failed else 0


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _print_table(readings: list[dict[str, object]]) -> None:
    for one in readings:
        value = say("absent", "无数据") if one["value"] is None else one["value"]
        field = f".{one['field']}" if one.get("field") else ""
        name = one["quantity"] or f"di:{one['di']}{field}"
        click.echo(f"{name!s:34} {value!s:>16} {one['unit']!s:6} {one['response_ms']} ms")


def _explain(verdict: str, failed: list[dict[str, object]], result: dict[str, object]) -> None:
    names = ", ".join(str(one["quantity"] or f"di:{one['di']}") for one in failed)
    code = Verdict(verdict).code if verdict in set(Verdict) else "E-CLI-103"
    detail = str(failed[0].get("detail") or "")
    values = {
        "meter": result.get("meter"),
        "detail": detail,
        "other": detail,
        "count": result.get("bytes_seen"),
        "items": names,
    }
    entry = entry_of(code or "E-CLI-103")
    lang = language()
    tell(f"error[{entry.code}] {verdict}: {entry.fact(lang, values)} ({names})")
    tell(f"  {say('cause', '原因')}: {entry.cause(lang, values)}")
    tell(f"  {say('next ', '处理')}: {entry.advice(lang, values)}")
