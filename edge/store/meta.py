"""Small facts of the store by name. A fact whose CRC does not hold is as good as none."""

from typing import Any

import cbor2

from edge.store.packing import crc_of
from edge.store.rows import Rows
from edge.store.strict import load_strict


def load_fact(rows: Rows, name: str) -> Any:
    """Return the fact, or None if there is none that can be trusted."""
    found = rows.rows("SELECT CAST(value AS BLOB), CAST(crc AS INTEGER) FROM meta WHERE name = ?", name)
    if not found or crc_of(name, found[0][0]) != found[0][1]:
        return None
    try:
        return load_strict(found[0][0])
    except ValueError:
        return None


def mark_fact(rows: Rows, name: str, value: Any) -> None:
    """Put a fact in place of what stood there."""
    packed = cbor2.dumps(value)
    rows.change(
        "INSERT INTO meta (name, crc, value) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET crc = excluded.crc, value = excluded.value",
        name,
        crc_of(name, packed),
        packed,
    )
