"""How fast batches leave and come: what an estimate of the backlog rests on. Pure: `now_s` is given.

Counted in buckets over the last ten minutes. Only receipts count as leaving: what the broker takes says nothing.
"""

from dataclasses import dataclass

SPAN_S = 600.0
_BUCKET_S = 30.0


@dataclass(frozen=True, slots=True)
class _Bucket:
    since_s: float
    released: int
    sealed: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Batches that receipts released and that were sealed within the last `seconds`."""

    seconds: float
    released: int
    sealed: int


class Pace:
    """The last ten minutes. One thread notes, others may read: the buckets are replaced as a whole."""

    def __init__(self, now_s: float) -> None:
        self._began_s = now_s
        self._buckets: tuple[_Bucket, ...] = ()

    def note(self, now_s: float, *, released: int = 0, sealed: int = 0) -> None:
        """Count batches."""
        *older, last = self._buckets or (_Bucket(now_s, 0, 0),)
        if now_s - last.since_s >= _BUCKET_S:
            older, last = [*older, last], _Bucket(now_s, 0, 0)
        last = _Bucket(last.since_s, last.released + released, last.sealed + sealed)
        self._buckets = tuple(one for one in [*older, last] if one.since_s > now_s - SPAN_S)

    def rates(self, now_s: float) -> Rates:
        """Return what the last ten minutes brought, or the time since the start if that is shorter."""
        young = [one for one in self._buckets if one.since_s > now_s - SPAN_S]
        seconds = min(SPAN_S, now_s - self._began_s)
        return Rates(seconds, sum(one.released for one in young), sum(one.sealed for one in young))


def seconds_left(unsent: int, rates: Rates) -> float | None:
    """Return how long the backlog takes at this pace: unsent batches by what leaves less what comes; None: for ever."""
    gain = rates.released - rates.sealed
    if unsent == 0:
        return 0.0
    return unsent * rates.seconds / gain if gain > 0 and rates.seconds > 0 else None
