"""`edge ports`: the serial ports of this machine, whether each can be used, and what to write into edge.toml.

The table goes to stdout, what is in the way and what to do to stderr. It only looks: a port that is gone or used is
an answer, so the exit code stays 0.
"""

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from edge.bus.ports import Port, PortState, is_serial_port, look_at_ports
from edge.cli.common import config_option, json_option, language, say, show_error, tell
from edge.cli.direct import load_settings_if_any
from edge.errors import ConfigError, EdgeError, UsageError

_SCHEMA = 1
_SERVER = "://"
_USUAL_TIMER_MS = 1


@click.command()
@click.option("--port", "asked", multiple=True, help="look at this path too; may be given several times")
@config_option
@json_option
def ports(asked: tuple[str, ...], config_path: Path | None, as_json: bool) -> None:
    """Show the serial ports of this machine: free, used by whom, not permitted, or gone. Opens and changes nothing."""
    for path in asked:
        if _SERVER in path or not is_serial_port(path):
            raise UsageError("E-CLI-411", port=path)
    buses = _buses(config_path)
    found = look_at_ports([*asked, *buses])
    of_bus = {
        port.device: (buses[path], path) for port in found for path in buses if path in (port.device, *port.names)
    }
    remarks = {port.device: list(_remarks(port, of_bus.get(port.device))) for port in found}
    if as_json:
        click.echo(json.dumps(_document(found, of_bus, remarks), ensure_ascii=False))
        return
    _show_table(found, of_bus)
    for remark in [one for port in found for one in remarks[port.device]] + list(_remarks_on_all(found)):
        _show_remark(remark)


def _buses(config_path: Path | None) -> dict[str, str]:
    """Return the device paths of the settings with their buses; settings that nobody asked for may be wrong."""
    try:
        settings = load_settings_if_any(config_path)
    except (ConfigError, OSError) as exc:
        if config_path is not None:
            raise
        if isinstance(exc, ConfigError):
            show_error(exc)
        return {}
    return {bus.port: bus.name for bus in settings.bus if _SERVER not in bus.port} if settings else {}


def _remarks(port: Port, bus: tuple[str, str] | None) -> Iterator[EdgeError]:
    """Yield what a person should know about a port: what is in the way first."""
    holders = ", ".join(f"{one.program} ({one.pid})" for one in port.holders)
    if port.state is PortState.GONE:
        yield EdgeError("E-CLI-405" if holders else "E-CLI-404", port=port.device, holders=holders)
        return
    if port.state is PortState.USED:
        yield EdgeError("E-CLI-401", port=port.device, holders=holders)
    if not port.is_permitted:
        is_joinable = port.is_for_group and port.group != "root"
        yield EdgeError("E-CLI-402" if is_joinable else "E-CLI-403", port=port.device, group=port.group)
    if port.has_twin:
        yield EdgeError("E-CLI-407", port=port.device, name=port.best_name)
    if port.usb and not port.stable_name:
        yield EdgeError("E-CLI-406", port=port.device)
    if port.usb and bus and bus[1] == port.device != port.best_name:
        yield EdgeError("E-CLI-410", port=port.device, bus=bus[0], name=port.best_name)
    if port.latency_timer_ms is not None and port.latency_timer_ms > _USUAL_TIMER_MS:
        name = port.device.rpartition("/")[2]
        yield EdgeError("E-CLI-408", port=port.device, timer_ms=port.latency_timer_ms, tty=name)


def _remarks_on_all(found: Sequence[Port]) -> Iterator[EdgeError]:
    if not found:
        yield EdgeError("E-CLI-412")
    if any(port.state is PortState.FREE and not port.is_sure for port in found):
        yield EdgeError("E-CLI-409")


def _document(
    found: Sequence[Port], of_bus: Mapping[str, tuple[str, str]], remarks: Mapping[str, Sequence[EdgeError]]
) -> dict[str, object]:
    return {
        "schema": _SCHEMA,
        "ports": [
            {
                "port": port.best_name,
                "device": port.device,
                "names": list(port.names),
                "is_stable": bool(port.stable_name) or port.usb is None,
                "state": port.state,
                "is_sure": port.is_sure,
                "is_permitted": port.is_permitted,
                "group": port.group or None,
                "holders": [asdict(one) for one in port.holders],
                "usb": asdict(port.usb) if port.usb else None,
                "driver": port.driver or None,
                "latency_timer_ms": port.latency_timer_ms,
                "is_low_latency": port.is_low_latency,
                "bus": of_bus.get(port.device, (None,))[0],
                "remarks": [_remark_document(one) for one in remarks[port.device]],
            }
            for port in found
        ],
        "remarks": [_remark_document(one) for one in _remarks_on_all(found)],
    }


def _remark_document(remark: EdgeError) -> dict[str, object]:
    lang = language()
    values = {key: str(value) for key, value in remark.values.items()}
    words = {"fact": remark.fact(lang), "cause": remark.cause(lang), "next": remark.advice(lang)}
    return {"code": remark.code, **words, "values": values}


def _show_table(found: Sequence[Port], of_bus: Mapping[str, tuple[str, str]]) -> None:
    if not found:
        return
    heads = (("device", "设备"), ("state", "状态"), ("bus", "总线"), ("latency", "延时"), ("chip", "芯片"))
    rows = [[say(*head) for head in heads]]
    rows += [
        [port.device, _state(port), of_bus.get(port.device, ("-",))[0], _latency(port), _chip(port)] for port in found
    ]
    widths = [max(_width(row[column]) for row in rows) for column in range(len(heads))]
    for row, shown in zip(rows, (None, *found), strict=True):
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
        if shown is not None and shown.state is not PortState.GONE:
            click.echo(f'  port = "{shown.best_name}"')


def _state(port: Port) -> str:
    match port.state:
        case PortState.FREE:
            return say("free", "空闲") if port.is_sure else say("free (?)", "空闲（？）")
        case PortState.USED:
            return say("used by ", "占用：") + ", ".join(f"{one.program} ({one.pid})" for one in port.holders)
        case PortState.NO_PERMISSION:
            return say(f"no permission, group {port.group}", f"无权限，组 {port.group}")
        case PortState.GONE:
            return say("gone", "不存在")


def _latency(port: Port) -> str:
    if port.latency_timer_ms is not None:
        return f"{port.latency_timer_ms} ms"
    return {True: say("low", "低"), False: say("usual", "普通"), None: "-"}[port.is_low_latency]


def _chip(port: Port) -> str:
    usb = port.usb
    told = (f"{usb.vendor}:{usb.product}", usb.manufacturer, usb.name, usb.serial) if usb else ()
    words = [*told, f"({port.driver})" if port.driver else "", "pty" if port.is_pty else ""]
    return " ".join(word for word in words if word) or "-"


def _width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def _show_remark(remark: EdgeError) -> None:
    lang = language()
    tell(f"[{remark.code}] {remark.fact(lang)}")
    tell(f"  {say('cause', '原因')}: {remark.cause(lang)}")
    tell(f"  {say('next ', '处理')}: {remark.advice(lang)}")
