"""Second chances: meters that were missed, in a slot young enough to be read while the bus has nothing to do. Pure.

The missing record has left already; an answer fills the slot. A slot is young in the first half of its time: later a
reading would be nearer to the next slot than to its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from edge.poll.rounds import Round

_PAUSE_S = 5.0
_MOST = 3


@dataclass(slots=True)
class Chance:
    """One meter of a round that may be asked again, until `until`, not before `not_before_s` (monotonic)."""

    round: Round
    address: str
    until: datetime
    not_before_s: float
    left: int = _MOST


@dataclass(slots=True)
class SecondChances:
    """The meters of one bus that are worth another try."""

    _waiting: list[Chance] = field(default_factory=list)

    def add(self, one: Round, address: str, now_s: float) -> None:
        """Remember that a meter of a round was missed."""
        until = one.slot_at + (one.live_until - one.slot_at) / 2
        same = (one.task.name, address)
        self._waiting = [each for each in self._waiting if (each.round.task.name, each.address) != same]
        self._waiting.append(Chance(one, address, until, now_s + _PAUSE_S))

    def take(self, now: datetime, now_s: float, may_ask: Callable[[str], bool]) -> Chance | None:
        """Take the next meter that may be asked now; None if there is none."""
        self._waiting = [each for each in self._waiting if now <= each.until and each.left > 0]
        for each in self._waiting:
            if each.not_before_s <= now_s and may_ask(each.address):
                self._waiting.remove(each)
                return each
        return None

    def put_back(self, chance: Chance, now_s: float) -> None:
        """Let a meter that failed again wait for its next chance."""
        chance.left -= 1
        chance.not_before_s = now_s + _PAUSE_S
        self._waiting.append(chance)

    def next_at(self) -> float | None:
        """Return the monotonic time of the next chance; None without any."""
        return min((each.not_before_s for each in self._waiting), default=None)

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
