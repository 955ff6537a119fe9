"""The catalogue of codes: for each, the fact, the probable cause and the next act, in English and Chinese.

Texts are templates; `{name}` is filled from the error's values. The codes of each part of the product are data in
a module of their own (`codes_*.py`); this module joins them and refuses doubles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.errors import (
    codes_bus,
    codes_carry,
    codes_centre,
    codes_cli,
    codes_config,
    codes_control,
    codes_forward,
    codes_health,
    codes_identity,
    codes_install,
    codes_messages,
    codes_store,
)

Language = Literal["en", "zh"]

_TABLES = (
    codes_bus.CODES,
    codes_carry.CODES,
    codes_centre.CODES,
    codes_cli.CODES,
    codes_config.CODES,
    codes_control.CODES,
    codes_forward.CODES,
    codes_health.CODES,
    codes_identity.CODES,
    codes_install.CODES,
    codes_messages.CODES,
    codes_store.CODES,
)


class _Lenient(dict[str, object]):
    """A value that the error did not bring stays visible as its name: an error about an error helps nobody."""

    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One code: (fact, cause, advice) in each language."""

    code: str
    en: tuple[str, str, str]
    zh: tuple[str, str, str]

    def fact(self, lang: Language, values: Mapping[str, object]) -> str:
        """Return what was found."""
        return self._fill(lang, 0, values)

    def cause(self, lang: Language, values: Mapping[str, object]) -> str:
        """Return the probable cause."""
        return self._fill(lang, 1, values)

    def advice(self, lang: Language, values: Mapping[str, object]) -> str:
        """Return the next act."""
        return self._fill(lang, 2, values)

    def _fill(self, lang: Language, part: int, values: Mapping[str, object]) -> str:
        texts = self.zh if lang == "zh" else self.en
        return texts[part].format_map(_Lenient(values))


def _join() -> dict[str, Entry]:
    joined: dict[str, Entry] = {}
    for table in _TABLES:
        for code, (en, zh) in table.items():
            if code in joined:
                raise ValueError(code)
            joined[code] = Entry(code, en, zh)
    return joined


CATALOGUE: Mapping[str, Entry] = _join()


def entry_of(code: str) -> Entry:
    """Return the entry of a code. Raises KeyError for a code that is not in the catalogue."""
    return CATALOGUE[code]
