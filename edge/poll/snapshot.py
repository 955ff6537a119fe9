"""Snapshots: all meters of a bus freeze their registers at one instant, then each is asked for what it froze. Pure.

Rules:
1. The order goes out once for a slot. It is given only for a slot that came after this worker began, and soon after it:
   so a restart never repeats one, for a second freeze would push the first one back. No record of it is needed. One
   that another master kept off the wire is tried again within that minute.
2. Whoever joins a slot later (after a restart, a second chance) is asked for the frozen registers; their time decides.
3. The time is read after the values: if it is the moment of the order then, no other freeze came in between. It may
   be off by the meter's clock, a few minutes, less than half the period: the freeze of an earlier slot cannot pass.
4. A meter whose time is another one did not take the freeze: missing, `not_frozen`.
5. That a meter's clock may be off also lets a freeze pass that was ordered some minutes beside the slot: by a clock of
   ours that was wrong then, before a restart or not. Where that may be, the meter's clock is read too, and tells when
   the freeze really was: if this worker did not order it, or cannot say that nobody ordered another one shortly before.
6. When the freeze was stands with the values, by our clock: if that was wrong, it tells the true slot (`laying.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from edge.bus.link import LineSettings
from edge.config.checks import Check, entries
from edge.config.complaint import Complaint, written
from edge.config.settings import parse_duration
from edge.poll.meter_poll import MeterPoll
from edge.poll.meter_state import MeterState
from edge.poll.rounds import Round
from edge.protocols.dlt645.frozen import Freeze, frozen_place, frozen_values, time_ask, value_ask
from edge.protocols.exchange import Exchange, Timing
from edge.protocols.own_orders import freeze_now
from edge.reading.outcome import Item, Value
from edge.reading.plan import PlanTask, Schedule
from edge.reading.quantities import expand_item
from edge.reading.record import PollRecord, SlotState, Source
from edge.reading.verdict import SlotReason

_LATEST = timedelta(seconds=60)  # after its slot no freeze is ordered any more
_MOST_OFF = timedelta(minutes=5)
_MINUTE = timedelta(minutes=1)
_SHORTEST_S = 300.0  # stamps have whole minutes, and clocks differ
_SLACK = timedelta(seconds=5)  # as long as reading a clock may take
_CLOCK = "clock"
_CLOCK_FORMAT, _FROZEN_FORMAT = "%y%m%d%H%M%S", "%y%m%d%H%M"
_TIME_KEY = time_ask(Freeze.NOW, 1).request.keys[0]


@dataclass(frozen=True, slots=True)
class _Order:
    """A freeze that was ordered for a slot; `quiet_s`: for how long before nobody had ordered one of another slot."""

    slot_at: datetime
    at: datetime
    quiet_s: float
    schedule: Schedule

    @property
    def is_alone(self) -> bool:
        """True if its stamp tells it from the one before."""
        return self.quiet_s >= (_tolerance(self.schedule) + 2 * _MINUTE).total_seconds()


@dataclass(slots=True, kw_only=True)
class Snapshots:
    """The snapshot tasks of one bus by their names; `began_at`: slots before it are not this worker's to freeze.

    `since_s`: monotonic; what was ordered before the worker began nobody knows, since then it ordered nothing.
    """

    tasks: frozenset[str]
    timezone: str
    began_at: datetime
    since_s: float
    _ordered: dict[str, _Order] = field(default_factory=dict)
    _last: _Order | None = None

    def begin_anew(self, now: datetime) -> None:
        """Forget slots of a time that has not come yet, which a wrong clock made."""
        self._ordered.clear()
        self._last = None
        self.began_at = now

    def due(self, rounds: Iterable[Round], now: datetime) -> Round | None:
        """Return the round whose freeze is to be ordered now; None if there is none (rule 1)."""
        for one in rounds:
            is_new = self._slot_ordered(one.task.name) < one.slot_at
            if one.task.name in self.tasks and is_new and now <= one.slot_at + _LATEST:
                return one
        return None

    def note_ordered(self, one: Round, at: datetime, now_s: float) -> None:
        """Note that the freeze of a round goes out, whatever becomes of it; and again, when it has gone out."""
        last = self._last
        quiet_s = last.quiet_s if last is not None and last.slot_at == one.slot_at else now_s - self.since_s
        self._last = self._ordered[one.task.name] = _Order(one.slot_at, at, quiet_s, one.task.schedule)
        self.since_s = now_s

    def withdraw(self, one: Round) -> None:
        """Note that the freeze of a round did not go out after all: nobody heard it, so it may be tried again."""
        self._ordered.pop(one.task.name, None)

    def keys(self, one: Round) -> tuple[str, ...]:
        """Return what is asked for: the frozen registers, their time, in doubt the clock; else the task's items."""
        if one.task.name not in self.tasks:
            return one.task.items
        whats = sorted({place.what for key in one.task.items if (place := frozen_place(key, Freeze.NOW))})
        order = self._order_of(one.task.name, one.slot_at)
        clock = () if order is not None and order.is_alone else (_CLOCK,)
        return (*(value_ask(Freeze.NOW, what, 1).request.keys[0] for what in whats), _TIME_KEY, *clock)

    def judged(self, record: PollRecord, task: PlanTask, poll: MeterPoll) -> PollRecord:
        """Return the record of a poll of frozen registers as that of the task: its own keys, or why it is missing."""
        if task.name not in self.tasks or record.reason is not None:
            return record
        stamp = poll.read.get(_TIME_KEY)
        if stamp is None:
            return _missing(record, poll.faults.get(_TIME_KEY, SlotReason.NOT_FROZEN))
        if _CLOCK in poll.keys and _CLOCK not in poll.read:
            return _missing(record, poll.faults.get(_CLOCK, SlotReason.NOT_FROZEN))
        clock = poll.read[_CLOCK].value if _CLOCK in poll.read else None
        found, clock_now = _time_of(stamp.value, _FROZEN_FORMAT), _time_of(clock, _CLOCK_FORMAT)
        frozen_at = self._frozen_at(record, task, found, clock_now) if found is not None else None
        if frozen_at is None:
            return _missing(record, SlotReason.NOT_FROZEN)
        values, units, faults = _own(task, poll)
        if not values:
            return _missing(record, next(iter(faults.values()), SlotReason.UNKNOWN_ITEM))
        flags = (
            f"meter_time={stamp.value}",
            f"frozen_at={frozen_at.isoformat(timespec='milliseconds')}",
            *record.flags,
        )
        return replace(record, source=Source.FREEZE, values=values, units=units, faults=faults, flags=flags)

    def _frozen_at(
        self, record: PollRecord, task: PlanTask, found: datetime, clock: datetime | None
    ) -> datetime | None:
        """Return when the freeze of the record's slot was, by our clock; None if what was found is another one.

        By its time (rule 3), in doubt by the meter's clock (rule 5). Who did not order it knows its minute.
        """
        order = self._order_of(record.task, record.slot_at)
        first, last = (order.at, order.at) if order is not None else (record.slot_at, record.slot_at + _LATEST)
        if abs(found - self._local(first).replace(second=0, microsecond=0)) > _tolerance(task.schedule):
            return None
        if clock is None:
            return order.at if order is not None and order.is_alone else None
        frozen_at = found - (clock - self._local(record.stamp.at))  # at the earliest: stamps have whole minutes
        if not self._local(first) - _MINUTE - _SLACK < frozen_at < self._local(last) + _SLACK:
            return None
        return first + max(timedelta(), frozen_at - self._local(first)) if order is None else order.at

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)

    def _order_of(self, task: str, slot_at: datetime) -> _Order | None:
        """Return the order that went out for a slot; None if this worker gave none."""
        order = self._ordered.get(task)
        return order if order is not None and order.slot_at == slot_at else None

    def _slot_ordered(self, task: str) -> datetime:
        return self._ordered[task].slot_at if task in self._ordered else self.began_at


