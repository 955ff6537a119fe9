"""Addresses of PostgreSQL databases: taken apart, and shown without their secrets. Pure."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from edge.errors import UsageError

SCHEMES = ("postgresql", "postgres")
_MASK = "***"
_SECRET_KEYS = ("password", "sslpassword")
_AUTHORITY = re.compile(r"//.*@", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where a database is. `bare` has no secret in it: that goes to other programs' arguments, and into messages."""

    bare: str
    secrets: dict[str, str] = field(repr=False)

    def masked(self, text: str) -> str:
        """Return a text without the secrets, however they got into it."""
        for secret in sorted(self.secrets.values(), key=len, reverse=True):
            text = text.replace(secret, _MASK) if secret else text
        return text

    def __str__(self) -> str:
        return self.bare


def is_database_url(text: str) -> bool:
    """Return True if this is meant as the address of a database, not as a file."""
    return text.partition("://")[0].lower() in SCHEMES and "://" in text


def parse_database_url(text: str) -> DatabaseUrl:
    """Return an address taken apart. Raises UsageError E-CEN-108, with all that may be secret masked.

    What is left of the last @ may be secret wherever it stands; an address in which that is unclear is refused.
    """
    try:
        parts = urlsplit(text)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _refusal(text) from None
    if not is_database_url(text) or parts.fragment or "@" in parts.path + parts.query or len(parts.path) <= len("/"):
        raise _refusal(text)
    secrets = {key: value for key, value in query if key in _SECRET_KEYS}
    user, _, host = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    if colon:
        secrets["password"] = unquote(password)
    authority = f"{name}@{host}" if name else host
    open_query = urlencode([(key, value) for key, value in query if key not in _SECRET_KEYS])
    bare = f"{SCHEMES[0]}://{authority}{parts.path}"
    return DatabaseUrl(f"{bare}?{open_query}" if open_query else bare, secrets)


def _refusal(text: str) -> UsageError:
    return UsageError("E-CEN-108", url=_AUTHORITY.sub(f"//{_MASK}@", text).partition("?")[0])
