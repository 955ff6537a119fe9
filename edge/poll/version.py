"""Finding out which year of DL/T 645 a meter speaks: asked for its energy in each; an answer is remembered. Pure.

Only an answer decides. A refusal does not: some meters refuse whatever they do not understand, and a lost answer in
their own year would make them speak the other one for ever.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.poll.meter_poll import MeterPoll
from edge.protocols.drivers import driver
from edge.protocols.exchange import Exchange, Request, Timing
from edge.reading.outcome import Answer, Outcome, Silence
from edge.reading.verdict import Verdict

_ENERGY = {"dlt645-2007": "00010000", "dlt645-1997": "9010"}  # every meter has the forward active energy
_YEARS = tuple(_ENERGY)


@dataclass(slots=True)
class VersionSearch:
    """The course of one search. Ask `next_exchange`, run it, `take` its outcome, until `is_done`.

    `found`: the protocol, empty if nothing answered; `outcome`: the most telling of what came back then.
    """

    address: str
    timing: Timing
    found: str = ""
    outcome: Outcome | None = None
    _waiting: deque[str] = field(default_factory=lambda: deque(_YEARS))

    @property
    def is_done(self) -> bool:
        """True when the year is known or nothing is left to ask."""
        return bool(self.found) or not self._waiting

    def next_exchange(self) -> Exchange:
        """Return the exchange that goes next."""
        year = self._waiting[0]
        return driver(year).read(self.address, Request(_ENERGY[year], ()), self.timing)

    def take(self, outcome: Outcome) -> None:
        """Take an outcome."""
        name = self._waiting.popleft()
        if isinstance(outcome, Answer):
            self.found = name
        elif self.outcome is None or self.outcome.verdict is Verdict.SILENCE:
            self.outcome = outcome

    def as_poll(self, keys: Sequence[str]) -> MeterPoll:
        """Return a poll of these items that ended with what the search ended with."""
        poll = MeterPoll(self.address, tuple(keys), driver(_YEARS[0]), self.timing, tries=1)
        while not poll.is_done:
            poll.take(self.outcome or Silence())
        return poll
