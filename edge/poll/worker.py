"""The worker of one bus: plain blocking steps, one exchange or one commit each, driven by `app.py` or a test.

Order of a step: a job of the control socket (one exchange of it, turn about with the polls); slots that passed
unasked; what is due; a commit.
The worker owns its link. A lost port is opened again with a growing pause; meanwhile its slots end as `port_gone`.
Records reach the store in groups: every `commit_polls` polls, or `commit_s` after the first, or when a round ends.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from edge.bus.link import LineSettings, Link
from edge.bus.runner import run_exchange
from edge.bus.trace import TraceRing
from edge.clock import Clock
from edge.config.settings import Bus
from edge.errors import EdgeError, LinkError, StoreError
from edge.health.model import Answer, Health
from edge.poll.meter_poll import MeterPoll
from edge.poll.plan import PolledMeter, Round, Rounds
from edge.protocols.drivers import driver
from edge.protocols.exchange import Exchange, Timing
from edge.reading.outcome import Outcome
from edge.reading.plan import Plan
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.reading.verdict import SlotReason, Verdict

log = logging.getLogger(__name__)

_IDLE_S = 1.0
_REOPEN_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_PASSED_PER_STEP = 256
_MOST_BUFFERED = 4096
_FRAME_KEPT = 600


class Sink(Protocol):
    """Where records go: returns after they are durable."""

    def append(self, records: Sequence[PollRecord]) -> object:
        """Store the records. Raises StoreError, and then none of them is stored."""


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
    """Polls the meters of one bus. `learn` is told what a meter refused (address, identifiers)."""

    bus: Bus
    clock: Clock
    sink: Sink
    health: Health
    open_link: Callable[[], Link]
    rounds: Rounds
    meters: Mapping[str, PolledMeter]
    commit: CommitRule = field(default_factory=CommitRule)
    learn: Callable[[str, frozenset[str]], None]
    trace: TraceRing = field(default_factory=lambda: TraceRing(2000))
    jobs: deque[BusJob] = field(default_factory=deque)
    polls_done: int = 0
    _link: Link | None = None
    _reopen_at: float = 0.0
    _reopen_tries: int = 0
    _buffer: list[PollRecord] = field(default_factory=list)
    _buffered_at: float = 0.0
    _store_retry_at: float = 0.0
    _poll: MeterPoll | None = None
    _polled: tuple[Round, str] | None = None
    _silent: set[str] = field(default_factory=set)
    _late: frozenset[str] = frozenset()
    _had_job: bool = False
    _new_plan: tuple[Plan, Mapping[str, PolledMeter]] | None = None

    def start(self) -> None:
        """Make the first rounds; call once, when the store's marks are in `rounds`."""
        self.rounds.begin(self.clock.utc_now())

    def step(self) -> float:
        """Do the next piece of work; return the monotonic time of the next one."""
        self._take_new_plan()
        if self._is_jobs_turn():
            self._step_job()
            return self.clock.monotonic()
        self.rounds.make_due(self.clock.utc_now())
        if len(self._buffer) >= _MOST_BUFFERED:
            self._commit_if_due(is_idle=True)
            return self._store_retry_at
        if self._poll is None:
            # In the order of their slots, as the store wants them: what expired, what passed, what is due.
            self._note_expired()
            self._note_passed()
            if not self.rounds.has_passed:
                self._begin_poll()
        if self._poll is not None:
            self._step_poll(self._poll)
        elif not self.rounds.has_passed:
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
            self.drop_link()

    def use_plan(self, plan: Plan, meters: Mapping[str, PolledMeter]) -> None:
        """Take another plan and other meters at the next step; may be called from another thread."""
        self._new_plan = (plan, meters)

    def exchange(self, exchange: Exchange, line: LineSettings | None = None) -> Outcome:
        """Run one exchange on this bus, with the bus's own line settings unless others are given."""
        outcome = run_exchange(
            self._require_link(),
            exchange,
            self.clock,
            line or self.line,
            gap_s=self.bus.gap_ms / 1000,
            tap=self.trace.add,
        )
        self.health.count(f"exchanges.{self.bus.name}.{outcome.verdict.value}")
        if outcome.verdict is Verdict.PORT_GONE:
            lost = LinkError("E-BUS-104", port=self.bus.port, detail="it vanished while it was in use")
            if self.health.fails(f"port {self.bus.name}", lost):
                log.warning("bus %s: %s", self.bus.name, lost)
            self.drop_link()
        return outcome

    @property
    def line(self) -> LineSettings:
        """The line settings of this bus."""
        return LineSettings(baud=self.bus.baud, parity=self.bus.parity)

    @property
    def timing(self) -> Timing:
        """How long this bus waits for answers."""
        return Timing(reply_s=self.bus.reply_ms / 1000)

    def drop_link(self) -> None:
        """Close the port; the next exchange opens it again."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _require_link(self) -> Link:
        if self._link is None:
            self._link = self.open_link()
            self._reopen_tries = 0
            if self.health.holds(f"port {self.bus.name}"):
                log.info("bus %s: port %s is open", self.bus.name, self.bus.port)
        return self._link

    def _has_link(self) -> bool:
        """Open the port if it is not open and the pause is over; a failure grows the pause."""
        if self._link is not None:
            return True
        if self.clock.monotonic() < self._reopen_at:
            return False
        try:
            self._require_link()
        except LinkError as exc:
            pause = _REOPEN_S[min(self._reopen_tries, len(_REOPEN_S) - 1)]
            if self.health.fails(f"port {self.bus.name}", exc):
                log.warning("bus %s: %s", self.bus.name, exc)
            self._reopen_tries += 1
            self._reopen_at = self.clock.monotonic() + pause
            return False
        return True

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
        if not self.rounds.has_waiting or not self._has_link():
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
            try:
                outcome = self.exchange(poll.next_exchange())
            except LinkError as exc:
                log.warning("bus %s: %s", self.bus.name, exc)
                self._put_back()
                return
            poll.take(outcome)
            self._late = frozenset({poll.address}) if outcome.verdict is Verdict.SILENCE else frozenset()
        if poll.is_done:
            self._end_poll(poll)

    def _put_back(self) -> None:
        """Let a meter whose poll could not even begin wait again: its slot may still be live when the port is back."""
        if self._polled is not None:
            one, address = self._polled
            one.waiting.appendleft(address)
        self._poll, self._polled = None, None
        self.drop_link()

    def _end_poll(self, poll: MeterPoll) -> None:
        if self._polled is None:
            return
        one, address = self._polled
        self._poll, self._polled = None, None
        self.polls_done += 1
        reason = poll.reason
        (self._silent.add if reason is SlotReason.SILENCE else self._silent.discard)(address)
        if poll.refused - set(self.meters[address].refused):
            self.learn(address, frozenset(poll.refused))
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
        if verdict.code:
            detail = next(iter(poll.details.values()), "")
            count = sum(len(outcome.raw) for outcome in poll.failures)
            fault = EdgeError(verdict.code, meter=address, detail=detail, other=detail, count=count)
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

    def _note_expired(self) -> None:
        expired = self.rounds.take_expired(self.clock.utc_now())
        gone = self._link is None and self._reopen_tries > 0
        reason = SlotReason.PORT_GONE if gone else SlotReason.OVERRUN
        for task, slot_at, address in expired:
            self._keep(self._missing(task.name, slot_at, address, reason))
        if expired and not gone:
            late = EdgeError("E-BUS-211", bus=self.bus.name, count=len(expired), task=expired[0][0].name)
            if self.health.fails(f"bus {self.bus.name}", late):
                log.warning("%s", late)

    def _note_passed(self) -> None:
        for task, slot_at, address in self.rounds.take_passed(_PASSED_PER_STEP):
            self._keep(self._missing(task.name, slot_at, address, SlotReason.GATEWAY_DOWN))

    def _missing(self, task: str, slot_at: datetime, address: str, reason: SlotReason) -> PollRecord:
        return PollRecord(
            task=task,
            slot_at=slot_at,
            meter=address,
            bus=self.bus.name,
            stamp=self._stamp(),
            state=SlotState.MISSING_OPEN,
            reason=reason,
            tries=0,
        )

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
            self.sink.append(self._buffer)
        except StoreError as exc:
            if self.health.fails("store", exc):
                log.error("%s", exc)  # noqa: TRY400 - a condition with a cause and a next act, not a defect of ours
            self._store_retry_at = self.clock.monotonic() + self.commit.after_s
            return
        self.health.count("records.stored", len(self._buffer))
        self.health.seen("store")
        self.health.holds("store")
        self._buffer = []

    def _next_wake(self) -> float:
        now, wall = self.clock.monotonic(), self.clock.utc_now()
        due = self.rounds.next_due()
        wait = _IDLE_S if due is None else min(_IDLE_S, max(0.0, (due - wall).total_seconds()))
        return now + (wait if not self.jobs else 0.0)

    def _take_new_plan(self) -> None:
        if self._new_plan is not None and self._poll is None:
            plan, self.meters = self._new_plan
            self._new_plan = None
            self.rounds.replace_plan(plan)
