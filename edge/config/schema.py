"""The JSON Schema of a settings file, as editors read it: made from what `fields.py` knows of its tables."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from typing import Any

from edge.config.fields import Key, Kind, Rules, keys_of
from edge.config.table import raw_of

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", tuple: "array"}
Schema = Mapping[str, Any]


def schema_of(model: type) -> str:
    """Return the text of the JSON Schema of a file whose outermost table is the model."""
    return json.dumps({"$schema": _DIALECT, **schema_dict(model)}, indent=2, ensure_ascii=False) + "\n"


def schema_dict(model: type) -> Schema:
    """Return the JSON Schema of a table; the tables in it stand under `$defs`, by the names of their classes."""
    inside = sorted(set(_inside(model)), key=lambda one: one.__name__)
    return {"$defs": {one.__name__: _table(one) for one in inside}, **_table(model)}


def _inside(model: type) -> Iterator[type]:
    for key in keys_of(model).values():
        if key.kind.table is not None:
            yield key.kind.table
            yield from _inside(key.kind.table)


def _table(model: type) -> Schema:
    keys = keys_of(model)
    needed = [name for name, key in keys.items() if key.default is MISSING]
    return {
        "additionalProperties": False,
        "description": model.__doc__,
        "properties": {name: _property(key) for name, key in keys.items()},
        **({"required": needed} if needed else {}),
        "title": model.__name__,
        "type": "object",
    }


def _property(key: Key) -> Schema:
    own = {} if key.default is MISSING else {"default": raw_of(key.default)}
    if key.description:
        own["description"] = key.description
    if key.kind.may_be_none:
        kind: Schema = {"anyOf": [_kind(key.kind), {"type": "null"}]}
    else:
        kind = _kind(key.kind)
    path = {"format": "path"} if key.is_path else {}
    title = {} if key.kind.table is not None and key.kind.entries is None else {"title": _title(key.name)}
    return dict(sorted({**kind, **own, **path, **title}.items()))


def _title(name: str) -> str:
    return name.replace("_", " ").title()


def _kind(kind: Kind) -> Schema:
    if dataclasses.is_dataclass(kind.of):
        return {"$ref": f"#/$defs/{kind.of.__name__}"}
    found: dict[str, Any] = {"type": _TYPES[kind.of]}
    if len(kind.choices) == 1:
        found["const"] = kind.choices[0]
    elif kind.choices:
        found["enum"] = list(kind.choices)
    if kind.entries is not None:
        found["items"] = _kind(kind.entries)
    for rules in kind.rules:
        found |= _bounds(rules, kind.of)
    return dict(sorted(found.items()))


def _bounds(rules: Rules, of: type) -> Iterator[tuple[str, Any]]:
    if rules.ge is not None:
        yield "minimum", rules.ge
    if rules.le is not None:
        yield "maximum", rules.le
    if rules.min_length:
        yield ("minItems" if of is tuple else "minLength"), rules.min_length
    if rules.pattern:
        yield "pattern", rules.pattern
