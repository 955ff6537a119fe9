"""The doors of the settings: a file in, a checked model out, or every mistake at once with its place.

In order: the file itself, its syntax, its layout, the model's rules, what one table alone cannot know. A file that
names other files is not asked whether they exist: that is the doctor's business. Relative paths come out absolute, seen
from the folder of the settings file.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path as FilePath
from typing import Generic, TypeVar

from edge.config.checks import GATEWAY_CHECKS, Check
from edge.config.complaint import Complaint, complaints_of, dotted
from edge.config.fields import keys_of
from edge.config.layouts import Forwards, is_newer, read_forwards, steps_to
from edge.config.locate import Locator, Span
from edge.config.problems import Problem, cut_excerpt, render_problems
from edge.config.settings import Settings
from edge.config.syntax import Parsed, SyntaxFault, parse_toml
from edge.config.table import Fault, Path, WrongTableError, build_table
from edge.errors import ConfigError

__all__ = [
    "LARGEST_FILE",
    "MOST_HELD",
    "Loaded",
    "load_settings",
    "load_toml_model",
    "parse_toml_model",
    "read_file",
    "read_toml_model",
    "render_problems",
]

LARGEST_FILE = 1 << 20
# A file of nothing but mistakes shall not cost minutes: of each kind of check no more than this are held.
MOST_HELD = 1000

Model = TypeVar("Model")


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Model]):
    """A checked model, and where in the file each of its values stands."""

    value: Model
    file: str
    places: "_Places"

    def line_of(self, path: Path) -> int | None:
        """Return the line of a key, or None if the value is the default."""
        return self.places.line_of(path)

    def problems_of(self, complaints: Iterable[Complaint]) -> list[Problem]:
        """Return what was found later, with its places in the file, by line."""
        return self.places.sorted([], complaints)


def load_settings(path: FilePath | str) -> Settings:
    """Return the gateway's settings. Raises ConfigError with every mistake of the file."""
    return load_toml_model(path, Settings, checks=GATEWAY_CHECKS)


def load_toml_model(path: FilePath | str, model: type[Model], *, checks: Sequence[Check] = ()) -> Model:
    """Return a model from a TOML file. Raises ConfigError with every mistake of the file."""
    return read_toml_model(path, model, checks=checks).value


def read_toml_model(path: FilePath | str, model: type[Model], *, checks: Sequence[Check] = ()) -> Loaded[Model]:
    """Return a model from a TOML file, with the places of its values. Raises ConfigError with every mistake."""
    return parse_toml_model(read_file(FilePath(path)), path, model, checks=checks)


def parse_toml_model(
    data: bytes, path: FilePath | str, model: type[Model], *, checks: Sequence[Check] = ()
) -> Loaded[Model]:
    """Return a model from the bytes of a file that `path` names; nothing is read. Raises ConfigError."""
    file = str(path)
    text = _decode(data, file)
    parsed = parse_toml(text)
    locator = Locator(parsed.text if parsed.raw is not None else "")
    forwards = read_forwards(parsed.raw, steps_to(model)) if parsed.raw is not None else None
    value, complaints = _validate(parsed, forwards, model, checks)
    places = _Places(text.split("\n"), locator, forwards)
    problems = places.sorted([places.of_fault(fault) for fault in parsed.faults], complaints)
    if problems or value is None:
        raise ConfigError("E-CFG-001", problems, file=file, count=len(problems))
    return Loaded(_with_whole_paths(value, FilePath(path).absolute().parent), file, places)


def read_file(path: FilePath) -> bytes:
    """Return what stands in a settings file. Raises ConfigError if it cannot be read, or is too large to be one."""
    file = str(path)
    try:
        # Opening a pipe or a device must not wait: what is no regular file is refused.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as opened:  # noqa: PTH123 - the descriptor is open already
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError("E-CFG-003", file=file)
            data = opened.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError("E-CFG-002", file=file) from None
    except IsADirectoryError:
        raise ConfigError("E-CFG-003", file=file) from None
    except PermissionError:
        raise ConfigError("E-CFG-004", file=file) from None
    except (OSError, ValueError) as exc:
        raise ConfigError("E-CFG-008", file=file, detail=str(exc)) from exc
    if len(data) > LARGEST_FILE:
        raise ConfigError("E-CFG-006", file=file, limit=LARGEST_FILE)
    return data


