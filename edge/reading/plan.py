"""The plan in force: which task reads which items from which meters, when.

It is signed and sent, so that the centre expects exactly what the gateway promised.

A schedule is one of: every so many seconds, aligned to the wall clock from the zone's midnight; daily at a local
time; monthly on a day at a local time. Slot instants are computed by `edge.quality.slots`.
"""

from dataclasses import dataclass
from datetime import datetime, time


@dataclass(frozen=True, slots=True)
class Schedule:
    """Exactly one kind is set: `every_s`; or `at` alone (daily); or `at` with `day` (monthly, 1..28)."""

    every_s: int | None = None
    at: time | None = None
    day: int | None = None


@dataclass(frozen=True, slots=True)
class PlanTask:
    """One task as it is in force: `items` are quantity keys or `di:` keys, `meters` are addresses of 12 digits."""

    name: str
    schedule: Schedule
    items: tuple[str, ...]
    meters: tuple[str, ...]
    priority: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """All tasks of a gateway, in force for the slots after `valid_from` (UTC) up to and with the next plan's.

    `timezone` is the meters' zone.
    """

    valid_from: datetime
    timezone: str
    tasks: tuple[PlanTask, ...]
