"""Who can close a hole: the meter, the gateway, the network between, the centre itself, or nobody.

Pure but for the ledger that it asks. Rules, in order:
1. The gateway gave the slot up for good: nobody.
2. It says that the slot is missing and still open: the meter, whose memory it asks, if the meter was asked and did not
   answer well; else the gateway, where the cause lies (its port, its time, its settings).
3. No word of the slot, and the centre rejected batches of about that time: the centre, which could not read them.
4. No word, and numbers of about that time are missing: the network, which did not bring them yet; the receipt asks.
5. No word, and the gateway was not heard since: the network. It may be cut off, or without power.
6. The gateway was closed after the slot, as by `edge centre close`: nobody, in the place of 2, 4, 5 and 7.
7. No word, though the gateway was heard since and no number is missing: the gateway, which polled nothing.

"Of about that time": from the number on that brought the youngest slot before this one; lower ones hold older slots.
For the first slots of a span that is asked of the day before.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate

from edge.centre.ledger import Ledger
from edge.reading.verdict import SlotReason

_LOOK_BACK = timedelta(days=1)
_LISTED = 64  # gaps and rejected numbers that are looked at, as many as a receipt names
_AT_GATEWAY = frozenset(
    {SlotReason.PORT_GONE, SlotReason.GATEWAY_DOWN, SlotReason.OVERRUN, SlotReason.UNKNOWN_ITEM}
)  # fmt: skip


class Closer(StrEnum):
    """Who can still close a hole."""

    METER = "meter"
    GATEWAY = "gateway"
    NETWORK = "network"
    CENTRE = "centre"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Closing:
    """Who can close a hole, and the numbers of the batches that it hangs on, as (first, last)."""

    closer: Closer
    batches: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Epoch:
    """An epoch with faults: its slots by time, the lowest number that brought each or a younger one, and the faults."""

    slots: Sequence[datetime]
    lowest: Sequence[int]
    missing: tuple[tuple[int, int], ...]
    rejected: tuple[tuple[int, int], ...]

    def from_about(self, slot_at: datetime) -> int:
        """Return the number from which on a batch may hold this slot."""
        before = bisect_left(self.slots, slot_at) - 1
        return self.lowest[bisect_left(self.slots, self.slots[before])] if before >= 0 else 1


class Closers:
    """Answers for the slots of one gateway in a span. `closed_at`: when somebody closed the gateway."""

    def __init__(
        self,
        ledger: Ledger,
        gateway: str,
        since: datetime,
        until: datetime,
        closed_at: datetime | None = None,
    ) -> None:
        self._closed_at = closed_at
        states = ledger.epochs(gateway)
        self._heard_at = max((state.heard_at for state in states), default=None)
        faults = {
            state.epoch: (
                ledger.missing(state, _LISTED),
                tuple((seq, seq) for seq, _ in ledger.rejected(gateway, state.epoch, _LISTED)),
            )
            for state in states
        }
        faulty = {epoch: found for epoch, found in faults.items() if any(found)}
        lowest: dict[bytes, dict[datetime, int]] = {epoch: {} for epoch in faulty}
        for row in ledger.slots(gateway, since - _LOOK_BACK, until) if faulty else ():
            if row.epoch in lowest:
                slots = lowest[row.epoch]
                slots[row.slot_at] = min(slots.get(row.slot_at, row.seq), row.seq)
        self._epochs = [_epoch(lowest[epoch], *found) for epoch, found in faulty.items()]

    def of_open(self, reason: str, slot_at: datetime) -> Closing:
        """Return who can close a slot that is missing and open, for this reason."""
        if self._is_closed(slot_at):
            return Closing(Closer.NOBODY)
        return Closing(Closer.GATEWAY if reason in _AT_GATEWAY else Closer.METER)

    def of_unheard(self, slot_at: datetime, known_by: datetime) -> Closing:
        """Return who can close a slot of which no word came; `known_by`: by then it should have."""
        for closer, spans in ((Closer.CENTRE, "rejected"), (Closer.NETWORK, "missing")):
            found = tuple(span for one in self._epochs for span in _above(getattr(one, spans), one.from_about(slot_at)))
            if found and (closer is Closer.CENTRE or not self._is_closed(slot_at)):
                return Closing(closer, found)
        if self._is_closed(slot_at):
            return Closing(Closer.NOBODY)
        if self._heard_at is None or self._heard_at <= known_by:
            return Closing(Closer.NETWORK)
        return Closing(Closer.GATEWAY)

    def _is_closed(self, slot_at: datetime) -> bool:
        return self._closed_at is not None and slot_at <= self._closed_at


def _epoch(
    slots: Mapping[datetime, int], missing: tuple[tuple[int, int], ...], rejected: tuple[tuple[int, int], ...]
) -> _Epoch:  # fmt: skip
    """Return an epoch by its slots with the lowest number that brought each."""
    ordered = sorted(slots)
    lowest = list(accumulate((slots[slot_at] for slot_at in reversed(ordered)), min))
    return _Epoch(ordered, lowest[::-1], missing, rejected)


def _above(spans: Iterable[tuple[int, int]], lowest: int) -> Iterable[tuple[int, int]]:
    return ((max(first, lowest), last) for first, last in spans if last >= lowest)
