"""Whatever is done to a settings file, loading gives settings or a ConfigError with places that exist."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.cli.settings_file import ALL_CHECKS
from edge.config.checks import GATEWAY_CHECKS
from edge.config.load import parse_toml_model
from edge.config.problems import Problem, error_as_json, render_problems
from edge.config.settings import Settings
from edge.config.syntax import parse_toml
from edge.errors import ConfigError

GOOD = (Path(__file__).parent.parent / "vectors" / "config_good.toml").read_text(encoding="utf-8")
EXAMPLES = sorted(Path(__file__).parents[2].glob("config/[!c]*.toml"))
_LINES = GOOD.split("\n")
_MARKS = ("[", "]", "[[bus]]", '"', "'''", '"""', "\n", "\r", "=", "#", ".", "{", "}", ",", "0", "1e400", "nan", "true")
_PIECES = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            *_MARKS,
            "1979-05-27",
            "“",
            "＝",
            "\x00",
            "\x1b[31m",
            "[[task.items]]",
            "[gateway]",
            "schema = 2",
            '= "x"',
            "= []",
            "= {}",
        ]
    ),
)
_VALUES = st.sampled_from(
    ['"x"', "5", "-1", "5.5", "true", "[]", "{}", '["x", 3]', "[{}]", "2026-01-01", "nan", "x y", '"']
)


def _check(data: bytes) -> None:
    try:
        loaded = parse_toml_model(data, Path("/etc/edge/edge.toml"), Settings, checks=GATEWAY_CHECKS)
    except ConfigError as exc:
        _check_error(exc, data.decode("utf-8-sig", "replace").replace("\r\n", "\n").split("\n"))
    else:
        assert isinstance(loaded.value, Settings)


def _check_has_line(error: ConfigError) -> None:
    assert error.problems or "line" in error.values


def _check_error(error: ConfigError, lines: list[str]) -> None:
    for problem in error.problems:
        assert isinstance(problem, Problem)
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert 1 <= problem.caret <= len(problem.excerpt) + 1
        assert 1 <= problem.length
    found = [problem.line for problem in error.problems if isinstance(problem, Problem)]
    assert sorted(found) == found
    for lang in ("en", "zh"):
        shown = render_problems(error, lang)
        assert all(char == "\n" or char.isprintable() for char in shown)
        assert error.code == error_as_json(error, lang)["code"]


@settings(max_examples=250)
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), _PIECES), min_size=1, max_size=4))
@example([(0, 0, "\x1b[2J = 1\n")])
def test_cut_and_inserted_text_never_breaks_the_loader(changes: list[tuple[int, int, str]]) -> None:
    """Pieces cut out and put in anywhere."""
    text = GOOD
    for place, length, piece in changes:
        text = text[:place] + piece + text[place + length :]
    _check(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=250)
@given(st.sampled_from(EXAMPLES), st.integers(0), st.integers(0, 40), _PIECES)
def test_a_mutated_example_gives_settings_or_mistakes_with_their_lines(path, place, length, piece):
    """Every example file, cut and filled in anywhere, with all checks that a gateway makes."""
    text = path.read_text(encoding="utf-8")
    place %= len(text)
    data = (text[:place] + piece + text[place + length :]).encode("utf-8", "surrogatepass")
    try:
        parse_toml_model(data, path, Settings, checks=ALL_CHECKS)
    except ConfigError as exc:
        _check_has_line(exc)
        _check_error(exc, data.decode("utf-8-sig", "replace").replace("\r\n", "\n").split("\n"))


@settings(max_examples=250)
@given(st.lists(st.tuples(st.integers(0, len(_LINES) - 1), _VALUES), min_size=1, max_size=5))
def test_values_of_other_types_never_break_the_loader(changes: list[tuple[int, str]]) -> None:
    """Any value in the place of any other."""
    lines = list(_LINES)
    for number, value in changes:
        key, equals, _ = lines[number].partition("=")
        lines[number] = f"{key}{equals} {value}" if equals else lines[number]
    _check("\n".join(lines).encode())


@settings(max_examples=150)
@given(st.permutations(_LINES), st.integers(0, len(_LINES)))
def test_lines_in_another_order_never_break_the_loader(lines: list[str], count: int) -> None:
    """Lines moved and left out."""
    _check("\n".join(lines[:count]).encode())


@settings(max_examples=150)
@given(st.binary(max_size=80))
def test_any_bytes_never_break_the_loader(data: bytes) -> None:
    """Bytes of any kind."""
    _check(data)


@given(st.sampled_from([b"a." * 40 + b"a = 1", b"[" + b"a." * 4000 + b"a]", b"x = {" + b"a." * 40 + b"a = 1}"]))
def test_a_key_of_many_parts_is_a_mistake_with_its_line(line):
    """It would nest deeper than any walk through the tables goes, and cost the parser memory by its square."""
    data = b"schema = 1\n" + line + b"\n"
    with pytest.raises(ConfigError) as caught:
        parse_toml_model(data, Path("/etc/edge/edge.toml"), Settings, checks=GATEWAY_CHECKS)
    (problem,) = caught.value.problems
    assert ("E-CFG-010", 2) == (problem.code, problem.line)


def test_dots_in_values_are_no_key():
    """A list of addresses on one line has many dots and is fine."""
    hosts = ", ".join(f'"mqtts://10.0.0.{number}:8883"' for number in range(1, 9))
    assert parse_toml(f"x = [{hosts}, {hosts}]").raw is not None
