"""Text to raw tables, with every mistake of the syntax in one go, as far as that can be told.

The standard parser stops at its first mistake. Where that mistake is one line of the form `key = ...` and all above it
is sound, the line is blanked and the rest is read again: a second unquoted address then shows in the same run.
Anywhere else (a header, an open bracket) what follows cannot be trusted, so nothing more is said.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.config.locate import Span

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_PAIR = re.compile(r"""\s*(?P<key>[A-Za-z0-9_."'-]+)\s*=\s*(?P<value>[^#]*?)\s*(?:#.*)?$""")
_OPENS_MORE = re.compile(r"""=\s*(\[|\{|\"{3}|'{3})""")
_OPENS_BRACKET = re.compile(r"=\s*([\[{])")
_BETWEEN = re.compile(r"[=\[\]{},#]")
_BARE = re.compile(r"[^\s\"'\[\]{}]+(?: [^\s\"'\[\]{}]+)*")
# What Chinese keyboards and word processors put in the place of what TOML wants.
_PLAIN = {
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "＂": '"', "＇": "'", "＝": "=", "，": ",", "、": ",", "［": "[",
    "］": "]", "【": "[", "】": "]", "｛": "{", "｝": "}", "＃": "#", "。": ".", "．": ".", "：": ":", "；": ";",
    "\u3000": "a space", "\u00a0": "a space",
}  # fmt: skip
_TWICE = ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline")
_MOST_FAULTS = 20
_MOST_OPENERS = 5
_DEEPEST = 32  # levels; the settings have three
_LONGEST_LINE = 1000
_LARGEST_REPAIRED = 1 << 16


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """A mistake of the syntax, with its place."""

    code: str
    span: Span
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What could be read: `raw` is None if nothing can be said about the keys; `text` is what `raw` was read from.

    `lost` are the keys of lines that were left out.
    """

    raw: dict[str, Any] | None
    text: str
    faults: tuple[SyntaxFault, ...] = ()
    lost: frozenset[str] = frozenset()


def parse_toml(text: str) -> Parsed:
    """Return the raw tables and every mistake of the syntax."""
    lines = text.split("\n")
    faults: list[SyntaxFault] = []
    lost: set[str] = set()
    if (line := _long_key(lines)) is not None:
        faults.append(SyntaxFault("E-CFG-010", Span(line, 1, 1), {"detail": f"a key of more than {_DEEPEST} parts"}))
        return Parsed(None, text, tuple(faults))
    while True:
        try:
            raw = tomllib.loads("\n".join(lines))
            if not _is_flat(raw):
                faults.append(SyntaxFault("E-CFG-010", Span(1, 1, 1), {"detail": "tables in tables, too deep"}))
                break
            return Parsed(raw, "\n".join(lines), tuple(faults), frozenset(lost))
        except RecursionError:
            faults.append(SyntaxFault("E-CFG-010", Span(1, 1, 1), {"detail": "brackets in brackets, too deep"}))
            break
        except ValueError as exc:  # TOMLDecodeError, and int() for a number of thousands of digits
            line, column, detail = _place(str(exc), lines)
            faults.append(_fault(lines, line, column, detail))
            match = _pair(lines[line - 1])
            if match is None or not _stands_alone(lines, line) or len(faults) >= _MOST_FAULTS:
                break
            lost.add(match["key"].rpartition(".")[2])
            lines[line - 1] = ""
    return Parsed(None, text, tuple(faults))


def _long_key(lines: list[str]) -> int | None:
    """Return the first line on which a key may have too many parts.

    The standard parser keeps every beginning of a dotted key: a line of 64 KiB of them took 4 GiB.
    """
    for number, line in enumerate(lines, 1):
        if line.count(".") > _DEEPEST and any(part.count(".") > _DEEPEST for part in _BETWEEN.split(line)):
            return number
    return None


def _is_flat(raw: object) -> bool:
    """Return True if nothing is nested so deeply that whoever walks through it by recursion would fail.

    A dotted key nests without the parser's own recursion: a.a.a.a = 1, as often as the file is long.
    """
    level = [raw]
    for _ in range(_DEEPEST):
        level = [part for one in level if isinstance(one, dict | list) for part in _parts_of(one)]
        if not level:
            return True
    return False


def _parts_of(one: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return one.values() if isinstance(one, dict) else one


def _place(message: str, lines: list[str]) -> tuple[int, int, str]:
    """Return line, column and what the parser said; at the end of the document, the last line that holds something."""
    match = _PLACE.search(message)
    detail = message[: match.start()] if match else message
    if match and match[1]:
        return int(match[1]), int(match[2]), detail
    last = next((number for number in range(len(lines), 0, -1) if lines[number - 1].strip()), 1)
    return last, max(1, len(lines[last - 1].rstrip())), detail


def _pair(text: str) -> re.Match[str] | None:
    """Return key and value of a line `key = value`. A very long line is no such line: no person wrote it."""
    return _PAIR.match(text) if len(text) <= _LONGEST_LINE else None


def _stands_alone(lines: list[str], line: int) -> bool:
    """Return True if the line is a whole statement: all above reads well, and it opens nothing that goes on below."""
    if sum(map(len, lines)) > _LARGEST_REPAIRED or _OPENS_MORE.search(lines[line - 1]):
        return False
    return _reads_well(lines[: line - 1])


def _reads_well(lines: list[str]) -> bool:
    try:
        tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return False
    return True


def _fault(lines: list[str], line: int, column: int, detail: str) -> SyntaxFault:
    text = lines[line - 1]
    here = Span(line, min(column, len(text) + 1), 1)
    if (char := text[column - 1 : column]) in _PLAIN and char:
        return SyntaxFault("E-CFG-011", here, {"value": char, "plain": _PLAIN[char]})
    if detail.startswith(_TWICE):
        return _twice(text, line)
    if (start := _open_bracket(lines, line)) is not None:
        return SyntaxFault("E-CFG-018", start)
    match = _pair(text)
    if match and _BARE.fullmatch(match["value"]):
        values = {
            "key": match["key"],
            "value": match["value"],
            "quoted": json.dumps(match["value"], ensure_ascii=False),
        }
        return SyntaxFault("E-CFG-013", _span_of(match, "value", line), values)
    if match and match["value"][:1] in ('"', "'") and match["value"].count(match["value"][0]) == 1:
        return SyntaxFault("E-CFG-017", _span_of(match, "value", line))
    return SyntaxFault("E-CFG-010", here, {"detail": detail})


def _twice(text: str, line: int) -> SyntaxFault:
    match = _pair(text)
    if match:
        return SyntaxFault("E-CFG-012", _span_of(match, "key", line), {"key": match["key"]})
    header = text.split("#", 1)[0].strip()
    return SyntaxFault("E-CFG-012", Span(line, text.find(header) + 1, max(1, len(header))), {"key": header})


def _open_bracket(lines: list[str], line: int) -> Span | None:
    """Return where the statement that the line belongs to opens a list or inline table that is not closed."""
    if sum(map(len, lines)) > _LARGEST_REPAIRED:
        return None
    start: int | None = line
    if not _reads_well(lines[: line - 1]):
        above = [number for number in range(line - 1, 0, -1) if _OPENS_BRACKET.search(lines[number - 1])]
        start = next((number for number in above[:_MOST_OPENERS] if _reads_well(lines[: number - 1])), None)
    match = _OPENS_BRACKET.search(lines[start - 1]) if start else None
    if start is None or match is None or (start == line and _is_closed(lines[start - 1], match[1])):
        return None
    return Span(start, match.start(1) + 1, 1)


def _is_closed(text: str, opening: str) -> bool:
    closing = "]" if opening == "[" else "}"
    return text.count(opening) <= text.count(closing)


def _span_of(match: re.Match[str], group: str, line: int) -> Span:
    return Span(line, match.start(group) + 1, max(1, len(match[group])))
