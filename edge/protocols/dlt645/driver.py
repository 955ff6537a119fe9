"""DL/T 645 as the poller knows it: which requests bring which quantities, and the exchanges that make them.

A block is read where it brings two or more of the keys asked for, unless the meter refused it once.
"""

from collections.abc import Sequence
from functools import cache, lru_cache

from edge.protocols.dlt645.catalogue import Catalogue, catalogue
from edge.protocols.dlt645.clock import ClockExchange
from edge.protocols.dlt645.control import Version
from edge.protocols.dlt645.question import ANY, Question
from edge.protocols.dlt645.read import ReadExchange
from edge.protocols.exchange import Exchange, Request, Timing
from edge.reading.quantities import is_raw_key
from edge.reading.vendor import VendorItem

# Whoever answers these tells its address in the answer's address field (2007: in the data too).
_FIND_BY = {"2007": "04000401", "1997": "9010"}


class Dlt645Driver:
    """Implements `Driver` for one version of the standard; `extra`: items that the settings define."""

    def __init__(self, version: Version, extra: tuple[VendorItem, ...] = ()) -> None:
        self._version = version
        self._extra = extra

    @property
    def name(self) -> str:
        """The name in the settings."""
        return f"dlt645-{self._version}"

    def requests_for(
        self, keys: Sequence[str], avoid: frozenset[str] = frozenset()
    ) -> tuple[tuple[Request, ...], tuple[str, ...]]:
        """Return the requests in the order of the first key that each brings, and the keys that cannot be read."""
        return _requests_for(self._version, self._extra, tuple(keys), avoid)

    def read(self, address: str, request: Request, timing: Timing, late_from: frozenset[str] = frozenset()) -> Exchange:
        """Return an exchange that reads the request's identifier; two joined by + are a clock's date and time."""

        def make(identifier: str) -> ReadExchange:
            question = Question(
                version=self._version,
                address=address,
                identifier=identifier,
                keys=request.keys,
                argument=request.argument,
                extra=self._extra,
            )
            return ReadExchange(question, timing, late_from=late_from)

        date, plus, time = request.identifier.partition("+")
        return ClockExchange(make, (date, time)) if plus else make(date)

    def find(self, pattern: str, timing: Timing) -> Exchange:
        """Return an exchange that asks who is there.

        2007: the read-address function for "any", else a read of the address by shortened addressing; 1997: a read.
        Time: with wildcards it lasts to the deadline, for a second meter may answer after the first.
        """
        identifier = "" if self._version == "2007" and pattern == ANY else _FIND_BY[self._version]
        question = Question(version=self._version, address=pattern, identifier=identifier, is_search=True)
        return ReadExchange(question, timing)


@lru_cache(maxsize=256)
def _requests_for(
    version: Version, extra: tuple[VendorItem, ...], keys: tuple[str, ...], avoid: frozenset[str]
) -> tuple[tuple[Request, ...], tuple[str, ...]]:
    wanted = {key: _identifier_of(version, extra, key) for key in keys}
    blocks = _blocks(version)
    in_block: dict[str, int] = {}
    for key, identifier in wanted.items():
        block = None if is_raw_key(key) else blocks.get(identifier or "")
        if block and block not in avoid:
            in_block[block] = in_block.get(block, 0) + 1
    plan: dict[str, list[str]] = {}
    unknown = []
    for key, identifier in wanted.items():
        block = None if is_raw_key(key) else blocks.get(identifier or "")
        can_single = identifier is not None and not avoid.intersection(identifier.split("+"))
        if block in in_block and (in_block[block] > 1 or not can_single):
            plan.setdefault(block, []).append(key)
        elif identifier is not None and can_single and identifier not in avoid:
            plan.setdefault(identifier, []).append(key)
        else:
            unknown.append(key)
    return tuple(Request(identifier, tuple(names)) for identifier, names in plan.items()), tuple(unknown)


def _identifier_of(version: Version, extra: tuple[VendorItem, ...], key: str) -> str | None:
    digits = 8 if version == "2007" else 4
    if is_raw_key(key):
        return key[3:] if len(key[3:]) == digits else None
    return catalogue(version, extra).identifier_of(key)


@cache
def _blocks(version: str) -> dict[str, str]:
    """Return the block that brings each quantity's identifier: total and tariffs, phases, status words."""
    book = catalogue(version)
    found: dict[str, str] = {}
    for candidate in _block_identifiers(book):
        entry = book.find(candidate)
        for member in entry.members if entry else ():
            if book.key_of(member):
                found.setdefault(member, candidate)
    return found


def _block_identifiers(book: Catalogue) -> list[str]:
    """Return the blocks of present values; those over settlements bring no quantity twice in one moment."""
    patterns = [pattern for pattern in book.patterns() if pattern.endswith(("F", "FF", "FF00", "FFss"))]
    resolved = [pattern.replace("ss", "00") for pattern in patterns]
    return [di for di in resolved if di.isupper() or di.isdecimal()]
