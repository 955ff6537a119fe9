"""`edge centre backup`, and how every verb of the centre opens its ledger."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edge.cli.common import json_option, say, tell
from edge.errors import UsageError, translating

if TYPE_CHECKING:
    from edge.centre.ledger import Ledger
    from edge.config.centre import CentreSettings

_Verb = TypeVar("_Verb", bound=Callable[..., Any])

folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))


def database_option(verb: _Verb) -> _Verb:
    """Add --database."""
    return click.option(
        "--database",
        metavar="URL",
        help="postgresql://user@host/name in the place of the settings' ledger; the password comes from PGPASSFILE",
    )(verb)


def open_ledger(
    settings: "CentreSettings", database: str | None, *, must_exist: bool = False, to_read: bool = False
) -> "Ledger":
    """Return the ledger of a centre's folder, opened; `to_read`: nothing is written, so a full disk is no matter."""
    from edge.centre.opening import open_ledger as opened

    return opened(settings, database, must_exist=must_exist, to_read=to_read)


since_option = click.option(
    "--from", "since", metavar="TIME", help="first slot, as in 2026-11-23 or 2026-11-23T08:00+08:00"
)
until_option = click.option("--to", "until", metavar="TIME", help="slots before this [default: now]")


def parse_moment(text: str | None) -> datetime | None:
    """Return an instant that somebody typed. Raises UsageError E-CEN-105 or E-CEN-115."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("E-CEN-105", text=text) from None
    with translating({OverflowError: UsageError, ValueError: UsageError}, "E-CEN-115", text=text):
        return moment.astimezone(UTC)


@click.command()
@folder_argument
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path, file_okay=False))
@database_option
@json_option
def backup(folder: Path, target: Path, database: str | None, as_json: bool) -> None:
    """Copy the ledger into a new folder under TARGET, while the centre runs; then gateways may forget what is in it.

    They may if centre.toml says durable = "backup". The settings and keys of DIR are not in the copy.
    """
    from edge.centre.backup import back_up
    from edge.clock import SystemClock
    from edge.config.centre import load_centre

    with open_ledger(load_centre(folder), database, must_exist=True) as ledger:
        made = back_up(ledger, target, SystemClock().utc_now())
    size = sum(path.stat().st_size for path in made.iterdir())
    if as_json:
        click.echo(json.dumps({"path": str(made), "bytes": size}, ensure_ascii=False))
    else:
        tell(say(f"made {made}, {size:,} bytes", f"已创建 {made}，{size:,} 字节"))
