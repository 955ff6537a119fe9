"""What a bus does when nothing is due, one exchange a step: speeds that were agreed, clocks, slots that were missed.

Nothing is begun that could still be on the wire when the next live slot comes.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.errors import EdgeError
from edge.health.model import Health
from edge.poll.jobs import Asker
from edge.poll.meters_here import MetersHere, clock_claim
from edge.poll.plan import EITHER_YEAR, PolledMeter
from edge.poll.refill import OpenSlots, Refill
from edge.poll.speed import SpeedChange
from edge.poll.time_sync import TimeSyncRun
from edge.protocols.exchange import Timing
from edge.quality.time_sync import Hindrance
from edge.reading.plan import Plan
from edge.reading.record import PollRecord

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 60.0
_ONE_S = 2.0  # the longest that one exchange of an errand takes
_SYNC_AGAIN_S = 600.0  # after something that passes stood in the way
_PASSING = {Hindrance.NEAR_MIDNIGHT, Hindrance.NEAR_RECORD, Hindrance.UNTRUSTED, Hindrance.FOREIGN_MASTER}
_MOST_OFF_S = 300  # beyond it no meter obeys a broadcast (DL/T 645-2007)


@dataclass(slots=True)
class _SyncWay:
    """Takes the document of a time synchronisation."""

    is_closed: bool = False
    result: Mapping[str, object] | None = None

    def put(self, document: Mapping[str, object]) -> None:
        """Nobody waits for progress."""

    def end(self, document: Mapping[str, object] | None = None) -> None:
        """Keep the result."""
        result = (document or {}).get("result")
        self.result = result if isinstance(result, Mapping) else None

    def fail(self, error: EdgeError) -> None:
        """Let it be: it is tried again after a while."""


@dataclass(slots=True, kw_only=True)
class SpareTime:
    """The work of one bus that can wait. `refill`: None where no slot is ever filled."""

    meters: MetersHere
    clock: Clock
    health: Health
    zone: str
    refill: Refill | None = None
    _speed: SpeedChange | None = None
    _sync: TimeSyncRun | None = None
    _sync_way: _SyncWay = field(default_factory=_SyncWay)
    _synced_on: date | None = None
    _sync_at_s: float = 0.0
    _look_at_s: float = 0.0

    def fill_slots(self, slots: OpenSlots, plan: Plan) -> None:
        """Fill missed slots of this bus, too, from now on."""
        self.refill = Refill(
            bus=self.meters.bus,
            clock=self.clock,
            slots=slots,
            plan=plan,
            state_of=self.meters.state,
            is_silent=self.meters.backoff.is_silent,
            learned=self.meters.tell_register,
        )

    def use_plan(self, plan: Plan) -> None:
        """Go on with another plan, and with the bus as it is set by now."""
        if self.refill is not None:
            self.refill.bus = self.meters.bus
            self.refill.use_plan(plan)

    def step(self, asker: Asker, spare_s: float) -> list[PollRecord] | None:
        """Do at most one exchange; return records of slots that are settled. None: nothing to do, or no time for it.

        Raises StoreError; LinkError if the port cannot be opened.
        """
        if spare_s > _ONE_S:
            for errand in (self._step_speed, self._step_sync):
                if errand(asker):
                    return []
        if self.refill is None:
            return None
        records = self.refill.step(asker, spare_s)
        if self.refill.unanswered:
            self.meters.owes_answer(self.refill.unanswered)
        return records

    # Speeds.

    def _step_speed(self, asker: Asker) -> bool:
        """Go on with a change of speed, or begin one; False if there is none."""
        change = self._speed or self._next_change()
        if change is None:
            return False
        exchange = change.next_exchange()
        if exchange is None:  # there is no such order: the meter is where it was
            change.reached = change.old
            self._end_speed(change)
            return False
        line = LineSettings(baud=change.baud, parity=self.meters.bus.parity)
        change.take(asker.exchange(exchange, line))
        self._speed = change
        if change.is_done:
            self._end_speed(change)
        return True

    def _next_change(self) -> SpeedChange | None:
        if not self._may_look():
            return None
        for meter in self.meters.here:
            if not self._is_well(meter):
                continue
            state = self.meters.state(meter.address)
            wanted = state.wanted_speed(self._today)
            if wanted is not None:
                return SpeedChange(
                    address=meter.address,
                    protocol=state.protocol,
                    old=state.speed,
                    new=wanted,
                    timing=self._timing,
                )
        self._look_at_s = self.clock.monotonic() + _LOOK_EVERY_S
        return None

    def _end_speed(self, change: SpeedChange) -> None:
        self._speed = None
        if change.address not in self.meters:
            return
        state = self.meters.state(change.address)
        state.set_speed(change.reached, change.new, self._today)
        if change.reached is None:
            state.look_at_other_speed()
        log.info("bus %s: meter %s is read at %s Bd", self.meters.bus.name, change.address, change.reached or "unknown")
        self.meters.tell_register(change.address)

    # Clocks.

    def _step_sync(self, asker: Asker) -> bool:
        """Go on with giving the time, or begin; False if there is nothing to do."""
        if self._sync is None and not self._begin_sync():
            return False
        if self._sync is not None and not self._sync.step(asker):
            self._sync = None
            result = self._sync_way.result or {}
            self._sync_at_s = self.clock.monotonic() + _SYNC_AGAIN_S
            is_over = bool(result) and result.get("hindrance") not in _PASSING
            self._synced_on = self._today if is_over else None
            self._report_clocks(result)
        return True

    def _begin_sync(self) -> bool:
        """Begin once a day, where the settings say so and the clock is good."""
        if not self.meters.bus.time_sync or not self.clock.trust().is_good:
            return False
        if self._synced_on == self._today or self.clock.monotonic() < self._sync_at_s:
            return False
        meters = [meter for meter in self.meters.here if self._is_well(meter) and self._has_bus_speed(meter)]
        if not meters:
            return False
        self._sync_way = _SyncWay()
        self._sync = TimeSyncRun(
            meters=meters,
            timing=self._timing,
            clock=self.clock,
            zone=ZoneInfo(self.zone),
            way=self._sync_way,
            last_on=self._last_set(),
            on_sent=self._note_set,
        )
        return True

    def _has_bus_speed(self, meter: PolledMeter) -> bool:
        return self.meters.state(meter.address).speed == self.meters.bus.baud

    def _last_set(self) -> date | None:
        """Return the last day on which the time was given; a day to come was noted under a wrong clock."""
        tomorrow = self._today + timedelta(days=1)  # a local day may be the next one of UTC
        days = (self.meters.state(meter.address).learned.clock_set for meter in self.meters.here)
        return max((day for day in days if day is not None and day <= tomorrow), default=None)

    def _note_set(self, day: date) -> None:
        for meter in self.meters.here:
            self.meters.state(meter.address).clock_was_set(day)
            self.meters.tell_register(meter.address)

    def _report_clocks(self, result: Mapping[str, object]) -> None:
        """Keep the condition of each meter's clock: one that is off too far has to be set by an order of its own."""
        found = result.get("meters")
        for one in found if isinstance(found, list) else ():
            after = one["offset_after_s"] if one["offset_after_s"] is not None else one["offset_before_s"]
            if after is None:
                continue
            claim = clock_claim(str(one["meter"]))
            if abs(after) <= _MOST_OFF_S:
                self.health.holds(claim, offset_s=after)
            elif self.health.fails(claim, error := EdgeError("E-BUS-234", meter=one["meter"], offset_s=after)):
                log.warning("%s", error)

    # Both.

    def _may_look(self) -> bool:
        return self.clock.monotonic() >= self._look_at_s

    def _is_well(self, meter: PolledMeter) -> bool:
        """Return whether a meter answered lately, and speaks a year that is known."""
        state = self.meters.state(meter.address)
        return state.protocol != EITHER_YEAR and self.meters.report.is_alive(meter.address)

    @property
    def _today(self) -> date:
        return self.clock.utc_now().date()

    @property
    def _timing(self) -> Timing:
        return Timing(reply_s=self.meters.bus.reply_ms / 1000)
