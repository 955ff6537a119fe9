"""What befalls a site, drawn from a seed: which part dies when, and for how long. Pure.

The seed gives the plan, not the run: real processes are never twice at the same place when they are killed.
"""

from dataclasses import dataclass
from random import Random

PARTS = ("poll", "forward", "centre", "broker", "database")
_PAUSE_S = (0.5, 3.0)
_DOWN_S = (0.1, 3.0)
_FULL_FROM, _FULL_FOR_S = 0.3, 60.0


@dataclass(frozen=True, slots=True)
class Mishap:
    """A part is killed so many seconds after the beginning. `forgets`: a broker loses its queue."""

    at_s: float
    part: str
    down_s: float
    forgets: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """All of a run. The disk is full from `full_at_s` until the store has said so, at most `full_for_s`."""

    seconds: float
    mishaps: tuple[Mishap, ...]
    full_at_s: float
    full_for_s: float


def drawn_fate(seed: int, seconds: float) -> Fate:
    """Return what befalls a run of so many seconds: every part in turn, in an order of chance, again and again."""
    chance, at_s, found = Random(seed), 0.0, []
    while True:
        for part in chance.sample(PARTS, len(PARTS)):
            at_s += chance.uniform(*_PAUSE_S)
            if at_s >= seconds:
                return Fate(seconds, tuple(found), seconds * _FULL_FROM, _FULL_FOR_S)
            forgets = part == "broker" and not (found and _forgot_last(found))
            found.append(Mishap(at_s, part, chance.uniform(*_DOWN_S), forgets))


def _forgot_last(found: list[Mishap]) -> bool:
    """Return True if the broker forgot when it died last: it does so every other time, the first time too."""
    return next((one.forgets for one in reversed(found) if one.part == "broker"), False)
