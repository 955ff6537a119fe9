"""What every verb shares: the language, how errors are shown, where the settings are, how addresses are checked."""

import json
import os
import re
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from edge.control.jobs import error_document
from edge.errors import ConfigError, EdgeError, Language, UsageError
from edge.protocols.dlt645.addresses import BROADCAST

DEFAULT_CONFIG = Path("/etc/edge/edge.toml")
_ADDRESS = re.compile(r"[0-9]{12}")
_LANGUAGE_FROM = ("EDGE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
_CHOSEN: ContextVar[str] = ContextVar("language", default="")
_Verb = TypeVar("_Verb", bound=Callable[..., Any])


def choose_language(lang: str) -> None:
    """Set the language of this run; empty leaves it to the environment."""
    _CHOSEN.set(lang)


def language() -> Language:
    """Return the language of this run: --lang, else EDGE_LANG, LC_ALL, LC_MESSAGES or LANG, else English."""
    chosen = _CHOSEN.get() or next((os.environ[name] for name in _LANGUAGE_FROM if os.environ.get(name)), "")
    return "zh" if chosen.lower().startswith("zh") else "en"


def say(en: str, zh: str) -> str:
    """Return the text in the language of this run."""
    return zh if language() == "zh" else en


def tell(text: str = "") -> None:
    """Print to standard error: everything that is not data goes there."""
    click.echo(text, err=True)


def show_error(error: EdgeError) -> None:
    """Print an error: its code and fact, its cause, what to do next. Mistakes of settings are shown in their lines."""
    lang = language()
    if isinstance(error, ConfigError) and error.problems:
        from edge.config.load import render_problems

        tell(render_problems(error, lang))
        return
    tell(click.style(f"error[{error.code}]", fg="red", bold=True) + f": {error.fact(lang)}")
    tell(f"  {say('cause', '原因')}: {error.cause(lang)}")
    tell(f"  {say('next ', '处理')}: {error.advice(lang)}")


def show_error_document(error: EdgeError) -> None:
    """Print an error as one JSON document on standard output."""
    click.echo(json.dumps(error_document(error, language()), ensure_ascii=False))


def config_option(verb: _Verb) -> _Verb:
    """Add --config."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default=None,
        help=f"settings file [default: {DEFAULT_CONFIG}]",
    )(verb)


def json_option(verb: _Verb) -> _Verb:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="print one JSON document")(verb)


def check_address(text: str) -> str:
    """Return the address if it is one meter's. Raises UsageError for anything but 12 digits, and for everybody's."""
    if not _ADDRESS.fullmatch(text):
        raise UsageError("E-CTL-105", address=text[:40])
    if text == BROADCAST:
        raise UsageError("E-STO-202", address=text)
    return text


def socket_path(state_dir: Path, half: Literal["poll", "forward"]) -> Path:
    """Return where a half of the daemon is asked."""
    return state_dir / f"{half}.sock"


def daemon_error(document: object) -> EdgeError:
    """Return the daemon's error as our own: code and values, so that the words come in this run's language."""
    fields = document if isinstance(document, dict) else {}
    values = fields.get("values")
    error = EdgeError(str(fields.get("code", "E-CTL-111")), **(values if isinstance(values, dict) else {}))
    error.exit_code = int(fields.get("exit", 1))
    return error


def check_state_dir(state_dir: Path) -> None:
    """Raise ConfigError E-CLI-105 if the state directory can neither be used nor made by this user; change nothing."""
    place = state_dir
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ConfigError("E-CLI-105", path=state_dir, detail=f"{place} is no directory")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError("E-CLI-105", path=state_dir, detail=f"{place} may not be written")


def make_state_dir(state_dir: Path) -> None:
    """Make the state directory if it is not there. Raises ConfigError E-CLI-105 if it cannot be made or written."""
    check_state_dir(state_dir)
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError("E-CLI-105", path=state_dir, detail=str(exc)) from exc


def is_terminal() -> bool:
    """Return True if standard output is a terminal: bars, tables that move and colours are for terminals only."""
    return sys.stdout.isatty()
