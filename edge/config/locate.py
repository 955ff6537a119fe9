"""Where in a TOML text each key and value stands.

The standard parser says what a file holds, not where; so this scanner walks the same text a second time and notes the
place of every key, value and list entry. It is made for text that the parser has accepted; it judges nothing. Where a
path has no place of its own (a key that is missing), the nearest thing that holds it is named.
"""

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass

from edge.config.table import Path

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# Quotes may stand inside a multi-line text, and up to two of them directly before its end.
_TEXT = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"""(?:"{0,2})'
    r"|'''[\s\S]*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
)
_BARE_VALUE = re.compile(r"[^,\]}#\r\n]*")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one line; line and column from 1, in characters. A longer thing ends with its first line."""

    line: int
    column: int
    length: int


class Locator:
    """The places of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._keys: dict[Path, Span] = {}
        self._values: dict[Path, Span] = {}
        self._entries: dict[Path, int] = {}
        self._pos = 0
        with suppress(RecursionError):  # what was found until then stands
            self._walk()

    def key(self, path: Path) -> Span:
        """Return the place of the key (for a table: of its header), or of the nearest thing that holds it."""
        while path:
            if path in self._keys:
                return self._keys[path]
            path = path[:-1]
        return Span(1, 1, 1)

    def value(self, path: Path) -> Span:
        """Return the place of the value, or what `key` gives where there is none of its own."""
        return self._values.get(path) or self.key(path)

    def paths(self) -> frozenset[Path]:
        """Return every path that has a place of its own."""
        return frozenset(self._keys)

    def _walk(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self._pos < len(self._text):
            before = self._pos
            table = self._header() if self._text[before] == "[" else self._pair(table)
            self._skip(_BLANK)
            if self._pos == before:
                return  # no TOML: the parser says so, with the place

    def _header(self) -> Path:
        start, is_entry = self._pos, self._text.startswith("[[", self._pos)
        self._pos += 2 if is_entry else 1
        parts = self._dotted()
        path: Path = ()
        for part, span in parts[:-1]:
            path = self._newest((*path, part), span)
        if parts:
            last, span = parts[-1]
            path = (*path, last)
            self._keys.setdefault(path, span)
            if is_entry:
                path = (*path, self._entries.get(path, 0))
                self._entries[path[:-1]] = self._entries.get(path[:-1], 0) + 1
                self._keys[path] = span
        self._pos = self._text.find("]", self._pos)
        self._pos = len(self._text) if self._pos < 0 else self._pos + (2 if is_entry else 1)
        return path if self._pos > start else ()

    def _newest(self, path: Path, span: Span) -> Path:
        self._keys.setdefault(path, span)
        return (*path, self._entries[path] - 1) if path in self._entries else path

    def _pair(self, table: Path) -> Path:
        path = table
        for part, span in self._dotted():
            path = (*path, part)
            self._keys.setdefault(path, span)
        if self._text.startswith("=", self._pos):
            self._pos += 1
            self._skip(_SPACE)
            self._value(path)
        return table

    def _dotted(self) -> list[tuple[str, Span]]:
        parts: list[tuple[str, Span]] = []
        while True:
            self._skip(_SPACE)
            match = _TEXT.match(self._text, self._pos) or _BARE_KEY.match(self._text, self._pos)
            if match is None:
                return parts
            self._pos = match.end()
            parts.append((_plain(match[0]), self._span(match.start(), match.end())))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._pos):
                return parts
            self._pos += 1

    def _value(self, path: Path) -> None:
        start = self._pos
        head = self._text[start : start + 1]
        if head == "[":
            self._list(path)
        elif head == "{":
            self._inline(path)
        else:
            match = _TEXT.match(self._text, start) or _BARE_VALUE.match(self._text, start)
            self._pos = match.end() if match else start
        self._values[path] = self._span(start, self._pos)

    def _list(self, path: Path) -> None:
        self._pos += 1
        index = 0
        while self._goes_on("]"):
            start, entry = self._pos, (*path, index)
            self._value(entry)
            self._keys[entry] = self._values[entry]
            self._step_over(start)
            index += 1

    def _inline(self, path: Path) -> None:
        self._pos += 1
        while self._goes_on("}"):
            start = self._pos
            self._pair(path)
            self._step_over(start)

    def _goes_on(self, end: str) -> bool:
        self._skip(_BLANK)
        if self._pos >= len(self._text):
            return False
        if self._text[self._pos] == end:
            self._pos += 1
            return False
        return True

    def _step_over(self, start: int) -> None:
        """Pass the comma behind an entry; go on in any case, so that no text can hold the scanner."""
        self._skip(_BLANK)
        if self._text.startswith(",", self._pos) or self._pos == start:
            self._pos += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._pos)
        self._pos = match.end() if match else self._pos

    def _span(self, start: int, end: int) -> Span:
        line = bisect_right(self._starts, start)
        first = self._text[start:end].split("\n", 1)[0].rstrip()
        return Span(line, start - self._starts[line - 1] + 1, max(1, len(first)))


def _plain(key: str) -> str:
    if key[0] not in "\"'":
        return key
    try:
        return str(tomllib.loads(f"k = {key}")["k"])
    except tomllib.TOMLDecodeError:
        return key[1:-1]
