"""Raising (or lowering) the speed of one meter, where the installer agreed: ordered, and proven by reading. Pure.

The meter confirms at the old speed; then it is read at the new one. If it does not answer there, it is looked for at
the old one. A meter that refuses, or cannot be read at the new speed, is not asked again for a month; one that does not
come back to the speed of its bus, for a day. One that is lost at both speeds is looked for at both in turn by the polls
that follow.
Source: DL/T 645-2007, function 17H.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.protocols.dlt645.control import SPEEDS
from edge.protocols.drivers import driver
from edge.protocols.exchange import Exchange, Timing
from edge.protocols.own_orders import change_speed
from edge.reading.outcome import Answer, Malformed, Outcome, Refused, Silence

AGREED = "speed="  # a tag of the register: the installer agreed that this meter may be raised to the speed behind it
REFUSED_SPEED = "change_speed"  # stands among the refused identifiers; so does the way back, tried again each day
REFUSED_BACK = "change_speed_back"
_SPEEDS = frozenset(SPEEDS.values())
_TRIES = 2


def agreed_speed(tags: Iterable[str]) -> int | None:
    """Return the speed that the installer agreed to, None without or for one that the standard does not have."""
    for tag in tags:
        text = tag.removeprefix(AGREED)
        if text != tag and text.isdecimal() and int(text) in _SPEEDS:
            return int(text)
    return None


@dataclass(slots=True, kw_only=True)
class SpeedChange:
    """One change of one meter. Ask `next_exchange` at `baud`, run it, `take` its outcome, until `is_done`.

    `reached`: the speed at which the meter was read in the end; None: it is lost.
    """

    address: str
    protocol: str
    old: int
    new: int
    timing: Timing
    reached: int | None = None
    _is_ordered: bool = False
    _look_at: deque[int] = field(default_factory=deque)

    @property
    def is_done(self) -> bool:
        """True when the change is over, one way or the other."""
        return self._is_ordered and not self._look_at

    @property
    def baud(self) -> int:
        """The speed of the next exchange."""
        return self._look_at[0] if self._look_at else self.old

    def next_exchange(self) -> Exchange | None:
        """Return the exchange that goes next; None where there is no such order."""
        if not self._is_ordered:
            return change_speed(self.protocol, self.address, self.new, self.timing)
        return driver(self.protocol).find(self.address, self.timing)

    def take(self, outcome: Outcome) -> None:
        """Take an outcome. The order is given once: whether it was heard is found out by reading."""
        if not self._is_ordered:
            self._is_ordered = True
            self._take_confirmation(outcome)
        elif isinstance(outcome, Answer | Refused | Malformed):
            self.reached = self.baud
            self._look_at.clear()
        else:
            self._look_at.popleft()

    def _take_confirmation(self, outcome: Outcome) -> None:
        if isinstance(outcome, Refused):
            self.reached = self.old
            return
        speeds = [self.old, self.new] if isinstance(outcome, Silence) else [self.new, self.old]
        self._look_at.extend(speed for speed in speeds for _ in range(_TRIES))
