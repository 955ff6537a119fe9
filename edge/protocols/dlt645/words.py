"""Status, mode and characteristic words: the set bits by name.

The table is `words_2007.tsv` beside this file; its head says how to read it. A set bit that no row names is "bit n", so
that nothing set is passed over in silence. What rests on recall alone says so.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

WORD_FORMATS = {"HEX:1", "HEX:2"}


@dataclass(frozen=True, slots=True)
class BitName:
    """What the bits under `mask` say when they hold `value` (both in place, not shifted down)."""

    mask: int
    value: int
    name_en: str
    name_zh: str
    confidence: int

    def name(self, lang: str) -> str:
        """Return the name in English or Chinese."""
        if self.confidence:
            return self.name_zh if lang == "zh" else self.name_en
        return f"{self.name_zh}（未证实）" if lang == "zh" else f"{self.name_en} (unverified)"


def set_bits(di: str, text: str | None, lang: str = "en") -> tuple[str, ...]:
    """Return the names of the bits that are set in a word of 2007, lowest first.

    `text`: the value as `decode_data` gives it, hex with the high byte first; None (absent) has no bits.
    Empty for an identifier that is no word too.
    """
    names = _names_of(di)
    if text is None or not names:
        return ()
    word = int(text, 16)
    found = {row.value & -row.value: row.name(lang) for row in names if word & row.mask == row.value}
    named = sum(row.value for row in names if word & row.mask == row.value)
    rest = word & ~named
    for bit in range(rest.bit_length()):
        if rest >> bit & 1:
            found[1 << bit] = f"第{bit}位" if lang == "zh" else f"bit {bit}"
    return tuple(found[bit] for bit in sorted(found))


@cache
def _names_of(di: str) -> tuple[BitName, ...]:
    return tuple(name for prefixes, name in _table() if di.startswith(prefixes))


@cache
def _table() -> tuple[tuple[tuple[str, ...], BitName], ...]:
    rows = []
    for line in (files(__package__) / "words_2007.tsv").read_text(encoding="utf-8").split("\n"):
        if line and line[0] != "#":
            identifiers, bits, en, zh, confidence, _ = line.split("\t")
            rows.append((tuple(identifiers.split(",")), BitName(*_mask_and_value(bits), en, zh, int(confidence))))
    return tuple(rows)


def _mask_and_value(bits: str) -> tuple[int, int]:
    place, _, value = bits.partition("=")
    high, _, low = place.partition("-")
    low = low or high
    mask = (1 << int(high) + 1) - (1 << int(low))
    return mask, int(value) << int(low) if value else mask
