"""How the verbs that work on a bus draw: progress on one line, conditions with their next act, tables."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import click

from edge.cli.common import language, say, tell
from edge.errors import entry_of

_MINUTE_S = 60


def draw_progress(text: str) -> None:
    """Draw over the last progress; only where a person looks."""
    if sys.stderr.isatty():
        click.echo(f"\r{text}\x1b[K", nl=False, err=True)


def end_progress() -> None:
    """Take the progress away."""
    draw_progress("")


def show_condition(code: str, values: Mapping[str, object], mark: str = "") -> None:
    """Print a condition with its cause and next act, as errors are printed."""
    entry, lang = entry_of(code), language()
    tell(f"{mark or 'error'}[{code}]: {entry.fact(lang, values)}")
    tell(f"  {say('cause', '原因')}: {entry.cause(lang, values)}")
    tell(f"  {say('next ', '处理')}: {entry.advice(lang, values)}")


def with_words(code: str, values: Mapping[str, object]) -> dict[str, object]:
    """Return a condition as `--json` shows it."""
    entry, lang = entry_of(code), language()
    words = {"fact": entry.fact(lang, values), "cause": entry.cause(lang, values), "next": entry.advice(lang, values)}
    return {"code": code, **words, "values": {key: str(value) for key, value in values.items()}}


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document on a line of its own."""
    click.echo(json.dumps(document, ensure_ascii=False))


def duration(seconds: float) -> str:
    """Return a duration for people: "50 s", "7 min"."""
    return f"{round(seconds)} s" if seconds < 2 * _MINUTE_S else f"{round(seconds / _MINUTE_S)} min"


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows as lines whose cells stand below each other."""
    table = [list(row) for row in rows]
    widths = [max(width(row[at]) for row in table) for at in range(len(table[0]))] if table else []
    return ["  ".join(pad(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in table]


def pad(text: str, size: int) -> str:
    """Return a text filled up to so many columns."""
    return text + " " * (size - width(text))
