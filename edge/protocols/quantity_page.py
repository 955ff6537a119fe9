"""The page of all quantities, `docs/quantities.md`: made by `python -m edge.protocols.quantity_page`.

It joins the table of quantities with what each version of DL/T 645 calls them; other protocols add a column here.
"""

import sys
from collections.abc import Iterator

from edge.protocols.dlt645.catalogue import catalogue
from edge.reading.quantities import Quantity, groups, quantities

_HEAD = """# Quantities

Made by `scripts/pages` from `edge/reading/quantities.tsv` and `edge/protocols/dlt645/quantity_keys.tsv`; do not edit.

A task of `edge.toml` and `edge read` name items by these keys, by a group, or by an identifier of the protocol itself
(`di:` and 8 hex digits for DL/T 645-2007, 4 for 1997). A reading carries the unit that stands here, whatever the unit
on the wire was; a `di:` reading carries the unit of the wire. Numbers are exact decimals. An identifier with `+` is
read in several requests. A key without an identifier has no way to be read in that version.
"""


def quantities_page() -> str:
    """Return the text of the page: the groups, then every key with unit, OBIS code and identifiers."""
    return "\n".join([_HEAD, *_groups(), *_keys()])


def _groups() -> Iterator[str]:
    yield "## Groups\n"
    yield "| group | keys |"
    yield "| --- | --- |"
    for name, keys in groups().items():
        if len(keys) > 1:
            yield f"| `{name}` | {', '.join(f'`{key}`' for key in keys)} |"
    yield ""


def _keys() -> Iterator[str]:
    yield "## Keys\n"
    yield "| key | unit | OBIS | value | 2007 | 1997 |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for quantity in quantities().values():
        yield _row(quantity)
    yield ""


def _row(quantity: Quantity) -> str:
    identifiers = (catalogue(version).identifier_of(quantity.key) for version in ("2007", "1997"))
    cells = (quantity.unit, quantity.obis, "text" if quantity.is_text else "number", *identifiers)
    return f"| `{quantity.key}` | {' | '.join((cell or '-').replace('*', chr(92) + '*') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(quantities_page())
