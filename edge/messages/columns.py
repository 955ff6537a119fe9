"""Columns of a group: one per item, one member per meter.

Numbers are whole ones, scaled by the item's exponent. A member is the difference to the number that the same meter had
last for this item in an earlier group of the same task and item set of the same payload; the first one is the number
itself. A column of numbers is a byte string: members zigzagged (0, -1, 1, -2 ... become 0, 1, 2, 3 ...), all of the
same width, the lowest byte of every member first, then the next byte of every member, and so on; after zlib that
takes about a fifth less than a list of integers. Where some members are absent, the column is a list of integers and
nulls. Text is a list of text and nulls. Null instead of a column: every member is absent.
"""

import re
from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from typing import Any

from edge.errors import MessageError
from edge.messages.checks import as_int, as_list, as_text, refuse
from edge.messages.tables import MAX_MANTISSA, TEXT, Kind
from edge.reading.outcome import Value

MAX_TEXT = 1024
MAX_WIDTH = 8
MAX_PLACES = 128  # of a number written as text: so far from the point its digits may reach, on either side

_EXACT = re.compile(r"-?[0-9]{1,64}(\.[0-9]{1,64})?(E[+-][0-9]{1,4})?")
_WIDE = Context(prec=64)

Last = list[int | None]  # per column, the last number of one meter


def encode_column(values: Sequence[Value | None], kind: Kind, lasts: Sequence[Last], column: int) -> object:
    """Return the column of these values; `lasts` holds the last numbers of each member's meter, and is kept."""
    if all(value is None for value in values):
        return None
    if not isinstance(kind, int):
        return [None if value is None else _text_of(value, kind) for value in values]
    members = [_difference(value, kind, last, column) for value, last in zip(values, lasts, strict=True)]
    present = [member for member in members if member is not None]
    return _planes(present) if len(present) == len(members) else members


def decode_column(value: object, kind: Kind, lasts: Sequence[Last], column: int) -> list[Value | None]:
    """Return the values of a column; `lasts` holds the last numbers of each member's meter, and is kept."""
    count = len(lasts)
    if value is None:
        return [None] * count
    if type(value) is bytes and isinstance(kind, int):
        return [*_decimals(_sums(_members(value, count), lasts, column), kind)]
    members = as_list(value, "column", count)
    if len(members) != count:
        refuse("column", f"not {count} members")
    if kind is TEXT:
        return [None if one is None else as_text(one, "value", MAX_TEXT) for one in members]
    if not isinstance(kind, int):
        return [None if one is None else _exact_number(one) for one in members]
    present = [(_whole(one), last) for one, last in zip(members, lasts, strict=True) if one is not None]
    numbers = iter(_decimals(_sums([one for one, _ in present], [last for _, last in present], column), kind))
    return [None if one is None else next(numbers) for one in members]


def _planes(numbers: Sequence[int]) -> bytes:
    zigzag = [number << 1 if number >= 0 else ~(number << 1) for number in numbers]
    width = (max(zigzag).bit_length() + 7) // 8
    return b"".join(bytes(one >> shift & 0xFF for one in zigzag) for shift in range(0, 8 * width, 8))


def _members(planes: bytes, count: int) -> list[int]:
    width, rest = divmod(len(planes), count) if count else (0, len(planes))
    if rest or width > MAX_WIDTH:
        refuse("column", f"not whole bytes for {count} members")
    zigzag = list(planes[:count]) if width else [0] * count
    for place in range(1, width):
        plane = planes[place * count : (place + 1) * count]
        zigzag = [one | byte << 8 * place for one, byte in zip(zigzag, plane, strict=True)]
    return [one >> 1 if not one & 1 else ~(one >> 1) for one in zigzag]


def _difference(value: Value | None, exponent: int, last: Last, column: int) -> int | None:
    if not isinstance(value, Decimal):
        return None
    number = int(value.scaleb(-exponent, _WIDE))
    before, last[column] = last[column], number
    return number - (before or 0)


def _sums(members: Sequence[int], lasts: Sequence[Last], column: int) -> list[int]:
    numbers = [member + (last[column] or 0) for member, last in zip(members, lasts, strict=True)]
    if numbers:
        as_int(min(numbers), "value", -MAX_MANTISSA, MAX_MANTISSA)
        as_int(max(numbers), "value", -MAX_MANTISSA, MAX_MANTISSA)
    for number, last in zip(numbers, lasts, strict=True):
        last[column] = number
    return numbers


def _decimals(numbers: Sequence[int], exponent: int) -> list[Decimal]:
    """Return whole numbers with their last digit's exponent; a product keeps it, and takes a quarter of a shift."""
    digit = Decimal((0, (1,), exponent))
    with localcontext(_WIDE):
        return [number * digit for number in numbers]


def _whole(member: Any) -> int:
    return member if type(member) is int else refuse("value", "no integer")


def _text_of(value: Value, kind: Kind) -> str:
    text = str(value)
    if kind is not TEXT and not (_EXACT.fullmatch(text) and _is_near(Decimal(text))):
        raise MessageError("E-MSG-104", detail="a number that is not finite, or has digits too many or too far away")
    return text


def _exact_number(member: object) -> Decimal:
    text = as_text(member, "value", MAX_TEXT)
    if not _EXACT.fullmatch(text):
        refuse("value", "no number")
    number = Decimal(text)
    return number if _is_near(number) else refuse("value", f"digits more than {MAX_PLACES} places from the point")


def _is_near(number: Decimal) -> bool:
    """Tell whether a finite number, written out without an exponent, stays short: ten bytes must not become 10 000."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MAX_PLACES and number.adjusted() <= MAX_PLACES
