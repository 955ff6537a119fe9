"""Loading: a file that is fine gives its values; every mistake has its code, its place and a hint, all in one run."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest

from edge.config.checks import MOST_ITEMS, MOST_TASKS
from edge.config.fields import Field, Rules
from edge.config.load import LARGEST_FILE, MOST_HELD, load_settings, load_toml_model, parse_toml_model
from edge.config.problems import Problem
from edge.config.settings import Settings
from edge.config.table import table
from edge.errors import ConfigError

GOOD = (Path(__file__).parent.parent / "vectors" / "config_good.toml").read_text(encoding="utf-8")
HEAD = 'gateway = { id = "g", tenant = "t" }\n'
BUS = '[[bus]]\nname = "A"\nport = "/dev/a"\n'
ITEM = '[[item]]\nkey = "vendor_t"\ndi = "04A00101"\nformat = "XXX.X"\n'
TASK = '[[task]]\nname = "x"\nevery = "15m"\nitems = ["voltage"]\n'


def _items(count: int, *more: str) -> str:
    """Return a list of so many identifiers, and more."""
    identifiers = [f"di:{number:08X}" for number in range(count)]
    return json.dumps(identifiers, separators=(",", ":"))[:-1] + "".join(f",{one}" for one in more) + "]"


def _task(number: int) -> str:
    return TASK.replace('"x"', f'"x{number}"')


Load = Callable[[str | bytes], Settings]
Problems = Callable[[str], tuple[Problem, ...]]


def test_a_good_file_gives_its_values(load: Load) -> None:
    """Values, defaults and the forms of TOML that a person may use."""
    settings = load(GOOD)
    assert ("gw-1", "hz", "Asia/Shanghai") == (
        settings.gateway.id,
        settings.gateway.tenant,
        settings.gateway.timezone,
    )
    assert [("A", 2400, 20), ("B", 2400, 20)] == [(bus.name, bus.baud, bus.gap_ms) for bus in settings.bus]
    assert ("energy_active_import", "voltage", "current") == settings.task[0].items
    assert settings.task[1].monthly is not None
    assert "00:10" == settings.task[1].monthly.at


def test_relative_paths_are_seen_from_the_files_folder(load: Load, tmp_path: Path) -> None:
    """A relative path comes out absolute; an absolute one and a missing one stay as they are."""
    settings = load(GOOD)
    assert settings.mqtt is not None
    assert str(tmp_path / "keys/gw.key") == settings.mqtt.key
    assert str(tmp_path / "centre.pub") == settings.centre.key
    assert str(tmp_path / "batch.key") == settings.identity.batch_key
    assert ("/var/lib/edge", None) == (settings.gateway.state_dir, settings.mqtt.ca)


def test_a_relative_name_of_the_file_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon may change its folder later: paths are absolute even if the file was named relatively."""
    (tmp_path / "edge.toml").write_text(HEAD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / "centre.pub") == load_settings("edge.toml").centre.key


def test_a_byte_order_mark_and_windows_line_ends_are_taken(load: Load) -> None:
    """A file saved by Notepad loads."""
    assert "gw-1" == load(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()).gateway.id


def test_what_just_fits_loads(load: Load) -> None:
    """64 tasks of 256 items each, and a gateway that is not called as the centre is."""
    tasks = "".join(_task(number).replace('["voltage"]', _items(MOST_ITEMS)) for number in range(MOST_TASKS))
    settings = load(HEAD.replace('"g"', '"cc"') + tasks)
    assert (MOST_TASKS, MOST_ITEMS) == (len(settings.task), len(settings.task[-1].items))


def test_items_named_twice_count_once(load: Load) -> None:
    """A group and its keys are the same items."""
    items = _items(MOST_ITEMS - 3, '"voltage"', '"voltage_l1"', '"voltage_l2"', '"voltage"')
    assert MOST_ITEMS + 1 == len(load(HEAD + TASK.replace('["voltage"]', items)).task[0].items)


