"""What is promised: the plan in force, made of settings and register, and the slots that nobody will fill any more.

It works in the main thread, on a connection of its own to the store. Rules:
1. Before another plan comes into force, what the one before promised and nobody asked for is recorded: a cut in
   between repeats that, and loses none of it. While polling goes on the workers do it, after the plan is stored; what
   a cut takes from them is made up at the next start, for the plans of late are kept.
2. Once the clock is trusted, what was recorded before that gets its true time and slot first (`time_keeper.py`).
3. Marks and plans of a time that has not come yet, even so, were written under a wrong clock, or the clock is wrong
   now. That is a condition; once the clock is trusted they are forgotten, or polling would wait until that time.
4. An open slot that is older than `store.open_slots` is closed: missing for good, signed.
5. A register that is gone changes no plan: the centre goes on waiting for what was promised, and the hole is seen.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice, pairwise

from edge.app.time_keeper import TimeKeeper
from edge.clock import Clock
from edge.config.settings import Settings, parse_duration
from edge.errors import EdgeError, StoreError
from edge.health.model import Health
from edge.poll.learned import Learned, facts_of, learned_of
from edge.poll.plan import PolledMeter, plan_in_force
from edge.poll.records import missing_record, stamp_of
from edge.poll.rounds import passed_slots
from edge.reading.plan import Plan
from edge.reading.record import PollRecord, SlotState
from edge.reading.verdict import SlotReason
from edge.store.journal import Journal, OpenSlot
from edge.store.meter import Meter
from edge.store.register import MeterRegister
from edge.store.register_change import RegisterChange

log = logging.getLogger(__name__)

_PER_COMMIT = 2048
_PER_CLOSING = 500
_CLOSING_S = 60.0
_CLOCK_S = 10.0
_TOLERANCE = timedelta(minutes=2)  # a time server's small corrections are no wrong clock


class PlanKeeper:
    """The plan in force and the meters that it is made of."""

    def __init__(
        self, settings: Settings, clock: Clock, health: Health, register: MeterRegister, journal: Journal
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.health = health
        self.register = register
        self.journal = journal
        self.meters: dict[str, PolledMeter] = {}
        self._closing_s = 0.0
        self._clock_s = 0.0
        self.time = TimeKeeper(clock, health, journal)
        self._known: tuple[Meter, ...] = ()

    def put_in_force(self, *, at_start: bool = False) -> Plan:
        """Read the register, store the plan if it changed, and return the plan in force. Raises StoreError.

        `at_start`: nobody polls yet, so what an earlier plan promised is settled here; later the workers do it.
        """
        if at_start:
            self.time.put_right()
            self.forget_future()
        meters = {meter.address: meter for meter in self._polled_meters()}
        plan = plan_in_force(self.settings, tuple(meters.values()), self.clock.utc_now())
        earlier = self.journal.current_plan()
        if earlier is not None and self._is_register_gone(earlier):
            plan = earlier
        if at_start:
            is_new = earlier is None or replace(earlier, valid_from=plan.valid_from) != plan
            self.record_passed([*self.journal.kept_plans(), *([plan] if is_new else [])])
        self.journal.append_plan(plan, stamp_of(self.clock))
        self.meters = meters
        self._say_what_is_missing(plan)
        return self.journal.current_plan() or plan

    def _is_register_gone(self, earlier: Plan) -> bool:
        """Return True, and keep it as a condition, if there is no register though a plan was made of one.

        An empty plan would tell the centre to wait for nothing. Who removes the last meter leaves an empty register.
        """
        count = len({meter for task in earlier.tasks for meter in task.meters})
        if self._known or not count or self.register.is_there():
            self.health.holds("register_is_there")
            return False
        gone = StoreError("E-STO-211", path=self.register.path, count=count)
        if self.health.fails("register_is_there", gone):
            log.error("%s", gone)
        return True

    def change_register(self, change: RegisterChange) -> None:
        """Change the register. A file that vanished since it was read is written anew first. Raises EdgeError."""
        if self._known and not self.register.meters():
            log.error("%s", StoreError("E-STO-206", path="register.json", detail="it vanished; it is written anew"))
            self.register.apply(RegisterChange(add=self._known))
        self.register.apply(change)

    def note(self, address: str, learned: Learned) -> None:
        """Know from now on what a worker learned about a meter; the register is told later."""
        meter = self.meters.get(address)
        if meter is not None:
            self.meters[address] = replace(meter, learned=learned)

    def learn(self, facts: Mapping[str, Learned]) -> None:
        """Write what was learned about meters into the register, in one write.

        What cannot be written is learned again after a restart. Jobs know it at once.
        """
        for address, learned in facts.items():
            if address in self.meters:
                self.meters[address] = replace(self.meters[address], learned=learned)
        try:
            self.register.learn_all({address: facts_of(learned) for address, learned in facts.items()})
        except EdgeError as exc:
            if self.health.fails("register", exc):
                log.error("%s", exc)  # noqa: TRY400 - a condition, not a defect of ours
        else:
            self.health.holds("register")

    def close_old_slots(self) -> None:
        """Close slots that are open for too long, a few at a time, once a minute."""
        if self.clock.monotonic() < self._closing_s or not self.clock.trust().is_good:
            return
        self._closing_s = self.clock.monotonic() + _CLOSING_S
        limit = self.clock.utc_now() - timedelta(seconds=parse_duration(self.settings.store.open_slots))
        try:
            old = self.journal.open_slots_before(limit, _PER_CLOSING)
            if old:
                self.journal.append([self._closing(slot) for slot in old])
                self._closing_s = 0.0 if len(old) == _PER_CLOSING else self._closing_s
        except StoreError as exc:
            if self.health.fails("store", exc):
                log.error("%s", exc)  # noqa: TRY400 - a condition, not a defect of ours

    def _closing(self, slot: OpenSlot) -> PollRecord:
        return PollRecord(
            task=slot.task,
            slot_at=slot.slot_at,
            meter=slot.meter,
            bus="",
            stamp=stamp_of(self.clock),
            state=SlotState.MISSING_FINAL,
            reason=SlotReason(slot.reason) if slot.reason else SlotReason.GATEWAY_DOWN,
            tries=0,
        )

    def record_passed(self, plans: Sequence[Plan]) -> None:
        """Record what each of these plans but the last promised, up to the next one, and nobody asked for."""
        for earlier, later in pairwise(plans):
            slots = passed_slots(earlier, self.journal.settled_marks(), later.valid_from)
            while portion := list(islice(slots, _PER_COMMIT)):
                self.journal.append([missing_record(one, "", stamp_of(self.clock)) for one in portion])

    def is_clock_behind(self) -> bool:
        """Return True if what was recorded lies in the future; looked at every few seconds, and kept as a condition."""
        now_s = self.clock.monotonic()
        if now_s < self._clock_s:
            return False
        self._clock_s = now_s + _CLOCK_S
        try:
            newest = self._lies_ahead()
        except StoreError as exc:
            if self.health.fails("store", exc):
                log.error("%s", exc)  # noqa: TRY400 - a condition, not a defect of ours
            return False
        if newest is None:
            self.health.holds("clock_agrees")
            return False
        behind = StoreError("E-STO-112", until=newest.isoformat(timespec="seconds"))
        if self.health.fails("clock_agrees", behind):
            log.error("%s", behind)
        return True

    def _lies_ahead(self) -> datetime | None:
        """Return the newest instant recorded if it has not come yet, None if all is well. Raises StoreError."""
        plan = self.journal.current_plan()
        recorded = [*self.journal.settled_marks().values(), *([plan.valid_from] if plan else [])]
        newest = max(recorded, default=None)
        return newest if newest is not None and newest > self.clock.utc_now() + _TOLERANCE else None

    def forget_future(self) -> bool:
        """Forget marks and plans of a time that has not come yet, if the clock is trusted; return True if any were."""
        if not self.clock.trust().is_good:
            return False
        if not self._lies_ahead():
            return False
        forgotten = self.journal.forget_after(self.clock.utc_now())
        log.error("%s", StoreError("E-STO-111", count=forgotten))
        return True

    def _polled_meters(self) -> Iterator[PolledMeter]:
        buses = {bus.name: bus for bus in self.settings.bus}
        self._known = self.register.meters()
        for meter in self._known:
            bus = buses.get(meter.bus)
            if bus is None:
                log.warning("meter %s is on bus %s, which the settings do not have", meter.address, meter.bus)
                continue
            yield PolledMeter(
                address=meter.address,
                bus=meter.bus,
                protocol=meter.protocol or bus.protocol,
                tags=meter.tags,
                learned=learned_of(meter.learned),
            )

    def _say_what_is_missing(self, plan: Plan) -> None:
        if not self.settings.bus:
            log.warning("no [[bus]] in the settings: nothing is polled")
        elif not self.meters:
            log.warning("the register holds no meter: nothing is polled. next: edge meters add, or edge meters import")
        elif not any(task.meters for task in plan.tasks):
            log.warning("no [[task]] names a meter of the register: nothing is polled")
