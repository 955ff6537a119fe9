"""Files of older layouts: read forwards, each mistake at its place, and written anew only on demand."""

import tomllib
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.fields import Field
from edge.config.layouts import migrated_text, read_forwards
from edge.config.load import Loaded, parse_toml_model
from edge.config.settings import Settings
from edge.config.steps import Changed, Steps
from edge.config.table import table
from edge.errors import ConfigError


def _from_minutes(given: Any) -> Any:
    return f"{given}m" if type(given) is int else given


STEPS: Steps = {
    1: (Changed(("line",), "speed", "baud"), Changed((), "site", "place")),
    2: (
        Changed(("line",), "wait", "gap", _from_minutes),
        Changed(("line",), "retries", ""),
        Changed((), "place", "at"),
    ),
}


@table
class Line:
    """A line of layout 3."""

    name: str = Field()
    baud: int = Field(2400, le=9600)
    gap: str = Field("1m")


@table
class Site:
    """Settings of layout 3."""

    STEPS: ClassVar[Steps] = STEPS

    schema: Literal[3] = Field(3)
    at: str = Field("")
    line: tuple[Line, ...] = Field(())


OLD = """\
#:schema ./site.json
# Ours.
schema = 1   # the first one
site = "cellar"   # where it stands

[[line]]
name = "A"
speed = 1200      # slow
  retries = 3     # more than usual
wait = 5

[[line]]          # the other one
name = "B"
"""


def _load(text: str) -> Loaded[Site]:
    return parse_toml_model(text.encode(), "site.toml", Site)


def _problems(text: str) -> list[tuple[str, int, int]]:
    with pytest.raises(ConfigError) as caught:
        _load(text)
    return [(one.code, one.line, one.column) for one in caught.value.problems]  # type: ignore[attr-defined]


def test_an_older_file_is_read_as_the_newest() -> None:
    """Over two layouts: keys that are called otherwise, a value that is written otherwise, a key that is gone."""
    loaded = _load(OLD)
    assert Site(at="cellar", line=(Line(name="A", baud=1200, gap="5m"), Line(name="B"))) == loaded.value


def test_a_value_has_the_line_that_it_has_in_the_older_file() -> None:
    """`config show` says where each value comes from; a default comes from nowhere."""
    loaded = _load(OLD)
    places = [loaded.line_of(path) for path in (("at",), ("line", 0, "baud"), ("line", 0, "gap"), ("line", 1, "baud"))]
    assert [4, 8, 10, None] == places


def test_a_mistake_in_an_older_file_is_shown_where_it_stands() -> None:
    """A wrong value of a key that moved, and a key that no layout has."""
    wrong = OLD.replace("wait = 5", "nme = 5").replace("speed = 1200", "speed = 12000")
    assert [("E-CFG-016", 8, 9), ("E-CFG-020", 10, 1)] == _problems(wrong)


def test_a_file_without_a_number_is_of_the_first_layout() -> None:
    """Nobody has to write it."""
    assert "cellar" == _load('site = "cellar"\n').value.at


def test_a_key_of_two_layouts_at_once_is_a_mistake() -> None:
    """The newer name beside the older one: nobody knows which was meant."""
    assert [("E-CFG-020", 1, 1)] == _problems('site = "cellar"\nplace = "roof"\n')


def test_a_newer_file_is_refused_by_its_number_alone() -> None:
    """What this version does not know it does not call wrong; the same for the gateway's own file."""
    assert [("E-CFG-056", 2, 10)] == _problems('new_key = 7\nschema = 4\nsite = "x"\n')
    with pytest.raises(ConfigError) as caught:
        parse_toml_model(b"schema = 2\n[gateway]\nid = 5\nnew = 1\n", "edge.toml", Settings)
    assert ["E-CFG-056"] == [one.code for one in caught.value.problems]  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", ["0", "-1", '"1"', "true", "1.0"])
def test_a_number_that_no_layout_has_is_a_mistake(number: str) -> None:
    """It is not taken for a layout."""
    assert "E-CFG-056" in [code for code, *_ in _problems(f"schema = {number}\n")]


def test_a_file_written_anew_keeps_all_that_a_person_wrote() -> None:
    """Comments and their places; a line that is no setting any more stays to be read."""
    expected = (
        OLD.replace("schema = 1 ", "schema = 3 ")
        .replace("site =", "at =")
        .replace("speed =", "baud =")
        .replace("  retries", "  # retries")
        .replace("wait = 5", 'gap = "5m"')
    )
    new = migrated_text(OLD, STEPS)
    assert expected == new
    assert _load(OLD).value == _load(new).value
    assert new == migrated_text(new, STEPS)


def test_the_number_comes_below_the_first_comments() -> None:
    """Where the older file had none: above every table, below the line that editors look for."""
    assert '#:schema ./site.json\nschema = 3\nat = "x"\n' == migrated_text('#:schema ./site.json\nsite = "x"\n', STEPS)


def test_a_text_that_cannot_be_changed_is_refused() -> None:
    """A key that is gone, inside a line that says more: as a comment it would take the rest with it."""
    with pytest.raises(ConfigError) as caught:
        migrated_text("line = [{ name = 'A', retries = 3 }]\n", STEPS)
    assert "E-CFG-091" == caught.value.code


_NAMES = st.sampled_from(["speed", "baud", "wait", "gap", "retries", "name"])
_VALUES = st.one_of(st.integers(-5, 9), st.sampled_from(['a"b', "ü", ""]), st.lists(st.integers(0, 3), max_size=2))
_LINES = st.lists(st.dictionaries(_NAMES, _VALUES, max_size=5), max_size=3)


@given(st.integers(1, 3), st.sampled_from(["site", "place", "at", "x"]), _LINES)
def test_a_file_written_anew_means_the_same(layout: int, key: str, lines: list[dict[str, Any]]) -> None:
    """Whatever stands in it, wrong or right."""
    parts = [f"schema = {layout}", f'{key} = "x" # said by a person']
    for one in lines:
        parts += ["[[line]]", *(f"{name} = {_literal(value)}" for name, value in one.items())]
    text = "\n".join(parts)
    new = migrated_text(text, STEPS)
    assert read_forwards(tomllib.loads(text), STEPS).raw == tomllib.loads(new)
    assert "# said by a person" in new


def _literal(value: Any) -> str:
    return "'" + value + "'" if isinstance(value, str) else str(value)


def test_the_gateways_file_of_today_is_the_newest() -> None:
    """The first layout is the newest: nothing is changed."""
    text = "# x\n[gateway]\nid = 'g'\n"
    assert text == migrated_text(text, Settings.STEPS)
