"""A loss: slots whose readings were stored and then could not be kept. It is reported, signed, never silent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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


def _even_runs(slots: Sequence[datetime]) -> Iterator[list[datetime]]:
    run: list[datetime] = []
    for slot_at in slots:
        if len(run) > 1 and slot_at - run[-1] != run[1] - run[0]:
            yield run
            run = []
        run.append(slot_at)
    if run:
        yield run
