"""What is read from whom, and when: pure, from the settings and the meters to rounds that are due.

A round is one task at one slot on one bus. Rules:
1. Slots follow the wall clock and never repeat: a round is made only for a slot after the last one made, and a meter
   takes part only if its own settled-up-to mark lies before the slot.
2. A slot is live until the next slot of its task (an hour for daily and monthly ones): a slow bus has the whole
   period. What was not asked by then is missing, with the reason. After a restart a slot is taken up again only in
   the first half of that time: later a reading would be nearer to the next slot than to its own.
3. Slots that passed while nothing ran are missing with reason `gateway_down`: they are made here too, a bounded
   number at a time, so that live work goes first.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

from edge.config.settings import Settings, Task, parse_duration
from edge.quality.slots import next_slot, previous_slot, slots_between
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.quantities import expand_item

_RARE_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PolledMeter:
    """A meter as the poller knows it: where it hangs, what it speaks, and what it refused before."""

    address: str
    bus: str
    protocol: str
    tags: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()


@dataclass(slots=True)
class Round:
    """One task at one slot on one bus: `waiting` meters are asked until `live_until`."""

    task: PlanTask
    slot_at: datetime
    live_until: datetime
    waiting: deque[str]


def schedule_of(task: Task) -> Schedule:
    """Return the schedule that a task of the settings names."""
    if task.every is not None:
        return Schedule(every_s=int(parse_duration(task.every)))
    if task.monthly is not None:
        return Schedule(at=time.fromisoformat(task.monthly.at), day=task.monthly.day)
    return Schedule(at=time.fromisoformat(task.at or "00:00"))


def plan_in_force(settings: Settings, meters: Sequence[PolledMeter], valid_from: datetime) -> Plan:
    """Return the plan that the settings and the meters make: groups expanded, tags and "*" resolved."""
    tasks = tuple(
        PlanTask(
            name=task.name,
            schedule=schedule_of(task),
            items=_expand(task.items),
            meters=tuple(sorted(meter.address for meter in meters if _is_meant(task, meter))),
            priority=task.priority,
        )
        for task in settings.task
    )
    return Plan(valid_from=valid_from, timezone=settings.gateway.timezone, tasks=tasks)


def _expand(items: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for item in items for key in expand_item(item)))


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


def live_window(schedule: Schedule) -> timedelta:
    """Return how long after its slot a meter may still be asked live."""
    return _RARE_WINDOW if schedule.every_s is None else timedelta(seconds=schedule.every_s)


@dataclass(slots=True)
class Rounds:
    """The rounds of one bus: which are due, which meter is next, and which slots passed unasked."""

    plan: Plan
    marks: dict[tuple[str, str], datetime]
    _rounds: list[Round] = field(default_factory=list)
    _passed: deque[tuple[PlanTask, str, Iterator[datetime]]] = field(default_factory=deque)
    _made_until: dict[str, datetime] = field(default_factory=dict)
    _next: dict[str, datetime] = field(default_factory=dict)

    def begin(self, now: datetime) -> None:
        """Start at an instant: what is live is due, what passed since the marks is noted as missed."""
        for task in self.plan.tasks:
            previous = previous_slot(task.schedule, self.plan.timezone, now)
            is_live = previous > self.plan.valid_from and now <= previous + live_window(task.schedule) / 2
            begin_at = previous - timedelta(microseconds=1) if is_live else now
            for address in task.meters:
                mark = max(self.marks.get((task.name, address), self.plan.valid_from), self.plan.valid_from)
                if mark < begin_at:
                    self._note_passed(task, address, mark, begin_at)
            self._made_until[task.name] = begin_at

    def note_earlier(self, earlier: Plan) -> None:
        """Note what an earlier plan promised and nobody asked, up to the start of the present plan."""
        for task in earlier.tasks:
            for address in task.meters:
                mark = max(self.marks.get((task.name, address), earlier.valid_from), earlier.valid_from)
                if mark < self.plan.valid_from:
                    self._note_passed(task, address, mark, self.plan.valid_from)

    def replace_plan(self, plan: Plan) -> None:
        """Go on with another plan from its `valid_from` on: up to there the old one counts.

        Rounds under way that the new one no longer holds are noted as passed.
        """
        self.make_due(plan.valid_from)
        kept_tasks = {task.name: task for task in plan.tasks}
        for one in self._rounds:
            task = kept_tasks.get(one.task.name)
            kept = set(task.meters) if task else set()
            for address in [meter for meter in one.waiting if meter not in kept]:
                self._passed.append((one.task, address, iter((one.slot_at,))))
            one.waiting = deque(meter for meter in one.waiting if meter in kept)
            one.task = task or one.task
        self.plan = plan
        self._next.clear()
        made = self._made_until
        self._made_until = {
            task.name: max(plan.valid_from, made.get(task.name, plan.valid_from)) for task in plan.tasks
        }

    def _note_passed(self, task: PlanTask, address: str, after: datetime, until: datetime) -> None:
        self._passed.append((task, address, slots_between(task.schedule, self.plan.timezone, after, until)))

    def make_due(self, now: datetime) -> None:
        """Make the rounds of all slots up to now that were not made yet.

        A wall clock that steps back repeats no slot: only what lies after the last slot made is looked at.
        """
        for task in self.plan.tasks:
            if now < self._next_slot(task):
                continue
            latest = None
            for slot in slots_between(task.schedule, self.plan.timezone, self._made_until[task.name], now):
                if latest is not None:
                    self._pass_by(task, latest)
                latest = slot
            if latest is not None:
                self._add(task, latest)
            self._made_until[task.name] = now
            del self._next[task.name]

    def _next_slot(self, task: PlanTask) -> datetime:
        """Return the first slot of a task that was not made yet; computed once for each."""
        if task.name not in self._next:
            self._next[task.name] = next_slot(task.schedule, self.plan.timezone, self._made_until[task.name])
        return self._next[task.name]

    def _pass_by(self, task: PlanTask, slot: datetime) -> None:
        for address in task.meters:
            self._passed.append((task, address, iter((slot,))))

    def _add(self, task: PlanTask, slot: datetime) -> None:
        due = deque(address for address in task.meters if self._is_unsettled(task.name, address, slot))
        self._rounds.append(Round(task, slot, slot + live_window(task.schedule), due))
        self._rounds.sort(key=lambda one: (one.task.priority, one.slot_at))

    def _is_unsettled(self, task: str, address: str, slot: datetime) -> bool:
        mark = self.marks.get((task, address))
        return mark is None or mark < slot

    def settle(self, task: str, address: str, slot: datetime) -> None:
        """Note that a slot of a meter is settled, read or missing."""
        self.marks[task, address] = max(slot, self.marks.get((task, address), slot))

    def next_poll(self, now: datetime) -> tuple[Round, str] | None:
        """Take the next meter to ask, highest priority and oldest slot first; None if nothing is due."""
        for one in self._rounds:
            if one.waiting and now <= one.live_until:
                return one, one.waiting.popleft()
        return None

    def take_expired(self, now: datetime) -> list[tuple[PlanTask, datetime, str]]:
        """Take the (task, slot, meter) whose time is over without having been asked; ended rounds are forgotten."""
        expired = [
            (one.task, one.slot_at, address)
            for one in self._rounds
            if self._is_over(one, now)
            for address in one.waiting
        ]
        self._rounds = [one for one in self._rounds if one.waiting and not self._is_over(one, now)]
        return expired

    def _is_over(self, one: Round, now: datetime) -> bool:
        superseded = any(other.task.name == one.task.name and other.slot_at > one.slot_at for other in self._rounds)
        return superseded or now > one.live_until

    def take_passed(self, limit: int) -> list[tuple[PlanTask, datetime, str]]:
        """Take up to `limit` slots that passed while nothing ran, oldest of each meter first."""
        taken: list[tuple[PlanTask, datetime, str]] = []
        while self._passed and len(taken) < limit:
            task, address, slots = self._passed[0]
            slot = next(slots, None)
            if slot is None:
                self._passed.popleft()
            else:
                taken.append((task, slot, address))
        return taken

    @property
    def has_waiting(self) -> bool:
        """True while meters wait to be asked."""
        return any(one.waiting for one in self._rounds)

    @property
    def has_passed(self) -> bool:
        """True while slots that passed unasked are still to be noted."""
        return bool(self._passed)

    def next_due(self) -> datetime | None:
        """Return the next slot of any task; None without tasks."""
        return min((self._next_slot(task) for task in self.plan.tasks), default=None)
