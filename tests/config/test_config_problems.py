"""How a mistake is shown: line, carets, hint; in both languages; safe for a terminal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config.load import load_settings
from edge.config.problems import MOST_SHOWN, Problem, cut_excerpt, error_as_json, render_problems
from edge.config.settings import Settings
from edge.errors import ConfigError

HEAD = 'gateway = { id = "g", tenant = "t" }\n'


def _shown(tmp_path: Path, text: str, lang: str = "en") -> str:
    file = tmp_path / "edge.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    return render_problems(caught.value, "zh" if lang == "zh" else "en").replace(f"{tmp_path}/", "")


def test_the_layout_is_that_of_the_manual(tmp_path: Path) -> None:
    """Headline, place, line, carets with what is expected, hint."""
    text = HEAD + "\n" * 6 + '[[bus]]\nname = "A"\nparity = "evn"\nport = "/dev/a"\n'
    expected = """error[E-CFG-014]: parity "evn" is not known
  --> edge.toml:10:10
   |
10 | parity = "evn"
   |          ^^^^^ one of "even", "odd", "none"
   = hint: did you mean "even"? parity: DL/T 645 meters use even

error[E-CFG-001]: edge.toml: 1 mistakes"""
    assert expected == _shown(tmp_path, text)


def test_the_chinese_text_has_the_same_layout(tmp_path: Path) -> None:
    """Code, place and carets are the same; the words are Chinese."""
    text = HEAD + '[[bus]]\nname = "A"\nport = "/dev/a"\nparity = "evn"\n'
    english, chinese = _shown(tmp_path, text).split("\n"), _shown(tmp_path, text, "zh").split("\n")
    assert 'error[E-CFG-014]: parity 的值 "evn" 无效' == chinese[0]
    assert english[1:4] == chinese[1:4]
    assert '  |          ^^^^^ 可选："even", "odd", "none"' == chinese[4]
    assert '  = hint: 是否想写 "even"？请从可选值中选择' == chinese[5]


def test_carets_stand_below_the_value_behind_chinese_text(tmp_path: Path) -> None:
    """A Chinese character takes two columns of a terminal, and so do the blanks below it."""
    shown = _shown(tmp_path, 'gateway = { id = "g", tenant = "供电", x = 5 }\n').split("\n")
    (caret,) = (line for line in shown if "needs" not in line and "^" in line and "no such key" in line)
    assert (
        "  | "
        + " " * len('gateway = { id = "g", tenant = "')
        + " " * 4
        + '", '.replace('"', " ").replace(",", " ")
        + "^ no such key"
        == caret
    )


def test_a_tab_takes_one_column(tmp_path: Path) -> None:
    """A tab is shown as one blank, so that the carets stand right in any terminal."""
    shown = _shown(tmp_path, HEAD + "[store]\n\t\tmax_mib\t= 1\n").split("\n")
    assert "3 |   max_mib = 1" == shown[3]
    assert "  |             ^ at least 4" == shown[4]


def test_nothing_in_a_file_commands_the_terminal(tmp_path: Path) -> None:
    """Control characters of a hostile file are not sent to the terminal."""
    shown = _shown(tmp_path, HEAD + "a\x1b]0;title\x07 = 1\n" + '"\\u001b[31m" = 1\n')
    assert all(char == "\n" or char.isprintable() for char in shown)


def test_a_long_line_is_cut_around_the_mistake(tmp_path: Path) -> None:
    """A line of thousands of characters shows its part around the carets."""
    text = HEAD.replace(" }", f", clock = {' ' * 3000}'atomic' }}")
    shown = _shown(tmp_path, text).split("\n")
    assert "'atomic'" in shown[3]
    assert len(shown[3]) < 120
    assert shown[3].index("'atomic'") == shown[4].index("^^^^^^^^")


def test_at_most_twenty_are_shown(tmp_path: Path) -> None:
    """More are counted, not shown."""
    shown = _shown(tmp_path, HEAD + "".join(f"zz{number} = 1\n" for number in range(MOST_SHOWN + 3)))
    assert MOST_SHOWN == shown.count("error[E-CFG-020]")
    assert "\nand 3 more\n" in shown
    assert shown.endswith("23 mistakes")


def test_an_error_without_lines_shows_cause_and_next_act(tmp_path: Path) -> None:
    """A file that is missing has no line to show."""
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "none.toml")
    lines = render_problems(caught.value).replace(f"{tmp_path}/", "").split("\n")
    assert "error[E-CFG-002]: settings file none.toml does not exist" == lines[0]
    assert ["  cause", "  next"] == [line.split(":")[0] for line in lines[1:]]


def test_the_json_document_names_everything(load: Callable[[str], Settings]) -> None:
    """One object a problem, with place, key, text and hint; the count is of all."""
    with pytest.raises(ConfigError) as caught:
        load(HEAD + "store.max_mib = 1\n")
    document = error_as_json(caught.value)
    assert (1, False, "E-CFG-001", 1) == tuple(document[name] for name in ("version", "ok", "code", "count"))
    assert [
        {
            "code": "E-CFG-015",
            "level": "error",
            "line": 2,
            "column": 17,
            "length": 1,
            "key": "store.max_mib",
            "excerpt": "store.max_mib = 1",
            "caret": 17,
            "text": "max_mib = 1 is too small",
            "expected": "at least 4",
            "hint": "take a larger value (max_mib: bound of the store's file)",
        }
    ] == document["problems"]


def test_a_key_in_a_list_is_counted_from_zero(problems: Callable[[str], tuple[Problem, ...]]) -> None:
    """The key path is the one that programs use."""
    (problem,) = problems(HEAD + '[[bus]]\nname = "A"\nport = "/dev/a"\n[[bus]]\nname = "B"\nport = ""\n')
    assert "bus[1].port" == problem.key


def test_a_password_in_the_settings_is_struck_out() -> None:
    """Somebody wrote it where only the name of a file belongs: the mistake is shown, the secret is not."""
    assert "geheim7" not in cut_excerpt('password = "geheim7"', 1)[0]
    assert 'password_file = "geheim7"' == cut_excerpt('password_file = "geheim7"', 1)[0]
