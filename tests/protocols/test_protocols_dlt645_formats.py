"""Formats: exact values both ways, absence, signs, dates, and what is no value."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.protocols.dlt645.formats import FieldError, decode_value, encode_value, parse_format


def check_both_ways(fmt: str, raw: str, value: object, *, signed: bool = False) -> None:
    """Bytes give the value with all its digits, the value gives the bytes."""
    data = bytes.fromhex(raw)
    found = decode_value(fmt, data, signed)
    assert (value, str(value)) == (found, str(found))
    assert data == encode_value(fmt, found, signed)


@pytest.mark.parametrize(
    ("fmt", "raw", "value"),
    [
        ("XXXXXX.XX", "78563412", Decimal("123456.78")),
        ("XXXXXX.XX", "00000000", Decimal("0.00")),
        ("XXXXXX.XX", "78563492", Decimal("923456.78")),  # an 8 or 9 on top is a digit where there is no sign
        ("XXX", "2002", Decimal(220)),
        ("X.XXX", "0010", Decimal("1.000")),
        ("NNNN.NNNN", "01000000", Decimal("0.0001")),
        ("ID:6", "191034120000", "000012341019"),
        ("HEX:2", "1000", "0010"),
        ("HEX:1", "FF", "FF"),
        ("ASCII:6", "000056303232", "220V"),
        ("ASCII:6", "000041302E35", "5.0A"),
        ("RAW:", "0102", "0102"),
        ("YYMMDDhhmm", "3012290224", "2402291230"),
        ("YYMMDDhhmm", "0000000000", "0000000000"),
        ("hhmmss", "000000", "000000"),
        ("WW", "06", "6"),
        ("DDhh?", "9999", "9999"),
        ("XXXX", "FFFF", None),
        ("YYMMDD", "FFFFFF", None),
        ("ASCII:4", "FFFFFFFF", None),
    ],
)
def test_value_both_ways(fmt: str, raw: str, value: object):
    """Each kind of format, at its edges."""
    check_both_ways(fmt, raw, value)


@pytest.mark.parametrize(
    ("raw", "value"),
    [("872680", "-0.2687"), ("872600", "0.2687"), ("999979", "79.9999"), ("9999F9", "-79.9999"), ("FFFFFF", None)],
)
def test_sign_bit(raw: str, value: str | None):
    """The top bit is a sign and nothing else: no two's complement, the magnitude stays."""
    check_both_ways("XX.XXXX", raw, None if value is None else Decimal(value), signed=True)


def test_minus_zero_is_zero():
    """A sign on nothing is no value of its own."""
    assert str(decode_value("XX.XXXX", bytes.fromhex("000080"), signed=True)) == "0.0000"


@given(st.integers(0, 99_999_999))
def test_every_unsigned_number_both_ways(number: int):
    """Any eight digits survive both ways."""
    value = Decimal(number).scaleb(-2)
    assert value == decode_value("XXXXXX.XX", encode_value("XXXXXX.XX", value))


@given(st.integers(-799_999, 799_999))
def test_every_signed_number_both_ways(number: int):
    """Any signed current survives both ways."""
    value = Decimal(number).scaleb(-3)
    assert value == decode_value("XXX.XXX", encode_value("XXX.XXX", value, signed=True), signed=True)


@pytest.mark.parametrize(
    ("fmt", "raw", "reason", "at"),
    [
        ("XXXXXX.XX", "00000E00", "not_bcd", 2),
        ("XXXXXX.XX", "A0000000", "not_bcd", 0),
        ("XXXXXX.XX", "FFFFFF00", "not_bcd", 0),
        ("XXX.X", "000000", "length", 0),
        ("YYMMDDhhmm", "0000011324", "impossible_date", 3),
        ("YYMMDDhhmm", "0000320124", "impossible_date", 2),
        ("YYMMDDhhmm", "0024010124", "impossible_date", 1),
        ("YYMMDDhhmm", "6000010124", "impossible_date", 0),
        ("YYMMDD", "290223", "impossible_date", 0),
        ("YYMMDD", "310424", "impossible_date", 0),
        ("YYMMDD", "000000", "impossible_date", 1),
        ("hhmmss", "600000", "impossible_date", 0),
        ("WW", "07", "impossible_date", 0),
        ("DDhh", "9999", "impossible_date", 1),
    ],
)
def test_what_is_no_value(fmt: str, raw: str, reason: str, at: int):
    """Digits above 9, wrong sizes and impossible dates are errors that name the byte."""
    with pytest.raises(FieldError) as caught:
        decode_value(fmt, bytes.fromhex(raw))
    assert (reason, at) == (caught.value.reason, caught.value.at)


@pytest.mark.parametrize(
    ("fmt", "value", "signed"),
    [
        ("XXXXXX.XX", Decimal(1_000_000), False),
        ("XXXXXX.XX", Decimal("0.001"), False),
        ("XXXXXX.XX", Decimal(-1), False),
        ("XX.XXXX", Decimal(80), True),
        ("ID:6", "12345", False),
        ("ID:6", "12345678901A", False),
        ("ASCII:4", "12345", False),
        ("HEX:2", "123", False),
    ],
)
def test_what_a_format_cannot_carry(fmt: str, value: Decimal | str, signed: bool):
    """A value that does not fit is refused, never cut."""
    with pytest.raises(ValueError, match=r"fit|digits|hex"):
        encode_value(fmt, value, signed)


@pytest.mark.parametrize("fmt", ["", "XY", "XX.", "ASCII", "BCD:2", "YYYY-MM"])
def test_unknown_format(fmt: str):
    """A pattern that nobody knows is an error of the table, found when it is read."""
    with pytest.raises(ValueError, match="unknown format"):
        parse_format(fmt)
