"""A loss: slots whose readings were stored and then could not be kept. It is reported, signed, never silent."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import gcd

_TICK = timedelta(microseconds=1)


class LossReason(StrEnum):
    """Why stored readings are gone."""

    DAMAGED = "damaged"  # the storage gave back other bytes than were written
    SHED = "shed"  # given up unsent: the store was full


@dataclass(frozen=True, slots=True)
class Loss:
    """`count` slots of (task, meter), evenly spaced from `first_at` to `last_at`.

    Task and meter are empty where nobody can tell.
    """

    task: str
    meter: str
    first_at: datetime
    last_at: datetime
    count: int
    reason: str

    def covers(self, slot_at: datetime) -> bool:
        """Return True if the slot of this instant is one of them; where they cannot be even, all in between are."""
        if not self.first_at <= slot_at <= self.last_at:
            return False
        steps = max(1, self.count - 1)
        step = (self.last_at - self.first_at) / steps
        is_even = bool(step) and step * steps == self.last_at - self.first_at
        return not is_even or not (slot_at - self.first_at) % step


def losses_of(slots: Iterable[tuple[str, str, datetime]], reason: LossReason) -> Iterator[Loss]:
    """Yield losses that name exactly these slots (task, meter, instant), as few as evenly spaced runs make them."""
    found: dict[tuple[str, str], set[datetime]] = {}
    for task, meter, slot_at in slots:
        found.setdefault((task, meter), set()).add(slot_at)
    for (task, meter), own in sorted(found.items()):
        for run in _even_runs(sorted(own)):
            yield Loss(task, meter, run[0], run[-1], len(run), reason.value)


def joined(losses: Iterable[Loss]) -> Iterator[Loss]:
    """Yield losses that name exactly the same slots; runs that follow each other evenly become one."""
    for _, own in _by_name(losses, lambda loss: (loss.task, loss.meter, loss.reason)):
        run = own[0]
        for loss in own[1:]:
            if _follows(run, loss):
                run = replace(run, last_at=loss.last_at, count=run.count + loss.count)
            elif loss != run:
                yield run
                run = loss
        yield run


def spanned(losses: Iterable[Loss]) -> Iterator[Loss]:
    """Yield one loss for each (task, meter) that names every slot of the losses, and what lies between them.

    Reasons that differ become `shed`.
    """
    for (task, meter), own in _by_name(losses, lambda loss: (loss.task, loss.meter)):
        first, last = own[0].first_at, max(loss.last_at for loss in own)
        reasons = {loss.reason for loss in own}
        reason = reasons.pop() if len(reasons) == 1 else LossReason.SHED.value
        yield Loss(task, meter, first, last, _count_over(first, last, own), reason)


def _by_name(
    losses: Iterable[Loss], name_of: Callable[[Loss], tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], list[Loss]]]:
    """Yield the losses of each name, by name, and of each the earliest first."""
    found: dict[tuple[str, ...], list[Loss]] = {}
    for loss in losses:
        found.setdefault(name_of(loss), []).append(loss)
    for name, own in sorted(found.items()):
        yield name, sorted(own, key=lambda loss: (loss.first_at, loss.last_at, loss.count))


def _follows(run: Loss, loss: Loss) -> bool:
    """Return True if the two are one even run."""
    gap = loss.first_at - run.last_at
    return gap > timedelta(0) and all(one.last_at - one.first_at == gap * (one.count - 1) for one in (run, loss))


def _count_over(first: datetime, last: datetime, losses: Sequence[Loss]) -> int:
    """Return a count with which a loss from `first` to `last` covers all: in steps that meet each, or uneven."""
    span = (last - first) // _TICK
    step = 0
    for loss in losses:
        own, rest = divmod((loss.last_at - loss.first_at) // _TICK, max(1, loss.count - 1))
        if rest:
            least = sum(one.count for one in losses)
            return next((count for count in range(least, span) if span % (count - 1)), span + 2)
        step = gcd(step, own, (loss.first_at - first) // _TICK)
    return span // step + 1 if step else 1


def _even_runs(slots: Sequence[datetime]) -> Iterator[list[datetime]]:
    run: list[datetime] = []
    for slot_at in slots:
        if len(run) > 1 and slot_at - run[-1] != run[1] - run[0]:
            yield run
            run = []
        run.append(slot_at)
    if run:
        yield run