CASES = [
    # code, line, column, length, what is meant, the text of the file
    ("E-CFG-010", 2, 2, 1, "", HEAD + "[\n"),
    ("E-CFG-010", 2, 1, 1, "", HEAD + "= 3\n"),
    ("E-CFG-010", 2, 5, 1, "", HEAD + "a = # nothing\n"),
    ("E-CFG-011", 2, 17, 1, "", HEAD + "store.max_mib = “5”\n"),
    ("E-CFG-011", 2, 15, 1, "", HEAD + "store.max_mib ＝ 5\n"),
    ("E-CFG-012", 3, 1, 13, "", HEAD + "store.max_mib = 8\nstore.max_mib = 9\n"),
    ("E-CFG-012", 4, 1, 7, "", HEAD + "[store]\n[batch]\n[store] # again\n"),
    ("E-CFG-013", 2, 22, 12, "", HEAD + "identity.batch_key = 012345678901\n"),
    ("E-CFG-013", 4, 8, 6, "", HEAD + BUS.replace('"/dev/a"', "/dev/a")),
    ("E-CFG-013", 4, 6, 5, "", HEAD + TASK.replace('every = "15m"', "at = 00:05")),
    ("E-CFG-014", 5, 10, 5, '"even"', HEAD + BUS + 'parity = "evn"\n'),
    ("E-CFG-014", 5, 10, 3, '"even"', HEAD + BUS + 'parity = "E"\n'),
    ("E-CFG-014", 5, 10, 6, '"even"', HEAD + BUS + 'parity = "EVEN"\n'),
    ("E-CFG-014", 5, 8, 6, "2400", HEAD + BUS + 'baud = "2400"\n'),
    ("E-CFG-014", 2, 49, 1, '"5"', HEAD + 'mqtt = { endpoints = ["mqtt://broker"], version=5 }\n'),
    ("E-CFG-015", 5, 9, 1, "", HEAD + BUS + "tries = 0\n"),
    (
        "E-CFG-015",
        2,
        43,
        5,
        "",
        HEAD + 'mqtt = { endpoints = ["mqtt://b"], resend="0ms" }\n',
    ),
    ("E-CFG-016", 5, 9, 2, "", HEAD + BUS + "tries = 10\n"),
    ("E-CFG-017", 2, 22, 3, "", HEAD + 'identity.batch_key = "ab\n'),
    ("E-CFG-018", 5, 9, 1, "", HEAD + TASK.replace('["voltage"]', '["voltage"') + "priority = 3\n"),
    ("E-CFG-018", 5, 9, 1, "", HEAD + TASK.replace('["voltage"]', '["voltage" # ]') + "priority = 3\n"),
    ("E-CFG-020", 5, 1, 5, "parity", HEAD + BUS + 'prity = "even"\n'),
    ("E-CFG-020", 2, 2, 5, "store", HEAD + "[stoer]\nmax_mib = 5\n"),
    ("E-CFG-020", 2, 1, 4, "", HEAD + "wxyz = 5\n"),
    ("E-CFG-021", 2, 3, 3, "", HEAD + BUS.replace('name = "A"\n', "")),
    ("E-CFG-022", 1, 1, 1, "", "schema = 1\n"),
    ("E-CFG-023", 5, 1, 7, "", HEAD + BUS + "max_mib = 5\n"),
    ("E-CFG-031", 3, 8, 4, "", HEAD + TASK.replace('"x"', "1234")),
    ("E-CFG-031", 4, 6, 8, "", HEAD + TASK.replace('every = "15m"', "at = 00:05:00")),
    ("E-CFG-031", 6, 20, 12, "", HEAD + TASK + 'meters = ["boxes", 202311000001]\n'),
    ("E-CFG-032", 5, 10, 4, "", HEAD + BUS + 'gap_ms = "20"\n'),
    ("E-CFG-032", 5, 10, 4, "", HEAD + BUS + "gap_ms = 20.0\n"),
    ("E-CFG-033", 2, 18, 3, "", HEAD + 'store.commit_s = "5"\n'),
    ("E-CFG-034", 5, 9, 9, "", HEAD + TASK.replace('["voltage"]', '"voltage"')),
    ("E-CFG-044", 4, 9, 2, "", HEAD + TASK.replace('every = "15m"', "every = 15")),
    ("E-CFG-078", 2, 18, 14, "", HEAD + 'metrics.listen = "0.0.0.0:9645"\n'),
    ("E-CFG-092", 4, 11, 3, "", HEAD + TASK.replace('every = "15m"', 'monthly = "1"')),
    ("E-CFG-035", 2, 3, 5, "", HEAD + "[[store]]\nmax_mib = 5\n"),
    ("E-CFG-035", 2, 1, 5, "", HEAD + "store = 5\n"),
    ("E-CFG-036", 2, 2, 3, "", HEAD + BUS.replace("[[bus]]", "[bus]")),
    ("E-CFG-038", 3, 8, 7, "", HEAD + BUS.replace('"A"', '["A", ]')),
    ("E-CFG-041", 3, 8, 5, "", HEAD + BUS.replace('"A"', '"A B"')),
    ("E-CFG-042", 4, 8, 2, "", HEAD + BUS.replace('"/dev/a"', '""')),
    ("E-CFG-042", 5, 9, 2, "", HEAD + TASK.replace('["voltage"]', "[]")),
    ("E-CFG-043", 1, 48, 10, "", HEAD.replace(" }", ', timezone = "Mars/One" }')),
    ("E-CFG-044", 4, 9, 4, "", HEAD + TASK.replace("15m", "5x")),
    ("E-CFG-045", 4, 9, 4, "", HEAD + TASK.replace("15m", "7m")),
    ("E-CFG-046", 4, 6, 7, "", HEAD + TASK.replace('every = "15m"', 'at = "24:00"')),
    (
        "E-CFG-047",
        2,
        22,
        16,
        "",
        HEAD + 'mqtt.endpoints    = ["http://broker1", "mqtt://b"]\n',
    ),
    ("E-CFG-047", 2, 19, 16, "", HEAD + 'mqtt.endpoints = ["mqtt://b:70000"]\n'),
    ("E-CFG-048", 5, 10, 7, '"voltage"', HEAD + TASK.replace('"voltage"', '"vltag"')),
    (
        "E-CFG-050",
        3,
        6,
        11,
        "",
        HEAD + 'mqtt.endpoints = ["mqtt://b"]\nmqtt.certificate = "c"\n',
    ),
    ("E-CFG-051", 2, 3, 4, "", HEAD + TASK + 'at = "00:05"\n'),
    ("E-CFG-051", 2, 3, 4, "", HEAD + TASK.replace('every = "15m"\n', "")),
    ("E-CFG-052", 7, 8, 9, "", HEAD + BUS + BUS.replace('"A"', '"B"').replace("/dev/a", "/dev//a")),
    ("E-CFG-053", 6, 8, 3, "", HEAD + BUS + BUS.replace("/dev/a", "/dev/b")),
    ("E-CFG-054", 7, 8, 3, "", HEAD + TASK + TASK),
    ("E-CFG-055", 4, 8, 6, "", HEAD + BUS.replace("/dev/a", "COM3")),
    ("E-CFG-055", 4, 8, 21, "", HEAD + BUS.replace("/dev/a", "socket://host:70000")),
    ("E-CFG-055", 4, 8, 17, "", HEAD + BUS.replace("/dev/a", "socket://a..b:1")),
    ("E-CFG-064", 3, 13, 9, "", HEAD + '[identity]\nbatch_key = "a\\u0000"\n'),
    ("E-CFG-056", 2, 10, 1, "", HEAD + "schema = 2\n"),
    ("E-CFG-057", 6, 11, 13, "", HEAD + TASK + 'meters = ["12345678901"]\n'),
    ("E-CFG-058", 5, 9, 3599, "", HEAD + TASK.replace('["voltage"]', _items(MOST_ITEMS + 1))),
    ("E-CFG-058", 5, 9, 3567, "", HEAD + TASK.replace('["voltage"]', _items(MOST_ITEMS - 2, '"voltage"'))),
    ("E-CFG-059", 258, 3, 4, "", HEAD + "".join(_task(number) for number in range(MOST_TASKS + 1))),
    ("E-CFG-060", 1, 18, 3, "", HEAD.replace('"g"', '"c"')),
    ("E-CFG-048", 9, 10, 9, '"vendor_t"', HEAD + ITEM + TASK.replace('"voltage"', '"vndor_t"')),
    ("E-CFG-073", 7, 7, 10, "", HEAD + ITEM + ITEM.replace("04A00101", "04A00102")),
    ("E-CFG-073", 8, 6, 10, "", HEAD + ITEM + ITEM.replace("vendor_t", "vendor_u").replace("04A0", "04a0")),
    ("E-CFG-074", 3, 7, 7, "", HEAD + ITEM.replace("vendor_t", "clock")),
    ("E-CFG-074", 3, 7, 9, "", HEAD + ITEM.replace("vendor_t", "voltage")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}-{case[3]}")
def test_a_mistake_has_its_code_and_place(problems: Problems, case: tuple[str, int, int, int, str, str]) -> None:
    """One mistake gives one problem, at the place where a person would point."""
    *expected, text = case
    assert [expected] == [
        [problem.code, problem.line, problem.column, problem.length, problem.meant] for problem in problems(text)
    ]


def test_every_code_of_a_mistake_is_provoked() -> None:
    """Each code from 010 on has a case above, or is named here with the place of its test."""
    from edge.errors.codes_config import CODES

    elsewhere = {"E-CFG-037", "E-CFG-040", "E-CFG-049"}  # other models: below
    elsewhere |= {"E-CFG-071", "E-CFG-072", "E-CFG-075", "E-CFG-076", "E-CFG-077"}  # of the protocols: tests/poll
    elsewhere |= {"E-CFG-061", "E-CFG-062", "E-CFG-063"}  # of `config init` and `config show`: test_config_cli.py
    elsewhere |= {"E-CFG-065"}  # of `detect --write`: test_cli_detect.py
    elsewhere |= {"E-CFG-083", "E-CFG-084", "E-CFG-085", "E-CFG-087"}  # of a reload: test_app_reload.py
    elsewhere |= {"E-CFG-086", "E-CFG-089"}  # of `config revert`: test_cli_config_past.py
    elsewhere |= {"E-CFG-080", "E-CFG-081", "E-CFG-082"}  # of the register: test_poll_bus_time.py
    elsewhere |= {"E-CFG-091"}  # of older layouts: test_config_layouts.py
    assert {code for code in CODES if "E-CFG-010" <= code} - elsewhere == {case[0] for case in CASES}


def test_all_mistakes_of_a_file_come_at_once(problems: Problems) -> None:
    """Syntax, model and sense are reported in one run, by line, and nothing is reported that only follows."""
    text = """[gateway]
id = gw 1
tenant = hz

[[bus]]
name = "A"
port = "/dev/a"
parity = "evn"
[[bus]]
name = "A"
port = "/dev/a"
[[task]]
name = "load"
every = 15m
items = ["voltge"]
"""
    assert [
        (2, "E-CFG-013"),
        (3, "E-CFG-013"),
        (8, "E-CFG-014"),
        (10, "E-CFG-053"),
        (11, "E-CFG-052"),
        (14, "E-CFG-013"),
        (15, "E-CFG-048"),
    ] == [(problem.line, problem.code) for problem in problems(text)]


def test_the_first_use_is_named_by_its_line(problems: Problems) -> None:
    """A port used twice names the line of the first use."""
    (problem,) = problems(HEAD + BUS + BUS.replace('"A"', '"B"'))
    assert "already in line 4" == problem.label()


def test_a_line_of_windows_is_shown_without_its_end(problems: Problems) -> None:
    """The carriage return is no part of the excerpt."""
    (problem,) = problems(HEAD + "store.max_mib = 1\r\n")
    assert "store.max_mib = 1" == problem.excerpt


def test_an_unquoted_address_is_shown_in_quotes(problems: Problems) -> None:
    """The hint shows what to write, digit by digit."""
    (problem,) = problems(HEAD + TASK + "meters = [202311000001]\n")
    assert 'write "202311000001"' in problem.hint()


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("E-CFG-005", b'[gateway]\nid = "\xb5\xe7\xb1\xed"\n'),
        ("E-CFG-005", "[gateway]\n".encode("utf-16")),
        ("E-CFG-006", b"#" * (LARGEST_FILE + 1)),
        ("E-CFG-007", b""),
        ("E-CFG-007", b"\xef\xbb\xbf \r\n\n"),
    ],
)
def test_bytes_that_are_no_settings_are_refused(load: Load, code: str, data: bytes) -> None:
    """Encoding, size and emptiness each have a code of their own."""
    with pytest.raises(ConfigError) as caught:
        load(data)
    assert code == caught.value.code


