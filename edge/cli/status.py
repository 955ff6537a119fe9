"""`edge status`: how the running daemon is, on one screen, what is wrong last, each with its next act."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import click

from edge.cli.common import DEFAULT_CONFIG, config_option, json_option, language, say, socket_path, tell
from edge.control.client import ask, is_served
from edge.errors import ControlError, entry_of

_HALVES: tuple[Literal["poll", "forward"], ...] = ("poll", "forward")
_PARTLY = 6


@click.command()
@config_option
@json_option
def status(config_path: Path | None, as_json: bool) -> int:
    """Show how the running daemon is: buses, meters, what waits in the store, receipts, and what is wrong."""
    from edge.cli.settings_file import load_settings

    settings = load_settings(config_path or DEFAULT_CONFIG)
    halves: dict[str, dict[str, Any] | None] = {name: _ask(socket_path(settings.state_dir, name)) for name in _HALVES}
    running = {name: document for name, document in halves.items() if document is not None}
    if not running:
        raise ControlError("E-CTL-110", path=str(settings.state_dir), detail=say("not running", "未运行"))
    if as_json:
        click.echo(json.dumps({"schema": 1, **halves}, ensure_ascii=False))
    else:
        for name in _HALVES:
            _show(name, halves[name])
    return _show_wrong(running) if not as_json else _exit_code(running)


def _ask(path: Path) -> dict[str, Any] | None:
    if not is_served(path):
        return None
    for document in ask(path, {"job": "status"}, silence_s=10):
        if isinstance(document.get("result"), dict):
            result: dict[str, Any] = document["result"]  # type: ignore[assignment]
            return result
    return None


def _show(name: str, document: dict[str, Any] | None) -> None:
    title = {"poll": say("polling", "抄读"), "forward": say("forwarding", "转发")}[name]
    if document is None:
        click.echo(f"{title}: {say('not running', '未运行')}")
        return
    click.echo(f"{title}: edge {document['version']}, {document['gateway']}, {document['time']} ({document['clock']})")
    for key, value in document.items():
        if key not in ("version", "gateway", "time", "clock", "health"):
            click.echo(f"  {key:12} {_plain(value)}")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    if isinstance(value, list):
        return "; ".join(_plain(one) for one in value) or "-"
    return "-" if value is None else str(value)


def _wrong(running: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return what is wrong, each claim once: halves that run in one process share their health."""
    conditions = {
        claim: condition
        for document in running.values()
        for claim, condition in document["health"]["conditions"].items()
    }
    return ((claim, condition) for claim, condition in conditions.items() if condition["answer"] == "no")


def _exit_code(running: dict[str, dict[str, Any]]) -> int:
    return _PARTLY if any(True for _ in _wrong(running)) else 0


def _show_wrong(running: dict[str, dict[str, Any]]) -> int:
    lang = language()
    for claim, condition in _wrong(running):
        entry, values = entry_of(condition["code"]), condition["values"]
        tell(f"{claim}: [{entry.code}] {entry.fact(lang, values)}")
        tell(f"  {say('since', '自')} {condition['since']}")
        tell(f"  {say('cause', '原因')}: {entry.cause(lang, values)}")
        tell(f"  {say('next ', '处理')}: {entry.advice(lang, values)}")
    if not _exit_code(running):
        click.echo(say("nothing is wrong", "一切正常"))
    return _exit_code(running)
