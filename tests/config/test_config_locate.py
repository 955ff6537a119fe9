"""The locator finds every key and value that the parser finds, where a person would point at it."""

import string
import tomllib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.locate import Locator, Span
from edge.config.table import Path

GOOD = (FilePath(__file__).parent.parent / "vectors" / "config_good.toml").read_text(encoding="utf-8")


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))


def _cut(text: str, span: Span) -> str:
    return text.split("\n")[span.line - 1][span.column - 1 : span.column - 1 + span.length]


@pytest.mark.parametrize(
    ("path", "line", "column", "text"),
    [
        (("gateway", "tenant"), 4, 18, "'hz'"),
        (("identity", "batch_key"), 7, 13, '"""batch.key"""'),
        (("bus", 0, "port"), 11, 8, '"/dev/ttyUSB#0"'),
        (("bus", 0, "baud"), 12, 8, "2_400"),
        (("bus", 1, "name"), 16, 10, '"B"'),
        (("task", 0, "items", 1), 25, 3, '"voltage"'),
        (("task", 0, "items", 2), 25, 14, "'current'"),
        (("task", 1, "monthly", "at"), 31, 27, '"00:10"'),
        (("mqtt", "endpoints", 1), 37, 45, '"mqtt://[::1]:1883"'),
        (("store", "commit_s"), 45, 12, "5"),
    ],
)
def test_values_are_found(path: Path, line: int, column: int, text: str) -> None:
    """Line and column of a value, in whatever form it is written."""
    span = Locator(GOOD).value(path)
    assert (line, column, text) == (span.line, span.column, _cut(GOOD, span))


@pytest.mark.parametrize(
    ("path", "line", "text"),
    [
        (("gateway",), 3, "gateway"),
        (("bus",), 9, "bus"),
        (("bus", 1), 15, "bus"),
        (("bus", 1, "name"), 16, '"name"'),
        (("task", 0, "items"), 23, "items"),
        (("task", 1, "monthly", "day"), 31, "day"),
    ],
)
def test_keys_are_found(path: Path, line: int, text: str) -> None:
    """A key is named where it stands; a table where its header stands."""
    span = Locator(GOOD).key(path)
    assert (line, text) == (span.line, _cut(GOOD, span))


@pytest.mark.parametrize(
    ("path", "line"),
    [(("bus", 1, "port", "x"), 17), (("bus", 0, "tries"), 9), (("mqtt", "ca"), 36), (("nothing",), 1), ((), 1)],
)
def test_what_is_missing_is_named_by_what_holds_it(path: Path, line: int) -> None:
    """A path without a place gets the nearest one above it, and the first line where there is none."""
    assert line == Locator(GOOD).key(path).line


def test_a_long_value_ends_with_its_first_line() -> None:
    """A value over several lines is pointed at where it begins."""
    assert Span(1, 5, 4) == Locator('a = """x\ny"""\n').value(("a",))


def test_quotes_before_the_end_of_a_long_text_belong_to_it() -> None:
    """Five quotes end a text with two quotes in it; the key on the next line is still found."""
    locator = Locator('a = """x"""""\nb = \'\'\'y\'\'\'\'\nc = 1\n')
    assert [Span(1, 5, 9), Span(2, 5, 8), Span(3, 5, 1)] == [locator.value((key,)) for key in "abc"]


_KEYS = st.one_of(
    st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=5),
    st.text(" .\"'#[]=\\é中\t", min_size=0, max_size=4),
)
_VALUES = st.recursive(
    st.one_of(
        st.integers(-(2**60), 2**60),
        st.booleans(),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
        st.dates(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_every_path_of_any_document_has_a_place(document: dict[str, Any]) -> None:
    """Whatever the parser finds in a document, the locator finds too, and nothing more."""
    text = tomlkit.dumps(document)
    assert set(_paths(tomllib.loads(text))) == set(Locator(text).paths())


@settings(max_examples=200)
@given(st.text(st.sampled_from("ab=[]{}\"'#.,\\\n \t1"), max_size=60))
def test_no_text_holds_the_scanner(text: str) -> None:
    """On text that is no TOML the scanner ends, and names places that exist."""
    lines = text.split("\n")
    locator = Locator(text)
    assert all(1 <= locator.key(path).line <= len(lines) for path in locator.paths())
