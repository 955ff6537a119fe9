"""The data identifiers of both versions: what each means, how its data are laid out, and which quantity it is.

The tables are `identifiers_2007.tsv`, `identifiers_1997.tsv` and `quantity_keys.tsv` beside this file (and the layouts
of records, `records.py`); their heads say
how to read them and where each row comes from. Rows with wildcards are found by masking the identifier; an exact row
wins over a pattern, a pattern with fewer wildcards over one with more. The tables are read once, each row is
parsed when it is first asked for.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from edge.protocols.dlt645.formats import Field, parse_format
from edge.protocols.dlt645.records import record_layout, shape_for
from edge.reading.quantities import is_unit_for
from edge.reading.vendor import VendorItem

_RECORD = "record:"
_IN_NAME = r"(?<![A-Za-z]){}(?![A-Za-z])"
_DIGITS = {"2007": 8, "1997": 4}
_PHASES = {1: "A", 2: "B", 3: "C"}
_Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What an identifier means. Either `fields` (in reading order) or `members` (identifiers of a block) is filled.

    `reversed_wire`: the wire has the fields the other way round. `repeat`: how often the fields may stand one after
    the other; `by_tariff`: the first is the total, the others are tariffs. `required`: how many of the fields must be
    there; those behind may be missing.
    """

    di: str
    pattern: str
    name_en: str
    name_zh: str
    kind: str
    access: str
    fields: tuple[Field, ...]
    members: tuple[str, ...]
    reversed_wire: bool
    repeat: tuple[int, int]
    by_tariff: bool
    required: int
    confidence: int
    sources: str
    note: str

    @property
    def is_block(self) -> bool:
        """Whether it reads several other identifiers at once."""
        return bool(self.members)

    def name(self, lang: str = "en") -> str:
        """Return the name in English or Chinese."""
        return self.name_zh if lang == "zh" else self.name_en


class _Row(NamedTuple):
    di: str
    layout: str
    unit: str
    signed: str
    access: str
    kind: str
    members: str
    ranges: str
    name_en: str
    name_zh: str
    confidence: str
    sources: str
    note: str


class Catalogue:
    """All identifiers of one version, and those that the settings define: they win over the table."""

    def __init__(self, version: str, extra: tuple[VendorItem, ...] = ()) -> None:
        self.version = version
        own = [item for item in extra if len(item.identifier) == _DIGITS[version]]
        self._rows = _rows_of(version) | {item.identifier: _vendor_row(item) for item in own}
        self._masks = sorted({_spans(row.di) for row in self._rows.values()}, key=_breadth)
        self._key_of: dict[str, str] = {}
        self._identifier_of: dict[str, str] = {}
        for key, di in _keys_of(version):
            self._identifier_of[key] = di.replace("nn", "01")
            self._key_of.setdefault(di, key)
        for item in own:
            for key in self._quantities_lost_to(item):
                self._key_of.pop(self._identifier_of.pop(key), None)
            self._identifier_of[item.key] = item.identifier
            self._key_of.setdefault(item.identifier, item.key)
        self._find = lru_cache(maxsize=4096)(self._look_up)

    def find(self, di: str) -> Entry | None:
        """Return what an identifier means, high byte first in upper-case hex; None if the table has no row for it."""
        return self._find(di)

    def patterns(self) -> tuple[str, ...]:
        """Return the identifiers of all rows as they stand in the table."""
        return tuple(row.di for row in self._rows.values())

    def key_of(self, di: str) -> str | None:
        """Return the quantity key of an identifier, None if it has none. Any freeze number gives the freeze's key."""
        if di in self._key_of or len(di) <= 4:  # noqa: PLR2004 -- 1997 has no freeze numbers
            return self._key_of.get(di)
        return self._key_of.get(di[:-2] + "nn") if self.find(di) and di[-2:] != "00" else None

    def identifier_of(self, key: str) -> str | None:
        """Return the identifier that brings a quantity, None if there is none.

        Two joined by + for a quantity that needs two reads.
        """
        return self._identifier_of.get(key)

    def _quantities_lost_to(self, item: VendorItem) -> list[str]:
        """Return the quantities that an identifier no longer brings: as it is defined it is no number in their unit."""
        keys = [key for key, di in self._identifier_of.items() if item.identifier in di.split("+")]
        is_number = parse_format(item.layout).kind == "number"
        return [key for key in keys if not (is_number and is_unit_for(key, item.unit))]

    def _look_up(self, di: str) -> Entry | None:
        for spans in self._masks:
            row = self._rows.get(_masked(di, spans))
            if row is None or _spans(row.di) != spans:
                continue
            wild = _wild_values(row, di)
            if wild is not None:
                return _entry(row, di, wild)
        return None


@cache
def catalogue(version: str, extra: tuple[VendorItem, ...] = ()) -> Catalogue:
    """Return the catalogue of "1997" or "2007", read once; `extra`: with the items that the settings define."""
    return Catalogue(version, extra)


