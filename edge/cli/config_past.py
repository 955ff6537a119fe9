"""`edge config reload | diff | history | revert`: what is in force, what was, and the way there and back."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from edge.cli.common import DEFAULT_CONFIG, config_option, daemon_error, json_option, say, socket_path, tell
from edge.cli.settings_file import parse_settings, read_settings
from edge.config.aside import write_aside
from edge.config.force import Change, changes_between
from edge.config.history import FOLDER, KeptSettings, digest_of, kept_settings
from edge.config.load import read_file
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.control.client import ask, is_served
from edge.errors import ConfigError, ControlError, UsageError

_PARTLY = 6


@click.command()
@click.option("--only", type=click.Choice(["poll", "forward"]), help="ask one half of the daemon")
@config_option
@json_option
def reload(only: str | None, config_path: Path | None, as_json: bool) -> int:
    """Let the running daemon read its settings again; say what is in force now, and what waits for a restart.

    Wrong settings change nothing: exit code 3, and their mistakes are shown. Exit code 6: something waits.
    """
    path = config_path or DEFAULT_CONFIG
    state_dir = _state_dir(path)
    results = {half: _reload(socket_path(state_dir, half), path) for half in _running(state_dir, only)}
    waiting = any(result["waiting"] for result in results.values())
    if as_json:
        click.echo(json.dumps({"schema": 1, **results}, ensure_ascii=False))
        return _PARTLY if waiting else 0
    for half, result in results.items():
        lines = [_as_line(one) for one in (*result["changed"], *result["waiting"])]
        for line in lines or [say("nothing is different", "没有变化")]:
            click.echo(f"{half}: {line}")
    if waiting:
        tell(say("next: systemctl restart edge.target", "下一步：systemctl restart edge.target"))
    return _PARTLY if waiting else 0


@click.command()
@click.argument("other", type=click.Path(path_type=Path), required=False)
@config_option
@json_option
def diff(other: Path | None, config_path: Path | None, as_json: bool) -> None:
    """Show what the settings file changes: of what the running daemon has in force, or of the file OTHER."""
    path = config_path or DEFAULT_CONFIG
    _, loaded = read_settings(path)
    before = read_settings(other)[1].value if other else _in_force(loaded.value.state_dir)
    changes = changes_between(before, loaded.value)
    if as_json:
        click.echo(json.dumps({"schema": 1, "changes": [one.as_json() for one in changes]}, ensure_ascii=False))
        return
    for change in changes:
        click.echo(_as_line(change.as_json()))
    if not changes:
        tell(say("nothing is different", "没有变化"))


@click.command()
@config_option
@json_option
def history(config_path: Path | None, as_json: bool) -> None:
    """List the settings files that were in force, the newest first; `*` stands at what the file holds now."""
    path = config_path or DEFAULT_CONFIG
    kept, now = kept_settings(_state_dir(path)), digest_of(read_file(path))
    if as_json:
        rows = [{"number": one.number, "time": one.at.isoformat(), "hash": one.digest} for one in kept]
        click.echo(json.dumps({"schema": 1, "file": str(path), "hash": now, "kept": rows}))
        return
    for one in kept:
        click.echo(f"{one.number:>6} {'*' if one.digest == now else ' '} {one.at:%Y-%m-%d %H:%M:%S}Z  {one.digest}")
    if not kept:
        tell(say("nothing was kept yet: a file is kept once it is in force", "尚无保存：配置生效后才会保存"))


@click.command()
@click.argument("number", type=int, required=False)
@config_option
def revert(number: int | None, config_path: Path | None) -> None:
    """Put a kept settings file back, comments and all: NUMBER of the history, else the newest that differs.

    It is checked first. The file that it takes the place of stays beside it as FILE.replaced.
    """
    path = (config_path or DEFAULT_CONFIG).resolve()
    old = read_file(path)
    kept = _chosen(kept_settings(_state_dir(path)), number, digest_of(old), _state_dir(path))
    data = kept.text()
    parse_settings(data, path)
    aside = path.with_name(f"{path.name}.replaced")
    try:
        write_aside(aside, old, like=path)
        write_aside(path, data, like=path)
    except OSError as exc:
        raise ConfigError("E-CFG-062", file=path, detail=str(exc)) from exc
    tell(
        say(
            f"{path} is number {kept.number} again; what stood there is {aside}; next: edge config reload",
            f"{path} 已恢复为第 {kept.number} 份；原内容保存在 {aside}；下一步：edge config reload",
        )
    )


def _chosen(kept: Sequence[KeptSettings], number: int | None, now: str, state_dir: Path) -> KeptSettings:
    """Return what to go back to. Raises UsageError if it is not there."""
    for one in kept:
        if one.number == number or (number is None and one.digest != now):
            return one
    wanted = say("none differs from the file", "没有与现文件不同的") if number is None else str(number)
    raise UsageError("E-CFG-086", folder=state_dir / FOLDER, wanted=wanted)


def _state_dir(path: Path) -> Path:
    """Return the state directory, even where the file has mistakes, as long as it can be told."""
    import tomllib

    try:
        return read_settings(path)[1].value.state_dir
    except ConfigError:
        try:
            folder = tomllib.loads(read_file(path).decode())["gateway"]["state_dir"]
        except (KeyError, TypeError, ValueError):
            folder = "/var/lib/edge"
        return path.resolve().parent / str(folder)


def _running(state_dir: Path, only: str | None) -> Iterator[Any]:
    """Return the sockets to ask, by half: where one process does both, one of them."""
    served = [half for half in ("poll", "forward") if only in (None, half) and is_served(state_dir / f"{half}.sock")]
    if not served:
        raise ControlError("E-CTL-110", path=str(state_dir), detail=say("not running", "未运行"))
    return iter(served)


def _reload(sock: Path, path: Path) -> dict[str, Any]:
    """Return what a half has taken. Wrong settings are shown in their lines, then end this run with exit code 3."""
    for document in ask(sock, {"job": "reload"}):
        if "error" in document:
            read_settings(path)  # shows every mistake, where this user sees the same file
            raise daemon_error(document["error"])
        if isinstance(document.get("result"), dict):
            result: dict[str, Any] = document["result"]  # type: ignore[assignment]
            return result
    raise ControlError("E-CTL-111", path=str(sock), detail="no result")


def _in_force(state_dir: Path) -> Settings:
    sock = state_dir / f"{next(_running(state_dir, None))}.sock"
    for document in ask(sock, {"job": "settings"}, silence_s=10):
        if isinstance(document.get("result"), dict):
            result: dict[str, Any] = document["result"]  # type: ignore[assignment]
            return build_table(Settings, result["in_force"])
    raise ControlError("E-CTL-111", path=str(sock), detail="no result")


def _as_line(change: dict[str, Any]) -> str:
    line = str(Change(change["path"], change["before"], change["after"]))
    return line + say("  (after a restart)", "（重启后生效）") if change["restart"] else line
