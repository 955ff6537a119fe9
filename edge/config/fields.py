"""How a table of settings is described: what each key takes, once, for the loader, the schema and the reference page.

A table is a frozen dataclass; `Field` gives a key its default and its rules, `Annotated[str, Rules(...)]` gives rules
to a type that several keys share. Nothing is checked here (`table.py`), and no foreign library is needed for it: the
daemon lives for years with what it imports.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

_RULES = "edge"


class WrongValueError(ValueError):
    """What a check of a value or a table raises: a code of the catalogue, and the values that only it knows."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a value must be, beside its type: bounds of a number, least length of a text or list, a pattern, a check.

    `is_path`: the text names a file or folder; loading makes it absolute, seen from the folder of the settings file.
    `check` raises WrongValueError, or any ValueError, for what it does not take.
    """

    description: str = ""
    ge: float | None = None
    le: float | None = None
    min_length: int = 0
    pattern: str = ""
    is_path: bool = False
    check: Callable[[Any], object] | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a value: a text, a number, a flag, one of some choices, a table, or a list of `entries`."""

    of: type
    rules: tuple[Rules, ...] = ()
    choices: tuple[object, ...] = ()
    entries: "Kind | None" = None
    may_be_none: bool = False

    @property
    def table(self) -> type | None:
        """The table that the value is, or that the entries of the list are; None if it is none."""
        inner = self.entries or self
        return inner.of if dataclasses.is_dataclass(inner.of) else None


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table: its kind, with the rules of the key among the kind's, and its default; MISSING if needed."""

    name: str
    kind: Kind
    description: str
    default: object = MISSING

    @property
    def is_path(self) -> bool:
        """True if the text names a file or folder."""
        return any(rules.is_path for rules in self.kind.rules)


def Field(  # noqa: N802 - it stands for a field, as dataclasses.field does
    default: object = MISSING,
    *,
    description: str = "",
    ge: float | None = None,
    le: float | None = None,
    min_length: int = 0,
    pattern: str = "",
    is_path: bool = False,
    check: Callable[[Any], object] | None = None,
) -> Any:
    """Return a field of a table; without a default its key is needed."""
    rules = Rules(
        description=description, ge=ge, le=le, min_length=min_length, pattern=pattern, is_path=is_path, check=check
    )
    return dataclasses.field(default=default, metadata={_RULES: rules})


def keys_of(model: type) -> Mapping[str, Key]:
    """Return the keys of a table by their names, in the order of the model."""
    return _keys_of(model)


@cache
def _keys_of(model: type) -> Mapping[str, Key]:
    hints = get_type_hints(model, include_extras=True)
    return {field.name: _key(field, hints[field.name]) for field in dataclasses.fields(model)}


def _key(field: "dataclasses.Field[Any]", hint: Any) -> Key:
    kind, rules = _kind(hint), field.metadata.get(_RULES, Rules())
    return Key(field.name, dataclasses.replace(kind, rules=(*kind.rules, rules)), rules.description, field.default)


def _kind(hint: Any) -> Kind:
    """Return the kind of an annotation. Raises TypeError for one that no TOML value can have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind = _kind(arguments[0])
        return dataclasses.replace(kind, rules=(*kind.rules, *arguments[1:]))
    if origin in (Union, UnionType) and set(arguments) - {NoneType} == {arguments[0]}:
        return dataclasses.replace(_kind(arguments[0]), may_be_none=True)
    if origin is Literal:
        return Kind(type(arguments[0]), choices=arguments)
    if origin is tuple and arguments[1:] == (...,):
        return Kind(tuple, entries=_kind(arguments[0]))
    if hint in (str, int, float, bool) or dataclasses.is_dataclass(hint):
        return Kind(hint)
    raise TypeError(hint)
