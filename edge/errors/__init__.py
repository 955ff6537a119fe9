"""Errors: what was found, why it probably is so, and what to do next.

Every error carries a stable code; the words (English and Chinese) live in the catalogue, so that command line,
log and page say the same thing. Meter faults are not errors: they are outcomes (`edge.reading.outcome`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from edge.errors.catalogue import Entry, Language, entry_of

__all__ = [
    "CarryError",
    "ConfigError",
    "ControlError",
    "EdgeError",
    "Entry",
    "ForwardError",
    "IdentityError",
    "Language",
    "LinkError",
    "MessageError",
    "StoreError",
    "UsageError",
    "entry_of",
    "translating",
]


class EdgeError(Exception):
    """A fault with a code of the catalogue and the values that its text names; never a secret among them."""

    exit_code = 1

    def __init__(self, code: str, /, **values: object) -> None:
        self.code = code
        self.values = values
        super().__init__(code)

    def fact(self, lang: Language = "en") -> str:
        """Return what was found, with its values."""
        return entry_of(self.code).fact(lang, self.values)

    def cause(self, lang: Language = "en") -> str:
        """Return the probable cause."""
        return entry_of(self.code).cause(lang, self.values)

    def advice(self, lang: Language = "en") -> str:
        """Return what the person at the cabinet does next."""
        return entry_of(self.code).advice(lang, self.values)

    def __str__(self) -> str:
        return f"[{self.code}] {self.fact()}"


class UsageError(EdgeError):
    """The command was called with something it cannot take."""

    exit_code = 2


class ConfigError(EdgeError):
    """The settings are wrong; `problems` holds all of them, in the order of the file."""

    exit_code = 3

    def __init__(self, code: str, /, problems: Sequence[object] = (), **values: object) -> None:
        super().__init__(code, **values)
        self.problems = tuple(problems)


class LinkError(EdgeError):
    """The port or socket is gone, busy or not allowed."""

    exit_code = 4


_USAGE, _SETTINGS, _NO_DATABASE, _PARTLY, _FORBIDDEN = 2, 3, 5, 6, 9
_LEDGER_EXITS = {
    "E-CEN-301": _PARTLY,
    "E-CEN-302": _PARTLY,
    "E-CEN-303": _USAGE,
    "E-CEN-304": _FORBIDDEN,
    "E-CEN-305": _FORBIDDEN,
    "E-CEN-306": _NO_DATABASE,
    "E-CEN-307": _PARTLY,
    "E-CEN-308": _SETTINGS,
    "E-CEN-309": _FORBIDDEN,
    "E-CEN-310": _FORBIDDEN,
    "E-CEN-311": _FORBIDDEN,
    "E-CEN-312": _SETTINGS,
    "E-CEN-313": _FORBIDDEN,
    "E-CEN-314": _USAGE,
    "E-CEN-315": _FORBIDDEN,
    "E-CEN-316": _FORBIDDEN,
    "E-CEN-317": _PARTLY,
    "E-CEN-318": _PARTLY,
    "E-CEN-319": _PARTLY,
}


# Of the store and the register: what this user or another process does not allow, what the files of the site are not,
# and what the disk does not give.
_STORE_EXITS = {
    **dict.fromkeys(("E-STO-101", "E-STO-108", "E-STO-109", "E-STO-113", "E-STO-207", "E-STO-210"), _FORBIDDEN),
    **dict.fromkeys(("E-STO-102", "E-STO-107", "E-STO-206", "E-STO-208"), _SETTINGS),
    **dict.fromkeys(("E-STO-103", "E-STO-104", "E-STO-105", "E-STO-106"), _PARTLY),
    **dict.fromkeys(("E-STO-114", "E-STO-121", "E-STO-123"), _PARTLY),
}


class StoreError(EdgeError):
    """The store or the ledger is full, unreadable, not reached, or of a newer format."""

    def __init__(self, code: str, /, **values: object) -> None:
        super().__init__(code, **values)
        self.exit_code = {**_LEDGER_EXITS, **_STORE_EXITS}.get(code, self.exit_code)


class MessageError(EdgeError):
    """A batch, receipt or command is malformed, wrongly signed, too old or already seen: their fault, not ours."""

    exit_code = 8


class ForwardError(EdgeError):
    """The broker cannot be reached or refuses."""

    exit_code = 7


class CarryError(EdgeError):
    """A stick, or a file on it, cannot be used."""

    exit_code = 2


class IdentityError(EdgeError):
    """A key is missing, unreadable, or readable by others."""

    exit_code = 9


_NOT_ALLOWED, _NO_ANSWER = 9, 5
_CONTROL_EXITS = {
    "E-CTL-106": _NOT_ALLOWED,
    "E-CTL-115": 1,
    "E-CTL-107": _NO_ANSWER,
    "E-CTL-110": _NO_ANSWER,
    "E-CTL-111": _NO_ANSWER,
}


class ControlError(EdgeError):
    """The running daemon could not be asked, or refused the job."""

    exit_code = 2

    def __init__(self, code: str, /, **values: object) -> None:
        super().__init__(code, **values)
        self.exit_code = _CONTROL_EXITS.get(code, self.exit_code)


@contextmanager
def translating(
    kinds: Mapping[type[BaseException], Callable[..., EdgeError]], code: str, /, **values: object
) -> Iterator[None]:
    """Turn foreign exceptions into ours at a driver's door: `raise ours from theirs`, with `detail` set to their text.

    The most specific kind listed wins; an exception that is not listed passes.
    """
    try:
        yield
    except EdgeError:
        raise
    except tuple(kinds) as exc:
        for kind in type(exc).__mro__:
            if kind in kinds:
                raise kinds[kind](code, **{**values, "detail": str(exc)}) from exc
        raise
