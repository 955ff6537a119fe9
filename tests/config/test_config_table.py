"""Tables of settings: whatever makes one, a file or code, what it holds is right; else every fault is named."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.fields import Field, Rules, WrongValueError, keys_of
from edge.config.load import load_settings
from edge.config.settings import Bus, Metrics, Monthly, Mqtt, Settings, Store, Task
from edge.config.table import WrongTableError, build_table, raw_of, table

ROOT = Path(__file__).parent.parent.parent
FILES = [ROOT / "tests" / "vectors" / "config_good.toml", *sorted((ROOT / "config").glob("t*.toml"))]
BUS = {"name": "A", "port": "/dev/a"}


def faults(model: type, raw: dict[str, Any]) -> list[tuple[str, str]]:
    """Return path and code of everything that is wrong."""
    with pytest.raises(WrongTableError) as caught:
        build_table(model, raw)
    return [(".".join(map(str, fault.path)), fault.code) for fault in caught.value.faults]


def test_code_can_make_no_wrong_table():
    """What a file may not hold, a table made in code does not hold either: type, bound, text, choice, entry."""
    for wrong in ({"gap_ms": -1}, {"gap_ms": 2.0}, {"baud": 2401}, {"port": ""}, {"name": "A B"}, {"time_sync": 1}):
        with pytest.raises(WrongTableError):
            Bus(**{**BUS, **wrong})
    with pytest.raises(WrongTableError):
        dataclasses.replace(Bus(**BUS), tries=6)
    with pytest.raises(WrongTableError):
        Task(name="t", every="15m", items=("voltage", 3))
    with pytest.raises(WrongTableError):
        Task(name="t", monthly={"day": 1, "at": "00:10"}, items=("voltage",))
    assert Task(name="t", monthly=Monthly(day=1, at="00:10"), items=("voltage",)).monthly.day == 1


def test_a_table_is_frozen_and_its_keys_are_named():
    """Settings are handed around: nobody changes them, and nobody counts their order."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Bus(**BUS).gap_ms = 5
    with pytest.raises(TypeError):
        Bus("A", "/dev/a")
    with pytest.raises(TypeError):
        Bus(**BUS, gap=5)


def test_all_faults_of_all_tables_are_named_at_once():
    """A key too many, a key too few, a wrong type and a wrong value, each with its path."""
    raw = {
        "gateway": {"id": "g", "Tenant": "t"},
        "bus": [BUS, {**BUS, "baud": "2400", "gap_ms": 5001}, "B"],
        "task": [{"name": "t", "every": "7m", "items": ["voltage", 5], "monthly": {"day": 29, "at": "24:00"}}],
    }
    assert [
        ("gateway.Tenant", "E-CFG-020"),
        ("gateway.tenant", "E-CFG-021"),
        ("bus.1.baud", "E-CFG-014"),
        ("bus.1.gap_ms", "E-CFG-016"),
        ("bus.2", "E-CFG-035"),
        ("task.0.every", "E-CFG-045"),
        ("task.0.monthly.day", "E-CFG-016"),
        ("task.0.monthly.at", "E-CFG-046"),
        ("task.0.items.1", "E-CFG-031"),
    ] == faults(Settings, raw)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("commit_s", float("nan"), "E-CFG-016"),
        ("commit_s", -0.1, "E-CFG-015"),
        ("commit_s", True, "E-CFG-033"),
        ("commit_polls", True, "E-CFG-032"),
        ("commit_polls", 16.0, "E-CFG-032"),
        ("open_slots", "7d\n", "E-CFG-044"),
        ("open_slots", ["7d"], "E-CFG-038"),
    ],
)
def test_a_value_has_one_fault(key: str, value: object, code: str):
    """Exact types; not a number is within no bounds; nothing behind the end of a text is overlooked."""
    assert [(key, code)] == faults(Store, {key: value})


def test_a_name_ends_where_its_text_ends():
    """A line end behind a name is part of it, whatever `$` means to a pattern; a flag is no layout number."""
    assert [("name", "E-CFG-049")] == faults(Bus, {**BUS, "name": "A\n"})
    assert [("schema", "E-CFG-056")] == faults(Settings, {"schema": True, "gateway": {"id": "g", "tenant": "t"}})


