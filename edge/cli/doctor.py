"""`edge doctor`: what is wrong with this gateway and its machine, root causes first, with or without the daemon.

It looks and changes nothing. What the running daemon says of itself counts too; what this user may not see is unknown.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from edge.cli.common import DEFAULT_CONFIG, config_option, json_option, say
from edge.cli.doctor_machine import look_at_machine
from edge.cli.doctor_site import look_at_site
from edge.cli.status import conditions_of, halves_of
from edge.cli.troubles import show_troubles, trouble_documents
from edge.health.causes import merged, troubles_of
from edge.health.check import Check
from edge.health.machine import Places

_SCHEMA, _PARTLY = 1, 6
_SHOWN = {"yes": ("ok", "正常"), "no": ("WRONG", "异常"), "unknown": ("not known", "未知")}


@click.command()
@config_option
@json_option
@click.option("--offline", is_flag=True, help="do not try to reach the broker")
def doctor(config_path: Path | None, as_json: bool, offline: bool) -> int:
    """Find what is wrong with this gateway and its machine: root causes first, each with its next act."""
    from edge.cli.settings_file import load_settings

    path = config_path or DEFAULT_CONFIG
    settings = load_settings(path)
    halves = halves_of(settings.state_dir)
    checks = [
        *look_at_machine(settings, halves, Places()),
        *look_at_site(settings, path.absolute().parent, halves, is_offline=offline),
    ]
    troubles = troubles_of(merged([conditions_of(halves), {one.claim: one.condition() for one in checks}]))
    if as_json:
        document = {
            "schema": _SCHEMA,
            "checks": [_document(one) for one in checks],
            "troubles": trouble_documents(troubles),
        }
        click.echo(json.dumps(document, ensure_ascii=False, default=str))
    else:
        _show(checks)
        show_troubles(troubles)
        if not troubles:
            click.echo(say("nothing is wrong", "一切正常"))
    return _PARTLY if troubles else 0


def _document(check: Check) -> dict[str, Any]:
    code = check.error.code if check.error is not None else None
    return {"claim": check.claim, "answer": check.answer.value, "code": code, "facts": dict(check.facts)}


def _show(checks: Sequence[Check]) -> None:
    width = max(len(one.claim) for one in checks)
    for one in checks:
        facts = ", ".join(f"{name} {_plain(value)}" for name, value in one.facts.items() if value is not None)
        click.echo(f"{one.claim:{width}}  {say(*_SHOWN[one.answer.value])}{f': {facts}' if facts else ''}")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {_plain(one)}" for name, one in value.items() if one is not None) + ")"
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)
