"""The layouts of event records: which fields a record has, in wire order.

The table is `records_2007.tsv` beside this file; its head says how to read it. Shapes are opened up once, when a record
is first asked for: a shape that takes in others, or stands for several phases, becomes one flat row of fields.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from edge.protocols.dlt645.formats import Field

_TAKE_IN = "+"
_WORDS = {
    "total": ("total", "总"),
    "l1": ("phase A", "A相"),
    "l2": ("phase B", "B相"),
    "l3": ("phase C", "C相"),
    "before": ("before", "开盖前"),
    "after": ("after", "开盖后"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of one record in wire order; those behind the first `required` may be missing."""

    fields: tuple[Field, ...]
    required: int


class _Row(NamedTuple):
    field: str
    fmt: str
    unit: str
    signed: str
    over: str
    name_en: str
    name_zh: str

    def filled(self, word: str) -> "_Row":
        """Return the row with the word in the place of every {}."""
        en, zh = _WORDS.get(word, (word, word))
        return self._replace(
            field=self.field.replace("{}", word),
            name_en=self.name_en.replace("{}", en),
            name_zh=self.name_zh.replace("{}", zh),
        )


@cache
def record_layout(shape: str) -> Layout:
    """Return the layout of a shape. Raises KeyError for one that the table does not have."""
    rows = tuple(_open(shape))
    fields = tuple(Field(row.fmt, row.unit, bool(row.signed), row.field, row.name_en, row.name_zh) for row, _ in rows)
    if len({field.suffix for field in fields}) < len(fields):
        raise ValueError(f"a field of {shape} stands twice")
    required = next((index + 1 for index, (_, may_miss) in enumerate(rows) if may_miss), len(rows))
    return Layout(fields, required)


def shape_for(choice: str, wild: dict[str, str]) -> str:
    """Return the shape that a catalogue row names: the first, or a later one whose wildcard is in its range."""
    first, *others = choice.split(",")
    for other in others:
        condition, _, shape = other.partition(":")
        letters, _, bounds = condition.partition("=")
        low, high = bounds.split("-")
        if int(low, 16) <= int(wild[letters], 16) <= int(high, 16):
            return shape
    return first


@cache
def _shapes() -> dict[str, tuple[_Row, ...]]:
    shapes: dict[str, tuple[_Row, ...]] = {}
    for line in (files(__package__) / "records_2007.tsv").read_text(encoding="utf-8").split("\n"):
        if line and line[0] != "#":
            shape, *cells = line.split("\t")
            shapes[shape] = (*shapes.get(shape, ()), _Row(*cells))
    return shapes


def _open(shape: str, outer: str = "") -> Iterator[tuple[_Row, bool]]:
    """Yield the flat rows of a shape, each with whether it may be missing. `outer`: the word of the row it is in."""
    for row in _shapes()[shape]:
        for word in _words(row.over.replace("{}", outer)) or (outer,):
            if row.field == _TAKE_IN:
                yield from _open(row.fmt, word)
            else:
                yield row.filled(word), row.over.endswith("?")


def _words(over: str) -> tuple[str, ...]:
    low, dash, high = over.rstrip("?").partition("-")
    if dash:
        return tuple(str(number) for number in range(int(low), int(high) + 1))
    return tuple(filter(None, over.split(",")))
