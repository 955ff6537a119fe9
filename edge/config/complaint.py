"""What is wrong at a path of the settings, before it has a place in the file.

Turns what pydantic reports into codes of the catalogue, and finds what the person probably meant.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from difflib import get_close_matches
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edge.config.locate import Path
from edge.config.settings import NAME_PATTERN

_LONGEST_VALUE = 60
_ENTRIES = ("too_short", "string_too_short")
_SIMPLE = {
    "int_type": "E-CFG-032",
    "int_from_float": "E-CFG-032",
    "float_type": "E-CFG-033",
    "bool_type": "E-CFG-037",
    "string_too_short": "E-CFG-042",
    "too_short": "E-CFG-042",
    "string_pattern_mismatch": "E-CFG-049",
    "greater_than_equal": "E-CFG-015",
    "greater_than": "E-CFG-015",
    "less_than_equal": "E-CFG-016",
    "less_than": "E-CFG-016",
    "model_type": "E-CFG-035",
    "dict_type": "E-CFG-035",
    "missing": "E-CFG-021",
    "extra_forbidden": "E-CFG-020",
}
_LIMITS = ("limit", "ge", "gt", "le", "lt")
_SCHEDULES = ("every", "at", "monthly")
_WITHOUT_NOTE = ("E-CFG-022", "E-CFG-035", "E-CFG-036", "E-CFG-048", "E-CFG-050", "E-CFG-051", "E-CFG-056")
_KEY_IS_WRONG = (
    "E-CFG-020",
    "E-CFG-021",
    "E-CFG-022",
    "E-CFG-023",
    "E-CFG-035",
    "E-CFG-036",
    "E-CFG-050",
    "E-CFG-051",
    "E-CFG-059",
)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A code with its values, and the path that it is about; `other` is a second path whose line the text names."""

    code: str
    path: Path
    values: Mapping[str, object] = field(default_factory=dict)
    other: Path | None = None
    meant: str = ""
    note: str = ""

    @property
    def is_about_key(self) -> bool:
        """True if the carets belong under the key and not under the value."""
        return self.code in _KEY_IS_WRONG


def complaints_of(errors: list[ErrorDetails], model: type[BaseModel]) -> Iterator[Complaint]:
    """Return what pydantic reports, in our words; a fault that only follows from another is left out."""
    for error in errors:
        if error["type"] in _ENTRIES and error["input"]:
            continue  # its entries are wrong, and reported; it is not empty
        yield _complaint(error, model)


def written(value: object) -> str:
    """Return a value as it stands in TOML, shortened; a list or table only as a sign."""
    if isinstance(value, dict):
        return "{...}"
    if isinstance(value, list | tuple):
        return "[...]"
    if isinstance(value, bool):
        return str(value).lower()
    text = value.isoformat() if isinstance(value, date | time) else str(value)
    return json.dumps(_short(text), ensure_ascii=False) if isinstance(value, str) else _short(text)


def dotted(path: Path) -> str:
    """Return a path as text: `bus[1].parity`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{_short(part)}" if text else _short(part)
    return text


def closest(given: str, choices: list[str]) -> str:
    """Return the choice that is nearest to what was given, in whatever case it was written; or nothing."""
    folded = {choice.casefold(): choice for choice in reversed(choices)}
    matches = get_close_matches(given.casefold()[:_LONGEST_VALUE], folded, 1, 0.6)
    return folded[matches[0]] if matches else ""


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _complaint(error: ErrorDetails, model: type[BaseModel]) -> Complaint:
    path: Path = tuple(error["loc"])
    key = _short(next((part for part in reversed(path) if isinstance(part, str)), ""))
    given, found = error["input"], _field(model, path)
    values: dict[str, object] = {
        "key": key,
        "value": written(given),
        "quoted": written(given if isinstance(given, str) else written(given)),
        "table": _table(model, path[:-1]),
        "detail": error["msg"],
    }
    code = _code(error, found, path, given)
    if code == "E-CFG-020":
        return _stranger(path, values, model)
    note = ""
    if found and found.description and code not in _WITHOUT_NOTE:
        note = f"{key}: {found.description}"
    values |= _more(code, error.get("ctx") or {}, found, given)
    return Complaint(code, path, values, meant=_meant(code, found, given), note=note)


def _more(code: str, context: Mapping[str, Any], found: FieldInfo | None, given: object) -> dict[str, object]:
    """Return the values that only this code's text names."""
    match code:
        case "E-CFG-014" | "E-CFG-056":
            return {"choices": ", ".join(map(written, _choices(found)))}
        case "E-CFG-015" | "E-CFG-016":
            return {"limit": next((context[name] for name in _LIMITS if name in context), "")}
        case "E-CFG-049":
            return {"pattern": context.get("pattern", "")}
        case "E-CFG-051":
            return {"count": sum(name in given for name in _SCHEDULES) if isinstance(given, dict) else 0}
        case _:
            return {}


