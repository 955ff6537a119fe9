"""The files in `config/` load, are commented, and name their schema; schemas and reference are what the models say."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from edge.cli.settings_file import load_settings
from edge.config.centre import CentreSettings
from edge.config.load import load_toml_model
from edge.config.page import FILES, settings_page
from edge.config.schema import schema_dict, schema_of
from edge.reading.quantities import expand_item

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "config"
SITES = sorted(path for path in CONFIG.glob("*.toml") if path.name != "centre.toml")


def test_the_sites_that_the_manual_promises_are_there() -> None:
    """Both years on one bus, one bus on USB, no network, serial servers, two buses with 40 meters."""
    assert [
        "mixed-1997-2007.toml",
        "single-bus-usb.toml",
        "stick-no-network.toml",
        "tcp-serial-server.toml",
        "two-buses-40-meters.toml",
    ] == [path.name for path in SITES]


@pytest.mark.parametrize("path", SITES, ids=lambda path: path.name)
def test_every_site_loads(path: Path) -> None:
    """An example has no mistake, and reads from a bus to a broker, or to a stick where there is no network."""
    settings = load_settings(path)
    assert settings.bus
    assert settings.task
    assert (settings.mqtt is None) == (path.name == "stick-no-network.toml")
    own = {item.key for item in settings.item}
    assert all(expand_item(item, own) for task in settings.task for item in task.items)


def test_the_centre_loads() -> None:
    """The centre's example has no mistake and fits the gateways' examples."""
    tenant = load_toml_model(CONFIG / "centre.toml", CentreSettings).centre.tenant
    assert {tenant} == {load_settings(path).gateway.tenant for path in SITES}


@pytest.mark.parametrize("path", [*SITES, CONFIG / "centre.toml"], ids=lambda path: path.name)
def test_every_example_is_commented_and_names_its_schema(path: Path) -> None:
    """The first line names a schema that is there; more than every fourth line says something to a person."""
    lines = path.read_text(encoding="utf-8").split("\n")
    schema = re.fullmatch(r"#:schema \./(.+)", lines[0])
    assert schema is not None
    assert (CONFIG / schema[1]).is_file()
    assert sum("#" in line for line in lines) * 4 > sum(bool(line.strip()) for line in lines)


@pytest.mark.parametrize("path", [*SITES, CONFIG / "centre.toml"], ids=lambda path: path.name)
def test_no_example_holds_a_secret(path: Path) -> None:
    """Secrets are files that the settings name."""
    assert not re.search(r"PRIVATE KEY|^\s*password\s*=", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", FILES)
def test_the_schema_file_is_the_models(name: str) -> None:
    """`config/*.schema.json` is what the program prints; after a change: scripts/pages."""
    written = (CONFIG / name.replace(".toml", ".schema.json")).read_text(encoding="utf-8")
    assert schema_of(FILES[name]) == written


@pytest.mark.parametrize("path", [*SITES, CONFIG / "centre.toml"], ids=lambda path: path.name)
def test_an_example_uses_only_keys_of_its_schema(path: Path) -> None:
    """The schema that an editor reads knows every key of the example."""
    text = path.read_text(encoding="utf-8")
    schema = json.loads((CONFIG / text.split("./", 1)[1].split("\n", 1)[0]).read_text(encoding="utf-8"))
    assert [] == list(_unknown(tomllib.loads(text), schema, schema["$defs"]))


def _unknown(value: Any, schema: Any, definitions: Any) -> list[str]:
    names = [choice["$ref"] for choice in (schema, *schema.get("anyOf", ())) if "$ref" in choice]
    if names:
        schema = definitions[names[0].rpartition("/")[2]]
    if isinstance(value, list):
        return [key for entry in value for key in _unknown(entry, schema.get("items", {}), definitions)]
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    return [key for key in value if key not in known] + [
        inner for key in value if key in known for inner in _unknown(value[key], known[key], definitions)
    ]


def test_the_reference_is_the_models() -> None:
    """`docs/settings.md` is what the program makes; after a change: scripts/pages."""
    assert settings_page() == (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_every_key_is_described(name: str) -> None:
    """A key without a description would be an empty row of the reference."""
    schema = schema_dict(FILES[name])
    tables = {"": schema, **schema["$defs"]}
    bare = [
        f"{table}.{key}"
        for table, definition in tables.items()
        for key, field in definition["properties"].items()
        if not field.get("description") and "$ref" not in json.dumps(field)
    ]
    assert [] == bare


def test_the_reference_names_every_key() -> None:
    """Each key of each table has its row."""
    page = settings_page()
    keys = {key for model in FILES.values() for table in _tables(model) for key in table}
    assert [] == [
        key for key in sorted(keys) if f"| `{key}` |" not in page and f"[{key}]\n" not in page.replace("]]", "]")
    ]


def _tables(model: Any) -> list[list[str]]:
    schema = schema_dict(model)
    return [list(schema["properties"]), *(list(table["properties"]) for table in schema["$defs"].values())]