def freeze_orders(states: Sequence[MeterState], timing: Timing) -> Iterator[tuple[Exchange, LineSettings]]:
    """Yield the orders that let these meters freeze, one for each speed they are set to: each meter hears one."""
    for line in dict.fromkeys(state.line for state in states):
        protocols = sorted({state.protocol for state in states if state.line == line})
        orders = (freeze_now(protocol, timing) for protocol in protocols)
        if (order := next((each for each in orders if each is not None), None)) is not None:
            yield order, line


def has_frozen_items(raw: Mapping[str, Any]) -> Iterator[Complaint]:
    """Complain of an item of a snapshot that no meter freezes, and of a period shorter than stamps can tell apart."""
    for index, entry in entries(raw, "task"):
        if entry.get("snapshot") is not True:
            continue
        items = entry.get("items")
        for place, item in enumerate(items if isinstance(items, list) else ()):
            missing = [key for key in _keys_of(item) if frozen_place(key, Freeze.NOW) is None]
            if missing:
                values = {"value": written(item), "key": missing[0]}
                yield Complaint("E-CFG-076", ("task", index, "items", place), values)
        if _seconds(entry.get("every")) < _SHORTEST_S:
            yield Complaint("E-CFG-077", ("task", index, "every"), {"value": written(entry["every"])})


SNAPSHOT_CHECKS: tuple[Check, ...] = (has_frozen_items,)


def _own(task: PlanTask, poll: MeterPoll) -> tuple[dict[str, Value | None], dict[str, str], dict[str, SlotReason]]:
    """Return values, units and faults by the task's own keys."""
    values: dict[str, Value | None] = {}
    units: dict[str, str] = {}
    faults: dict[str, SlotReason] = {}
    for key in task.items:
        place = frozen_place(key, Freeze.NOW)
        if place is None:
            faults[key] = SlotReason.UNKNOWN_ITEM
            continue
        asked = value_ask(Freeze.NOW, place.what, 1).request
        if asked.keys[0] in poll.faults:
            faults[key] = poll.faults[asked.keys[0]]
            continue
        items = [
            Item(one.name, one.identifier, one.value, one.unit)
            for one in poll.read.values()
            if one.identifier == asked.identifier
        ]
        found, found_units = frozen_values(items, {key: place})
        values |= found
        units |= found_units
    return values, units, faults


def _time_of(text: Value | None, form: str) -> datetime | None:
    """Return a time of the meter's own; None if it was not read, or is none."""
    try:
        return datetime.strptime(str(text), form)  # noqa: DTZ007 - a meter's own
    except ValueError:
        return None


def _missing(record: PollRecord, reason: SlotReason) -> PollRecord:
    return replace(record, state=SlotState.MISSING_OPEN, reason=reason, values={}, units={}, faults={})


def _tolerance(schedule: Schedule) -> timedelta:
    """Return how far a meter's time may be off: whole minutes, less than half the period."""
    if schedule.every_s is None:
        return _MOST_OFF
    return min(_MOST_OFF, (schedule.every_s - 60) // 120 * _MINUTE)


def _keys_of(item: object) -> tuple[str, ...]:
    try:
        return expand_item(item) if isinstance(item, str) else ()
    except KeyError:
        return ()  # another check says so


def _seconds(text: object) -> float:
    try:
        return parse_duration(text) if isinstance(text, str) else _SHORTEST_S
    except ValueError:
        return _SHORTEST_S
