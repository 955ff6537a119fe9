"""The worker of one bus: plain blocking steps, one exchange or one commit each, driven by `app.py` or a test.

Order of a step: a job of the control socket (one exchange of it, turn about with the polls); slots that nobody asked
for in time; what is due; missed slots, from the meters' memories (`refill.py`); a commit.
While the port is lost, slots that run out end as `port_gone`.
Records reach the store in groups: every `commit_polls` polls, or `commit_s` after the first, or when a round ends.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.config.settings import Bus
from edge.errors import EdgeError, StoreError
from edge.health.model import Answer, Health
from edge.poll.meter_poll import MeterPoll
from edge.poll.plan import PolledMeter
from edge.poll.port import BusPort
from edge.poll.refill import OpenSlots, Refill
from edge.poll.rounds import Round, Rounds, Unasked
from edge.protocols.drivers import driver
from edge.protocols.exchange import Exchange, Timing
from edge.reading.outcome import Outcome
from edge.reading.plan import Plan
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.reading.verdict import SlotReason, Verdict

log = logging.getLogger(__name__)

_IDLE_S = 1.0
_UNASKED_PER_STEP = 2048
_MOST_BUFFERED = 8192
_FRAME_KEPT = 600
_JUMP_S = 120.0
_SPARE_S = 60.0  # where no task is ever due


class Kept(Protocol):
    """What became of records: those of a slot that was settled before are refused."""

    @property
    def duplicates(self) -> int:
        """How many were refused."""


class Sink(Protocol):
    """Where records go: returns after they are durable."""

    def append(self, records: Sequence[PollRecord]) -> Kept:
        """Store the records. Raises StoreError, and then none of them is stored."""

    def forget_after(self, limit: datetime) -> int:
        """Put marks of a later time back to this instant. Raises StoreError."""


class BusJob(Protocol):
    """A job of the control socket that needs the bus: it is stepped between the polls."""

    def step(self, worker: "BusWorker") -> bool:
        """Do at most one exchange through `worker.exchange`. Return False when the job has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRule:
    """When records are committed: after so many polls, or so many seconds after the first one."""

    polls: int = 16
    after_s: float = 5.0


