"""A mistake in a settings file, with its place, and how a person is shown it.

The words come from the catalogue: fact = headline, cause = beside the carets, advice = the hint.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edge.errors import ConfigError, EdgeError, Language, entry_of

MOST_SHOWN = 20
_WIDEST_EXCERPT = 100
_BEFORE_CARET = 60

_SECRET = re.compile(r"(?i)^(\s*[\w.-]{0,40}(?:password|passwd|secret|token)\s*=\s*)(\S.*)$")
_IN_ADDRESS = re.compile(r"(?<=://)([^\s\"'/@]{0,200}:)([^\s\"']{1,200})(?=@)")
_NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"

_DID_YOU_MEAN = {"en": "did you mean {meant}? ", "zh": "是否想写 {meant}？"}
_AND_MORE = {"en": "and {count} more", "zh": "另有 {count} 处"}
_LABELS = {"en": ("cause", "next"), "zh": ("原因", "下一步")}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake; `line` and `column` count from 1, `length` is the stretch of the carets, `key` the dotted path.

    `excerpt` is the line, or its part around the column; `caret` is the column in it. `note` is the description of
    the field that is meant (English, from the model). `is_warning`: the file can be used with it.
    """

    code: str
    line: int
    column: int
    length: int
    key: str
    excerpt: str
    caret: int
    values: Mapping[str, object] = field(default_factory=dict)
    meant: str = ""
    note: str = ""
    is_warning: bool = False

    def fact(self, lang: Language = "en") -> str:
        """Return what is wrong."""
        return struck_out(entry_of(self.code).fact(lang, self.values))

    def label(self, lang: Language = "en") -> str:
        """Return what stands beside the carets."""
        return entry_of(self.code).cause(lang, self.values)

    def hint(self, lang: Language = "en") -> str:
        """Return what to write instead."""
        advice = entry_of(self.code).advice(lang, self.values)
        meant = _DID_YOU_MEAN[lang].format(meant=self.meant) if self.meant else ""
        if not self.note or lang != "en":
            return f"{meant}{advice}"
        return f"{meant}{self.note}" if meant else f"{advice} ({self.note})"

    def as_json(self, lang: Language = "en") -> dict[str, object]:
        """Return the fields of `edge config check --json`; names are stable."""
        return {
            "code": self.code,
            "level": "warning" if self.is_warning else "error",
            "line": self.line,
            "column": self.column,
            "length": self.length,
            "key": self.key,
            "excerpt": self.excerpt,
            "caret": self.caret,
            "text": self.fact(lang),
            "expected": self.label(lang),
            "hint": self.hint(lang),
        }


def render_problems(error: EdgeError, lang: Language = "en") -> str:
    """Return the text for a terminal: every mistake with its line and carets, or fact, cause and next act."""
    problems = _problems_of(error)
    if not problems:
        return "\n".join(map(_printable, _three_lines(error, lang)))
    file = str(error.values.get("file", ""))
    return f"{render_list(problems, file, lang)}\n\n" + _printable(f"error[{error.code}]: {error.fact(lang)}")


def render_list(problems: Sequence[Problem], file: str, lang: Language = "en") -> str:
    """Return each problem of a file with its line and carets, at most 20."""
    blocks = ["\n".join(map(_printable, _block(problem, file, lang))) for problem in problems[:MOST_SHOWN]]
    if len(problems) > MOST_SHOWN:
        blocks.append(_AND_MORE[lang].format(count=len(problems) - MOST_SHOWN))
    return "\n\n".join(blocks)


def error_as_json(error: EdgeError, lang: Language = "en") -> dict[str, object]:
    """Return the document of `edge config check --json` for a file that is not fine; at most 20 problems."""
    problems = _problems_of(error)
    return {
        "version": 1,
        "ok": False,
        "file": str(error.values.get("file", "")),
        "code": error.code,
        "text": error.fact(lang),
        "cause": error.cause(lang),
        "next": error.advice(lang),
        "count": len(problems),
        "problems": [problem.as_json(lang) for problem in problems[:MOST_SHOWN]],
    }


def cut_excerpt(line: str, column: int) -> tuple[str, int]:
    """Return the line, or its part around the column if it is long, as it may be printed; and the column in it.

    What stands behind a key that is called a password is struck out: the text goes into logs.
    """
    line = struck_out(line)
    if len(line) <= _WIDEST_EXCERPT:
        return _printable(line), column
    start = max(0, column - 1 - _BEFORE_CARET)
    part = _printable(line[start : start + _WIDEST_EXCERPT])
    return (f"…{part[1:]}" if start else part), column - start


def struck_out(line: str) -> str:
    """Return a line without what stands behind a key that is called a password, or behind the user of an address."""
    line = _SECRET.sub(lambda match: match[1] + "*" * len(match[2]), line)
    return _IN_ADDRESS.sub(lambda match: match[1] + "*" * len(match[2]), line)


def _problems_of(error: EdgeError) -> tuple[Problem, ...]:
    found = error.problems if isinstance(error, ConfigError) else ()
    return tuple(item for item in found if isinstance(item, Problem))


def _three_lines(error: EdgeError, lang: Language) -> Iterator[str]:
    cause, following = _LABELS[lang]
    yield f"error[{error.code}]: {error.fact(lang)}"
    yield f"  {cause}: {error.cause(lang)}"
    yield f"  {following}: {error.advice(lang)}"


def _block(problem: Problem, file: str, lang: Language) -> Iterator[str]:
    number = str(problem.line)
    gutter = " " * len(number)
    start = problem.caret - 1
    carets = "^" * max(1, _width(problem.excerpt[start : start + problem.length]))
    yield f"{'warning' if problem.is_warning else 'error'}[{problem.code}]: {problem.fact(lang)}"
    yield f"{gutter}--> {file}:{problem.line}:{problem.column}"
    yield f"{gutter} |"
    yield f"{number} | {problem.excerpt}".rstrip()
    yield f"{gutter} | {' ' * _width(problem.excerpt[:start])}{carets} {problem.label(lang)}"
    yield f"{gutter} = hint: {problem.hint(lang)}"


def _printable(line: str) -> str:
    """Return the line safe for a terminal: a tab becomes a blank, what cannot be printed a mark, one place each."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else " " if char == "\t" else _NO_CHARACTER for char in line)


def _width(text: str) -> int:
    """Return the columns that a terminal takes: Chinese characters take two, combining ones none."""
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