def test_what_is_not_utf8_has_its_place(load: Load) -> None:
    """The first byte that is not UTF-8 is named by line and column, counted in characters."""
    with pytest.raises(ConfigError) as caught:
        load("[gateway]\n# 表 ".encode() + b"\xff")
    assert (2, 5) == (caught.value.values["line"], caught.value.values["column"])


def test_the_largest_file_is_read(load: Load) -> None:
    """The limit is the last size that is taken."""
    assert "g" == load((HEAD + "#" * LARGEST_FILE)[:LARGEST_FILE]).gateway.id


def test_files_that_cannot_be_read_have_their_codes(tmp_path: Path) -> None:
    """Missing, a folder, a path through a file, a pipe (never waited for), a name that no file can have."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("", encoding="utf-8")
    names = ["none", ".", "file/x", "pipe", "a\0b", "n" * 300]
    codes = []
    for name in names:
        with pytest.raises(ConfigError) as caught:
            load_settings(tmp_path / name)
        codes.append(caught.value.code)
    assert ["E-CFG-002", "E-CFG-003", "E-CFG-002", "E-CFG-003", "E-CFG-008", "E-CFG-008"] == codes


def test_a_file_of_another_user_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No permission is not the same as no file."""

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edge.config.load.os.open", refuse)
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "edge.toml")
    assert "E-CFG-004" == caught.value.code


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        "a = " + " " * 500_000 + '"',
        "a = " + "x" * 500_000,
        "a" * 500_000 + " = 1",
        "a = " + "9" * 5000,
        "a = " + "{a=" * 3000,
        "[" + "a." * 5000,
    ],
)
def test_hostile_depth_and_length_are_refused(problems: Problems, text: str) -> None:
    """Thousands of brackets or digits end in a problem, not in a crash."""
    assert problems(text)


