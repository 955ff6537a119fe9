"""Stretches of time in which something was so: a meter unplugged, without power, without records."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Span:
    """From `start`, up to but without `end`."""

    start: datetime
    end: datetime

    def __contains__(self, at: datetime) -> bool:
        """Whether the instant lies in it."""
        return self.start <= at < self.end


def spans_from(begin: datetime, stretches: Iterable[tuple[float, float]]) -> list[Span]:
    """Return the spans that begin and end so many seconds after an instant."""
    return [Span(begin + timedelta(seconds=start), begin + timedelta(seconds=end)) for start, end in stretches]
