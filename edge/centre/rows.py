"""Between values and the ledger's rows: instants, polls and plans as text, both ways.

Pure. Everything is exact: a decimal number is written with its own digits and read back with them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from edge.centre.once import PollFace
from edge.reading.outcome import Value
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.quantities import unit_of
from edge.reading.record import PollRecord, SlotState


def instant_text(at: datetime) -> str:
    """Return an instant in UTC to the microsecond, as text that sorts."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def slot_text(at: datetime) -> str:
    """Return a slot in UTC to the second, as text that sorts."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_instant(text: str) -> datetime:
    """Return the instant that `instant_text` or `slot_text` wrote."""
    return datetime.fromisoformat(text)


def face_of(record: PollRecord) -> PollFace:
    """Return what of a poll decides whether it counts."""
    return PollFace(
        state=record.state,
        values={key: value_text(value) for key, value in record.values.items()},
        units={key: record.units.get(key) or unit_of(key) for key in record.values},
        faults={key: str(reason) for key, reason in record.faults.items()},
        reason=None if record.reason is None else str(record.reason),
        is_dated=record.stamp.is_dated,
    )


def value_text(value: Value | None) -> str | None:
    """Return a value as exact text, without an exponent; None stays None."""
    if value is None or isinstance(value, str):
        return value
    return f"{value:f}"


def items_text(face: PollFace) -> str:
    """Return the item set of a poll: [key, unit] pairs in the order of their keys."""
    return _compact([[key, face.units[key]] for key in sorted(face.values)])


def amounts_text(face: PollFace) -> str:
    """Return the values of a poll, in the order of its item set."""
    return _compact([face.values[key] for key in sorted(face.values)])


def faults_text(face: PollFace) -> str:
    """Return the items that failed, with their reasons."""
    return _compact(dict(sorted(face.faults.items())))


def parse_face(
    state: str,
    reason: str | None,
    items: str,
    amounts: str,
    faults: str,
    *,
    is_dated: bool = True,
    is_flagged: bool = False,
) -> PollFace:
    """Return what the texts of a row say."""
    pairs: list[tuple[str, str]] = json.loads(items)
    values: list[str | None] = json.loads(amounts)
    return PollFace(
        state=SlotState(state),
        values={key: value for (key, _), value in zip(pairs, values, strict=True)},
        units=dict(pairs),
        faults=json.loads(faults),
        reason=reason,
        is_dated=is_dated,
        is_flagged=is_flagged,
    )


def plan_text(plan: Plan) -> str:
    """Return a plan as one line of JSON."""
    return _compact(
        {
            "valid_from": instant_text(plan.valid_from),
            "timezone": plan.timezone,
            "tasks": [_task_document(task) for task in plan.tasks],
        }
    )


def parse_plan(text: str) -> Plan:
    """Return the plan that `plan_text` wrote."""
    document = json.loads(text)
    tasks = tuple(_parse_task(task) for task in document["tasks"])
    return Plan(parse_instant(document["valid_from"]), document["timezone"], tasks)


def _task_document(task: PlanTask) -> dict[str, object]:
    at = task.schedule.at
    return {
        "name": task.name,
        "every_s": task.schedule.every_s,
        "at": None if at is None else at.isoformat(),
        "day": task.schedule.day,
        "items": list(task.items),
        "meters": list(task.meters),
        "priority": task.priority,
    }


def _parse_task(document: Mapping[str, Any]) -> PlanTask:
    at = None if document["at"] is None else time.fromisoformat(document["at"])
    return PlanTask(
        name=document["name"],
        schedule=Schedule(document["every_s"], at, document["day"]),
        items=tuple(document["items"]),
        meters=tuple(document["meters"]),
        priority=document["priority"],
    )


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