def test_many_mistakes_are_counted(load: Load) -> None:
    """Far more are held and counted than any screen shows, but not without end."""
    with pytest.raises(ConfigError) as caught:
        load(HEAD + "".join(f"zz{number} = 1\n" for number in range(MOST_HELD + 5)))
    assert (MOST_HELD, MOST_HELD) == (len(caught.value.problems), caught.value.values["count"])


@pytest.mark.parametrize("depth", range(300, 520, 20))
def test_any_depth_gives_problems(problems: Problems, depth: int) -> None:
    """Just below and above what the parser can take, the loader still says what is wrong."""
    found = {problem.code for problem in problems(HEAD + "a = " + "[" * depth + "]" * depth)}
    assert found in ({"E-CFG-010"}, {"E-CFG-020"})


def test_any_model_can_be_loaded(tmp_path: Path) -> None:
    """The loader is not bound to the gateway's settings: other files have the same doors and the same words."""

    def refuse(value: int) -> None:
        raise ValueError("never")

    @table
    class Small:
        flag: bool
        form: str = Field(pattern="^[0-9]+$")
        odd: Annotated[int, Rules(check=refuse)]

    file = tmp_path / "other.toml"
    file.write_text('flag = "yes"\nform = "x"\nodd = 2\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_toml_model(file, Small)
    assert [(1, "E-CFG-037"), (2, "E-CFG-049"), (3, "E-CFG-040")] == [
        (problem.line, problem.code) for problem in caught.value.problems if isinstance(problem, Problem)
    ]


def test_where_a_value_comes_from(tmp_path: Path) -> None:
    """A value of the file has its line; a default has none."""
    loaded = parse_toml_model(GOOD.encode(), tmp_path / "edge.toml", Settings)
    assert (13, None, 37) == (
        loaded.line_of(("bus", 0, "parity")),
        loaded.line_of(("bus", 0, "tries")),
        loaded.line_of(("mqtt", "endpoints")),
    )
