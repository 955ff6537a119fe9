"""Changes values of one bus in the text of `edge.toml`; everything else stays as it was written, comments too."""

import json
import re
from collections.abc import Mapping

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from edge.errors import ConfigError

_HEADER = re.compile(r"\s*\[\[\s*bus\s*\]\]")
_PORT = re.compile(r"(\s*)port\s*=")


def with_bus_values(text: str, bus: str, values: Mapping[str, int | str]) -> str:
    """Return the text with these values at the bus of that name. Raises ConfigError if it has no such table.

    A value that stood nowhere goes on a line of its own below the port.
    """
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as exc:
        raise ConfigError("E-CFG-065", bus=bus, detail=str(exc)) from exc
    tables = document.get("bus")
    at = next((n for n, one in enumerate(tables) if one.get("name") == bus), None) if isinstance(tables, AoT) else None
    if at is None or not isinstance(tables, AoT):
        raise ConfigError("E-CFG-065", bus=bus, detail="no [[bus]] of this name")
    new = {}
    for key, value in values.items():
        if key in tables[at]:
            tables[at][key] = value
        else:
            new[key] = value
    return _with_lines(tomlkit.dumps(document), at, bus, new)


def _with_lines(text: str, at: int, bus: str, new: Mapping[str, int | str]) -> str:
    """Return the text with new keys below the port of the table number `at`."""
    lines = text.splitlines(keepends=True)
    table = [number for number, line in enumerate(lines) if _HEADER.match(line)][at]
    port = next((n for n in range(table + 1, len(lines)) if _PORT.match(lines[n])), None)
    if not new:
        return text
    if port is None:
        raise ConfigError("E-CFG-065", bus=bus, detail="its port is not on a line of its own")
    indent = _PORT.match(lines[port])
    added = [f"{indent[1] if indent else ''}{key} = {json.dumps(value)}\n" for key, value in new.items()]
    if not lines[port].endswith("\n"):
        lines[port] += "\n"
    return "".join([*lines[: port + 1], *added, *lines[port + 1 :]])