@dataclass(slots=True, kw_only=True)
class BusWorker:
    """Polls the meters of one bus. `learn` is told what a meter refused (address, identifiers).

    `slots`: where missed slots are kept; without it none is filled.
    """

    bus: Bus
    clock: Clock
    sink: Sink
    health: Health
    port: BusPort
    rounds: Rounds
    meters: dict[str, PolledMeter]
    commit: CommitRule = field(default_factory=CommitRule)
    learn: Callable[[str, frozenset[str]], None]
    slots: OpenSlots | None = None
    jobs: deque[BusJob] = field(default_factory=deque)
    polls_done: int = 0
    _buffer: list[PollRecord] = field(default_factory=list)
    _buffered_at: float = 0.0
    _store_retry_at: float = 0.0
    _poll: MeterPoll | None = None
    _polled: tuple[Round, str] | None = None
    _silent: set[str] = field(default_factory=set)
    _late: frozenset[str] = frozenset()
    _refill: Refill | None = None
    _had_job: bool = False
    _is_anew: bool = False
    _ahead_s: float | None = None
    _new_plans: deque[tuple[Plan, Mapping[str, PolledMeter]]] = field(default_factory=deque)

    def start(self) -> None:
        """Make the first rounds; call once, when the store's marks are in `rounds`."""
        self.rounds.begin(self.clock.utc_now())
        if self.slots is not None:
            self._refill = Refill(
                bus=self.bus,
                clock=self.clock,
                slots=self.slots,
                plan=self.rounds.plan,
                meters=self.meters,
                learn=self._learn,
            )

    def step(self) -> float:
        """Do the next piece of work; return the monotonic time of the next one.

        Time: one exchange at most (its timing and follow-up frames), or one commit.
        """
        self._take_new_plans()
        if self._is_jobs_turn():
            self._step_job()
            return self.clock.monotonic()
        self._make_due()
        if len(self._buffer) >= _MOST_BUFFERED:
            self._commit_if_due(is_idle=True)
            return self._store_retry_at
        if self._poll is None:
            self._note_unasked()
            if not self.rounds.has_unasked:
                self._begin_poll()
        if self._poll is not None:
            self._step_poll(self._poll)
        elif not self.rounds.has_unasked and not self._step_refill():
            self._commit_if_due(is_idle=True)
            return self._next_wake()
        self._commit_if_due(is_idle=False)
        return self.clock.monotonic()

    def stop(self) -> None:
        """Commit what is buffered and give the port back."""
        try:
            if self._buffer:
                self._commit()
        finally:
            self.port.close()

    def use_plan(self, plan: Plan, meters: Mapping[str, PolledMeter]) -> None:
        """Take another plan and other meters between two polls; may be called from another thread."""
        self._new_plans.append((plan, meters))

    def restart_slots(self) -> None:
        """Begin the slots anew at the next step, forgetting those of a time that has not come; from any thread."""
        self._is_anew = True

    def exchange(self, exchange: Exchange, line: LineSettings | None = None) -> Outcome:
        """Run one exchange on this bus. Raises LinkError if the port is closed and cannot be opened."""
        return self.port.exchange(exchange, line)

    @property
    def timing(self) -> Timing:
        """How long this bus waits for answers."""
        return Timing(reply_s=self.bus.reply_ms / 1000)

    @property
    def progress_s(self) -> float:
        """The monotonic time of the last byte on the wire: a long exchange is no standstill."""
        return self.port.progress_s

    # Jobs of the control socket.

    def _is_jobs_turn(self) -> bool:
        """Return True if a job goes next: between polls, and turn about with them, so that neither starves."""
        if not self.jobs or self._poll is not None:
            return False
        self._had_job = not self._had_job
        return self._had_job or not self.rounds.has_waiting

    def _step_job(self) -> None:
        job = self.jobs[0]
        if not job.step(self):
            self.jobs.popleft()

    # Polling.

    def _begin_poll(self) -> None:
        if not self.rounds.has_waiting or not self.port.is_ready():
            return
        due = self.rounds.next_poll(self.clock.utc_now())
        if due is None:
            return
        one, address = due
        meter = self.meters[address]
        self._polled = due
        self._poll = MeterPoll(
            address=address,
            keys=one.task.items,
            driver=driver(meter.protocol),
            timing=self.timing,
            tries=1 if address in self._silent else self.bus.tries,
            refused=set(meter.refused),
            late_from=self._late,
        )

    def _step_poll(self, poll: MeterPoll) -> None:
        if not poll.is_done:
            outcome = self.exchange(poll.next_exchange())
            if outcome.verdict is Verdict.PORT_GONE and not poll.read:
                self._put_back()
                return
            poll.take(outcome)
            self._late = frozenset({poll.address}) if outcome.verdict is Verdict.SILENCE else frozenset()
        if poll.is_done:
            self._end_poll(poll)

    def _put_back(self) -> None:
        """Let a meter whose poll brought nothing yet wait again, behind the others: the port may come back in time."""
        if self._polled is not None:
            self.rounds.missed_as = SlotReason.PORT_GONE
            self.rounds.put_back(*self._polled)
        self._poll, self._polled = None, None

    def _end_poll(self, poll: MeterPoll) -> None:
        if self._polled is None:
            return
        one, address = self._polled
        self._poll, self._polled = None, None
        self.polls_done += 1
        reason = poll.reason
        (self._silent.add if reason is SlotReason.SILENCE else self._silent.discard)(address)
        self._learn(address, frozenset(poll.refused))
        self._keep(
            PollRecord(
                task=one.task.name,
                slot_at=one.slot_at,
                meter=address,
                bus=self.bus.name,
                stamp=self._stamp(),
                state=SlotState.READ if reason is None else SlotState.MISSING_OPEN,
                reason=reason,
                values=poll.values if reason is None else {},
                units=poll.units if reason is None else {},
                faults=poll.faults if reason is None else {},
                response_ms=poll.response_ms,
                tries=poll.exchanges,
                raw=tuple(outcome.raw[:_FRAME_KEPT] for outcome in poll.failures if outcome.raw),
            )
        )
        self._report(address, reason, poll)
        if not one.waiting:
            self.health.holds(f"bus {self.bus.name}")  # the round was completed in time

    def _learn(self, address: str, refused: frozenset[str]) -> None:
        meter = self.meters[address]
        if refused - meter.refused:
            self.meters[address] = replace(meter, refused=refused)
            self.learn(address, refused)

    def _report(self, address: str, reason: SlotReason | None, poll: MeterPoll) -> None:
        claim = f"meter {address}"
        if reason is None:
            was_failing = self.health.answer(claim) is Answer.NO
            self.health.seen(claim)
            self.health.holds(claim)
            if was_failing:
                log.info("bus %s: meter %s answers again", self.bus.name, address)
            return
        verdict = poll.verdict if poll.verdict is not Verdict.OK else Verdict.REFUSED
        code = "E-BUS-212" if reason is SlotReason.UNKNOWN_ITEM else verdict.code
        if code:
            detail = next(iter(poll.details.values()), "")
            count = sum(len(outcome.raw) for outcome in poll.failures)
            fault = EdgeError(code, meter=address, detail=detail, other=detail, count=count)
            if self.health.fails(claim, fault):
                log.warning("bus %s: %s", self.bus.name, fault)

    def _stamp(self) -> Stamp:
        return Stamp(
            at=self.clock.utc_now(),
            trust=self.clock.trust().value,
            boot_id=self.clock.boot_id,
            boot_s=self.clock.monotonic(),
        )

    # Slots that nobody asked for in time.

    def _note_unasked(self) -> None:
        unasked = self.rounds.take_unasked(_UNASKED_PER_STEP)
        for one in unasked:
            self._keep(missing_record(one, self.bus.name, self._stamp()))
        late = [one for one in unasked if one.reason is SlotReason.OVERRUN]
        if late:
            error = EdgeError("E-BUS-211", bus=self.bus.name, count=len(late), task=late[0].task.name)
            if self.health.fails(f"bus {self.bus.name}", error):
                log.warning("%s", error)

    # Missed slots.

    def _step_refill(self) -> bool:
        """Ask for a missed slot if there is time for it before the next live one; False if nothing was done."""
        if self._refill is None or self.rounds.has_waiting or not self.port.is_ready():
            return False
        due = self.rounds.next_due()
        spare_s = _SPARE_S if due is None else (due - self.clock.utc_now()).total_seconds()
        try:
            records = self._refill.step(self, spare_s, self._silent)
        except StoreError as exc:
            if self.health.fails("store", exc):
                log.error("%s", exc)  # noqa: TRY400 - tried again at the next turn
            return False
        for record in records or ():
            self._keep(record)
        self._late = self._refill.unanswered
        return records is not None

    # Committing.

    def _keep(self, record: PollRecord) -> None:
        if not self._buffer:
            self._buffered_at = self.clock.monotonic()
        self._buffer.append(record)
        self.rounds.settle(record.task, record.meter, record.slot_at)

    def _commit_if_due(self, *, is_idle: bool) -> None:
        if not self._buffer or self.clock.monotonic() < self._store_retry_at:
            return
        waited = self.clock.monotonic() - self._buffered_at
        if len(self._buffer) >= self.commit.polls or waited >= self.commit.after_s or is_idle:
            self._commit()

    def _commit(self) -> None:
        try:
            refused = self.sink.append(self._buffer).duplicates
        except StoreError as exc:
            if self.health.fails("store", exc):
                log.error("%s", exc)  # noqa: TRY400 - a condition with a cause and a next act, not a defect of ours
            self._store_retry_at = self.clock.monotonic() + self.commit.after_s
            return
        self.health.count("records.stored", len(self._buffer) - refused)
        if refused:
            self.health.count("records.refused", refused)
            log.error("bus %s: %d records were of slots that are settled already", self.bus.name, refused)
        self.health.seen("store")
        self.health.holds("store")
        self._buffer = []

    def _next_wake(self) -> float:
        now, wall = self.clock.monotonic(), self.clock.utc_now()
        due = self.rounds.next_due()
        wait = _IDLE_S if due is None else min(_IDLE_S, max(0.0, (due - wall).total_seconds()))
        return now + (wait if not self.jobs else 0.0)

    def _make_due(self) -> None:
        """Make the rounds that are due. Slots that the wall clock jumped over passed while the box was off."""
        wall, monotonic = self.clock.utc_now(), self.clock.monotonic()
        ahead = wall.timestamp() - monotonic
        jumped = self._ahead_s is not None and ahead - self._ahead_s > _JUMP_S
        self._ahead_s = ahead
        if jumped:
            self.rounds.missed_as = SlotReason.GATEWAY_DOWN
        else:
            self.rounds.missed_as = SlotReason.PORT_GONE if self.port.is_lost else SlotReason.OVERRUN
        self.rounds.make_due(wall)

    def _begin_anew(self) -> None:
        """Store what is buffered, then let store and rounds forget slots of a time that has not come yet."""
        if self._buffer:
            self._commit()
        try:
            self.sink.forget_after(self.clock.utc_now())
        except StoreError as exc:
            if self.health.fails("store", exc):
                log.error("%s", exc)  # noqa: TRY400 - tried again at the next step
            return
        self._is_anew = False
        if self._refill is not None:
            self._refill.start_anew()
        self.rounds.begin_anew(self.clock.utc_now())

    def _take_new_plans(self) -> None:
        """Apply plans one after the other: each one's slots count up to the next."""
        if self._is_anew and self._poll is None:
            self._begin_anew()
        while self._new_plans and self._poll is None:
            plan, meters = self._new_plans.popleft()
            if self._buffer:
                self._commit()  # before another bus stores for a meter that moved there
            for address in self.meters.keys() - meters.keys():
                self.health.forget(f"meter {address}")
            self.meters = dict(meters)
            self.rounds.replace_plan(plan)
            if self._refill is not None:
                self._refill.use_plan(plan, self.meters)


def missing_record(one: Unasked, bus: str, stamp: Stamp) -> PollRecord:
    """Return the record of a slot that nobody asked for."""
    return PollRecord(
        task=one.task.name,
        slot_at=one.slot_at,
        meter=one.meter,
        bus=bus,
        stamp=stamp,
        state=SlotState.MISSING_OPEN,
        reason=one.reason,
        tries=0,
    )
