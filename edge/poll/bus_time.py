"""How much of its time a bus needs for what the settings ask of its meters. Pure; a forecast, nothing is measured.

Rules:
1. A request costs what the planner takes it to cost: both frames at the speed of its meter, the quiet before it, and
   the usual delay of an answer. Retries, silent meters and refills come on top.
2. A snapshot asks for each item by itself, and for the time of the freeze.
3. A task at a time of the day counts over a day, a monthly one over 28 days.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.config.complaint import Complaint
from edge.config.settings import Bus, Settings, Task, parse_duration
from edge.poll.meter_state import USUAL_ANSWER_S
from edge.poll.plan import PolledMeter, line_of, plan_in_force, year_to_ask
from edge.poll.vendor_items import vendor_items
from edge.protocols.dlt645.control import Version
from edge.protocols.dlt645.formats import parse_format
from edge.protocols.dlt645.wire_plan import identifier_of, plan_requests, request_cost
from edge.protocols.exchange import PlanTerms
from edge.reading.vendor import VendorItem

_DAY_S = 86400
_MONTH_S = 28 * _DAY_S
_VERSIONS: Mapping[str, Version] = {"dlt645-2007": "2007", "dlt645-1997": "1997"}
_TIME_OF_FREEZE: Mapping[Version, str] = {"2007": "04000101", "1997": "C010"}
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class TaskTime:
    """What one task needs of one bus: how many meters, how long for all of them once, and how often."""

    task: str
    bus: str
    meters: int
    sum_s: float
    period_s: float

    @property
    def share(self) -> float:
        """The part of the bus's time that this task takes; above 1 it cannot be done."""
        return self.sum_s / self.period_s


def task_times(settings: Settings, meters: Sequence[PolledMeter]) -> tuple[TaskTime, ...]:
    """Return what each task needs of each bus that has meters for it."""
    buses, by_address = {bus.name: bus for bus in settings.bus}, {meter.address: meter for meter in meters}
    here, extra = [meter for meter in meters if meter.bus in buses], vendor_items(settings)
    plan = plan_in_force(settings, here, _ANY_TIME)
    found = []
    for task, planned in zip(settings.task, plan.tasks, strict=True):
        costs: dict[str, list[float]] = {}
        for meter in (by_address[address] for address in planned.meters):
            costs.setdefault(meter.bus, []).append(_poll_s(task, planned.items, meter, buses[meter.bus], extra))
        found += [TaskTime(task.name, bus, len(each), sum(each), _period_s(task)) for bus, each in costs.items()]
    return tuple(found)


def load_of(times: Iterable[TaskTime], bus: str) -> float:
    """Return the part of a bus's time that all tasks together need; above 1 some of it is missed."""
    return sum(one.share for one in times if one.bus == bus)


def time_complaints(settings: Settings, times: Sequence[TaskTime]) -> Iterator[Complaint]:
    """Complain of a task that takes longer than its period, and of a bus that has more to do than there is time."""
    places = {task.name: index for index, task in enumerate(settings.task)}
    for one in times:
        if one.share > 1:
            task = settings.task[places[one.task]]
            yield Complaint("E-CFG-080", ("task", places[one.task], "every"), _task_values(one, task))
    for index, bus in enumerate(settings.bus):
        share = load_of(times, bus.name)
        if share > 1 and not any(one.bus == bus.name and one.share > 1 for one in times):
            values = {"bus": bus.name, "percent": round(share * 100), "parts": _parts(times, bus.name)}
            yield Complaint("E-CFG-081", ("bus", index, "name"), values)


def lost_meters(settings: Settings, buses: Mapping[str, str]) -> Iterator[Complaint]:
    """Complain of meters of the register that are on a bus which the settings do not have; `buses` by address."""
    known = {bus.name for bus in settings.bus}
    for name in sorted(set(buses.values()) - known):
        lost = sorted(address for address, bus in buses.items() if bus == name)
        shown = ", ".join(lost[:_MOST_NAMED]) + (", …" if len(lost) > _MOST_NAMED else "")
        yield Complaint("E-CFG-082", ("bus",), {"bus": name, "count": len(lost), "meters": shown})


def _task_values(one: TaskTime, task: Task) -> dict[str, object]:
    each, total = _seconds(one.sum_s / one.meters), _seconds(one.sum_s)
    return {"task": one.task, "bus": one.bus, "period": task.every, "count": one.meters, "each": each, "sum": total}


def _parts(times: Iterable[TaskTime], bus: str) -> str:
    here = sorted((one for one in times if one.bus == bus), key=lambda one: -one.share)
    return " + ".join(f"{one.task} {round(one.share * 100)} %" for one in here)


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 100 else f"{value:.0f} s"  # noqa: PLR2004


def _period_s(task: Task) -> float:
    if task.every is not None:
        return parse_duration(task.every)
    return _MONTH_S if task.monthly is not None else _DAY_S


def _poll_s(task: Task, items: tuple[str, ...], meter: PolledMeter, bus: Bus, extra: tuple[VendorItem, ...]) -> float:
    """Return how long a poll of these items takes."""
    version = _VERSIONS[year_to_ask(meter.known_protocol)]
    learned = meter.learned
    terms = PlanTerms(
        avoid=frozenset(learned.refused),
        with_unlisted=True,
        tariffs=learned.tariffs,
        sizes=frozenset({**_own_sizes(extra), **learned.sizes}.items()),
        byte_s=line_of(bus, learned).byte_time_s,
        turn_s=bus.gap_ms / 1000 + USUAL_ANSWER_S,
    )
    if task.snapshot:
        wanted = [identifier_of(version, key, extra) for key in items]
        return sum(request_cost(version, one, terms) for one in (*wanted, _TIME_OF_FREEZE[version]) if one)
    asked, _ = plan_requests(version, items, terms, extra)
    return sum(request_cost(version, request.identifier, terms) for request in asked)


def _own_sizes(extra: Iterable[VendorItem]) -> dict[str, int]:
    sizes = {one.identifier: parse_format(one.layout).size for one in extra}
    return {identifier: size for identifier, size in sizes.items() if size}
