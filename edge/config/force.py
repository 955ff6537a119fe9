"""What differs between two settings, and what of that a running daemon can take. Pure.

Rules:
1. What only says what is asked, when, and how patiently, comes into force at a reload; so does the way to the broker.
2. What the daemon is built on waits for a restart: who the gateway is, its state directory, its keys, the ports and the
   number of its buses, the bound of its store, where metrics are served.
3. What waits for a restart keeps its old value whole: never half of a change.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.config.settings import Bus, Settings
from edge.config.table import raw_of

_WHOLE_TABLES = ("gateway", "identity", "centre", "metrics")
_ONE_KEYS = ("schema", "store.max_mib")
_NAMES = ("name", "key")


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs: its path, as in `task[load].every`; None where it is not there."""

    path: str
    before: Any
    after: Any

    @property
    def waits_for_restart(self) -> bool:
        """True if a running daemon cannot take it."""
        table, _, key = self.path.partition(".")
        if table.startswith("bus["):
            return key in ("", "port", "name")
        return table in _WHOLE_TABLES or self.path in _ONE_KEYS

    def as_json(self) -> dict[str, object]:
        """Return the fields of `--json`."""
        return {"path": self.path, "before": self.before, "after": self.after, "restart": self.waits_for_restart}

    def __str__(self) -> str:
        """Return the change as a line."""
        return f"{self.path}: {_text(self.before)} -> {_text(self.after)}"


def changes_between(before: object, after: object) -> tuple[Change, ...]:
    """Return what differs between two settings of one kind, in the order of the tables."""
    return tuple(_changes(raw_of(before), raw_of(after), ""))


def in_force_after(old: Settings, new: Settings) -> Settings:
    """Return the settings that are in force once a running daemon has taken what it can of the new ones."""
    return replace(
        new,
        schema=old.schema,
        gateway=old.gateway,
        identity=old.identity,
        centre=old.centre,
        metrics=old.metrics,
        bus=tuple(_bus(bus, new) for bus in old.bus),
        store=replace(new.store, max_mib=old.store.max_mib),
    )


def _bus(old: Bus, new: Settings) -> Bus:
    found = next((bus for bus in new.bus if bus.name == old.name), old)
    return replace(found, port=old.port)


def _changes(before: Any, after: Any, path: str) -> Iterator[Change]:
    if before == after and type(before) is type(after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from _changes(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif _is_named(before) and _is_named(after) and (before or after):
        old, new = _by_name(before), _by_name(after)
        for name in dict.fromkeys((*old, *new)):
            yield from _changes(old.get(name), new.get(name), f"{path}[{name}]")
    else:
        yield Change(path, before, after)


def _is_named(value: Any) -> bool:
    """Return True for a list of tables that have a name of their own each."""
    return isinstance(value, list) and all(isinstance(one, dict) and _name(one) for one in value)


def _by_name(tables: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {_name(one): one for one in tables}


def _name(table: Mapping[str, Any]) -> str:
    return next((str(table[key]) for key in _NAMES if key in table), "")


def _text(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
