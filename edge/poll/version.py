"""Finding out which year of DL/T 645 a meter speaks: asked once in each, the answer is remembered. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.poll.meter_poll import MeterPoll
from edge.protocols.drivers import driver
from edge.protocols.exchange import Exchange, Timing
from edge.reading.outcome import Answer, Malformed, Outcome, Refused, Silence
from edge.reading.verdict import Verdict

_YEARS = ("dlt645-2007", "dlt645-1997")


@dataclass(slots=True)
class VersionSearch:
    """The course of one search. Ask `next_exchange`, run it, `take` its outcome, until `is_done`.

    `found`: the protocol, empty if nothing answered; `outcome`: the most telling of what came back then.
    """

    address: str
    timing: Timing
    found: str = ""
    outcome: Outcome | None = None
    _refused_in: str = ""
    _waiting: deque[str] = field(default_factory=lambda: deque(_YEARS))

    @property
    def is_done(self) -> bool:
        """True when the year is known or nothing is left to ask."""
        return bool(self.found) or not self._waiting

    def next_exchange(self) -> Exchange:
        """Return the exchange that goes next."""
        return driver(self._waiting[0]).find(self.address, self.timing)

    def take(self, outcome: Outcome) -> None:
        """Take an outcome. An answer decides; a refusal only if the other year brings none.

        Some meters refuse whatever they do not understand.
        """
        name = self._waiting.popleft()
        if isinstance(outcome, Answer):
            self.found = name
            return
        if isinstance(outcome, Refused | Malformed):
            self._refused_in = self._refused_in or name
        elif self.outcome is None or self.outcome.verdict is Verdict.SILENCE:
            self.outcome = outcome
        if not self._waiting:
            self.found = self._refused_in

    def as_poll(self, keys: Sequence[str]) -> MeterPoll:
        """Return a poll of these items that ended with what the search ended with."""
        poll = MeterPoll(self.address, tuple(keys), driver(_YEARS[0]), self.timing, tries=1)
        poll.take(self.outcome or Silence())
        return poll
