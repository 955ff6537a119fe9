"""`edge centre receive`: take in a stick that a person brought from a gateway, and write a receipt for the way back."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.centre_ledger import database_option, open_ledger
from edge.cli.common import json_option, language, say, show_error, tell

if TYPE_CHECKING:
    from edge.centre.carrying import Received

_FINE, _PARTLY = 0, 6
_MOST_PLACES = 2


@click.command()
@click.argument("places", metavar="[DIR] STICK", nargs=-1, required=True, type=click.Path(path_type=Path))
@database_option
@json_option
def receive(places: tuple[Path, ...], *, database: str | None, as_json: bool) -> int:
    """Take in the batches on a stick and write receipts to it, which `edge backlog --import-receipts` applies.

    DIR is the centre's folder [default: the current one]. A running centre need not be stopped.
    """
    from edge.centre.folder import build_reception
    from edge.clock import SystemClock
    from edge.config.centre import load_centre

    if len(places) > _MOST_PLACES:
        raise click.UsageError(
            say("give the centre's folder and the stick, or the stick", "请给出主站目录和 U 盘，或仅 U 盘")
        )
    *folder, stick = places
    settings = load_centre(*folder or [Path()])
    with open_ledger(settings, database) as ledger:
        found = build_reception(settings, ledger, SystemClock()).receive(stick)
    if as_json:
        click.echo(json.dumps({"schema": 1, "folders": [_document(one) for one in found]}, ensure_ascii=False))
    else:
        for one in found:
            _show(one)
    return _PARTLY if any(one.troubles for one in found) else _FINE


def _document(one: "Received") -> dict[str, Any]:
    from edge.centre.accept import Fate

    return {
        "gateway": one.gateway,
        "folder": str(one.folder),
        **{str(fate): one.fates[fate] for fate in Fate},
        "readings": one.readings,
        "left_at_gateway": one.left,
        "renamed": [str(notice.values["path"]) for notice in one.renamed],
        "troubles": [
            {"file": trouble.file, "code": trouble.error.code, "text": trouble.error.fact(language())}
            for trouble in one.troubles
        ],
        "receipt": str(one.receipt) if one.receipt else None,
    }


def _show(one: "Received") -> None:
    from edge.centre.accept import Fate

    words = {
        Fate.STORED: say("stored", "已入库"),
        Fate.DUPLICATE: say("already had", "已有"),
        Fate.HELD: say("replacements not needed", "无需替代"),
        Fate.RESTORED: say("originals after all", "原批次补到"),
        Fate.REJECTED: say("rejected", "退回"),
        Fate.FORK: say("forks", "分叉"),
        Fate.REFUSED: say("refused", "拒收"),
    }
    counts = ", ".join(f"{one.fates[fate]} {word}" for fate, word in words.items() if one.fates[fate])
    readings = say(f"{one.readings} new readings", f"新读数 {one.readings} 条")
    click.echo(f"{one.gateway}: {counts or say('no batches', '没有批次')}; {readings}")
    if one.left:
        click.echo(say(f"  {one.left} readings were left at the gateway", f"  网关处尚有 {one.left} 条读数未导出"))
    for notice in one.renamed:
        click.echo(f"  {notice.fact(language())}")
    for trouble in one.troubles:
        if trouble.file:
            tell(f"{one.folder / trouble.file}:")
        show_error(trouble.error)
    if one.receipt:
        tell(say(f"receipt for the way back: {one.receipt}", f"带回网关的回执：{one.receipt}"))
