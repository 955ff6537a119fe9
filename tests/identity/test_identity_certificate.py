"""The dates of a certificate, read from its bytes, and whether a key belongs to it."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import IdentityError
from edge.identity.certificate import decode_validity, read_validity, trouble_of_pair, trouble_with
from tests.forward.broker_tools import DAY, NOW, issue


@pytest.mark.parametrize("until_day", [1, 365, 365 * 40], ids=["two digits", "a year", "four digits from 2050"])
def test_the_dates_are_those_of_a_library(tmp_path, until_day):
    """Both forms of time: of two digits until 2049, of four after that."""
    issued = issue(tmp_path, "gw", until_day=until_day)
    found = read_validity(issued.certificate)
    assert (issued.body.not_valid_before_utc, issued.body.not_valid_after_utc) == (found.begin, found.end)


@pytest.mark.parametrize(
    ("from_day", "until_day", "code"),
    [(-1, 400, None), (-1, 31, None), (-1, 29, "E-HLT-161"), (-20, -1, "E-HLT-162"), (2, 400, "E-HLT-163")],
)
def test_a_certificate_is_judged_by_the_time(tmp_path, from_day, until_day, code):
    """A month before its end it is named; over, or not begun, in any case."""
    issued = issue(tmp_path, "gw", from_day=from_day, until_day=until_day)
    trouble = trouble_with(issued.certificate, NOW + DAY / 2)
    assert code == (trouble and trouble.code)
    if code == "E-HLT-161":
        assert 28 == trouble.values["days"]


def test_the_first_of_several_certificates_counts(tmp_path):
    """The file may hold the chain: ours comes first."""
    ours, ca = issue(tmp_path, "gw", until_day=100), issue(tmp_path, "ca", until_day=5)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(b"some words\n" + ours.certificate.read_bytes() + ca.certificate.read_bytes())
    assert ours.body.not_valid_after_utc == read_validity(chain).end


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(tmp_path, content):
    """Not there, empty, or cut: one code."""
    path = tmp_path / "gw.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IdentityError, match="E-HLT-165"):
        read_validity(path)
    assert "E-HLT-165" == trouble_with(path, NOW).code


def test_a_certificate_cut_anywhere_is_refused_or_right(tmp_path):
    """Never another date, and never any other error."""
    issued = issue(tmp_path, "gw")
    der = issued.body.public_bytes(Encoding.DER)
    for end in range(len(der)):
        with pytest.raises(ValueError, match=r"."):
            decode_validity(der[:end])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_way(raw):
    """A file from anywhere cannot bring the program down."""
    try:
        decode_validity(raw)
    except (ValueError, IndexError):
        return
    raise AssertionError


def test_a_year_of_two_digits_turns_at_fifty():
    """RFC 5280: 49 is 2049, 50 is 1950."""

    def element(tag: int, *content: bytes) -> bytes:
        body = b"".join(content)
        return bytes([tag, len(body)]) + body

    def dated(year: int) -> datetime:
        times = element(0x30, element(0x17, b"490101000000Z"), element(0x17, f"{year}0101000000Z".encode()))
        return decode_validity(element(0x30, element(0x30, *[element(2, b"\1")] * 3, times))).end

    assert [2049, 1950, 1999] == [dated(year).year for year in (49, 50, 99)]
    assert datetime(2000, 1, 1, tzinfo=UTC) - dated(99) == timedelta(days=365)


def test_a_key_of_another_certificate_does_not_fit(tmp_path):
    """The pair fits; a key made for another one does not; what cannot be read is no proof of either."""
    one, other = issue(tmp_path, "one"), issue(tmp_path, "other")
    assert None is trouble_of_pair(one.certificate, one.key)
    assert "E-HLT-164" == trouble_of_pair(one.certificate, other.key).code
    assert None is trouble_of_pair(one.certificate, tmp_path / "none.key")