def _meant(code: str, found: FieldInfo | None, given: object) -> str:
    if code == "E-CFG-014":
        choices = _choices(found)
        return _same_digits(given, choices) or closest(written(given), [written(choice) for choice in choices])
    return ""


def _code(error: ErrorDetails, found: FieldInfo | None, path: Path, given: object) -> str:
    kind = error["type"]
    if kind.startswith("E-"):
        return kind
    if kind == "string_type":
        return "E-CFG-038" if isinstance(given, dict | list) else "E-CFG-031"
    if kind in ("tuple_type", "list_type"):
        return "E-CFG-036" if found and _tables_in(found) else "E-CFG-034"
    if kind == "literal_error":
        return "E-CFG-056" if path == ("schema",) else "E-CFG-014"
    if kind == "missing" and found and _tables_in(found):
        return "E-CFG-022"
    if kind == "string_pattern_mismatch" and (error.get("ctx") or {}).get("pattern") == NAME_PATTERN:
        return "E-CFG-041"
    return _SIMPLE.get(kind, "E-CFG-040")


def _stranger(path: Path, values: dict[str, object], model: type[BaseModel]) -> Complaint:
    """Return the complaint on an unknown key: a slip of the pen, a key of another table, or neither."""
    key, here = str(path[-1]), _model_at(model, path[:-1])
    names = list(_fields(here)) if here else []
    meant = closest(key, names)
    home = next((table for table, keys in _tables(model) if key in keys), None)
    if home is not None and not meant:
        return Complaint("E-CFG-023", path, {**values, "home": home})
    return Complaint("E-CFG-020", path, {**values, "choices": ", ".join(names)}, meant=meant)


def _same_digits(given: object, choices: tuple[object, ...]) -> str:
    """Return the choice that differs only by its quotes: baud = "2400", version = 5."""
    return next((written(choice) for choice in choices if str(choice) == str(given)), "")


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _field(model: type[BaseModel], path: Path) -> FieldInfo | None:
    names = [part for part in path if isinstance(part, str)]
    here = _model_at(model, tuple(names[:-1]))
    return _fields(here).get(names[-1]) if here and names else None


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    here: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, str):
            found = _fields(here).get(part) if here else None
            inside = _tables_in(found) if found else ()
            here = inside[0] if inside else None
    return here


def _tables(model: type[BaseModel]) -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    for name, info in _fields(model).items():
        for inside in _tables_in(info):
            yield (f"[[{name}]]" if _is_list(info.annotation) else f"[{name}]"), _fields(inside)


def _table(model: type[BaseModel], path: Path) -> str:
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return "[]"
    found = _field(model, tuple(names))
    is_list = found is not None and _is_list(found.annotation)
    return f"[[{'.'.join(names)}]]" if is_list else f"[{'.'.join(names)}]"


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list)


def _tables_in(info: FieldInfo) -> tuple[type[BaseModel], ...]:
    return tuple(_models_in(info.annotation))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    if get_origin(annotation) in (tuple, list, Union, UnionType):
        for argument in get_args(annotation):
            yield from _models_in(argument)


def _choices(info: FieldInfo | None) -> tuple[object, ...]:
    if info is None:
        return ()
    arguments = get_args(info.annotation)
    if get_origin(info.annotation) is Literal:
        return arguments
    return tuple(choice for inner in arguments if get_origin(inner) is Literal for choice in get_args(inner))
