"""`edge centre restore`: put a backup into the place of the ledger."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.centre_ledger import database_option, folder_argument
from edge.cli.common import json_option, say, tell

if TYPE_CHECKING:
    from edge.centre.restore import Restored


@click.command()
@folder_argument
@click.argument("backup", metavar="BACKUP", type=click.Path(path_type=Path, file_okay=False))
@click.option("--replace", is_flag=True, help="put it in the place of a ledger that holds something")
@click.option("--accept-loss", is_flag=True, help="even if gateways have forgotten what this backup does not hold")
@database_option
@json_option
def restore(
    folder: Path, backup: Path, database: str | None, *, replace: bool, accept_loss: bool, as_json: bool
) -> None:
    """Put BACKUP, a folder that `edge centre backup` made, into the place of the ledger of DIR.

    The centre must be stopped. Afterwards start it: gateways send again what came after the backup. A file that is
    replaced is kept beside; a database that is not empty loses what is in its ledger's tables.
    """
    from edge.centre.opening import place_of
    from edge.centre.restore import Consent, read_backup
    from edge.centre.restore import restore as put_back
    from edge.clock import SystemClock
    from edge.config.centre import load_centre

    settings = load_centre(folder)
    place = place_of(settings, database, SystemClock().utc_now())
    consent = Consent(is_replacing=replace, is_losing=accept_loss)
    done = put_back(read_backup(backup), place, settings.centre.durable, consent)
    if as_json:
        click.echo(json.dumps(_document(done, str(place)), ensure_ascii=False))
    else:
        _show(done, str(place), folder)


def _document(done: "Restored", place: str) -> dict[str, Any]:
    from edge.centre.rows import instant_text

    return {
        "schema": 1,
        "backup": str(done.backup.folder),
        "made_at": instant_text(done.backup.made_at),
        "ledger": place,
        "epochs": len(done.backup.stored),
        "kept": str(done.kept) if done.kept else None,
        "lost": list(done.lost),
        "mark_known": done.is_mark_known,
    }


def _show(done: "Restored", place: str, folder: Path) -> None:
    backup = done.backup.folder
    tell(say(f"restored {place} from {backup}", f"已从 {backup} 恢复 {place}"))
    if done.kept:
        tell(say(f"what was there is kept as {done.kept}", f"原台账保留为 {done.kept}"))
    for line in done.lost:
        tell(say(f"gone for good: {line}", f"永久丢失：{line}"))
    if not done.is_mark_known:
        tell(
            say(
                "what gateways were told to forget since is not known here; they name it if it is not in the backup"
                " (E-FWD-212)",
                "此处无法得知备份之后网关被允许删除了哪些内容；若备份中没有，网关会报告（E-FWD-212）",
            )
        )
    tell(say(f"next: edge centre run {folder}", f"下一步：edge centre run {folder}"))