def test_a_list_is_empty_or_its_entries_are_wrong_never_both():
    """An empty list is called empty; one with a wrong entry is not."""
    assert [("endpoints", "E-CFG-042")] == faults(Mqtt, {"endpoints": []})
    assert [("endpoints.0", "E-CFG-047")] == faults(Mqtt, {"endpoints": ["ftp://a"]})


@pytest.mark.parametrize(
    "listen",
    [
        *("0.0.0.0:9645", "192.168.1.5:9645", ":9645", "9645", "[::]:9645", "127.0.0.1:0", "127.0.0.1:70000"),
        *("127.0.0.2:9", "broker.example:80", "unix:metrics.sock", "unix:/run/", "/run/edge/metrics.sock"),
    ],
)
def test_metrics_are_served_on_this_machine_only(listen):
    """Every address but loopback is refused, and so is a socket without its whole path."""
    assert [("listen", "E-CFG-078")] == faults(Metrics, {"listen": listen})
    assert [("listen", "E-CFG-078")] == faults(Metrics, {"listen": "unix:/" + "x" * 90})
    assert [("listen", "E-CFG-078")] == faults(Metrics, {"listen": "127.0.0.1:9645\n"})


@pytest.mark.parametrize("listen", ["127.0.0.1:9645", "localhost:1", "[::1]:65535", "unix:/var/lib/edge/metrics.sock"])
def test_a_place_on_this_machine_is_taken(listen):
    """Loopback by its addresses and its name, or a socket."""
    assert (listen, True) == (build_table(Metrics, {"listen": listen}).listen, Metrics(listen=listen).meters)


def test_the_whole_is_judged_when_its_parts_are_right():
    """Certificate without key is a fault of the table, told only when its values can be believed."""
    assert [("", "E-CFG-050")] == faults(Mqtt, {"endpoints": ["mqtt://a"], "key": "k"})
    assert [("key", "E-CFG-042")] == faults(Mqtt, {"endpoints": ["mqtt://a"], "key": ""})
    with pytest.raises(WrongTableError, match="E-CFG-050"):
        Mqtt(endpoints=("mqtt://a",), key="k")


def test_whole_numbers_are_floats_and_lists_are_tuples():
    """TOML writes 5 for 5.0 and knows lists only."""
    store = build_table(Store, {"commit_s": 5})
    assert (5.0, float) == (store.commit_s, type(store.commit_s))
    assert ("mqtt://a", "mqtt://b") == build_table(Mqtt, {"endpoints": ["mqtt://a", "mqtt://b"]}).endpoints


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_table_and_its_raw_values_are_the_same(path: Path):
    """What is shown of settings makes the same settings again."""
    made = load_settings(path)
    assert made == build_table(Settings, raw_of(made))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*keys_of(Settings), *keys_of(Task)]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*keys_of(Settings), "x"]), JSON, max_size=6))
def test_any_values_make_a_table_or_faults(raw: dict[str, Any]):
    """Nothing breaks the judge, whatever stands where; what it lets through has the types that the tables promise."""
    try:
        made = build_table(Settings, raw)
    except WrongTableError as exc:
        is_right = bool(exc.faults)
    else:
        is_right = made == build_table(Settings, raw_of(made))
    assert is_right


def test_a_check_names_its_code_and_values():
    """What a check raises arrives with its values; any other ValueError has the code for it, and its words."""

    def refuse(value: int) -> None:
        if value:
            raise WrongValueError("E-CFG-015", limit="none")
        raise ValueError("never")

    @table
    class Small:
        odd: Annotated[int, Rules(ge=0)] = Field(check=refuse)

    for value, code, values in ((1, "E-CFG-015", {"limit": "none"}), (0, "E-CFG-040", {"detail": "never"})):
        with pytest.raises(WrongTableError) as caught:
            build_table(Small, {"odd": value})
        assert (code, values) == (caught.value.faults[0].code, caught.value.faults[0].values)
    assert [("odd", "E-CFG-015")] == faults(Small, {"odd": -1})


def test_a_type_that_no_file_can_hold_is_a_defect():
    """A field of another type than TOML has is seen the first time that its table is used."""

    @table
    class Small:
        odd: set[str] = Field()

    with pytest.raises(TypeError):
        keys_of(Small)
