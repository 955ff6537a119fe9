"""`edge meters`: the meters that are read. List, add, remove, import from and export to a table.

A change is a value. It is done here under the register's lock; if the daemon holds the lock, it is sent to the
daemon over its control socket. Listing and exporting only read. Data goes to stdout, plan and remarks to stderr.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from edge.cli.common import (
    config_option,
    json_option,
    language,
    say,
    tell,
)
from edge.cli.register import change_register, find_place, load_meters
from edge.errors import ConfigError, UsageError
from edge.store.meter import PROTOCOLS, Meter, meter_document
from edge.store.meter_list import ImportPlan, ImportRules, Remark, plan_import, write_list
from edge.store.register_change import RegisterChange


def _place_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    option = click.option(
        "--state-dir", type=click.Path(path_type=Path, file_okay=False), help="use this directory, read no settings"
    )
    return config_option(option(json_option(verb)))


@click.group()
def meters() -> None:
    """List, add, remove, import and export the meters that are read."""


@meters.command("list")
@_place_options
def list_meters(config_path: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Show the meters of the register."""
    found = load_meters(find_place(config_path, state_dir))
    if as_json:
        _print_json({"meters": [meter_document(meter) for meter in found]})
        return
    for line in _table(found):
        click.echo(line)
    tell(say(f"{len(found)} meters", f"共 {len(found)} 块电表"))


@meters.command("add")
@click.argument("address")
@click.option("--bus", default="", help="the bus on which it is; not needed where there is only one")
@click.option("--name", default="")
@click.option("--protocol", type=click.Choice(["", *PROTOCOLS]), default="", help="where it differs from the bus")
@click.option("--tag", "tags", multiple=True, help="a word by which tasks can choose it; may be given again")
@click.option("--place", default="")
@click.option("--area", default="")
@click.option("--role", default="")
@click.option("--ct-ratio", default="")
@click.option("--pt-ratio", default="")
@click.option("--note", default="")
@_place_options
def add_meter(
    address: str,
    bus: str,
    tags: tuple[str, ...],
    config_path: Path | None,
    state_dir: Path | None,
    as_json: bool,
    **texts: Any,
) -> None:
    """Add one meter by its address of 12 digits."""
    place = find_place(config_path, state_dir)
    bus = place.bus_or_only(bus)
    if not bus:
        raise UsageError("E-STO-309", row="-", address=address)
    if place.buses is not None and bus not in place.buses:
        raise UsageError("E-STO-308", row="-", address=address, bus=bus, known=", ".join(place.buses) or "-")
    meter = Meter(address=address, bus=bus, tags=tags, **texts)
    change_register(place, RegisterChange(add=(meter,)))
    _report(as_json, {"added": [address]}, say(f"added {address} on bus {bus}", f"已添加 {address}，总线 {bus}"))


