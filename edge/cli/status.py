"""`edge status`: how the running daemon is, on one screen, what is wrong last, each with its next act."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from edge.cli.common import DEFAULT_CONFIG, config_option, json_option, say, socket_path
from edge.cli.troubles import show_troubles, trouble_documents
from edge.control.client import ask, is_served
from edge.errors import ControlError
from edge.health.causes import Conditions, merged, troubles_of

HALVES: tuple[Literal["poll", "forward"], ...] = ("poll", "forward")
_PARTLY = 6


@click.command()
@config_option
@json_option
def status(config_path: Path | None, as_json: bool) -> int:
    """Show how the running daemon is: buses, meters, what waits in the store, receipts, and what is wrong."""
    from edge.cli.settings_file import load_settings

    settings = load_settings(config_path or DEFAULT_CONFIG)
    halves = halves_of(settings.state_dir)
    if not any(halves.values()):
        raise ControlError("E-CTL-110", path=str(settings.state_dir), detail=say("not running", "未运行"))
    troubles = troubles_of(conditions_of(halves))
    if as_json:
        document = {"schema": 1, **halves, "troubles": trouble_documents(troubles)}
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        for name in HALVES:
            _show(name, halves[name])
        show_troubles(troubles)
        if not troubles:
            click.echo(say("nothing is wrong", "一切正常"))
    return _PARTLY if troubles else 0


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


def halves_of(state_dir: Path) -> dict[str, dict[str, Any] | None]:
    """Return what each half of the running daemon says of itself; None for one that does not run."""
    return {name: _ask(socket_path(state_dir, name)) for name in HALVES}


def conditions_of(halves: Mapping[str, dict[str, Any] | None]) -> Conditions:
    """Return the conditions of all halves, each claim once: halves that run in one process share their health."""
    return merged(document["health"]["conditions"] for document in halves.values() if document is not None)
