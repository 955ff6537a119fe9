"""`edge config`: show, init, schema; `check` and `migrate` are `config_check.py`, what was in force `config_past.py`.

The file is never changed here; `init` writes a new one only.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from edge.cli.common import config_option, json_option, say, tell
from edge.cli.config_check import HERE, check, load_file, migrate
from edge.cli.config_past import diff, history, reload, revert
from edge.cli.settings_file import ALL_CHECKS
from edge.config.centre import CentreSettings
from edge.config.complaint import dotted
from edge.config.load import Loaded, parse_toml_model
from edge.config.problems import struck_out
from edge.config.schema import schema_of
from edge.config.settings import Settings
from edge.config.table import raw_of
from edge.config.template import FirstSettings, build_first_file
from edge.errors import ConfigError, UsageError

_BAUD_CHOICES = ("300", "600", "1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200")


@click.group()
def config() -> None:
    """Check, show and begin the settings file."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--effective", is_flag=True, help="every value, and where it comes from; not only what the file says")
@config_option
@json_option
def show(file: Path | None, effective: bool, config_path: Path | None, as_json: bool) -> None:
    """Print the settings as they are understood. Passwords and keys are files; only their names are shown."""
    loaded = load_file(file or config_path, as_json=as_json)
    dump = raw_of(loaded.value)
    if not effective:
        dump = _only_given(dump, loaded, ())
    if as_json:
        origins = {dotted(path): _origin(loaded, path) for path in _leaves(dump)} if effective else {}
        text = json.dumps({"version": 1, "file": loaded.file, "settings": dump, "origin": origins}, ensure_ascii=False)
        click.echo(struck_out(text))
        return
    click.echo(_as_toml(dump, loaded if effective else None), nl=False)


@config.command()
@click.option("--out", type=click.Path(path_type=Path), default=HERE, show_default=True, help="file to write")
@click.option("--id", "gateway_id", help="name of this gateway at the centre")
@click.option("--tenant", help="name of the utility")
@click.option("--port", "ports", multiple=True, help="port of a bus; once for each bus")
@click.option("--baud", type=click.Choice(_BAUD_CHOICES), default="2400", show_default=True)
@click.option("--parity", type=click.Choice(["even", "odd", "none"]), default="even", show_default=True)
@click.option("--timezone", default="Asia/Shanghai", show_default=True, help="zone that the meters keep")
@click.option("--endpoint", default="", help="broker, as in mqtts://broker.example:8883")
def init(
    out: Path,
    gateway_id: str | None,
    tenant: str | None,
    ports: Sequence[str],
    baud: str,
    parity: str,
    timezone: str,
    endpoint: str,
) -> None:
    """Write a commented settings file; an existing file is never overwritten. Asks only on a terminal."""
    if out.exists() or out.is_symlink():
        raise UsageError("E-CFG-061", file=str(out))
    answers = _ask({"--id": gateway_id, "--tenant": tenant, "--port": ports[0] if ports else None})
    first = FirstSettings(
        id=answers["--id"],
        tenant=answers["--tenant"],
        ports=ports or (answers["--port"],),
        baud=int(baud),
        parity=parity,
        timezone=timezone,
        endpoint=endpoint,
    )
    data = build_first_file(first).encode("utf-8", "surrogateescape")
    parse_toml_model(data, out, Settings, checks=ALL_CHECKS)
    _write_new(out, data)
    following = f"edge config check {out}; edge keys new"
    tell(say(f"written: {out}; next: {following}", f"已写入 {out}；下一步：{following}"))


for _verb in (check, migrate, reload, diff, history, revert):
    config.add_command(_verb)


@config.command()
@click.option("--centre", is_flag=True, help="the schema of centre.toml")
def schema(centre: bool) -> None:
    """Print the JSON Schema of edge.toml, for editors."""
    click.echo(schema_of(CentreSettings if centre else Settings), nl=False)


def _ask(given: dict[str, str | None]) -> dict[str, str]:
    """Return all answers; what was not given is asked on a terminal. Raises UsageError where nobody can answer."""
    missing = [option for option, value in given.items() if value is None]
    if missing and not _can_ask():
        raise UsageError("E-CFG-063", missing=", ".join(missing))
    questions = {
        "--id": say("name of this gateway at the centre", "本网关在主站的名称"),
        "--tenant": say("name of the utility", "供电单位名称"),
        "--port": say(
            "port of the first bus (edge ports lists them)",
            "第一条总线的端口（edge ports 可列出）",
        ),
    }
    return {
        option: click.prompt(questions[option], type=str, err=True) if value is None else value
        for option, value in given.items()
    }


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _write_new(path: Path, data: bytes) -> None:
    """Durable on return. Raises UsageError if the file exists by now, ConfigError if it cannot be written."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with aside.open("xb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            path.hardlink_to(aside)  # unlike a rename, this never takes the place of a file
        finally:
            with contextlib.suppress(OSError):
                aside.unlink()
    except FileExistsError:
        raise UsageError("E-CFG-061", file=str(path)) from None
    except (OSError, ValueError) as exc:
        raise ConfigError("E-CFG-062", file=str(path), detail=str(exc)) from exc


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the path of every value that is no table; a list of texts counts as one value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path


def _only_given(value: Any, loaded: Loaded[Any], path: tuple[str | int, ...]) -> Any:
    """Return what the file itself says: the values that have a line in it."""
    if isinstance(value, list):
        return [_only_given(inner, loaded, (*path, index)) for index, inner in enumerate(value)]
    if not isinstance(value, dict):
        return value
    given = {key: inner for key, inner in value.items() if loaded.line_of((*path, key)) is not None}
    return {key: _only_given(inner, loaded, (*path, key)) for key, inner in given.items()}


def _origin(loaded: Loaded[Any], path: tuple[str | int, ...]) -> str:
    line = loaded.line_of(path)
    return "default" if line is None else f"{loaded.file}:{line}"


def _as_toml(dump: dict[str, Any], loaded: Loaded[Any] | None) -> str:
    """Return the settings as TOML; with `loaded`, each value says in a comment where it comes from."""
    lines: list[str] = []
    # Plain values first, an empty list of tables among them: behind a table they would belong to it.
    for key, value in sorted(dump.items(), key=lambda pair: _is_table(pair[1])):
        if isinstance(value, dict):
            lines += ["", f"[{key}]", *_pairs(value, (key,), loaded)]
        elif _is_table(value):
            for index, entry in enumerate(value):
                lines += ["", f"[[{key}]]", *_pairs(entry, (key, index), loaded)]
        else:
            lines += _pairs({key: value}, (), loaded)
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _pairs(table: dict[str, Any], path: tuple[str | int, ...], loaded: Loaded[Any] | None) -> Iterator[str]:
    for key, value in table.items():
        origin = "" if loaded is None else f"  # {_origin(loaded, (*path, key))}"
        yield f"{key} = {_toml_value(value)}{origin}"


def _toml_value(value: Any) -> str:
    """Return a value as TOML. JSON's texts, numbers and words are TOML's too, but for DEL."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml_value(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    return struck_out(json.dumps(value, ensure_ascii=False)).replace("\x7f", "\\u007F")
