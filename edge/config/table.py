"""Tables of settings: checked whenever one is made, from a file or in code. Unknown keys are refused. Pure.

Rules:
1. All faults at once: a table is made only if it, and every table in it, has none.
2. Types are exact: no text counts as a number, no flag as 1. A whole number is a float's value, a list a tuple's.
3. A value has one fault: its type, else its bounds, length and pattern, else what its checks say, in that order.
4. A table's own check (`check(self)`, where it has one) is asked only when all its values are right.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, TypeVar, dataclass_transform

from edge.config.fields import Field, Key, Kind, Rules, WrongValueError, keys_of

Path = tuple[str | int, ...]
Made = TypeVar("Made")

# What a value of the wrong type is called.
_WRONG_TYPE = {str: "E-CFG-031", int: "E-CFG-032", float: "E-CFG-033", bool: "E-CFG-037"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at a path, seen from the table that was checked; `given` is what stands there."""

    code: str
    path: Path
    given: object = None
    values: Mapping[str, object] = field(default_factory=dict)


class WrongTableError(ValueError):
    """The values do not make a table; `faults` are all of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(", ".join(f"{'.'.join(map(str, fault.path))}: {fault.code}" for fault in faults))
        self.faults = faults


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def table(model: type[Made]) -> type[Made]:
    """Return the class as a table: a frozen, keyword-only dataclass that takes no wrong value."""
    model.__post_init__ = _check_made  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True, kw_only=True)(model)


def build_table(model: type[Made], raw: Mapping[str, Any]) -> Made:
    """Return the table that raw TOML values make. Raises WrongTableError with every fault of it."""
    faults: list[Fault] = []
    made = _build(model, raw, (), faults)
    if faults:
        raise WrongTableError(tuple(faults))
    return made


def raw_of(made: Any) -> Any:
    """Return a table as raw TOML values: what `build_table` takes. A key that is None is left out."""
    if dataclasses.is_dataclass(made):
        found = {name: getattr(made, name) for name in keys_of(type(made))}
        return {name: raw_of(value) for name, value in found.items() if value is not None}
    return list(map(raw_of, made)) if isinstance(made, tuple) else made


def _check_made(made: object) -> None:
    """Raise WrongTableError if a value of a table that was just made, or the whole of it, is wrong."""
    faults = tuple(
        fault for name, key in keys_of(type(made)).items() for fault in _faults(key.kind, getattr(made, name), (name,))
    )
    if faults:
        raise WrongTableError(faults)
    try:
        check = getattr(made, "check", None)
        if check is not None:
            check()
    except WrongValueError as exc:
        raise WrongTableError((Fault(exc.code, (), None, exc.values),)) from None


def _build(model: type[Made], raw: Mapping[str, Any], path: Path, faults: list[Fault]) -> Made:
    """Return the table, or anything if faults were added."""
    keys, before = keys_of(model), len(faults)
    faults += (Fault("E-CFG-020", (*path, name), value) for name, value in raw.items() if name not in keys)
    values = {}
    for name, key in keys.items():
        if name in raw:
            values[name] = _value(key.kind, raw[name], (*path, name), faults)
        elif key.default is MISSING:
            faults.append(_missing(key, (*path, name), raw))
    if len(faults) > before:
        return None  # type: ignore[return-value]
    try:
        return model(**values)
    except WrongTableError as exc:
        faults += (
            Fault(one.code, (*path, *one.path), one.given if one.path else raw, one.values) for one in exc.faults
        )
        return None  # type: ignore[return-value]


def _missing(key: Key, path: Path, raw: object) -> Fault:
    return Fault("E-CFG-021" if key.kind.table is None else "E-CFG-022", path, raw)


def _value(kind: Kind, raw: Any, path: Path, faults: list[Fault]) -> Any:
    """Return a value as its table takes it; what it is not is added to the faults."""
    if isinstance(raw, dict) and dataclasses.is_dataclass(kind.of):
        return _build(kind.of, raw, path, faults)
    if kind.entries is None or not isinstance(raw, list | tuple):
        faults += _faults(kind, raw, path)
        return float(raw) if kind.of is float and type(raw) is int else raw
    before = len(faults)
    made = tuple(_value(kind.entries, entry, (*path, place), faults) for place, entry in enumerate(raw))
    if len(faults) == before:
        faults += _faults(kind, made, path)
    return made


def _faults(kind: Kind, value: Any, path: Path) -> Iterator[Fault]:
    """Return what is wrong with a value that is no raw table: one fault, or one for each of its entries."""
    if value is None and kind.may_be_none:
        return
    if not _is_of(kind, value):
        yield _unquoted(kind, value, path) or Fault(_wrong_type(kind, value, path), path, value)
        return
    if kind.entries is not None:
        for place, entry in enumerate(value):
            yield from _faults(kind.entries, entry, (*path, place))
    for rules in kind.rules:
        if (fault := _breach(rules, value, path)) is not None:
            yield fault
            return


def _is_of(kind: Kind, value: Any) -> bool:
    if kind.choices:
        return any(type(value) is type(choice) and value == choice for choice in kind.choices)
    return type(value) is kind.of or (kind.of is float and type(value) is int)


def _unquoted(kind: Kind, value: object, path: Path) -> Fault | None:
    """Return what is wrong with a number as text, where text is wanted: quotes alone would not mend it."""
    if kind.of is not str or kind.choices or type(value) not in (int, float):
        return None
    faults = (fault for rules in kind.rules if rules.check is not None and (fault := _breach(rules, str(value), path)))
    return next(faults, None)


def _wrong_type(kind: Kind, value: object, path: Path) -> str:
    if kind.choices:
        return "E-CFG-056" if path == ("schema",) else "E-CFG-014"
    if kind.table is not None:
        is_inline = len(path) > 1 and isinstance(path[-1], str)
        return "E-CFG-036" if kind.entries is not None else "E-CFG-092" if is_inline else "E-CFG-035"
    if kind.entries is not None:
        return "E-CFG-034"
    return "E-CFG-038" if kind.of is str and isinstance(value, dict | list) else _WRONG_TYPE[kind.of]


def _breach(rules: Rules, value: Any, path: Path) -> Fault | None:
    """Return the first of the rules that the value breaks. Not a number is over every bound."""
    if rules.le is not None and not value <= rules.le:
        return Fault("E-CFG-016", path, value, {"limit": rules.le})
    if rules.ge is not None and not value >= rules.ge:
        return Fault("E-CFG-015", path, value, {"limit": rules.ge})
    if rules.min_length and len(value) < rules.min_length:
        return Fault("E-CFG-042", path, value)
    if rules.pattern and not re.fullmatch(rules.pattern, value):
        return Fault("E-CFG-049", path, value, {"pattern": rules.pattern})
    if rules.check is None:
        return None
    try:
        rules.check(value)
    except WrongValueError as exc:
        return Fault(exc.code, path, value, exc.values)
    except ValueError as exc:
        return Fault("E-CFG-040", path, value, {"detail": str(exc)})
    return None