def _lines(name: str) -> list[str]:
    text = (files(__package__) / name).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line and line[0] != "#"]


def _rows_of(version: str) -> dict[str, _Row]:
    """Return the rows by their pattern, each wildcard letter replaced by a dot."""
    rows: dict[str, _Row] = {}
    for line in _lines(f"identifiers_{version}.tsv"):
        row = _Row(*line.split("\t"))
        slot = _masked(row.di, _spans(row.di))
        if slot in rows:
            raise ValueError(f"{row.di} stands twice in the table of {version}")
        rows[slot] = row
    return rows


def _vendor_row(item: VendorItem) -> _Row:
    return _Row(
        di=item.identifier,
        layout=item.layout,
        unit=item.unit,
        signed="signed" if item.signed else "",
        access="r",
        kind="vendor",
        members="",
        ranges="",
        name_en=item.name or item.key,
        name_zh=item.name_zh or item.name or item.key,
        confidence="0",
        sources="settings",
        note="",
    )


def _keys_of(version: str) -> list[tuple[str, str]]:
    column = 1 if version == "2007" else 2
    parts = (line.split("\t") for line in _lines("quantity_keys.tsv"))
    return [(part[0], part[column]) for part in parts if part[column]]


@lru_cache(maxsize=1024)
def _spans(pattern: str) -> _Spans:
    """Return where the wildcards of a pattern (lower-case letters) are."""
    return tuple(match.span() for match in re.finditer(r"([a-z])\1*", pattern))


def _breadth(spans: _Spans) -> int:
    """Return how many digits of an identifier are wild."""
    return sum(end - start for start, end in spans)


def _masked(di: str, spans: _Spans) -> str:
    for start, end in spans:
        di = di[:start] + "." * (end - start) + di[end:]
    return di


def _wild_values(row: _Row, di: str) -> dict[str, str] | None:
    """Return the digits that stand for each wildcard, None if one is out of its range."""
    found = {}
    for part in filter(None, row.ranges.split(",")):
        letters, _, bounds = part.partition("=")
        low, high = bounds.split("-")
        at = row.di.index(letters)
        digits = di[at : at + len(letters)]
        if not int(low, 16) <= int(digits, 16) <= int(high, 16):
            return None
        found[letters] = digits
    return found


def _entry(row: _Row, di: str, wild: dict[str, str]) -> Entry:
    layout, repeat, by_tariff = _repeat(row.layout)
    fields, required = _fields(layout.lstrip("<"), row, wild)
    return Entry(
        di=di,
        pattern=row.di,
        name_en=_named(row.name_en, wild, " (settlement {} back)"),
        name_zh=_named(row.name_zh, wild, "（上{}结算日）"),
        kind=row.kind,
        access=row.access,
        fields=fields,
        members=_members(row.members, wild),
        reversed_wire=layout.startswith("<"),
        repeat=repeat,
        by_tariff=by_tariff,
        required=required,
        confidence=int(row.confidence),
        sources=row.sources,
        note=row.note,
    )


def _repeat(layout: str) -> tuple[str, tuple[int, int], bool]:
    layout, _, times = layout.partition("*")
    low, _, high = times.rstrip("t").partition("-")
    return layout, (int(low or 1), int(high or 1)), times.endswith("t")


def _fields(layout: str, row: _Row, wild: dict[str, str]) -> tuple[tuple[Field, ...], int]:
    """Return the fields in reading order, and how many of them must be there."""
    if layout == "block":
        return (), 0
    if layout.startswith(_RECORD):
        record = record_layout(shape_for(layout.removeprefix(_RECORD), wild))
        return record.fields, record.required
    parts = layout.split("+")
    units = row.unit.split(";") + [""] * len(parts)
    fields = []
    for part, unit in zip(parts, units, strict=False):
        fmt, _, suffix = part.partition("@")
        fields.append(Field(fmt, unit, bool(row.signed) and fmt[0] in "XN", suffix))
    return tuple(fields), len(fields)


def _members(text: str, wild: dict[str, str]) -> tuple[str, ...]:
    if not text:
        return ()
    pattern, _, bounds = text.partition(":")
    low, high = bounds.split("-")
    for letters, digits in wild.items():
        pattern = pattern.replace(letters, digits)
    stars = pattern.count("*")
    return tuple(pattern.replace("*" * stars, f"{n:0{stars}X}") for n in range(int(low, 16), int(high, 16) + 1))


def _named(name: str, wild: dict[str, str], settlement: str) -> str:
    """Return a name with the wildcards filled in, as numbers people use."""
    for letters, digits in wild.items():
        number = int(digits, 16)
        text = _PHASES.get(number, "") if letters == "pp" else str(number)
        filled = re.sub(_IN_NAME.format(letters), text, name)
        is_back = letters == "ss" and filled == name and number
        name = filled + settlement.format(number) if is_back else filled
    return name
