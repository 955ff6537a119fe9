"""`edge scan`: find the meters of a bus, known ones first, by list, by range, or everybody by shortened addresses."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from edge.cli.common import check_address, json_option, say, tell
from edge.cli.draw import draw_progress, duration, end_progress, print_json, show_condition, with_words
from edge.cli.on_bus import BusChoice, bus_argument, need_settings
from edge.cli.register import change_register, load_meters
from edge.clock import Clock
from edge.config.settings import Bus
from edge.errors import EdgeError, UsageError
from edge.poll.jobs import Way
from edge.poll.plan import EITHER_YEAR
from edge.poll.scan import ScanOrder, ScanRun, scan_document, scan_run
from edge.poll.scan_state import ScanState, state_document, state_of
from edge.store.meter import Meter
from edge.store.register_change import RegisterChange

_NOTHING, _PARTLY, _STOPPED = 5, 6, 130
_MOST_PROBES = 10_000
_SCHEMA = 1
_ADDRESS = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")
_USUAL_FILE = "-"


@click.command()
@bus_argument
@click.option("--range", "span", metavar="FIRST-LAST", help="addresses of 12 digits, both included")
@click.option("--address", "addresses", multiple=True, help="ask this address; may be given several times")
@click.option(
    "--list", "list_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="ask each address in FILE"
)
@click.option("--known", "only_known", is_flag=True, help="ask the meters of the register only")
@click.option("--quick", is_flag=True, help="leave out what overlapping answers make unlikely; may miss a meter")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=_USUAL_FILE,
    metavar="[FILE]",
    help="go on where a stopped scan of this bus left off; FILE: keep the state there  [default: the state directory]",
)
@click.option("--write", is_flag=True, help="put the meters found into the register, after showing which")
@click.option("--yes", is_flag=True, help="do it without asking")
@json_option
@click.option("--jsonl", "as_lines", is_flag=True, help="print one JSON document for each event")
def scan(
    choice: BusChoice,
    span: str | None,
    addresses: tuple[str, ...],
    list_file: Path | None,
    only_known: bool,
    quick: bool,
    resume: str | None,
    write: bool,
    yes: bool,
    as_json: bool,
    as_lines: bool,
) -> int:
    """Find the meters of BUS. Without --range, --address or --list: the known ones, then everybody by wildcards.

    Ctrl-C prints what was found and keeps the state; --resume goes on from there, also after a power cut.
    """
    if write:
        need_settings(choice)
    wanted = tuple(check_address(address) for address in addresses) + (_expand_range(span) if span else ())
    wanted += _addresses_in(list_file) if list_file else ()
    file = _state_file(choice, resume)
    kept = _load_state(file) if resume is not None and file.exists() else None
    job: dict[str, object] = {"job": "scan", "addresses": list(wanted), "quick": quick, "known": only_known}
    if kept is not None:
        job["state"] = state_document(kept)
        left = len(kept.left)
        tell(say(f"goes on with the scan of {file}: {left} left to ask", f"继续 {file} 中的扫描：剩余 {left}"))

    def make(bus: Bus, clock: Clock, way: Way) -> ScanRun:
        known = () if wanted or kept else choice.known()
        order = ScanOrder(addresses=wanted, known=known, only_known=only_known, is_quick=quick, kept=kept)
        return scan_run(bus.protocol, bus.reply_ms, way, order)

    shown = _Shown(as_json=as_json, as_lines=as_lines, state=kept or ScanState(), file=file)
    code = _follow(choice.run(job, make), shown, file)
    if code != _STOPPED and (resume is not None or shown.is_kept):
        file.unlink(missing_ok=True)
    if write and code != _STOPPED and shown.last.get("meters"):
        _write(choice, shown.last, yes=yes)
    return code


def _follow(documents: Iterator[dict[str, object]], shown: "_Shown", file: Path) -> int:
    try:
        for document in documents:
            shown.take(document)
    except KeyboardInterrupt:
        shown.stop()
        _tell_kept(file, _keep_state(file, shown.state))
        shown.show_end()
        return _STOPPED
    except EdgeError:
        if shown.is_kept:
            _tell_kept(file, _keep_state(file, shown.state))
        raise
    finally:
        end_progress()
    return shown.show_end()


@dataclass(slots=True)
class _Shown:
    """What was seen of a scan, and how it is shown. `is_kept`: its state lies in `file` meanwhile."""

    as_json: bool
    as_lines: bool
    state: ScanState
    file: Path
    is_kept: bool = False
    last: dict[str, Any] = field(default_factory=dict)

    def take(self, document: Mapping[str, Any]) -> None:
        """Show one document as it comes."""
        result, progress, state = (document.get(key) for key in ("result", "progress", "state"))
        if isinstance(state, dict):
            self.state = state_of(state)
            self.is_kept |= _keep_state(self.file, self.state) == ""
        elif self.as_lines:
            print_json(document)
        elif isinstance(result, dict):
            self._show_result(result)
        elif isinstance(progress, dict):
            draw_progress(_progress_line(progress))
        if isinstance(result, dict) and "meter" in result:
            self.state.found[str(result["meter"])] = str(result["protocol"])
        if document.get("done"):
            self.last = dict(document)

    def stop(self) -> None:
        """Take the state as the end."""
        self.last = scan_document(self.state)

    def show_end(self) -> int:
        """Print the end; return the exit code."""
        end_progress()
        last = self.last
        conditions = [(str(one["code"]), dict(one["values"])) for one in last.get("conditions", [])]
        if self.as_json:
            document = {key: value for key, value in last.items() if key not in ("done", "conditions")}
            words = [with_words(code, values) for code, values in conditions]
            print_json({"schema": _SCHEMA, **document, "conditions": words})
        _tell_end(last, conditions)
        if not last.get("found"):
            return _NOTHING
        is_partly = any(last.get(key) for key in ("collisions", "damaged", "silent", "conditions"))
        return _PARTLY if is_partly else 0

    def _show_result(self, result: Mapping[str, Any]) -> None:
        if not self.as_json and "meter" in result:
            end_progress()
            click.echo(f"{result['meter']}  {result['protocol']}")


def _progress_line(progress: Mapping[str, Any]) -> str:
    values = {**progress, "time": duration(float(progress.get("left_s", 0)))}
    line = say(
        "asked {asked}, left {left} (about {time}), found {found}",
        "已询问 {asked}，剩余 {left}（约 {time}），找到 {found}",
    )
    return line.format(**values)


def _tell_end(last: Mapping[str, Any], conditions: list[tuple[str, dict[str, object]]]) -> None:
    for address in last.get("collisions", []):
        tell(f"{address}: " + say("two meters have this address", "有两块表使用此地址"))
    for one in last.get("damaged", []):
        tell(f"{one['meter']}: " + say(f"only damaged answers ({one['verdict']})", f"应答均已损坏（{one['verdict']}）"))
    for address in last.get("silent", []):
        tell(f"{address}: " + say("known, but silent", "已登记但无应答"))
    for code, values in conditions:
        show_condition(code, values)
    if last.get("skipped"):
        tell(say(f"{last['skipped']} unlikely patterns were left out", f"略过 {last['skipped']} 个不太可能的地址段"))
    count = len(last.get("found", []))
    tell(say(f"{count} meters found", f"找到 {count} 块电表"))
    if not (count or conditions or last.get("collisions") or last.get("damaged")):
        tell(say("edge detect finds speed, parity and protocol", "用 edge detect 查找波特率、校验和规约"))


def _expand_range(span: str) -> tuple[str, ...]:
    first, _, last = span.partition("-")
    low, high = int(check_address(first)), int(check_address(last))
    if not 0 <= high - low < _MOST_PROBES:
        raise UsageError("E-CLI-104", span=span, count=_MOST_PROBES)
    return tuple(f"{number:012d}" for number in range(low, high + 1))


def _addresses_in(file: Path) -> tuple[str, ...]:
    """Return every number of 12 digits in a file, whatever stands between them."""
    found = tuple(dict.fromkeys(_ADDRESS.findall(file.read_bytes().decode("utf-8", "replace"))))
    if not 0 < len(found) <= _MOST_PROBES:
        raise UsageError("E-CLI-112", file=file, count=len(found), most=_MOST_PROBES)
    return found


# The state of a scan that was stopped.


def _state_file(choice: BusChoice, resume: str | None) -> Path:
    """Return where the state is kept: the file named, else the state directory, else beside whoever calls."""
    if resume is not None and resume != _USUAL_FILE:
        return Path(resume)
    place = choice.place()
    name = choice.name or choice.port or "bus"
    return (place.state_dir if place else Path()) / f"scan-{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}.json"


def _load_state(file: Path) -> ScanState:
    try:
        return state_of(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, OSError) as exc:
        raise UsageError("E-CLI-111", file=file, detail=str(exc)) from exc


def _keep_state(file: Path, state: ScanState) -> str:
    """Write the state aside, synced, and put it in place; return why that cannot be, nothing if it was done."""
    aside = file.with_name(f".{file.name}.new")
    try:
        with aside.open("w", encoding="utf-8") as opened:
            json.dump(state_document(state), opened)
            opened.flush()
            os.fsync(opened.fileno())
        aside.replace(file)
    except OSError as exc:
        return exc.strerror or str(exc)
    return ""


def _tell_kept(file: Path, problem: str) -> None:
    """Say where a scan that was stopped goes on; without a state what was found stands on the screen."""
    end_progress()
    if problem:
        tell(say(f"the state cannot be kept in {file}: {problem}", f"无法保存扫描状态到 {file}：{problem}"))
        return
    tell(say(f"stopped; edge scan ... --resume {file} goes on", f"已停止；edge scan ... --resume {file} 可继续"))


# Into the register.


def _write(choice: BusChoice, last: Mapping[str, Any], *, yes: bool) -> None:
    place = need_settings(choice)
    bus = choice.bus_of_settings()
    known = {meter.address for meter in load_meters(place)} if place.register.exists() else set()
    new = [one for one in last["meters"] if one["meter"] not in known]
    for one in new:
        tell(f"  + {one['meter']}  {bus.name}  {one['protocol']}")
    tell(
        say(
            f"{len(new)} added, {len(last['meters']) - len(new)} known",
            f"新增 {len(new)}，已有 {len(last['meters']) - len(new)}",
        )
    )
    if not new or not (yes or not sys.stdin.isatty() or click.confirm(say("do this?", "是否执行？"), err=True)):
        return
    # On a bus of either year the daemon finds out: a meter that only refused a question may speak the other one.
    meters = tuple(
        Meter(
            address=one["meter"],
            bus=bus.name,
            protocol="" if bus.protocol in (one["protocol"], EITHER_YEAR) else one["protocol"],
        )
        for one in new
    )
    change_register(place, RegisterChange(add=meters))
    tell(say("done", "已完成"))
