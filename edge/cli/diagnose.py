"""`edge diagnose`: ordered checks of a bus, each pass, fail or not known; at the end one sentence and the next act."""

from collections.abc import Mapping
from typing import Any

import click

from edge.app.bus_jobs import diagnose_run
from edge.cli.common import check_address, json_option, say, tell
from edge.cli.draw import draw_progress, end_progress, pad, print_json, show_condition, with_words
from edge.cli.on_bus import BusChoice, bus_argument
from edge.clock import Clock
from edge.config.settings import Bus
from edge.control.jobs import DiagnoseJob
from edge.errors import LinkError
from edge.poll.diagnose import DiagnoseRun, port_document
from edge.poll.findings import Mark
from edge.poll.jobs import Way

_PORT, _NOTHING, _PARTLY, _STOPPED = 4, 5, 6, 130
_SCHEMA = 1
_COLUMN = 16
_NAMES_ZH = {
    "port": "端口",
    "bytes": "字节数",
    "seconds": "秒",
    "echo": "回声",
    "answered": "有应答",
    "silent": "无应答",
    "damaged": "已损坏",
    "foreign": "其他主站请求",
    "last": "最后应答",
    "first": "最先无应答",
    "meters": "电表",
    "meter": "电表",
    "reads": "抄读次数",
    "response_ms": "响应毫秒",
    "at": "设置",
    "found": "找到",
    "begin": "起始时间",
    "answers": "应答数",
}


@click.command()
@bus_argument
@click.option("--meter", default="", help="look at this meter only")
@json_option
@click.option("--jsonl", "as_lines", is_flag=True, help="print one JSON document for each event")
def diagnose(choice: BusChoice, meter: str, as_json: bool, as_lines: bool) -> int:
    """Find out why BUS, or one meter on it, does not work. Takes a probe for each known meter and about 10 s."""
    if meter:
        check_address(meter)

    def make(bus: Bus, clock: Clock, way: Way) -> DiagnoseRun:
        return diagnose_run(DiagnoseJob(bus.name, meter, choice.protocol or ""), bus, choice.known(), way)

    last: Mapping[str, Any] = {}
    try:
        for document in choice.run({"job": "diagnose", "meter": meter}, make):
            _show(document, as_json=as_json, as_lines=as_lines)
            last = document if document.get("done") else last
    except LinkError as exc:
        last = port_document(exc, choice.port or choice.bus().port)
        _show({"result": next(iter(last["checks"]))}, as_json=as_json, as_lines=as_lines)
    except KeyboardInterrupt:
        end_progress()
        return _STOPPED
    end_progress()
    return _show_end(last, as_json=as_json)


def _show(document: Mapping[str, Any], *, as_json: bool, as_lines: bool) -> None:
    result, progress = document.get("result"), document.get("progress")
    if as_lines:
        print_json(document)
    elif isinstance(progress, dict):
        draw_progress(
            say(f"{progress['meter']}, {progress['left']} left", f"{progress['meter']}，剩余 {progress['left']}")
        )
    elif isinstance(result, dict) and not as_json:
        end_progress()
        click.echo(_line(result))


def _line(check: Mapping[str, Any]) -> str:
    """Return a check as a line: its name, how it ended, and the values that say why."""
    marks = {
        Mark.PASS: say("pass", "通过"),
        Mark.FAIL: say("FAIL", "未通过"),
        Mark.UNKNOWN: say("not known", "未知"),
    }
    names = {
        "port": say("port", "端口"),
        "quiet": say("quiet line", "线路安静"),
        "foreign_master": say("only master", "唯一主站"),
        "echo": say("echo", "回声"),
        "answers": say("answers", "应答"),
        "order": say("order on wire", "接线顺序"),
        "hours": say("worst hour", "最差时段"),
        "twins": say("one address each", "地址唯一"),
        "repeats": say("repeated reads", "重复抄读"),
        "settings": say("speed, parity", "波特率与校验"),
    }
    name, mark = names[str(check["check"])], marks[Mark(check["answer"])]
    return f"{pad(name, _COLUMN)}  {pad(mark, 9)}  {_values(check['values'])}".rstrip()


def _values(values: Mapping[str, Any]) -> str:
    named = ((say(key, _NAMES_ZH.get(key, key)), value) for key, value in values.items() if value not in (None, []))
    return "  ".join(f"{name} {_plain(value)}" for name, value in named)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "/".join(str(one) for one in value.values())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return {True: say("yes", "有"), False: say("no", "无")}[value] if isinstance(value, bool) else str(value)


def _show_end(last: Mapping[str, Any], *, as_json: bool) -> int:
    conclusion, answered = last.get("conclusion"), last.get("answered", 0)
    if as_json:
        document = {key: value for key, value in last.items() if key not in ("done", "conclusion")}
        words = conclusion and with_words(str(conclusion["code"]), conclusion["values"])
        print_json({"schema": _SCHEMA, **document, "conclusion": words})
    if not conclusion:
        tell(say(f"no fault found: {answered} meters answer", f"未发现故障：{answered} 块电表有应答"))
        return 0 if answered else _NOTHING
    show_condition(str(conclusion["code"]), conclusion["values"])
    if any(one["check"] == "port" and one["answer"] == Mark.FAIL for one in last["checks"]):
        return _PORT
    return _PARTLY if answered else _NOTHING
