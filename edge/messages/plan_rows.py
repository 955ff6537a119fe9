"""Plan rows and losses, as they stand in a batch's payload."""

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

from edge.errors import MessageError
from edge.messages.checks import as_instant, as_int, as_list, as_row, as_text, instant_of, refuse
from edge.messages.groups import decode_indices, encode_indices
from edge.messages.tables import MAX_ITEMS, MAX_KEY
from edge.reading.loss import Loss
from edge.reading.plan import Plan, PlanTask, Schedule

MAX_TASKS = 256
MAX_TASK = 64
MAX_EXPECTED = 1 << 17  # meters of all tasks together: a plan of 800 bytes must not become 30 MB
MAX_LOSSES = 65536
MAX_COUNT = 1 << 53
DAY_S = 86400
MAX_PERIOD_S = 366 * DAY_S
MAX_DAY = 28
MAX_REASON = 64


def encode_plan(plan: Plan, meters: Mapping[str, int]) -> list[object]:
    """Return [valid from, zone, tasks]. Raises MessageError for one that no reader would take."""
    if sum(len(task.meters) for task in plan.tasks) > MAX_EXPECTED:
        raise MessageError("E-MSG-104", detail=f"a plan of more than {MAX_EXPECTED} pairs of task and meter")
    tasks = [
        [
            task.name,
            _encode_schedule(task.schedule),
            list(task.items),
            encode_indices([meters[meter] for meter in task.meters], len(meters)),
            task.priority,
        ]
        for task in plan.tasks
    ]
    return [instant_of(plan.valid_from, "plan"), plan.timezone, tasks]


def decode_plan(value: object, meters: Sequence[str]) -> Plan:
    """Return the plan."""
    valid_from, timezone, tasks = as_row(value, "plan", 3)
    read: list[PlanTask] = []
    expected = 0
    for one in as_list(tasks, "plan tasks", MAX_TASKS):
        read.append(_task_of(one, meters))
        expected = as_int(expected + len(read[-1].meters), "plan: pairs of task and meter", 0, MAX_EXPECTED)
    return Plan(as_instant(valid_from, "plan"), as_text(timezone, "zone", 64), tuple(read))


def _task_of(value: object, meters: Sequence[str]) -> PlanTask:
    name, schedule, items, indices, priority = as_row(value, "plan task", 5)
    return PlanTask(
        as_text(name, "task", MAX_TASK),
        _decode_schedule(schedule),
        tuple(as_text(item, "key", MAX_KEY) for item in as_list(items, "plan items", MAX_ITEMS)),
        tuple(meters[index] for index in decode_indices(indices, len(meters))),
        as_int(priority, "priority", -MAX_COUNT, MAX_COUNT),
    )


def _encode_schedule(schedule: Schedule) -> list[object]:
    return [schedule.every_s, None if schedule.at is None else _second_of_day(schedule.at), schedule.day]


def _second_of_day(at: time) -> int:
    if at.tzinfo is not None or at.microsecond:
        raise MessageError("E-MSG-104", detail="schedule: a part of a second, or a zone")
    return at.hour * 3600 + at.minute * 60 + at.second


def _decode_schedule(value: Any) -> Schedule:
    every_s, at, day = as_row(value, "schedule", 3)
    if (every_s is None) == (at is None) or (at is None and day is not None):
        refuse("schedule", "not exactly one kind")
    if every_s is not None:
        return Schedule(every_s=as_int(every_s, "schedule", 1, MAX_PERIOD_S))
    second = as_int(at, "schedule", 0, DAY_S - 1)
    return Schedule(
        at=time(second // 3600, second // 60 % 60, second % 60),
        day=None if day is None else as_int(day, "schedule", 1, MAX_DAY),
    )


def encode_losses(losses: Sequence[Loss], tasks: Mapping[str, int], meters: Mapping[str, int]) -> list[object]:
    """Return a row per loss: task, meter, first, last, count, reason."""
    return [
        [
            tasks[loss.task],
            meters[loss.meter],
            instant_of(loss.first_at, "loss"),
            instant_of(loss.last_at, "loss"),
            loss.count,
            loss.reason,
        ]
        for loss in losses
    ]


def decode_losses(value: object, tasks: Sequence[str], meters: Sequence[str]) -> tuple[Loss, ...]:
    """Return the losses."""
    return tuple(_loss_of(one, tasks, meters) for one in as_list(value, "losses", MAX_LOSSES))


def _loss_of(value: object, tasks: Sequence[str], meters: Sequence[str]) -> Loss:
    task, meter, first, last, count, reason = as_row(value, "loss", 6)
    loss = Loss(
        tasks[as_int(task, "loss", 0, len(tasks) - 1)],
        meters[as_int(meter, "loss", 0, len(meters) - 1)],
        as_instant(first, "loss"),
        as_instant(last, "loss"),
        as_int(count, "loss", 1, MAX_COUNT),
        as_text(reason, "reason", MAX_REASON),
    )
    if loss.last_at < loss.first_at:
        refuse("loss", "ends before it begins")
    return loss
