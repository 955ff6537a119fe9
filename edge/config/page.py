"""The reference of the settings, `docs/settings.md`: made from the tables' own descriptions.

`python -m edge.config.page` prints the reference; with `edge.toml` or `centre.toml`, the schema of that file.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from edge.config.centre import CentreSettings
from edge.config.schema import schema_dict, schema_of
from edge.config.settings import Settings
from edge.reading.quantities import groups, quantities

_HEAD = """# Settings

Made by `scripts/pages` from the models in `edge/config`; do not edit. Files to start from: `config/`.
Unknown keys are mistakes. `edge config check` names every mistake of a file in one run, with line and column.
Relative paths are relative to the folder of the settings file. A duration is a number and `ms`, `s`, `m`, `h` or `d`.
"""

FILES: Mapping[str, type] = {"edge.toml": Settings, "centre.toml": CentreSettings}


def settings_page() -> str:
    """Return the text of `docs/settings.md`."""
    return "\n".join([_HEAD, *(model_chapter(*file) for file in FILES.items()), *_items()])


def model_chapter(title: str, model: type) -> str:
    """Return the chapter of one file: a section a table, a row a key."""
    schema = schema_dict(model)
    return "\n".join([f"## {title}\n", f"{schema.get('description', '')}\n", *_table("", schema, schema["$defs"])])


def _table(name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    inner: list[str] = []
    rows: list[str] = []
    for key, field in schema["properties"].items():
        target, is_list = _table_of(field)
        whole = f"{name}.{key}" if name else key
        if target is None:
            rows.append(_row(key, field, is_needed=key in schema.get("required", ())))
            continue
        table = definitions[target]
        inner += [f"### {'[[' if is_list else '['}{whole}{']]' if is_list else ']'}\n", f"{table['description']}\n"]
        inner += _table(whole, table, definitions)
        if name:
            rows.append(_row(key, {**field, "description": f"table, see [{whole}]"}, is_needed=False))
    if rows:
        yield "| key | value | default | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from rows
        yield ""
    yield from inner


def _table_of(field: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the definition that a field holds, if it is a table, and whether it may come several times."""
    for choice in (field, *field.get("anyOf", ())):
        if "$ref" in choice:
            return choice["$ref"].rpartition("/")[2], False
        if "$ref" in choice.get("items", {}):
            return choice["items"]["$ref"].rpartition("/")[2], True
    return None, False


def _row(key: str, field: Mapping[str, Any], *, is_needed: bool) -> str:
    default = "*needed*" if is_needed else _default(field.get("default"))
    return f"| `{key}` | {_kind(field)} | {default} | {_cell(field.get('description', ''))} |"


def _default(value: object) -> str:
    return "none" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def _kind(field: Mapping[str, Any]) -> str:
    own = {key: value for key, value in field.items() if key == "format"}
    choices = [{**own, **choice} for choice in field.get("anyOf", (field,)) if choice.get("type") != "null"]
    return " or ".join(map(_one_kind, choices))


def _one_kind(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "array": "list",
    }
    kind = words.get(field.get("type", ""), "value")
    if "minimum" in field and "maximum" in field:
        return f"{kind}, {field['minimum']} to {field['maximum']}"
    if field.get("format") == "path":
        return "path"
    return f"{kind} `{field['pattern']}`" if "pattern" in field else kind


def _items() -> Iterator[str]:
    yield "## Items\n"
    yield "What a task reads: one quantity, a group, or `di:` and the identifier of DL/T 645 in hex.\n"
    yield "| group | its quantities |"
    yield "| --- | --- |"
    for name, keys in groups().items():
        yield f"| `{name}` | {', '.join(f'`{key}`' for key in keys)} |"
    yield "\n| quantity | unit | OBIS |"
    yield "| --- | --- | --- |"
    for quantity in quantities().values():
        yield f"| `{quantity.key}` | {quantity.unit} | {quantity.obis} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace('"*"', '`"*"`')


if __name__ == "__main__":
    sys.stdout.write(schema_of(FILES[sys.argv[1]]) if sys.argv[1:] else settings_page())