def _decode(data: bytes, file: str) -> str:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        before = data[: exc.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        raise ConfigError("E-CFG-005", file=file, line=line, column=column) from exc
    if not text.strip():
        raise ConfigError("E-CFG-007", file=file)
    return text


def _validate(
    parsed: Parsed, forwards: Forwards | None, model: type[Model], checks: Sequence[Check]
) -> tuple[Model | None, list[Complaint]]:
    if forwards is None:
        return None, []
    if is_newer(forwards.raw, model):  # nothing else of it can be judged
        newer = Fault("E-CFG-056", ("schema",), forwards.raw["schema"])
        return None, list(complaints_of([newer], model))
    complaints: list[Complaint] = []
    value = None
    try:
        value = build_table(model, forwards.raw)
    except WrongTableError as exc:
        complaints += islice(complaints_of(exc.faults, model), MOST_HELD)
    for check in checks:
        complaints += islice(check(forwards.raw), MOST_HELD)
    # The same said of a table and of a key inside it: the key is nearer.
    nearer = {(each.code, each.path[:depth]) for each in complaints for depth in range(len(each.path))}
    return value, [
        complaint
        for complaint in complaints
        if not _follows_from_lost(complaint, parsed) and (complaint.code, complaint.path) not in nearer
    ]


def _follows_from_lost(complaint: Complaint, parsed: Parsed) -> bool:
    """Return True for a key that is only missing because its line could not be read."""
    if complaint.code == "E-CFG-051":
        return bool(parsed.lost & {"every", "at", "monthly"})
    if complaint.code == "E-CFG-050":
        return bool(parsed.lost & {"certificate", "key"})
    return complaint.code == "E-CFG-021" and complaint.path[-1] in parsed.lost


@dataclass(frozen=True, slots=True)
class _Places:
    """Turns what is wrong into problems with a place in the file."""

    lines: list[str]
    locator: Locator
    forwards: Forwards | None

    def line_of(self, path: Path) -> int | None:
        """Return the line of a key, or None if the file does not have it."""
        path = self._in_file(path)
        return self.locator.key(path).line if path in self.locator.paths() else None

    def sorted(self, faults: list[Problem], complaints: Iterable[Complaint]) -> list[Problem]:
        """Return all problems by line; the same code at the same place counts once."""
        found = [*faults, *map(self.of_complaint, complaints)]
        unique = {(problem.line, problem.column, problem.code): problem for problem in reversed(found)}
        return [unique[place] for place in sorted(unique)]

    def of_fault(self, fault: SyntaxFault) -> Problem:
        return self._problem(fault.code, fault.span, (), fault.values)

    def of_complaint(self, complaint: Complaint) -> Problem:
        place = self.locator.key if complaint.is_about_key else self.locator.value
        values = dict(complaint.values)
        if complaint.other is not None:
            values["line"] = self.locator.key(self._in_file(complaint.other)).line
        problem = self._problem(complaint.code, place(self._in_file(complaint.path)), complaint.path, values)
        return replace(problem, meant=complaint.meant, note=complaint.note)

    def _in_file(self, path: Path) -> Path:
        return self.forwards.path_in_file(path) if self.forwards else path

    def _problem(self, code: str, span: Span, path: Path, values: Mapping[str, object]) -> Problem:
        excerpt, caret = cut_excerpt(self.lines[span.line - 1], span.column)
        return Problem(code, span.line, span.column, span.length, dotted(path), excerpt, caret, values)


def _with_whole_paths(value: Model, folder: FilePath) -> Model:
    return replace(value, **dict(_changes(value, folder)))  # type: ignore[type-var]


def _changes(value: object, folder: FilePath) -> Iterator[tuple[str, object]]:
    for name, key in keys_of(type(value)).items():
        found = getattr(value, name)
        if found is not None and key.kind.table is not None:
            tables = [_with_whole_paths(one, folder) for one in (found if key.kind.entries else (found,))]
            yield name, tuple(tables) if key.kind.entries else tables[0]
        elif found is not None and key.is_path:
            yield name, str(folder / found)
