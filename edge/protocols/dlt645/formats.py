"""Formats of data items: bytes <-> exact values.

Patterns: X and N are packed decimal digits, two a byte, lowest byte first; the dot is only on paper. YY MM DD WW hh
mm ss are the parts of a date; NN among them is a number of a table. `ID:n` is a number of 2n digits kept as text,
`HEX:n` binary shown high byte first, `ASCII:n` text sent last character first and filled with NUL, `RAW:n` bytes as
on the wire (`RAW:` of any length). A `?` behind a date: all nines mean "not set".

FFH in every byte is "no data" (None). A nibble above 9 in a decimal is an error. In signed items the top bit of the
highest byte is the sign and the rest the magnitude; in all others that bit is part of a digit.
Source: DL/T 645-2007, data coding; the meaning of FFH from published captures.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from edge.reading.outcome import Value

_NUMBER = re.compile(r"([XN]+)(?:\.([XN]+))?")
_SIZED = re.compile(r"(ID|HEX|ASCII|RAW):(\d*)")
_DATE = re.compile(r"(?:YY|MM|DD|WW|hh|mm|ss|NN)+\??")
_SIGN = 0x80

Kind = Literal["number", "id", "hex", "ascii", "raw", "date"]


class FieldError(ValueError):
    """A content that cannot be right: `reason` is a short code, `at` the offset within the data, `zh` the text too."""

    def __init__(self, reason: str, text: str, at: int = 0, *, zh: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.at = at
        self.zh = zh

    def at_byte(self, at: int) -> "FieldError":
        """Return the same fault at another offset."""
        return FieldError(self.reason, self.text, at, zh=self.zh)


@dataclass(frozen=True, slots=True)
class Field:
    """One value within an item: `suffix` is empty for the item's own value, else it follows the key after a dot.

    The names are those of a record's field; elsewhere the suffix alone tells the fields of an item apart.
    """

    fmt: str
    unit: str
    signed: bool
    suffix: str = ""
    name_en: str = ""
    name_zh: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """A parsed pattern: `size` in bytes, None for any; `decimals` for numbers; `parts` for dates, high to low."""

    kind: Kind
    size: int | None
    decimals: int = 0
    parts: tuple[str, ...] = ()
    may_be_nines: bool = False


@lru_cache(maxsize=256)
def parse_format(fmt: str) -> Format:
    """Return the parsed pattern. Raises ValueError for one that this module does not know."""
    if match := _NUMBER.fullmatch(fmt):
        whole, fraction = match[1], match[2] or ""
        return Format("number", (len(whole) + len(fraction) + 1) // 2, len(fraction))
    if match := _SIZED.fullmatch(fmt):
        kinds: dict[str, Kind] = {"ID": "id", "HEX": "hex", "ASCII": "ascii", "RAW": "raw"}
        return Format(kinds[match[1]], int(match[2]) if match[2] else None)
    if _DATE.fullmatch(fmt):
        letters = fmt.rstrip("?")
        parts = tuple(letters[i : i + 2] for i in range(0, len(letters), 2))
        return Format("date", len(parts), parts=parts, may_be_nines=fmt.endswith("?"))
    raise ValueError(f"unknown format {fmt!r}")


def decode_value(fmt: str, raw: bytes, signed: bool = False) -> Value | None:
    """Return the value of one field, or None if the meter marks it as absent.

    Bytes: as on the wire after the 33H offset was removed. Raises FieldError.
    """
    form = parse_format(fmt)
    if form.size is not None and len(raw) != form.size:
        zh = f"{fmt} 应为 {form.size} 字节，实为 {len(raw)} 字节"
        raise FieldError("length", f"{len(raw)} bytes where {fmt} has {form.size}", zh=zh)
    if form.kind == "raw":
        return raw.hex().upper()
    if raw.count(0xFF) == len(raw) and not (form.kind == "hex" and len(raw) == 1):
        return None  # one byte of bits may well be FFH
    match form.kind:
        case "number":
            return _decode_number(raw, form.decimals, signed)
        case "id":
            return _digits(raw)
        case "hex":
            return raw[::-1].hex().upper()
        case "ascii":
            return raw[::-1].strip(b"\0").decode("ascii", errors="backslashreplace")
        case "date":
            return _decode_date(raw, form)


def encode_value(fmt: str, value: Value | None, signed: bool = False) -> bytes:
    """Return the bytes of one field, lowest first, without the 33H offset; None gives FFH throughout.

    Raises ValueError for a value that the format cannot carry: too many digits or decimals, a sign it has not.
    """
    form = parse_format(fmt)
    if value is None:
        return b"\xff" * (form.size or 0)
    if form.kind == "number":
        return _encode_number(fmt, form, Decimal(value), signed)
    text = str(value)
    if form.kind in {"id", "date"}:
        text = text.zfill(2) if form.parts == ("WW",) else text
        if not text.isdecimal() or not text.isascii():
            raise ValueError(f"{value!r} is not digits")
    if form.kind == "ascii":
        raw = text.encode("ascii")[::-1].rjust(form.size or 0, b"\0")
    else:
        raw = bytes.fromhex(text) if form.kind == "raw" else bytes.fromhex(text)[::-1]
    if form.size is not None and len(raw) != form.size:
        raise ValueError(f"{value!r} does not fit {fmt}")
    return raw


def _digits(raw: bytes) -> str:
    text = raw[::-1].hex()
    if not text.isdecimal():
        at = next(i for i, byte in enumerate(raw) if byte >> 4 > 9 or byte & 15 > 9)  # noqa: PLR2004 -- highest digit
        raise FieldError("not_bcd", f"not BCD {text}", at, zh=f"不是 BCD 码：{text}")
    return text


def _decode_number(raw: bytes, decimals: int, signed: bool) -> Decimal:
    is_negative = signed and raw[-1] & _SIGN
    if is_negative:
        raw = raw[:-1] + bytes((raw[-1] & ~_SIGN,))
    number = int(_digits(raw))
    return Decimal(-number if is_negative else number).scaleb(-decimals)


def _encode_number(fmt: str, form: Format, value: Decimal, signed: bool) -> bytes:
    scaled = value.scaleb(form.decimals)
    number = int(scaled)
    size = form.size or 0
    digits = f"{abs(number):0{2 * size}d}"
    if number != scaled or len(digits) > 2 * size or (number < 0 and not signed):
        raise ValueError(f"{value} does not fit {fmt}")
    raw = bytearray.fromhex(digits)[::-1]
    if signed and raw[-1] & _SIGN:
        raise ValueError(f"{value} does not fit {fmt} with a sign bit")
    if number < 0:
        raw[-1] |= _SIGN
    return bytes(raw)


def _decode_date(raw: bytes, form: Format) -> str:
    text = _digits(raw)
    if form.may_be_nines and set(text) == {"9"}:
        return text
    # All zero means "never happened" in a time stamp; a date on its own (the clock's) has to be one.
    if not int(text) and form.parts not in (("YY", "MM", "DD"), ("WW",)):
        return text
    check_date(form.parts, text)
    return text[1:] if form.parts == ("WW",) else text


_RANGES = {"MM": (1, 12), "DD": (1, 31), "WW": (0, 6), "hh": (0, 23), "mm": (0, 59), "ss": (0, 59)}
_LEAP_YEAR = 2000


def check_date(parts: tuple[str, ...], text: str) -> None:
    """Raise FieldError unless the digits can be a date: each part in its range, the day in its month.

    `parts` and `text` run from high to low; the offset in the error counts from the low end, as the wire does.
    """
    named = {part: int(text[2 * i : 2 * i + 2]) for i, part in enumerate(parts)}
    last_byte = len(parts) - 1
    for i, (part, number) in enumerate(named.items()):
        low, high = _RANGES.get(part, (0, 99))
        if not low <= number <= high:
            zh = f"{text} 中 {part} 为 {number:02d}"
            raise FieldError("impossible_date", f"{part} is {number:02d} in {text}", last_byte - i, zh=zh)
    if {"MM", "DD"} <= named.keys():
        month, day = named["MM"], named["DD"]
        if day > monthrange(_LEAP_YEAR + named.get("YY", 0), month)[1]:
            at = last_byte - parts.index("DD")
            zh = f"{month:02d} 月没有 {day:02d} 日"
            raise FieldError("impossible_date", f"month {month:02d} has no day {day:02d}", at, zh=zh)
