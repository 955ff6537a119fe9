"""Layouts of a settings file: the number `schema`, and the way from an older one to the newest. Pure.

Rules:
1. A file without a number is of layout 1.
2. An older file is read forwards in memory, step by step; the file itself is rewritten only on demand.
3. A newer one is refused with this one mistake: what this version does not know it cannot judge.
4. A step renames keys inside their table, changes how values are written, or drops keys. So each value keeps its place
   in the file, and the text can be rewritten with everything that a person wrote around it.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from edge.config.fields import keys_of
from edge.config.locate import Locator, Span
from edge.config.steps import Changed, Steps
from edge.config.table import Path
from edge.errors import ConfigError

_FIRST = 1
_KEY = "schema"


@dataclass(frozen=True, slots=True)
class Forwards:
    """The raw settings in the newest layout; `origins` says of each key that moved where it stands in the file."""

    raw: dict[str, Any]
    origins: Mapping[Path, Path] = field(default_factory=dict)
    dropped: tuple[Path, ...] = ()

    def path_in_file(self, path: Path) -> Path:
        """Return the path that the file has for a path of the newest layout."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.origins:
                return (*self.origins[path[:depth]], *path[depth:])
        return path


def newest_layout(model: type) -> int | None:
    """Return the number of the layout that a model is; None for one that has no number."""
    key = keys_of(model).get(_KEY)
    found = key.kind.choices[-1] if key and key.kind.choices else None
    return found if isinstance(found, int) else None


def steps_to(model: type) -> Steps:
    """Return the steps that lead to a model's layout."""
    steps: Steps = getattr(model, "STEPS", {})
    return steps


def layout_of(raw: Mapping[str, Any]) -> int:
    """Return the layout that a file says it has; 0 for one that no file has."""
    found = raw.get(_KEY, _FIRST)
    return found if type(found) is int and found > 0 else 0


def is_newer(raw: Mapping[str, Any], model: type) -> bool:
    """Return True for a file that only a later version can read."""
    newest = newest_layout(model)
    return newest is not None and layout_of(raw) > newest


def read_forwards(raw: Mapping[str, Any], steps: Steps) -> Forwards:
    """Return the settings as the newest layout has them."""
    layout = layout_of(raw)
    if layout not in steps:
        return Forwards(dict(raw))
    found = deepcopy(dict(raw))
    origins: dict[Path, Path] = {}
    dropped: list[Path] = []
    while layout in steps:
        for change in steps[layout]:
            for path, table in _tables(found, change.table, ()):
                _apply(change, path, table, origins, dropped)
        layout += 1
    found[_KEY] = layout
    return Forwards(found, origins, tuple(dropped))


def migrated_text(text: str, steps: Steps) -> str:
    """Return the text in the newest layout, everything else as it was. Raises ConfigError E-CFG-091 if that fails."""
    raw = tomllib.loads(text)
    forwards, locator = read_forwards(raw, steps), Locator(text)
    if forwards.raw == raw:
        return text
    try:
        lines = _Lines(text.split("\n"))
        for new, old in forwards.origins.items():
            if new[-1] != old[-1]:
                lines.replace(locator.key(old), str(new[-1]))
            if (value := _at(forwards.raw, new)) != _at(raw, old):
                lines.replace(locator.value(old), json.dumps(value, ensure_ascii=False))
        for old in forwards.dropped:
            lines.comment_out(locator.key(old))
        if _KEY in raw:
            lines.replace(locator.value((_KEY,)), str(forwards.raw[_KEY]))
        else:
            lines.insert_on_top(f"{_KEY} = {forwards.raw[_KEY]}")
        new_text = lines.text()
        is_right = tomllib.loads(new_text) == forwards.raw
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError):
        is_right = False
    if not is_right:
        raise ConfigError("E-CFG-091", layout=forwards.raw[_KEY])
    return new_text


def _apply(change: Changed, path: Path, table: dict[str, Any], origins: dict[Path, Path], dropped: list[Path]) -> None:
    if change.key not in table or (change.now in table and change.now != change.key):
        return  # a key of both layouts at once: the old one is a mistake, and is told as one
    old = (*path, change.key)
    value, origin = table.pop(change.key), origins.pop(old, old)
    if not change.now:
        dropped.append(origin)
        return
    table[change.now] = change.value(value)
    origins[(*path, change.now)] = origin


def _tables(value: Any, names: tuple[str, ...], path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Return the tables that the names lead to, with their paths."""
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _tables(entry, names, (*path, index))
    elif isinstance(value, dict):
        if not names:
            yield path, value
        elif names[0] in value:
            yield from _tables(value[names[0]], names[1:], (*path, names[0]))


def _at(raw: Any, path: Path) -> Any:
    for part in path:
        raw = raw[part]
    return raw


class _Lines:
    """Changes of lines; each is made at a place of the text as it was."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._changes: list[tuple[Span, str]] = []
        self._top = ""

    def replace(self, span: Span, text: str) -> None:
        self._changes.append((span, text))

    def comment_out(self, span: Span) -> None:
        """Keep the line for the person who wrote it, but not as a setting."""
        start = len(self._lines[span.line - 1]) - len(self._lines[span.line - 1].lstrip()) + 1
        self._changes.append((Span(span.line, start, 0), "# "))

    def insert_on_top(self, line: str) -> None:
        self._top = line

    def text(self) -> str:
        for span, text in sorted(self._changes, key=lambda one: (one[0].line, one[0].column), reverse=True):
            line, start = self._lines[span.line - 1], span.column - 1
            self._lines[span.line - 1] = line[:start] + text + line[start + span.length :]
        at = next((n for n, line in enumerate(self._lines) if not line.startswith("#")), 0)
        head = [self._top] if self._top else []
        return "\n".join([*self._lines[:at], *head, *self._lines[at:]])
