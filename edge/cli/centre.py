"""`edge centre`: the other end. It accepts signed batches from a broker, keeps them once, and says what is missing."""

import csv
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.centre_completeness import completeness
from edge.cli.centre_ledger import (
    backup,
    database_option,
    folder_argument,
    open_ledger,
    parse_moment,
    since_option,
    until_option,
)
from edge.cli.centre_receive import receive
from edge.cli.centre_restore import restore
from edge.cli.centre_run import run
from edge.cli.centre_upkeep import close, reread
from edge.cli.common import say, tell
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.centre.ledger import ReadingRow


@click.group()
def centre() -> None:
    """Run the other end: accept signed batches, keep each reading once, tell what is missing."""


@centre.command()
@folder_argument
@click.option("--tenant", default="demo", show_default=True, help="name of the utility, as in each edge.toml")
def init(folder: Path, tenant: str) -> None:
    """Make the centre's settings, its key and the folder for the gateways' keys."""
    from edge.centre.folder import PUBLIC_NAME, make_folder

    for path in make_folder(folder, tenant):
        tell(f"{say('made', '已创建')} {path}")
    tell(
        say(
            f"next: copy {folder / PUBLIC_NAME} to each gateway ([centre] key), then edge centre enrol {folder} ...",
            f"下一步：把 {folder / PUBLIC_NAME} 复制到各网关（[centre] key），然后 edge centre enrol {folder} ...",
        )
    )


@centre.command()
@folder_argument
@click.argument("gateway", required=False)
@click.argument("public", metavar="PUBFILE", required=False, type=click.Path(path_type=Path))
@click.option(
    "--meters", type=click.Path(path_type=Path), help="CSV list of known meters; readings of others are marked"
)
@click.option(
    "--replace", is_flag=True, help="take this key, or this list as a whole, in the place of what is enrolled"
)
@database_option
def enrol(
    folder: Path, gateway: str | None, public: Path | None, meters: Path | None, replace: bool, database: str | None
) -> None:
    """Take in a gateway's public key, or a list of known meters."""
    from edge.centre.folder import enrol_gateway, read_addresses
    from edge.config.centre import load_centre

    settings = load_centre(folder)
    if meters is None and (gateway is None or public is None):
        raise UsageError("E-CEN-107", folder=folder)
    if gateway is not None and public is not None:
        kid = enrol_gateway(settings, gateway, public, replace=replace)
        tell(say(f"enrolled {gateway}, key {kid.hex()}", f"已登记 {gateway}，密钥 {kid.hex()}"))
    if meters is not None:
        addresses = list(read_addresses(meters))
        with open_ledger(settings, database) as ledger:
            count = ledger.import_meters(addresses, is_whole=replace)
        tell(say(f"{count} meters are known", f"已登记电表 {count} 块"))


@centre.command()
@folder_argument
@click.option("--json", "form", flag_value="json", help="one JSON document")
@click.option("--jsonl", "form", flag_value="jsonl", default=True, help="one JSON object a line [default]")
@click.option("--csv", "form", flag_value="csv", help="CSV with a heading")
@click.option("--gateway", help="only this one")
@click.option("--meter", help="only this one")
@since_option
@until_option
@database_option
def export(
    folder: Path,
    form: str,
    gateway: str | None,
    meter: str | None,
    since: str | None,
    until: str | None,
    database: str | None,
) -> None:
    """Print readings, each once, in the order of their slots."""
    from edge.centre.keyring import FolderKeyring
    from edge.centre.ledger import Span
    from edge.config.centre import load_centre

    span = Span(since=parse_moment(since), until=parse_moment(until), gateway=gateway, meter=meter)
    if span.since and span.until and span.since >= span.until:
        raise UsageError("E-CEN-112", since=since, until=until)
    settings = load_centre(folder)
    with open_ledger(settings, database, must_exist=True, to_read=True) as ledger:
        known = {*ledger.gateways(), *FolderKeyring(Path(settings.centre.gateways)).names()}
        if gateway is not None and gateway not in known:
            raise UsageError("E-CEN-111", gateway=gateway)
        _print_readings(ledger.readings(span), form)


for verb in (run, receive, backup, restore, completeness, reread, close):
    centre.add_command(verb)


def _print_readings(rows: "Iterable[ReadingRow]", form: str) -> None:
    if form == "jsonl":
        for row in rows:
            click.echo(json.dumps(asdict(row), ensure_ascii=False))
    elif form == "json":
        click.echo(json.dumps({"readings": [asdict(row) for row in rows]}, ensure_ascii=False))
    else:
        from edge.centre.ledger import ReadingRow

        writer = csv.DictWriter(sys.stdout, [field.name for field in fields(ReadingRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
