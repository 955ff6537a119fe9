"""The `[[item]]` tables of the settings: what only the protocols can check of them, and as the drivers take them."""

from collections.abc import Iterator, Mapping
from typing import Any

from edge.config.checks import Check, entries
from edge.config.complaint import Complaint, written
from edge.config.settings import Settings
from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.formats import Format, parse_format
from edge.reading.vendor import VendorItem

_VERSION_BY_DIGITS = {8: "2007", 4: "1997"}
Raw = Mapping[str, Any]


def vendor_items(settings: Settings) -> tuple[VendorItem, ...]:
    """Return the items that the settings define."""
    return tuple(
        VendorItem(
            key=item.key,
            identifier=item.di.upper(),
            layout=item.format,
            unit=item.unit,
            signed=item.signed,
            name=item.name or item.key,
            name_zh=item.name_zh or item.name or item.key,
        )
        for item in settings.item
    )


def has_readable_formats(raw: Raw) -> Iterator[Complaint]:
    """Complain of a format that no protocol has, or one of no bytes; and of a sign where there is no number."""
    for index, entry in entries(raw, "item"):
        text = entry.get("format")
        if not isinstance(text, str):
            continue
        form = _format(text)
        if form is None or form.size == 0:
            yield Complaint("E-CFG-071", ("item", index, "format"), {"value": written(text)})
        elif entry.get("signed") is True and form.kind != "number":
            yield Complaint("E-CFG-075", ("item", index, "signed"), {"value": written(text)})


def has_own_identifiers(raw: Raw) -> Iterator[Complaint]:
    """Complain of an identifier that the standard's table has, unless the settings say that it is meant to replace."""
    for index, entry in entries(raw, "item"):
        di = entry.get("di")
        version = _VERSION_BY_DIGITS.get(len(di)) if isinstance(di, str) else None
        if version is None or entry.get("replaces_standard") is True:
            continue
        known = catalogue(version).find(str(di).upper())
        if known is not None:
            values = {"value": written(di), "name": f"{known.name_en} / {known.name_zh}"}
            yield Complaint("E-CFG-072", ("item", index, "di"), values)


def _format(text: str) -> Format | None:
    try:
        return parse_format(text)
    except ValueError:
        return None


ITEM_CHECKS: tuple[Check, ...] = (has_readable_formats, has_own_identifiers)
