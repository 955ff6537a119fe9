"""`edge centre reread`: what an older version could not read is read again."""

import json
from pathlib import Path

import click

from edge.cli.centre_ledger import database_option, folder_argument, open_ledger
from edge.cli.common import json_option, say, tell

_FINE, _PARTLY = 0, 6


@click.command()
@folder_argument
@database_option
@json_option
def reread(folder: Path, database: str | None, as_json: bool) -> int:
    """Read rejected batches again from the evidence, after an upgrade; a running centre need not be stopped."""
    from edge.centre.keyring import FolderKeyring
    from edge.centre.reread import is_read
    from edge.centre.reread import reread as read_again
    from edge.clock import SystemClock
    from edge.config.centre import load_centre

    settings = load_centre(folder)
    keys = FolderKeyring(Path(settings.centre.gateways))
    with open_ledger(settings, database, must_exist=True) as ledger:
        taken = list(read_again(ledger, keys, SystemClock().utc_now()))
    stored = [one for one in taken if is_read(one)]
    readings, left = sum(one.counts.readings for one in stored), len(taken) - len(stored)
    if as_json:
        click.echo(json.dumps({"stored": len(stored), "readings": readings, "rejected": left}))
    else:
        tell(
            say(
                f"{len(stored)} rejected batches could be read now, {readings} readings; {left} cannot be read yet",
                f"被退回的批次中现在可读取 {len(stored)} 个，含读数 {readings} 条；仍无法读取 {left} 个",
            )
        )
    return _PARTLY if left else _FINE
