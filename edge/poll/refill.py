"""Missed slots of one bus, filled from the meters' own memories in the bus's spare time.

Rules:
1. The oldest open slot of the bus goes first; slots in a row of one meter are asked for in one request. Nothing is
   asked that could still be on the wire when the next live slot comes.
2. A meter that was silent at its last poll, or whose year is not known yet, is not asked. After anything that decides
   nothing, the meter rests, twice as long each time up to an hour: an answer that comes late cannot meet the next
   question. Then it is asked for fewer records at once, for a damaged part spoils the whole answer.
3. A slot is asked for five minutes after its time at the earliest (before, the meter may not have recorded it yet),
   and when the time of its second chances is over.
4. What the memory does not hold ends as missing for good, `not_kept`; a protocol without memory ends all its slots so.
   That a meter refuses its memory is remembered to the end of the local day: a new meter has none yet.
5. Only the oldest slots are in memory, a few at a time; the store holds the others.
6. A slot is filled with the items of the plan that was in force at it: the task may ask for others by now.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Protocol
from zoneinfo import ZoneInfo

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.config.settings import Bus
from edge.poll.jobs import Asker
from edge.poll.learned import SOON
from edge.poll.meter_state import MeterState
from edge.poll.plan import EITHER_YEAR
from edge.poll.recall import Course, CourseResult, Known, Missed, Recalled, load_classes, recall
from edge.poll.records import stamp_of
from edge.poll.rounds import live_window
from edge.protocols.dlt645.memory import MOST_BLOCKS, Ask, load_ask, load_identifiers
from edge.protocols.drivers import driver, has_memory
from edge.protocols.exchange import Timing
from edge.reading.outcome import Outcome
from edge.reading.plan import Plan, PlanTask
from edge.reading.record import PollRecord, SlotState, Source
from edge.reading.verdict import SlotReason, Verdict

_RIPE_AFTER = timedelta(minutes=5)
_LOOK_EVERY_S = 30.0
_REST_S = 60.0
_LONGEST_REST_S = 3600.0
_STALE_S = 600.0  # a course that could not go on for so long begins anew
_LONGEST_S = 15.0  # of one request with its answer: jobs of people wait for it
_MOST_SLOTS = 96
_FIRST_BLOCKS = 8  # while the time between records is not known
_APART = 4  # slots with more records between them than this are asked for one by one
_LONGEST_INTERVAL = timedelta(hours=1)

Pair = tuple[str, str]


class OpenSlot(Protocol):
    """A slot that is missing and may still be filled."""

    @property
    def slot_at(self) -> datetime:
        """When it was due."""


class OpenSlots(Protocol):
    """Where open slots are kept."""

    def open_slots_of(self, task: str, meter: str, after: datetime | None, limit: int) -> Sequence[OpenSlot]:
        """Return those of a task and meter after an instant, oldest first. Raises StoreError."""

    def kept_plans(self) -> Sequence[Plan]:
        """Return the plans of late, in the order in which they came into force. Raises StoreError."""


@dataclass(slots=True)
class _Running:
    """A course under way: `moments` are the local times of its slots."""

    task: PlanTask
    address: str
    slots: dict[datetime, datetime]
    course: Course[CourseResult]
    began_s: float
    tries: int = 0


@dataclass(slots=True, kw_only=True)
class Refill:
    """Fills the missed slots of one bus.

    `state_of` gives what the worker knows of a meter; `learned` is told that this has changed.
    `unanswered`: the meter that was silent just now: its answer may still come.
    """

    bus: Bus
    clock: Clock
    slots: OpenSlots
    plan: Plan
    state_of: Callable[[str], MeterState]
    is_silent: Callable[[str], bool]
    learned: Callable[[str], None]
    unanswered: str = ""
    _running: _Running | None = None
    _ask: Ask | None = None
    _oldest: dict[Pair, datetime] = field(default_factory=dict)
    _look_at_s: float = 0.0
    _given: dict[Pair, datetime] = field(default_factory=dict)
    _known: dict[str, Known] = field(default_factory=dict)
    _filled: dict[Pair, datetime] = field(default_factory=dict)
    _rests: dict[str, tuple[float, float]] = field(default_factory=dict)
    _kept: Sequence[Plan] = ()

    def use_plan(self, plan: Plan) -> None:
        """Go on with another plan."""
        self.plan = plan
        kept = {address for task in plan.tasks for address in task.meters}
        for gone in self._known.keys() - kept:
            del self._known[gone]
            self._rests.pop(gone, None)
        self.start_anew()

    def start_anew(self) -> None:
        """Forget what was read from the store: slots were forgotten there, or all that was given is stored."""
        self._running = None
        self._oldest.clear()
        self._given.clear()
        self._look_at_s = 0.0

    def note_filled(self, record: PollRecord) -> None:
        """Leave a slot out that was read after all and is on its way to the store."""
        self._filled[record.task, record.meter] = record.slot_at
        self._look((record.task, record.meter))

    def step(self, asker: Asker, spare_s: float) -> list[PollRecord] | None:
        """Do at most one exchange that ends within `spare_s`; return the records of slots that are settled.

        None: there is nothing to do now, no time for it, or nobody knows what time it is.
        Raises StoreError; LinkError if the port cannot be opened.
        """
        self.unanswered = ""
        if not self.clock.trust().is_good:
            return None
        running = self._running
        if running is not None and self.clock.monotonic() - running.began_s > _STALE_S:
            running = self._running = None
        if running is None or self._ask is None:
            pair = self._next_pair()
            return None if pair is None else self._begin(pair, spare_s)
        if not self._may_ask(running.address) or self._time_of(self._ask) > spare_s:
            return None
        running.tries += 1
        return self._go_on(running, self._exchange(asker, running.address, self._ask))

    def _exchange(self, asker: Asker, address: str, ask: Ask) -> Outcome:
        state = self.state_of(address)
        exchange = driver(state.protocol, state.items).read(address, ask.request, self._timing)
        outcome = asker.exchange(exchange, state.line)
        state.saw(outcome)
        if outcome.verdict is Verdict.SILENCE:
            self.unanswered = address
        return outcome

    def _may_ask(self, address: str) -> bool:
        return not self.is_silent(address) and self.state_of(address).protocol != EITHER_YEAR

    def _go_on(self, running: _Running, outcome: Outcome | None) -> list[PollRecord]:
        """Tell the course what came back, None at its begin; return what is settled if it has ended."""
        try:
            self._ask = next(running.course) if outcome is None else running.course.send(outcome)
        except StopIteration as ended:
            return self._end(running, ended.value)
        self._running = running
        return []

    # Which slots.

    def _next_pair(self) -> Pair | None:
        """Return the task and meter with the oldest slot that may be asked for now."""
        now_s, now = self.clock.monotonic(), self.clock.utc_now()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_EVERY_S
            self._oldest, self._kept = {}, self.slots.kept_plans()
            for task in self.plan.tasks:
                for address in task.meters:
                    self._look((task.name, address))
        ready = [
            (slot_at, pair)
            for pair, slot_at in self._oldest.items()
            if slot_at + _ripe_after(self._task(pair)) <= now
            and self._rests.get(pair[1], (0.0, 0.0))[0] <= now_s
            and self._may_ask(pair[1])
        ]
        return min(ready)[1] if ready else None

    def _task(self, pair: Pair) -> PlanTask:
        return next(task for task in self.plan.tasks if task.name == pair[0])

    def _task_at(self, pair: Pair, slot_at: datetime) -> PlanTask:
        """Return the task as the plan had it that was in force at a slot: that is what the centre waits for."""
        plans = [plan for plan in self._kept if plan.valid_from < slot_at]
        named = (task for plan in reversed(plans) for task in plan.tasks if task.name == pair[0])
        return next(named, None) or self._task(pair)

    def _look(self, pair: Pair) -> None:
        self._oldest.pop(pair, None)
        for slot_at in self._open(pair, 2)[:1]:
            self._oldest[pair] = slot_at

    def _open(self, pair: Pair, limit: int) -> list[datetime]:
        found = self.slots.open_slots_of(*pair, self._given.get(pair), limit)
        return [slot.slot_at for slot in found if slot.slot_at != self._filled.get(pair)]

    @property
    def _local_now(self) -> datetime:
        """The meters' local time."""
        return self.clock.utc_now().astimezone(ZoneInfo(self.plan.timezone)).replace(tzinfo=None)

    def _begin(self, pair: Pair, spare_s: float) -> list[PollRecord] | None:
        """Begin a course; return what is settled without asking, None if there is no time for its first request."""
        ripe, address = self.clock.utc_now() - _ripe_after(self._task(pair)), pair[1]
        slots = [slot_at for slot_at in self._open(pair, _MOST_SLOTS) if slot_at <= ripe]
        task = self._task_at(pair, slots[0]) if slots else self._task(pair)
        slots = list(takewhile(lambda slot_at: self._task_at(pair, slot_at).items == task.items, slots))
        zone = ZoneInfo(self.plan.timezone)
        moments = {slot: slot.astimezone(zone).replace(tzinfo=None) for slot in slots}
        if not slots:
            self._look(pair)
            return []
        if not has_memory(self.state_of(address).protocol):
            return self._settle(task, address, {slot: Recalled(moment=moments[slot]) for slot in slots}, 0)
        if _is_twofold(slots[0], zone):
            return self._settle(task, address, {slots[0]: Recalled(moment=moments[slots[0]])}, 0)
        missed = self._missed(task, address, [moments[slot] for slot in slots if not _is_twofold(slot, zone)], spare_s)
        return None if missed is None else self._start(task, address, missed, moments)

    def _missed(self, task: PlanTask, address: str, moments: Sequence[datetime], spare_s: float) -> Missed | None:
        """Return as many slots in a row as one request may ask for in the time there is."""
        state = self.state_of(address)
        known = self._known.setdefault(address, Known())
        known.refused = set(state.learned.avoid(self._local_now.date(), SOON))
        interval = known.interval or min(timedelta(seconds=task.schedule.every_s or 3600), _LONGEST_INTERVAL)
        most = self._most_blocks(load_classes(task.items), known, spare_s)
        if most == 0:
            return None
        most = max(1, int(most * _REST_S / (_REST_S + 2 * self._rests.get(address, (0.0, 0.0))[1])))
        row = [moments[0]]
        for moment in moments[1:]:
            if moment - row[-1] > interval * _APART or (moment - row[0]) // interval >= most:
                break
            row.append(moment)
        return Missed(
            keys=task.items,
            moments=tuple(row[:1] if task.schedule.every_s is None else row),
            is_rare=task.schedule.every_s is None,
            blocks=1 if task.schedule.every_s is None else (row[-1] - row[0]) // interval + 1,
            now=self._local_now,
            needs_two=state.is_noisy,
            tries=self.bus.tries,
        )

    def _most_blocks(self, classes: Collection[int], known: Known, spare_s: float) -> int:
        """Return how many records fit into the time there is; 0 if not even one does."""
        limit_s = min(spare_s, _LONGEST_S)
        for blocks in range(MOST_BLOCKS if known.interval else _FIRST_BLOCKS, 0, -1):
            identifiers = load_identifiers(classes, blocks, frozenset(known.refused))
            asks = [load_ask(one, self.clock.utc_now(), blocks) for one in identifiers]
            if all(self._time_of(ask) <= limit_s for ask in asks):
                return blocks
        return 0

    def _start(
        self, task: PlanTask, address: str, missed: Missed, moments: Mapping[datetime, datetime]
    ) -> list[PollRecord]:
        slots = {moment: slot for slot, moment in moments.items() if moment in missed.moments}
        course = recall(missed, self._known[address])
        return self._go_on(_Running(task, address, slots, course, self.clock.monotonic()), None)

    # What came of it.

    def _end(self, running: _Running, result: CourseResult) -> list[PollRecord]:
        self._running = self._ask = None
        address = running.address
        today, state = self._local_now.date(), self.state_of(address)
        refused = frozenset(self._known[address].refused) - state.learned.avoid(today, SOON)
        if refused:
            state.refuses(refused, today)
            self.learned(address)
        if not result.is_sound:
            self._rest(address)
        elif result.settled:
            self._rests.pop(address, None)
        else:
            self._rests[address] = (self.clock.monotonic() + _RIPE_AFTER.total_seconds(), 0.0)
        settled = {running.slots[recalled.moment]: recalled for recalled in result.settled}
        return self._settle(running.task, address, settled, running.tries)

    def _rest(self, address: str) -> None:
        """Leave the meter alone, twice as long as the last time."""
        rest_s = min(_LONGEST_REST_S, 2 * self._rests.get(address, (0.0, 0.0))[1] or _REST_S)
        self._rests[address] = (self.clock.monotonic() + rest_s, rest_s)

    def _settle(
        self, task: PlanTask, address: str, settled: Mapping[datetime, Recalled], tries: int
    ) -> list[PollRecord]:
        """Return the records of settled slots, oldest first, and look which slot of the meter is the next one."""
        records = [self._record(task, address, slot, settled[slot], tries) for slot in sorted(settled)]
        if records:
            self._given[task.name, address] = records[-1].slot_at
            self._look((task.name, address))
        return records

    def _record(self, task: PlanTask, address: str, slot_at: datetime, recalled: Recalled, tries: int) -> PollRecord:
        is_kept = bool(recalled.values)
        missing = [key for key in task.items if key not in recalled.values]
        return PollRecord(
            task=task.name,
            slot_at=slot_at,
            meter=address,
            bus=self.bus.name,
            stamp=stamp_of(self.clock),
            state=SlotState.REFILLED if is_kept else SlotState.MISSING_FINAL,
            source=recalled.sources[0] if is_kept else Source.LIVE,
            reason=None if is_kept else SlotReason.NOT_KEPT,
            values=recalled.values,
            units=recalled.units,
            faults=dict.fromkeys(missing, SlotReason.NOT_KEPT) if is_kept else {},
            tries=tries,
            flags=_flags(recalled),
        )

    # The wire.

    @property
    def _timing(self) -> Timing:
        return Timing(reply_s=self.bus.reply_ms / 1000)

    def _time_of(self, ask: Ask) -> float:
        """Return the longest time that a request and its answer may take."""
        byte_s = LineSettings(baud=self.bus.baud, parity=self.bus.parity).byte_time_s
        return self.bus.gap_ms / 1000 + ask.wire_bytes * byte_s + ask.frames * self._timing.reply_s


def _flags(recalled: Recalled) -> tuple[str, ...]:
    """Return the meter's own time of the values, and whether a freeze gave what the load record does not hold."""
    if recalled.at is None:
        return ()
    also = ("also_from=freeze",) if {Source.LOAD_RECORD, Source.FREEZE} <= set(recalled.sources) else ()
    return (f"meter_time={recalled.at:%y%m%d%H%M}", *also)


def _ripe_after(task: PlanTask) -> timedelta:
    """Return how old a slot must be (rule 3)."""
    return max(_RIPE_AFTER, live_window(task.schedule) / 2)


def _is_twofold(slot: datetime, zone: ZoneInfo) -> bool:
    """Return whether the zone shows the local time of a slot twice: then the meter's time does not tell which."""
    local = slot.astimezone(zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
