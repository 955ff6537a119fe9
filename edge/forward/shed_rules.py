"""What is given up of a batch when the store is full, and what stays. Pure.

Rules, in order:
1. Readings that no bill rests on go first: the quantities of `SECONDARY`. Everything else stays, energies, billing
   demands, freezes, credit and volumes, and also what nobody here can judge: `di:` keys and a maker's own items.
2. Only then the other readings go, with their whole batch.
3. Whatever goes leaves its reason. A reading that goes from a poll that stays is a fault `shed` of that poll; a poll
   that has no value left is a loss `shed` that names its slot.
4. Misses stay in every case, as do plans and earlier losses: they are what the centre knows nothing else of, and small.
5. Batches of which nothing more can go are merged: the same records and losses in one, as few losses as can be.
6. Only where that gains nothing any more, a merged batch keeps a single loss for each task and meter, which names all
   slots from the first to the last of them: more than went, never less. Misses go then, too. Plans never go.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from edge.messages.batch import Batch
from edge.reading.loss import Loss, LossReason, joined, losses_of, spanned
from edge.reading.record import PollRecord, SlotState
from edge.reading.verdict import SlotReason

SECONDARY = (
    *("voltage_", "current_", "power_", "frequency", "demand_active_present", "demand_reactive_present"),
    *("temperature_", "battery_", "clock", "meter_address", "meter_serial", "asset_code", "status_words"),
    *("event_", "relay_state"),
)
_WITH_VALUES = frozenset({SlotState.READ, SlotState.REFILLED})


def is_secondary(key: str) -> bool:
    """Return True for a quantity that no bill rests on."""
    return key.startswith(SECONDARY)


def reduced_batch(batch: Batch) -> Batch:
    """Return the batch without its secondary readings; itself if it has none."""
    return _without(batch, [_reduced(record) for record in batch.records])


def bare_batch(batch: Batch) -> Batch:
    """Return the batch without any reading; itself if it has none."""
    return _without(batch, [None if _is_reading(record) else record for record in batch.records])


def losses_instead(batch: Batch) -> tuple[Loss, ...]:
    """Return losses that name every slot of a batch that goes without a replacement, and those that it named."""
    return (*batch.losses, *losses_of(_slots_of(batch.records), LossReason.SHED))


def merged_batches(batches: Sequence[Batch], sealed_at: datetime) -> list[Batch]:
    """Return what takes the place of batches: one that has all of them; each plan after the first has its own."""
    records = tuple(record for batch in batches for record in batch.records)
    losses = tuple(joined(loss for batch in batches for loss in batch.losses))
    return _with_plans(batches, Batch(records, None, losses, sealed_at))


def spanned_batches(batches: Sequence[Batch], sealed_at: datetime) -> list[Batch]:
    """Return the least that can take the place of batches: a loss for each task and meter, and the plans."""
    losses = tuple(spanned(loss for batch in batches for loss in losses_instead(batch)))
    return _with_plans(batches, Batch((), None, losses, sealed_at))


def values_in(batch: Batch) -> int:
    """Return how many values a batch holds."""
    return sum(len(record.values) for record in batch.records)


def weight_of(batch: Batch) -> int:
    """Return how many readings a batch counts for: its values, and each miss as one."""
    return sum(max(1, len(record.values)) for record in batch.records)


def _without(batch: Batch, left: Sequence[PollRecord | None]) -> Batch:
    """Return the batch with what is left of each record, and a loss for each of which nothing is."""
    kept = tuple(record for record in left if record is not None)
    gone = [old for old, new in zip(batch.records, left, strict=True) if new is None]
    return replace(batch, records=kept, losses=(*batch.losses, *losses_of(_slots_of(gone), LossReason.SHED)))


def _with_plans(batches: Sequence[Batch], merged: Batch) -> list[Batch]:
    plans = list(dict.fromkeys(batch.plan for batch in batches if batch.plan is not None))
    if not plans:
        return [merged]
    return [replace(merged, plan=plans[0]), *(Batch((), plan, (), merged.sealed_at) for plan in plans[1:])]


def _is_reading(record: PollRecord) -> bool:
    return record.state in _WITH_VALUES


def _reduced(record: PollRecord) -> PollRecord | None:
    """Return the record without its secondary readings; None if no value is left."""
    gone = [key for key in record.values if is_secondary(key)]
    if not _is_reading(record) or not gone:
        return record
    values = {key: value for key, value in record.values.items() if not is_secondary(key)}
    if not values:
        return None
    return replace(record, values=values, faults={**record.faults, **dict.fromkeys(gone, SlotReason.SHED)})


def _slots_of(records: Iterable[PollRecord]) -> Iterator[tuple[str, str, datetime]]:
    return ((record.task, record.meter, record.slot_at) for record in records)
