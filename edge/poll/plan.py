"""Who is polled, and the plan that the settings and the meters make. Pure; the course of the slots is `rounds.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time

from edge.bus.link import LineSettings
from edge.config.settings import Bus, Settings, Task, parse_duration
from edge.poll.learned import NOTHING, Learned
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.quantities import expand_item
from edge.reading.vendor import VendorItem

EITHER_YEAR = "dlt645"


@dataclass(frozen=True, slots=True)
class BusSettings:
    """What the settings say to the worker of one bus, beside the plan: the bus, own items, tasks that freeze first."""

    bus: Bus
    items: tuple[VendorItem, ...]
    snapshots: frozenset[str]


@dataclass(frozen=True, slots=True)
class PolledMeter:
    """A meter as the poller knows it: where it hangs, what it speaks, and what was learned about it.

    `protocol` may be "dlt645": which year it speaks is found out, once.
    """

    address: str
    bus: str
    protocol: str
    tags: tuple[str, ...] = ()
    learned: Learned = NOTHING

    @property
    def known_protocol(self) -> str:
        """The protocol, with the year if that was found out."""
        return known_year(self.protocol, self.learned)


def known_year(protocol: str, learned: Learned) -> str:
    """Return the protocol, with the year if that was found out."""
    return learned.protocol if protocol == EITHER_YEAR and learned.protocol else protocol


def year_to_ask(protocol: str) -> str:
    """Return the protocol to look for meters with: where either year may be spoken, the newer."""
    return years_to_ask(protocol)[0]


def years_to_ask(protocol: str) -> tuple[str, ...]:
    """Return the protocols in which a meter may have to be asked until it answers, the newer first."""
    return ("dlt645-2007", "dlt645-1997") if protocol == EITHER_YEAR else (protocol,)


def line_of(bus: Bus, learned: Learned) -> LineSettings:
    """Return how the port is set for a meter: as its bus, but at the speed that the meter was raised to."""
    return LineSettings(baud=learned.baud or bus.baud, parity=bus.parity)


def schedule_of(task: Task) -> Schedule:
    """Return the schedule that a task of the settings names."""
    if task.every is not None:
        return Schedule(every_s=int(parse_duration(task.every)))
    if task.monthly is not None:
        return Schedule(at=time.fromisoformat(task.monthly.at), day=task.monthly.day)
    return Schedule(at=time.fromisoformat(task.at or "00:00"))


def plan_in_force(settings: Settings, meters: Sequence[PolledMeter], valid_from: datetime) -> Plan:
    """Return the plan that the settings and the meters make: groups expanded, tags and "*" resolved."""
    own = frozenset(item.key for item in settings.item)
    tasks = tuple(
        PlanTask(
            name=task.name,
            schedule=schedule_of(task),
            items=_expand(task.items, own),
            meters=tuple(sorted(meter.address for meter in meters if _is_meant(task, meter))),
            priority=task.priority,
        )
        for task in settings.task
    )
    return Plan(valid_from=valid_from, timezone=settings.gateway.timezone, tasks=tasks)


def _expand(items: Sequence[str], own: frozenset[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for item in items for key in expand_item(item, own)))


def _is_meant(task: Task, meter: PolledMeter) -> bool:
    wanted = set(task.meters)
    return "*" in wanted or meter.address in wanted or not wanted.isdisjoint(meter.tags)


def plan_of_bus(plan: Plan, meters: Mapping[str, PolledMeter], bus: str) -> Plan:
    """Return the part of the plan that concerns the meters of one bus; tasks without any are left out."""
    tasks = []
    for task in plan.tasks:
        here = tuple(address for address in task.meters if address in meters and meters[address].bus == bus)
        if here:
            tasks.append(replace(task, meters=here))
    return replace(plan, tasks=tuple(tasks))
