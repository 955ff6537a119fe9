"""`edge detect`: find speed, parity and protocol of a bus, row by row, and write them into the settings if wanted."""

import difflib
import sys
from collections.abc import Mapping
from typing import Any

import click

from edge.cli.common import DEFAULT_CONFIG, check_address, json_option, say, tell
from edge.cli.draw import draw_progress, end_progress, print_json, show_condition, with_words
from edge.cli.on_bus import BusChoice, need_settings, port_argument
from edge.clock import Clock
from edge.config.aside import write_aside
from edge.config.edit import with_bus_values
from edge.config.settings import Bus
from edge.poll.detect import Combination, DetectRun
from edge.poll.jobs import Way
from edge.poll.plan import EITHER_YEAR

_NOTHING, _PARTLY, _STOPPED = 5, 6, 130
_SCHEMA = 1
_SILENT = "E-BUS-216"


@click.command()
@port_argument
@click.option("--meter", default="", help="ask this address only")
@click.option("--all", "is_all", is_flag=True, help="try every combination, also after one was found")
@click.option("--write", is_flag=True, help="put what was found into edge.toml, after showing the change")
@click.option("--yes", is_flag=True, help="do it without asking")
@json_option
@click.option("--jsonl", "as_lines", is_flag=True, help="print one JSON document for each event")
def detect(choice: BusChoice, meter: str, is_all: bool, write: bool, yes: bool, as_json: bool, as_lines: bool) -> int:
    """Find speed, parity and protocol of BUS. At most 8 combinations, 11 s on a silent line; --all tries all 36."""
    if meter:
        check_address(meter)
    if write:
        need_settings(choice)

    def make(bus: Bus, clock: Clock, way: Way) -> DetectRun:
        current = None if choice.port else Combination(bus.baud, bus.parity, bus.protocol)
        return DetectRun.over(way, current=current, reply_ms=bus.reply_ms, meter=meter, is_all=is_all)

    last: dict[str, Any] = {}
    rows = 0
    try:
        for document in choice.run({"job": "detect", "meter": meter, "all": is_all}, make):
            rows += _show(document, as_json=as_json, as_lines=as_lines)
            last = document if document.get("done") else last
    except KeyboardInterrupt:
        end_progress()
        tell(say(f"stopped after {rows} combinations", f"试过 {rows} 种设置后停止"))
        return _STOPPED
    end_progress()
    code = _show_end(last, as_json=as_json)
    if write and last.get("found"):
        _write(choice, last["found"], yes=yes)
    return code


def _show(document: Mapping[str, Any], *, as_json: bool, as_lines: bool) -> int:
    """Show a document as it comes; return how many rows it finished."""
    result, progress = document.get("result"), document.get("progress")
    if as_lines:
        print_json(document)
    elif isinstance(progress, dict):
        row = progress["row"]
        draw_progress(f"{_setting(row)}  ...  " + say(f"{progress['left']} left", f"剩余 {progress['left']}"))
    elif isinstance(result, dict) and not as_json:
        end_progress()
        click.echo(f"{_setting(result)}  {_seen(result)}")
    return int(isinstance(result, dict))


def _setting(row: Mapping[str, Any]) -> str:
    return f"{row['baud']:>6} 8{str(row['parity'])[0].upper()}1  {row['protocol']}"


def _seen(row: Mapping[str, Any]) -> str:
    """Return what a row brought, for people: the verdict's word, and what belongs to it."""
    count, who = row["bytes"], row["address"] or "?"
    words = {
        "silence": say("silence", "无应答"),
        "garbage": say(f"garbage ({count} bytes)", f"乱码（{count} 字节）"),
        "bad_checksum": say(f"bad checksum ({count} bytes)", f"校验和错误（{count} 字节）"),
        "collision": say(f"several meters at once ({count} bytes)", f"多块电表同时应答（{count} 字节）"),
        "ok": say(f"frame from {who}, {row['response_ms']} ms", f"收到 {who} 的帧，{row['response_ms']} ms"),
        "foreign_master": say("requests of a second master", "有第二个主站的请求"),
        "port_gone": say("not offered by this port", "该端口不支持"),
    }
    return words.get(
        str(row["verdict"]), say(f"frame from {who} ({row['verdict']})", f"收到 {who} 的帧（{row['verdict']}）")
    )


def _show_end(last: Mapping[str, Any], *, as_json: bool) -> int:
    found, condition = last.get("found"), last.get("condition")
    if as_json:
        document = {key: value for key, value in last.items() if key not in ("done", "condition")}
        words = condition and with_words(str(condition["code"]), condition["values"])
        print_json({"schema": _SCHEMA, **document, "condition": words})
    if condition:
        show_condition(str(condition["code"]), condition["values"], mark=say("warning", "警告") if found else "")
    if not found:
        return _NOTHING if condition and condition["code"] == _SILENT else _PARTLY
    line = f"{found['baud']} 8{found['parity'][0].upper()}1, {found['protocol']}"
    tell(say(f"this bus speaks {line}; in edge.toml:", f"此总线为 {line}；写入 edge.toml："))
    tell(f'  baud = {found["baud"]}\n  parity = "{found["parity"]}"\n  protocol = "{found["protocol"]}"')
    return 0


def _write(choice: BusChoice, found: Mapping[str, Any], *, yes: bool) -> None:
    """Put what was found into the settings file, after the change was shown and agreed to."""
    file = choice.config_path or DEFAULT_CONFIG
    bus = choice.bus_of_settings()
    keys = ("baud", "parity") if bus.protocol == EITHER_YEAR else ("baud", "parity", "protocol")
    values = {key: found[key] for key in keys if getattr(bus, key) != found[key]}
    old = file.read_text(encoding="utf-8")
    new = with_bus_values(old, bus.name, values) if values else old
    if new == old:
        tell(say("edge.toml says so already", "edge.toml 中已是如此"))
        return
    for line in difflib.unified_diff(old.splitlines(), new.splitlines(), str(file), str(file), lineterm="", n=1):
        tell(line)
    if not (yes or not sys.stdin.isatty() or click.confirm(say("do this?", "是否执行？"), err=True)):
        return
    write_aside(file.resolve(), new.encode(), like=file)
    tell(say("written; edge config reload puts it in force", "已写入；运行 edge config reload 即生效"))
