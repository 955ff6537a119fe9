"""What the data behind an identifier say, as facts with their place: for `edge explain`, which shows every byte."""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.formats import FieldError, decode_value
from edge.protocols.dlt645.items import Placed, place_items
from edge.protocols.dlt645.load_records import has_load_records, place_load_records
from edge.protocols.dlt645.words import WORD_FORMATS, set_bits
from edge.reading.outcome import Value


@dataclass(frozen=True, slots=True)
class Fact:
    """One value in the data, at bytes [start, stop). `is_item`: it is handed on, not only shown.

    `bits`: the names of the bits that are set in a status, mode or characteristic word.
    """

    name: str
    value: str | None
    unit: str
    start: int
    stop: int
    di: str | None = None
    quantity: str | None = None
    is_item: bool = True
    bits: tuple[str, ...] = ()


def value_facts(version: str, di: str, data: bytes, at: int, lang: str) -> Iterator[Fact]:
    """Yield the facts of a read answer; `at`: where the data begin among the bytes that are explained.

    A word is followed by its set bits in words, load records by their fields: both are shown, not handed on.
    A load answer that does not begin as the standard's is a vendor's own: its bytes are shown alone.
    Raises FieldError, with its place among the bytes that are explained.
    """
    try:
        for placed in place_items(version, di, len(data), lang):
            fact = _fact(placed, data, at, lang)
            yield fact
            if fact.bits:
                name = "置位" if lang == "zh" else "bits set"
                yield Fact(name, ", ".join(fact.bits), "", fact.start, fact.stop, is_item=False)
    except FieldError as fault:
        raise fault.at_byte(0 if fault.reason == "length" else at + placed.start + fault.at) from fault
    entry = catalogue(version).find(di)
    if entry is not None and entry.kind == "load" and has_load_records(data):
        yield from _load_facts(data, at, lang)


def _fact(placed: Placed, data: bytes, at: int, lang: str) -> Fact:
    item, field = placed.item, placed.field
    value = decode_value(field.fmt, data[placed.start : placed.stop], field.signed)
    text = _text(value)
    return Fact(
        item.name,
        text,
        item.unit,
        at + placed.start,
        at + placed.stop,
        item.identifier,
        None if item.key.startswith("di:") or "." in item.key else item.key,
        bits=set_bits(item.identifier, text, lang) if field.fmt in WORD_FORMATS else (),
    )


def _load_facts(data: bytes, at: int, lang: str) -> Iterator[Fact]:
    try:
        for placed in place_load_records(data, lang):
            yield Fact(
                placed.name, _text(placed.value), placed.unit, at + placed.start, at + placed.stop, is_item=False
            )
    except FieldError as fault:
        raise fault.at_byte(at + fault.at) from fault


def _text(value: Value | None) -> str | None:
    return value if value is None or isinstance(value, str) else format(value, "f")
