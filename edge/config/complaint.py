"""What is wrong at a path of the settings, before it has a place in the file.

Fills in what the texts of the codes name, and finds what the person probably meant.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from difflib import get_close_matches

from edge.config.fields import Key, keys_of
from edge.config.settings import NAME_PATTERN
from edge.config.table import Fault, Path

_LONGEST_VALUE = 60
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


def complaints_of(faults: Iterable[Fault], model: type) -> Iterator[Complaint]:
    """Return the faults of a file's outermost table in words' reach: with all that their texts name."""
    for fault in faults:
        yield _complaint(fault, model)


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
    start = given.strip('"').casefold()
    begun = [choice for choice in folded if start and choice.strip('"').startswith(start)]
    if len(begun) == 1:  # a word that was shortened: E for even
        return folded[begun[0]]
    matches = get_close_matches(given.casefold()[:_LONGEST_VALUE], folded, 1, 0.6)
    return folded[matches[0]] if matches else ""


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _complaint(fault: Fault, model: type) -> Complaint:
    path, given = fault.path, fault.given
    key = _short(next((part for part in reversed(path) if isinstance(part, str)), ""))
    values: dict[str, object] = {
        "key": key,
        "value": written(given),
        "quoted": written(given if isinstance(given, str) else written(given)),
        "table": _table(model, path[:-1]),
        **fault.values,
    }
    if fault.code == "E-CFG-020":
        return _stranger(path, values, model)
    found = _key(model, path)
    code = "E-CFG-041" if values.get("pattern") == NAME_PATTERN else fault.code
    note = f"{key}: {found.description}" if found and found.description and code not in _WITHOUT_NOTE else ""
    return Complaint(code, path, values | _more(code, found, given), meant=_meant(code, found, given), note=note)


def _more(code: str, found: Key | None, given: object) -> dict[str, object]:
    """Return the values that only this code's text names, and the fault did not bring."""
    match code:
        case "E-CFG-014" | "E-CFG-056":
            return {"choices": ", ".join(map(written, _choices(found)))}
        case "E-CFG-051":
            return {"count": sum(name in given for name in _SCHEDULES) if isinstance(given, dict) else 0}
        case _:
            return {}


def _meant(code: str, found: Key | None, given: object) -> str:
    if code == "E-CFG-014":
        choices = _choices(found)
        return _same_digits(given, choices) or closest(written(given), [written(choice) for choice in choices])
    return ""


def _stranger(path: Path, values: dict[str, object], model: type) -> Complaint:
    """Return the complaint on an unknown key: a slip of the pen, a key of another table, or neither."""
    key, here = str(path[-1]), _model_at(model, path[:-1])
    names = list(keys_of(here)) if here else []
    meant = closest(key, names)
    home = next((table for table, keys in _tables(model) if key in keys), None)
    if home is not None and not meant:
        return Complaint("E-CFG-023", path, {**values, "home": home})
    return Complaint("E-CFG-020", path, {**values, "choices": ", ".join(names)}, meant=meant)


def _same_digits(given: object, choices: tuple[object, ...]) -> str:
    """Return the choice that differs only by its quotes: baud = "2400", version = 5."""
    return next((written(choice) for choice in choices if str(choice) == str(given)), "")


def _key(model: type, path: Path) -> Key | None:
    names = [part for part in path if isinstance(part, str)]
    here = _model_at(model, tuple(names[:-1]))
    return keys_of(here).get(names[-1]) if here and names else None


def _model_at(model: type, path: Path) -> type | None:
    here: type | None = model
    for part in path:
        if isinstance(part, str):
            found = keys_of(here).get(part) if here else None
            here = found.kind.table if found else None
    return here


def _tables(model: type) -> Iterator[tuple[str, Mapping[str, Key]]]:
    for name, key in keys_of(model).items():
        if key.kind.table is not None:
            yield (f"[[{name}]]" if key.kind.entries else f"[{name}]"), keys_of(key.kind.table)


def _table(model: type, path: Path) -> str:
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return "[]"
    found = _key(model, tuple(names))
    is_list = found is not None and found.kind.entries is not None
    return f"[[{'.'.join(names)}]]" if is_list else f"[{'.'.join(names)}]"


def _choices(key: Key | None) -> tuple[object, ...]:
    return key.kind.choices if key else ()
