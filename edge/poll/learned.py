"""What was learned about a meter, as the register keeps it, and when a refusal is worth another try.

Everything here is found out by asking and can be found out again: a fact that is missing or cannot be read is "not
known yet", never an error. Days are ISO dates, local ones where a local day counts, else in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

from edge.protocols.dlt645.control import SPEEDS
from edge.protocols.drivers import protocol_names

RETRY_AFTER = timedelta(days=30)  # a firmware may have been exchanged; asking more often costs wire time for nothing
SOON = timedelta(days=1)  # where going without costs more than asking
_AHEAD = timedelta(days=1)  # a local day may be the next one of UTC
_LONG_AGO = date(2000, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Facts about one meter; None and empty: not known yet.

    `refused`: identifiers that it refused, each with the day. `proven`: blocks that no table has, whose content was
    checked against single reads. `sizes`: value bytes of blocks that it answers shorter or longer than others.
    `wake_first`, `wake_next`: FEH bytes wanted before the first request of a poll, and
    before the ones that follow. `quiet_ms`: quiet that it needs before a request. `slowest_ms`: slowest of `answers`
    answers. `baud`: the speed it was raised to. `clock_set`: the local day on which it was given the time.
    """

    protocol: str = ""
    refused: Mapping[str, date] = field(default_factory=lambda: MappingProxyType({}))
    proven: frozenset[str] = frozenset()
    tariffs: int | None = None
    sizes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    wake_first: int | None = None
    wake_next: int | None = None
    quiet_ms: int | None = None
    slowest_ms: int | None = None
    answers: int = 0
    baud: int | None = None
    clock_set: date | None = None

    def avoid(self, today: date, after: timedelta = RETRY_AFTER) -> frozenset[str]:
        """Return the identifiers that are not worth asking for today; a day to come was noted under a wrong clock."""
        return frozenset(one for one, day in self.refused.items() if -_AHEAD <= today - day < after)


NOTHING = Learned()


def learned_of(facts: Mapping[str, Any]) -> Learned:
    """Return what the register's facts say; what cannot be read is left out."""
    refused = facts.get("refused", {})
    if isinstance(refused, list | tuple):  # as version 0.1.0 wrote it, without days
        refused = dict.fromkeys(map(str, refused), "")
    proven = facts.get("proven", ())
    return Learned(
        protocol=facts["protocol"] if facts.get("protocol") in protocol_names() else "",
        refused=_days(refused) if isinstance(refused, dict) else MappingProxyType({}),
        proven=frozenset(map(str, proven)) if isinstance(proven, list | tuple) else frozenset(),
        tariffs=_count(facts.get("tariffs")),
        sizes=_sizes(facts.get("sizes")),
        wake_first=_count(facts.get("wake_first")),
        wake_next=_count(facts.get("wake_next")),
        quiet_ms=_count(facts.get("quiet_ms")),
        slowest_ms=_count(facts.get("slowest_ms")),
        answers=_count(facts.get("answers")) or 0,
        baud=baud if (baud := _count(facts.get("baud"))) in SPEEDS.values() else None,
        clock_set=None if (day := _day(facts.get("clock_set"))) == _LONG_AGO else day,
    )


def facts_of(learned: Learned) -> dict[str, Any]:
    """Return the facts as the register keeps them: JSON values, what is not known left out."""
    known: dict[str, Any] = {
        "protocol": learned.protocol or None,
        "refused": {one: day.isoformat() for one, day in sorted(learned.refused.items())} or None,
        "proven": sorted(learned.proven) or None,
        "sizes": dict(sorted(learned.sizes.items())) or None,
        "answers": learned.answers or None,
        "clock_set": learned.clock_set.isoformat() if learned.clock_set else None,
    }
    for name in ("tariffs", "wake_first", "wake_next", "quiet_ms", "slowest_ms", "baud"):
        known[name] = getattr(learned, name)
    return {name: fact for name, fact in known.items() if fact is not None}


def _days(refused: Mapping[Any, Any]) -> Mapping[str, date]:
    return MappingProxyType({str(one): _day(text) for one, text in refused.items()})


def _sizes(sizes: object) -> Mapping[str, int]:
    found = sizes.items() if isinstance(sizes, dict) else ()
    return MappingProxyType({str(one): size for one, size in found if _count(size) is not None})


def _day(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return _LONG_AGO


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
