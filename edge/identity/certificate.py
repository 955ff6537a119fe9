"""From when to when a certificate is valid, and whether a key belongs to it. No library of certificates is loaded.

Bytes: X.509 (RFC 5280, 4.1) as DER: a sequence whose first element is a sequence of an optional version [0], serial
number, algorithm, issuer, and the validity, which is two times: UTCTime (two digits of the year, 50 and above are
19xx) or GeneralizedTime. Only these are looked at: whether the certificate is trusted, the broker decides.
"""

import binascii
import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.errors import EdgeError, IdentityError

_MOST_BYTES = 1 << 20
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _TIME = 0x30, 0xA0, 0x17, 0x18
_LONG, _MOST_LENGTH_BYTES = 0x80, 4
_BEFORE_VALIDITY = 3  # serial number, algorithm, issuer
_PIVOT = 50  # RFC 5280, 4.1.2.5.1
WARN_DAYS = 30


@dataclass(frozen=True, slots=True)
class Validity:
    """The first and the last instant of a certificate."""

    begin: datetime
    end: datetime

    def days_left(self, now: datetime) -> int:
        """Return the whole days until the end; negative once it is over."""
        return (self.end - now).days


def read_validity(path: Path) -> Validity:
    """Return the validity of the first certificate of a PEM file. Raises IdentityError E-HLT-165 if there is none."""
    try:
        with path.open("rb") as file:
            pem = file.read(_MOST_BYTES)
    except OSError as exc:
        raise IdentityError("E-HLT-165", path=path, detail=exc.strerror or str(exc)) from exc
    block = _PEM.search(pem)
    if block is None:
        raise IdentityError("E-HLT-165", path=path, detail="no BEGIN CERTIFICATE")
    try:
        return decode_validity(binascii.a2b_base64(block[1]))
    except (ValueError, IndexError) as exc:
        raise IdentityError("E-HLT-165", path=path, detail=str(exc)) from exc


def decode_validity(der: bytes) -> Validity:
    """Return the validity of a certificate. Raises ValueError for bytes that are none."""
    start, _ = _element(der, 0, _SEQUENCE)
    at, _ = _element(der, start, _SEQUENCE)
    if der[at : at + 1] == bytes([_VERSION]):
        at = _element(der, at)[1]
    for _ in range(_BEFORE_VALIDITY):
        at = _element(der, at)[1]
    first, _ = _element(der, at, _SEQUENCE)
    return Validity(_time(der, first), _time(der, _element(der, first)[1]))


def trouble_with(path: Path, now: datetime) -> IdentityError | None:
    """Return what is wrong with the dates of a certificate, or will be within a month; None if nothing is."""
    try:
        validity = read_validity(path)
    except IdentityError as exc:
        return exc
    begin, end = (at.isoformat(timespec="seconds") for at in (validity.begin, validity.end))
    if now > validity.end:
        return IdentityError("E-HLT-162", path=path, end=end)
    if now < validity.begin:
        return IdentityError("E-HLT-163", path=path, begin=begin)
    days = validity.days_left(now)
    return IdentityError("E-HLT-161", path=path, end=end, days=days) if days < WARN_DAYS else None


def trouble_of_pair(certificate: Path, key: Path) -> EdgeError | None:
    """Return E-HLT-164 if the key does not belong to the certificate; None if it does, or cannot be read here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as exc:
        if exc.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            return IdentityError("E-HLT-164", path=certificate, key=key)
    except (OSError, ValueError):
        pass
    return None


def _element(der: bytes, at: int, tag: int | None = None) -> tuple[int, int]:
    """Return where the content of an element begins and ends. Raises ValueError if it is not whole, or not this one."""
    if at + 2 > len(der) or (tag is not None and der[at] != tag):
        raise ValueError(f"not the bytes of a certificate at {at}")
    length, start = der[at + 1], at + 2
    if length & _LONG:
        count = length & ~_LONG
        if not 0 < count <= _MOST_LENGTH_BYTES:
            raise ValueError(f"not the bytes of a certificate at {at}")
        length, start = int.from_bytes(der[start : start + count], "big"), start + count
    if start + length > len(der):
        raise ValueError("cut short")
    return start, start + length


def _time(der: bytes, at: int) -> datetime:
    start, end = _element(der, at)
    if der[at] not in (_UTC_TIME, _TIME):
        raise ValueError(f"no time at {at}")
    text = der[start:end].decode("ascii")
    if der[at] == _UTC_TIME:
        text = f"{19 if int(text[:2]) >= _PIVOT else 20}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
