"""The rounds of one bus: which meter is asked next for which slot, and which slots nobody asked for. Pure.

A round is one task at one slot. Rules:
1. Slots follow the wall clock and never repeat: a round is made only for a slot after the last one made, and a meter
   takes part only if its own settled-up-to mark lies before the slot.
2. A slot is live until the next slot of its task (an hour for daily and monthly ones): a slow bus has the whole
   period. After a restart a slot is taken up again only in the first half of that time: later a reading would be
   nearer to the next slot than to its own.
3. A round begins with the meters that were asked longest ago: where the bus is too slow for its period, each meter
   misses some slots, and none misses all.
4. What was not asked in time goes into one queue, with its reason, in the order of the slots: each (task, meter) is
   settled in ascending order, as the store demands. The queue is emptied before anything live is asked.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from edge.quality.slots import next_slot, previous_slot, slots_between
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.verdict import SlotReason

_RARE_WINDOW = timedelta(hours=1)
_MOMENT = timedelta(microseconds=1)
_CORRECTION = timedelta(minutes=2)


@dataclass(slots=True)
class Round:
    """One task at one slot: `waiting` meters are asked until `live_until`."""

    task: PlanTask
    slot_at: datetime
    live_until: datetime
    waiting: deque[str]


@dataclass(frozen=True, slots=True)
class Unasked:
    """A slot of a meter that nobody asked for, and why."""

    task: PlanTask
    slot_at: datetime
    meter: str
    reason: SlotReason


@dataclass(slots=True)
class _Stretch:
    """Slots of one meter that are to be noted, made one by one: a long stretch takes no memory."""

    task: PlanTask
    meter: str
    slots: Iterator[datetime]
    reason: SlotReason


def live_window(schedule: Schedule) -> timedelta:
    """Return how long after its slot a meter may still be asked live."""
    return _RARE_WINDOW if schedule.every_s is None else timedelta(seconds=schedule.every_s)


def passed_slots(plan: Plan, marks: Mapping[tuple[str, str], datetime], until: datetime) -> Iterator[Unasked]:
    """Yield what a plan promised up to an instant and nobody asked for, those of each meter in their order."""
    for task in plan.tasks:
        for address in task.meters:
            after = max(marks.get((task.name, address), plan.valid_from), plan.valid_from)
            if after < until:
                for slot in slots_between(task.schedule, plan.timezone, after, until):
                    yield Unasked(task, slot, address, SlotReason.GATEWAY_DOWN)


@dataclass(slots=True)
class Rounds:
    """The course of the slots. `missed_as`: why a slot that runs out from now on was not asked."""

    plan: Plan
    marks: dict[tuple[str, str], datetime]
    missed_as: SlotReason = SlotReason.OVERRUN
    _rounds: list[Round] = field(default_factory=list)
    _unasked: deque[_Stretch] = field(default_factory=deque)
    _made_until: dict[str, datetime] = field(default_factory=dict)
    _next: dict[str, datetime] = field(default_factory=dict)
    _asked: dict[tuple[str, str], int] = field(default_factory=dict)
    _turns: int = 0

    def begin(self, now: datetime) -> None:
        """Start at an instant: what is live is due, what passed since the marks is noted as `gateway_down`."""
        if now < self.plan.valid_from <= now + _CORRECTION:
            now = self.plan.valid_from  # the clock was put back a little: nothing is promised before
        for task in self.plan.tasks:
            previous = previous_slot(task.schedule, self.plan.timezone, now)
            is_live = previous > self.plan.valid_from and now <= previous + live_window(task.schedule) / 2
            begin_at = previous - _MOMENT if is_live else now
            for address in task.meters:
                after = max(self.marks.get((task.name, address), self.plan.valid_from), self.plan.valid_from)
                self._note(task, address, after, begin_at, SlotReason.GATEWAY_DOWN)
            self._made_until[task.name] = begin_at

    def begin_anew(self, now: datetime, since: datetime | None = None) -> None:
        """Forget slots of a time that has not come yet, which a wrong clock made, and begin again at this instant.

        `since`: when the clock was found wrong, if that was earlier. A slot that came in between is due, not settled.
        """
        since = now if since is None else since
        self.marks = {slot: at if at <= now else since for slot, at in self.marks.items()}
        if self.plan.valid_from > now:
            self.plan = replace(self.plan, valid_from=since)
        self._begin_again(now)

    def begin_from(self, plan: Plan, marks: Mapping[tuple[str, str], datetime], now: datetime) -> None:
        """Forget all that was made, and begin again at this instant with the plan and the marks of the store."""
        self.plan, self.marks = plan, dict(marks)
        self._begin_again(now)

    def _begin_again(self, now: datetime) -> None:
        self._rounds.clear()
        self._unasked.clear()
        self._next.clear()
        self._made_until.clear()
        self.begin(now)

    def replace_plan(self, plan: Plan) -> None:
        """Go on with another plan from its `valid_from` on: up to there the old one counts.

        Meters of rounds under way that the new plan no longer holds are noted as not asked; the others are asked for
        what the old plan promised: the centre expects of a slot what was in force at it.
        """
        self.make_due(plan.valid_from)
        had = {(task.name, address) for task in self.plan.tasks for address in task.meters}
        kept = {task.name: task for task in plan.tasks}
        self._rounds = [one for one in self._rounds if self._goes_on(one, kept.get(one.task.name), plan.valid_from)]
        self.plan = plan
        self._next.clear()
        made = self._made_until
        self._made_until = {
            task.name: max(plan.valid_from, made.get(task.name, plan.valid_from)) for task in plan.tasks
        }
        for task in plan.tasks:
            for address in task.meters:
                if (task.name, address) not in had:
                    self._join(task, address)

    def _goes_on(self, one: Round, task: PlanTask | None, valid_from: datetime) -> bool:
        """Let a round go on under a plan whose task this is now; return False if nobody promises it."""
        meters = frozenset(task.meters) if task else frozenset()
        if one.slot_at <= valid_from:
            self._drop(one, keep=meters)
            one.task = replace(one.task, meters=task.meters) if task else one.task
            return True
        # Made before the plan was taken: it is what this plan promises of that slot.
        if task is None or task.schedule != one.task.schedule:
            self._made_until[one.task.name] = valid_from
            return False
        one.task = task
        one.waiting = deque(address for address in one.waiting if address in meters)
        return True

    def _join(self, task: PlanTask, address: str) -> None:
        """Let a new meter take part in what its plan promised before it was taken: slots made in between."""
        live = next((one for one in self._rounds if one.task.name == task.name), None)
        if live is not None and live.slot_at > self.plan.valid_from:
            live.waiting.append(address)
            self._note(task, address, self.plan.valid_from, live.slot_at - _MOMENT, self.missed_as)
        else:
            self._note(task, address, self.plan.valid_from, self._made_until[task.name], self.missed_as)

    def put_back(self, one: Round, address: str) -> None:
        """Let a meter wait again behind the others; a round that ended meanwhile ends for it too, in its order."""
        if one in self._rounds:
            one.waiting.append(address)
        elif any(other.task.name == one.task.name and other.slot_at > one.slot_at for other in self._rounds):
            self._unasked.append(_Stretch(one.task, address, iter((one.slot_at,)), self.missed_as))
        else:
            one.waiting.append(address)
            self._rounds.append(one)
            self._rounds.sort(key=lambda each: (each.task.priority, each.slot_at))

    def make_due(self, now: datetime) -> None:
        """Make the rounds of all slots up to now that were not made yet, and end those whose time is over.

        A wall clock that steps back repeats no slot: only what lies after the last slot made is looked at.
        """
        for one in self._rounds:
            if now > one.live_until:
                self._drop(one)
        self._rounds = [one for one in self._rounds if one.waiting]
        for task in self.plan.tasks:
            if now >= self._next_slot(task):
                self._make(task, now)

    def _make(self, task: PlanTask, now: datetime) -> None:
        """Make the round of the latest slot; the ones before it, begun or skipped, are over, in this order."""
        latest = previous_slot(task.schedule, self.plan.timezone, now)
        for one in self._rounds:
            if one.task.name == task.name:
                self._drop(one)
        for address in task.meters:
            after = max(self._made_until[task.name], self.marks.get((task.name, address), self._made_until[task.name]))
            self._note(task, address, after, latest - _MOMENT, self.missed_as)
        due = [address for address in task.meters if self._is_unsettled(task.name, address, latest)]
        due.sort(key=lambda address: self._asked.get((task.name, address), 0))
        self._rounds.append(Round(task, latest, latest + live_window(task.schedule), deque(due)))
        self._rounds.sort(key=lambda one: (one.task.priority, one.slot_at))
        self._made_until[task.name] = now
        del self._next[task.name]

    def _drop(self, one: Round, keep: frozenset[str] = frozenset()) -> None:
        for address in one.waiting:
            if address not in keep:
                self._unasked.append(_Stretch(one.task, address, iter((one.slot_at,)), self.missed_as))
        one.waiting = deque(address for address in one.waiting if address in keep)

    def _note(self, task: PlanTask, address: str, after: datetime, until: datetime, reason: SlotReason) -> None:
        if after < until:
            slots = slots_between(task.schedule, self.plan.timezone, after, until)
            self._unasked.append(_Stretch(task, address, slots, reason))

    def _next_slot(self, task: PlanTask) -> datetime:
        """Return the first slot of a task that was not made yet; computed once for each."""
        if task.name not in self._next:
            self._next[task.name] = next_slot(task.schedule, self.plan.timezone, self._made_until[task.name])
        return self._next[task.name]

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
                address = one.waiting.popleft()
                self._turns += 1
                self._asked[one.task.name, address] = self._turns
                return one, address
        return None

    def take_unasked(self, limit: int) -> list[Unasked]:
        """Take up to `limit` slots that nobody asked for, those of each meter in their order."""
        taken: list[Unasked] = []
        while self._unasked and len(taken) < limit:
            one = self._unasked[0]
            slot = next(one.slots, None)
            if slot is None:
                self._unasked.popleft()
            else:
                taken.append(Unasked(one.task, slot, one.meter, one.reason))
        return taken

    @property
    def begun(self) -> tuple[Round, ...]:
        """The rounds whose meters are being asked."""
        return tuple(self._rounds)

    @property
    def has_waiting(self) -> bool:
        """True while meters wait to be asked."""
        return any(one.waiting for one in self._rounds)

    @property
    def has_unasked(self) -> bool:
        """True while slots that nobody asked for are still to be noted."""
        return bool(self._unasked)

    def next_due(self) -> datetime | None:
        """Return the next slot of any task; None without tasks."""
        return min((self._next_slot(task) for task in self.plan.tasks), default=None)
