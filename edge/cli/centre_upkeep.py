"""`edge centre reread` and `edge centre close`: after an upgrade of the centre, after the end of a gateway."""

import json
from pathlib import Path

import click

from edge.cli.centre_ledger import database_option, folder_argument, open_ledger, parse_moment
from edge.cli.common import json_option, say, tell
from edge.errors import UsageError

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


@click.command()
@folder_argument
@click.argument("gateway")
@click.option("--at", "moment", metavar="TIME", help="from when on nothing is expected of it [default: now]")
@click.option("--undo", is_flag=True, help="expect its plans to be kept again")
@database_option
def close(folder: Path, gateway: str, moment: str | None, undo: bool, database: str | None) -> None:
    """Expect nothing more of a gateway that was taken down or replaced by one of another name.

    Its readings stay, holes before TIME are final. What it still sends is taken in; a plan that it makes later counts.
    """
    from edge.centre.keyring import FolderKeyring
    from edge.clock import SystemClock
    from edge.config.centre import load_centre

    settings = load_centre(folder)
    enrolled = FolderKeyring(Path(settings.centre.gateways)).names()
    at = None if undo else parse_moment(moment) or SystemClock().utc_now()
    with open_ledger(settings, database, must_exist=True) as ledger:
        if gateway not in {*enrolled, *ledger.gateways()}:
            raise UsageError("E-CEN-111", gateway=gateway)
        ledger.close_gateway(gateway, at)
    if at is None:
        tell(say(f"{gateway} is not closed", f"{gateway} 未关闭"))
    else:
        until = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        tell(say(f"{gateway} is closed: nothing is expected after {until}", f"{gateway} 已关闭：{until} 之后不再应抄"))
