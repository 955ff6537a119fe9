"""How the daemon is: counters, measures, when things were last seen, and conditions. Both workers report into it.

A condition is a claim with three answers: yes, no, unknown. Nobody has looked yet: that is unknown, never "fine". A
"no" carries the code that says why. The model only remembers; what follows from it is decided elsewhere.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from threading import Lock
from typing import Any

from edge.clock import Clock
from edge.errors import EdgeError


class Answer(StrEnum):
    """Whether a claim holds."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One claim: `since` is when its answer or code last changed."""

    answer: Answer
    since: datetime
    since_s: float
    code: str | None
    values: tuple[tuple[str, object], ...]


BOUNDS_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # of a spread; what is longer counts beyond the last


@dataclass(slots=True)
class _Spread:
    """How many durations were at most as long as each bound, and how long they were together."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def document(self) -> dict[str, Any]:
        return {"counts": list(self.counts), "sum_s": round(self.sum_s, 3)}


class Health:
    """What is known at this moment; safe to use from several threads."""

    def __init__(self, clock: Clock, claims: Iterable[str] = ()) -> None:
        self._clock = clock
        self._lock = Lock()
        self._counters: Counter[str] = Counter()
        self._gauges: dict[str, float] = {}
        self._spreads: dict[str, _Spread] = {}
        self._seen: dict[str, tuple[datetime, float]] = {}
        self._conditions: dict[str, Condition] = {}
        for claim in claims:
            self.unknown(claim)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counters[name] += by

    def measure(self, name: str, value: float) -> None:
        """Note a value as it is at this moment."""
        with self._lock:
            self._gauges[name] = value

    def observe(self, name: str, seconds: float) -> None:
        """Add a duration to a spread of many."""
        with self._lock:
            self._spreads.setdefault(name, _Spread()).add(seconds)

    def seen(self, name: str) -> None:
        """Note that something happened at this moment."""
        with self._lock:
            self._seen[name] = (self._clock.utc_now(), self._clock.monotonic())

    def holds(self, claim: str, **values: object) -> bool:
        """Note that a claim holds. Returns True if that is news."""
        return self._set(claim, Answer.YES, None, values)

    def fails(self, claim: str, error: EdgeError) -> bool:
        """Note that a claim does not hold, and why. Returns True if that is news: worth a line in the log."""
        return self._set(claim, Answer.NO, error.code, error.values)

    def unknown(self, claim: str) -> bool:
        """Note that nobody knows any more. Returns True if that is news."""
        return self._set(claim, Answer.UNKNOWN, None, {})

    def forget(self, claim: str) -> None:
        """Let go of a claim about something that is no longer there."""
        with self._lock:
            self._conditions.pop(claim, None)
            self._seen.pop(claim, None)

    def answer(self, claim: str) -> Answer:
        """Return whether a claim holds."""
        with self._lock:
            condition = self._conditions.get(claim)
        return condition.answer if condition else Answer.UNKNOWN

    def snapshot(self) -> dict[str, Any]:
        """Return everything as one document for JSON; ages are in seconds, by the monotonic clock."""
        now_s = self._clock.monotonic()
        with self._lock:
            return {
                "counters": dict(sorted(self._counters.items())),
                "gauges": dict(sorted(self._gauges.items())),
                "spreads": {name: one.document() for name, one in sorted(self._spreads.items())},
                "seen": {
                    name: {"at": at.isoformat(), "ago_s": round(now_s - at_s, 3)}
                    for name, (at, at_s) in sorted(self._seen.items())
                },
                "conditions": {name: _plain(one, now_s) for name, one in sorted(self._conditions.items())},
            }

    def _set(self, claim: str, answer: Answer, code: str | None, values: dict[str, object]) -> bool:
        with self._lock:
            old = self._conditions.get(claim)
            is_news = old is None or (old.answer, old.code) != (answer, code)
            if old is None or is_news:
                since, since_s = self._clock.utc_now(), self._clock.monotonic()
            else:
                since, since_s = old.since, old.since_s
            self._conditions[claim] = Condition(answer, since, since_s, code, tuple(values.items()))
            return is_news


def _plain(condition: Condition, now_s: float) -> dict[str, Any]:
    return {
        "answer": condition.answer.value,
        "since": condition.since.isoformat(),
        "for_s": round(now_s - condition.since_s, 3),
        "code": condition.code,
        "values": {name: _json_value(value) for name, value in condition.values},
    }


def _json_value(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
