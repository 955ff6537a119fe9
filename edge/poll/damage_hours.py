"""In which hours of the last day the answers on a bus were damaged: interference keeps its hours. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from edge.reading.verdict import Verdict

_DAMAGED = (Verdict.BAD_CHECKSUM, Verdict.GARBAGE, Verdict.COLLISION)
_UNHEARD = (Verdict.SILENCE, Verdict.PORT_GONE, Verdict.FOREIGN_MASTER)
_KEPT = timedelta(hours=24)
_ENOUGH = 20  # answers of an hour that tell something


@dataclass(slots=True)
class HourOfAnswers:
    """One hour from `begin` on (UTC): how many answers came, and how many of them were damaged."""

    begin: datetime
    answers: int = 0
    damaged: int = 0

    @property
    def share(self) -> float:
        """Which part of the answers was damaged, 0..1."""
        return self.damaged / self.answers if self.answers else 0.0

    def document(self) -> dict[str, object]:
        """Return the hour as JSON shows it."""
        return {"begin": self.begin.isoformat(timespec="minutes"), "answers": self.answers, "damaged": self.damaged}


@dataclass(slots=True)
class DamageHours:
    """The last 24 hours of a bus."""

    _hours: dict[datetime, HourOfAnswers] = field(default_factory=dict)

    def note(self, at: datetime, verdict: Verdict) -> None:
        """Count the outcome of an exchange that ended at `at` (UTC)."""
        if verdict in _UNHEARD:
            return
        begin = at.replace(minute=0, second=0, microsecond=0)
        if begin not in self._hours:
            self._hours = {one: hour for one, hour in self._hours.items() if timedelta() < begin - one < _KEPT}
            self._hours[begin] = HourOfAnswers(begin)
        hour = self._hours[begin]
        hour.answers += 1
        hour.damaged += verdict in _DAMAGED

    def hours(self) -> tuple[HourOfAnswers, ...]:
        """Return the hours in which anything was answered, oldest first."""
        return tuple(self._hours[begin] for begin in sorted(self._hours))


def worst_hour(hours: Iterable[HourOfAnswers]) -> HourOfAnswers | None:
    """Return the hour with the greatest share of damaged answers, among those with enough; None if none has enough."""
    return max((one for one in hours if one.answers >= _ENOUGH), key=lambda one: one.share, default=None)
