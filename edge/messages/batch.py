"""A batch: poll records, the plan that came into force, and losses, as one CBOR payload. Described in `docs/batch.md`.

What travels of a poll record: all but `bus`, `response_ms`, `tries` and `raw`. `stamp.at` is cut to whole seconds;
`stamp.boot_s` comes back from the payload's table of clocks, at most 2 s off. Units are kept for the keys that have
a value or a fault. Records come back regrouped; those of the same slot and meter keep their order.
"""

from dataclasses import dataclass
from datetime import datetime

from edge.errors import MessageError
from edge.messages.canonical import decode_strict, encode_canonical
from edge.messages.checks import as_instant, as_list, as_map, as_text, instant_of, refuse
from edge.messages.envelope import MAX_RAW
from edge.messages.groups import GroupBuilder, Tables, decode_groups
from edge.messages.plan_rows import MAX_TASK, decode_losses, decode_plan, encode_losses, encode_plan
from edge.messages.tables import decode_clocks, decode_item_sets, decode_meters, encode_meters
from edge.reading.loss import Loss
from edge.reading.plan import Plan
from edge.reading.record import PollRecord

VERSION = 1
MAX_TASKS = 256

_VERSION, _SEALED_AT, _TASKS, _CLOCKS, _METERS, _ITEM_SETS, _GROUPS, _PLAN, _LOSSES = range(9)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one envelope carries; any part may be empty."""

    records: tuple[PollRecord, ...]
    plan: Plan | None
    losses: tuple[Loss, ...]
    sealed_at: datetime


def build_batch(batch: Batch) -> bytes:
    """Return the payload; the same bytes for the same batch. What it returns, `parse_batch` has read.

    Raises MessageError: E-MSG-104 (a value that cannot travel), E-MSG-102 or -103 (a bound; take fewer readings).
    """
    tasks = sorted({record.task for record in batch.records} | {loss.task for loss in batch.losses})
    meters, meter_index = encode_meters(_meters_of(batch))
    task_index = {task: index for index, task in enumerate(tasks)}
    builder = GroupBuilder(task_index, meter_index)
    groups = builder.build(batch.records)
    fields = {
        _TASKS: tasks,
        _CLOCKS: builder.clocks.rows,
        _METERS: meters,
        _ITEM_SETS: builder.item_sets.rows,
        _GROUPS: groups,
        _PLAN: encode_plan(batch.plan, meter_index) if batch.plan else None,
        _LOSSES: encode_losses(batch.losses, task_index, meter_index),
    }
    head = {_VERSION: VERSION, _SEALED_AT: instant_of(batch.sealed_at, "sealed at")}
    raw = encode_canonical(head | {key: value for key, value in fields.items() if value})
    parse_batch(raw)
    return raw


def parse_batch(raw: bytes) -> Batch:
    """Return the batch of a payload. Raises MessageError, and nothing else, whatever the bytes are."""
    fields = as_map(decode_strict(raw, limit=MAX_RAW), "batch", range(9), (_VERSION, _SEALED_AT))
    if type(fields[_VERSION]) is not int or fields[_VERSION] != VERSION:
        raise MessageError("E-MSG-105", found=repr(fields[_VERSION])[:32], known=VERSION)
    tasks = [as_text(task, "task", MAX_TASK) for task in as_list(fields.get(_TASKS, []), "tasks", MAX_TASKS)]
    if len(set(tasks)) != len(tasks):
        refuse("tasks", "one stands there twice")
    meters = decode_meters(fields.get(_METERS, []))
    clocks = decode_clocks(fields.get(_CLOCKS, []))
    tables = Tables(tasks, clocks, meters, decode_item_sets(fields.get(_ITEM_SETS, [])))
    return Batch(
        records=tuple(decode_groups(fields.get(_GROUPS, []), tables)),
        plan=decode_plan(fields[_PLAN], meters) if _PLAN in fields else None,
        losses=decode_losses(fields.get(_LOSSES, []), tasks, meters),
        sealed_at=as_instant(fields[_SEALED_AT], "sealed at"),
    )


def _meters_of(batch: Batch) -> set[str]:
    meters = {record.meter for record in batch.records} | {loss.meter for loss in batch.losses}
    if batch.plan is not None:
        meters.update(*(task.meters for task in batch.plan.tasks))
    return meters