@meters.command("remove")
@click.argument("addresses", nargs=-1, required=True)
@_place_options
def remove_meters(addresses: tuple[str, ...], config_path: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Remove meters by their addresses: all of them or none."""
    unique = tuple(dict.fromkeys(addresses))
    change_register(find_place(config_path, state_dir), RegisterChange(remove=unique))
    names = ", ".join(unique)
    _report(as_json, {"removed": list(unique)}, say(f"removed {names}", f"已删除 {names}"))


@meters.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--bus", default="", help="the bus of rows that name none")
@click.option("--replace", "is_whole", is_flag=True, help="the list is whole: remove the meters that it does not name")
@click.option("--plan", "only_plan", is_flag=True, help="show what would be done, change nothing")
@click.option("--yes", is_flag=True, help="do it without asking")
@_place_options
def import_meters(
    file: Path,
    bus: str,
    is_whole: bool,
    only_plan: bool,
    yes: bool,
    config_path: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Take a CSV or Excel list of meters into the register: a plan first, then all of it or nothing."""
    place = find_place(config_path, state_dir)
    rules = ImportRules(buses=place.buses, bus=place.bus_or_only(bus), is_whole=is_whole)
    plan = plan_import(file, load_meters(place), rules)
    _show_plan(plan)
    if plan.problems:
        if as_json:
            _print_json(_plan_document(plan, applied=False))
        raise ConfigError("E-STO-301", path=file, count=len(plan.problems))
    applied = not only_plan and _is_agreed(plan, yes=yes)
    if applied:
        change_register(place, plan.change())
    if as_json:
        _print_json(_plan_document(plan, applied=applied))
    tell(say("done", "已完成") if applied else say("nothing was changed", "未作任何改动"))


@meters.command("export")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="file; else standard output")
@_place_options
def export_meters(output: Path | None, config_path: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Write the register as a CSV list; headings in the language of this run."""
    found = load_meters(find_place(config_path, state_dir))
    if as_json:
        text = json.dumps({"meters": [meter_document(meter) for meter in found]}, ensure_ascii=False) + "\n"
    else:
        text = write_list(found, language())
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        # The mark lets Excel know that this is UTF-8.
        output.write_bytes(text.encode("utf-8" if as_json else "utf-8-sig"))
    except OSError as exc:
        raise UsageError("E-STO-315", path=output, detail=str(exc)) from exc
    tell(say(f"{len(found)} meters written to {output}", f"已将 {len(found)} 块电表写入 {output}"))


def _is_agreed(plan: ImportPlan, *, yes: bool) -> bool:
    """Ask a person if there is one. Nobody there: what only adds and changes is done, what removes needs --yes."""
    if yes or plan.change().is_empty:
        return True
    if sys.stdin.isatty():
        return click.confirm(say("do this?", "是否执行？"), err=True)
    if plan.removed:
        raise UsageError("E-STO-314", count=len(plan.removed))
    return True


def _show_plan(plan: ImportPlan) -> None:
    for meter in plan.added:
        tell(f"  + {meter.address}  {meter.bus}  {meter.name}")
    for old, new in plan.changed:
        tell(f"  ~ {new.address}  {', '.join(_differences(old, new))}")
    for meter in plan.removed:
        tell(f"  - {meter.address}  {meter.bus}  {meter.name}")
    for remark in (*plan.notes, *plan.problems):
        _show_remark(remark)
    counts = (len(plan.added), len(plan.changed), len(plan.removed), len(plan.same))
    tell(
        say(
            "{} added, {} changed, {} removed, {} the same",
            "新增 {}，修改 {}，删除 {}，不变 {}",
        ).format(*counts)
    )


def _differences(old: Meter, new: Meter) -> Iterable[str]:
    before, after = meter_document(old), meter_document(new)
    return (f"{name}: {before[name]} -> {after[name]}" for name in before if before[name] != after[name])


def _show_remark(remark: Remark) -> None:
    tell(f"  [{remark.code}] {remark.fact(language())}")


def _plan_document(plan: ImportPlan, *, applied: bool) -> dict[str, Any]:
    def words(remarks: Iterable[Remark]) -> list[dict[str, Any]]:
        return [{"code": one.code, "row": one.values.get("row"), "text": one.fact(language())} for one in remarks]

    return {
        "added": [meter.address for meter in plan.added],
        "changed": [new.address for _, new in plan.changed],
        "removed": [meter.address for meter in plan.removed],
        "same": len(plan.same),
        "notes": words(plan.notes),
        "problems": words(plan.problems),
        "applied": applied,
    }


def _table(found: Iterable[Meter]) -> Iterable[str]:
    for meter in found:
        cells = (meter.address, meter.bus, meter.protocol or "-", " ".join(meter.tags) or "-", meter.name, meter.place)
        yield "  ".join(cells).rstrip()


def _report(as_json: bool, document: Mapping[str, Any], text: str) -> None:
    if as_json:
        _print_json(document)
    else:
        tell(text)


def _print_json(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False))
