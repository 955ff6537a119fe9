"""`edge config check | migrate`: every mistake of a settings file, and a file of an older layout written anew.

A file called centre.toml is the centre's. Of a gateway the register is looked at, too: what its meters make of the
tasks is a warning, for a gateway that misses slots is better than one that does not start.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edge.cli.common import DEFAULT_CONFIG, config_option, json_option, language, say, show_error, tell
from edge.cli.settings_file import ALL_CHECKS
from edge.config.aside import write_aside
from edge.config.centre import CENTRE_CHECKS, FILE_NAME, CentreSettings
from edge.config.checks import Check
from edge.config.layouts import migrated_text, newest_layout, steps_to
from edge.config.load import Loaded, parse_toml_model, read_file, read_toml_model
from edge.config.problems import Problem, error_as_json, render_list
from edge.config.settings import Settings
from edge.errors import ConfigError, StoreError, UsageError

HERE = Path("edge.toml")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--strict", is_flag=True, help="exit code 3 for a warning, too")
@config_option
@json_option
def check(file: Path | None, strict: bool, config_path: Path | None, as_json: bool) -> int:
    """Name every mistake of a settings file, with line and column; exit code 3 if there is one.

    Warnings say what the meters of the register make of it: a task that takes longer than its period, a bus that has
    more to do than there is time, meters on a bus that is not there.
    """
    loaded = load_file(file or config_path, as_json=as_json)
    loads, warnings = _warnings(loaded) if isinstance(loaded.value, Settings) else ([], [])
    if as_json:
        listed = [one.as_json(language()) for one in warnings]
        print_json({"version": 1, "ok": True, **_summary(loaded), "count": len(listed), "problems": listed})
    else:
        if warnings:
            tell(render_list(warnings, loaded.file, language()) + "\n")
        for line in (_fine(loaded), *loads):
            click.echo(line)
    return ConfigError.exit_code if strict and warnings else 0


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@config_option
def migrate(file: Path | None, config_path: Path | None) -> None:
    """Write a settings file of an older layout anew in the newest one, comments and all; it is read as it is, too.

    The file as it was stays beside it as FILE.replaced.
    """
    path = chosen_file(file or config_path).resolve()
    model, checks = _kind(path)
    if not migrate_file(path, model, checks):
        tell(say(f"{path} is of the newest layout already", f"{path} 已是最新格式"))
        return
    layout = newest_layout(model)
    tell(
        say(
            f"{path} is of layout {layout} now; as it was: {path}.replaced",
            f"{path} 已改为格式 {layout}；原文件：{path}.replaced",
        )
    )


def migrate_file(path: Path, model: type, checks: tuple[Check, ...]) -> bool:
    """Bring a file to the newest layout; return False if it is of it. Raises ConfigError, and then nothing changed."""
    data = read_file(path)
    parse_toml_model(data, path, model, checks=checks)
    try:
        new = migrated_text(data.decode("utf-8-sig"), steps_to(model)).encode()
    except ConfigError as exc:
        raise UsageError(exc.code, file=path, **exc.values) from exc
    if new == data.removeprefix(b"\xef\xbb\xbf"):
        return False
    parse_toml_model(new, path, model, checks=checks)
    try:
        write_aside(path.with_name(f"{path.name}.replaced"), data, like=path)
        write_aside(path, new, like=path)
    except OSError as exc:
        raise ConfigError("E-CFG-062", file=path, detail=str(exc)) from exc
    return True


def chosen_file(chosen: Path | None) -> Path:
    """Return the file that is meant; where none was named, the gateway's, or the one that lies here."""
    return chosen or (HERE if not DEFAULT_CONFIG.exists() and HERE.exists() else DEFAULT_CONFIG)


def load_file(chosen: Path | None, *, as_json: bool) -> Loaded[Any]:
    """Return the settings, or end with exit code 3 after saying what is wrong with them."""
    file = chosen_file(chosen)
    model, checks = _kind(file)
    try:
        return read_toml_model(file, model, checks=checks)
    except ConfigError as exc:
        if as_json:
            print_json(error_as_json(exc, language()))
        else:
            show_error(exc)
        raise click.exceptions.Exit(exc.exit_code) from exc


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, ensure_ascii=False))


def _kind(file: Path) -> tuple[type, tuple[Check, ...]]:
    return (CentreSettings, CENTRE_CHECKS) if file.name == FILE_NAME else (Settings, ALL_CHECKS)


def _summary(loaded: Loaded[Any]) -> dict[str, object]:
    settings = loaded.value
    if isinstance(settings, CentreSettings):
        return {"file": loaded.file, "tenant": settings.centre.tenant}
    counts = {"buses": len(settings.bus), "tasks": len(settings.task)}
    return {"file": loaded.file, "gateway": settings.gateway.id, **counts}


def _fine(loaded: Loaded[Any]) -> str:
    settings = loaded.value
    if isinstance(settings, CentreSettings):
        tenant = settings.centre.tenant
        return say(f"{loaded.file}: fine; centre of {tenant}", f"{loaded.file}：无误；{tenant} 的主站")
    gateway, buses, tasks = settings.gateway.id, len(settings.bus), len(settings.task)
    return say(
        f"{loaded.file}: fine; gateway {gateway}, {buses} bus(es), {tasks} task(s)",
        f"{loaded.file}：无误；网关 {gateway}，{buses} 条总线，{tasks} 个任务",
    )


def _warnings(loaded: Loaded[Settings]) -> tuple[list[str], list[Problem]]:
    """Return a line for each bus that has meters, and what the register makes doubtful; nothing without a register."""
    from edge.cli.register import find_register, load_meters, polled_meters
    from edge.poll.bus_time import load_of, lost_meters, task_times, time_complaints

    settings = loaded.value
    try:
        if (place := find_register(settings)) is None:
            return [], []
        every, meters = load_meters(place), polled_meters(settings)
    except (StoreError, PermissionError) as exc:
        tell(say(f"  the register was not looked at: {exc}", f"  未检查电表档案：{exc}"))
        return [], []
    times = task_times(settings, tuple(meters.values()))
    lost = lost_meters(settings, {meter.address: meter.bus for meter in every})
    problems = loaded.problems_of((*time_complaints(settings, times), *lost))
    lines = []
    for bus in settings.bus:
        count, percent = sum(one.bus == bus.name for one in meters.values()), 100 * load_of(times, bus.name)
        if count:
            lines.append(
                say(
                    f"  bus {bus.name}: {count} meter(s), about {percent:.0f} % of its time",
                    f"  总线 {bus.name}：{count} 块表，约占用 {percent:.0f} % 的时间",
                )
            )
    return lines, [replace(one, is_warning=True) for one in problems]
