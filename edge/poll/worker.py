"""The worker of one bus: plain blocking steps, one exchange or one commit each, driven by `app.py` or a test.

Order of a step: a pause while the time becomes known (`time_turn.py`); the freeze of a snapshot (`snapshot.py`),
between any two exchanges; a job of the control socket (one exchange of it, turn about with the polls); slots that
nobody asked for in time; what is due; second chances; what can wait (`spare_time.py`); a commit.
A meter that kept silent rests (`backoff.py`): its slots end as silence at once, until a probe finds it alive.
While the port is lost, slots that run out end as `port_gone`.
Records reach the store in groups, with those of the other buses (`buffer.py`): every `commit_polls` polls of all, or
`commit_s` after the first of them, or when no bus has anything else to do.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field, replace
from datetime import datetime

from edge.clock import Clock
from edge.errors import EdgeError, StoreError
from edge.health.model import Health
from edge.poll.buffer import RecordBuffer, RecordGroup, Sink
from edge.poll.bus_asker import BusAsker
from edge.poll.chances import Chance, SecondChances
from edge.poll.clock_jump import ClockJump, lies_ahead
from edge.poll.job_queue import JobQueue
from edge.poll.learned import Learned
from edge.poll.meter_poll import MeterPoll
from edge.poll.meters_here import MetersHere
from edge.poll.plan import BusSettings, PolledMeter
from edge.poll.records import missing_record, poll_record, stamp_of
from edge.poll.refill import OpenSlots
from edge.poll.rounds import Round, Rounds, Unasked
from edge.poll.snapshot import Snapshots, freeze_orders
from edge.poll.spare_time import SpareTime
from edge.poll.time_turn import GoOn, TimeTurn
from edge.poll.version import VersionSearch
from edge.reading.outcome import Outcome, PortGone
from edge.reading.plan import Plan
from edge.reading.record import PollRecord
from edge.reading.vendor import VendorItem
from edge.reading.verdict import SlotReason, Verdict

log = logging.getLogger(__name__)

_IDLE_S = 1.0
_UNASKED_PER_STEP = 2048
_CLEAR_S = 2.0  # nothing that can wait is begun so shortly before a slot
_PAUSE_S = 0.5  # between looks whether the records were put right
_FREEZE_S = 0.5  # time for the meters to freeze
_SPARE_S = 60.0  # time for what can wait, where no task is ever due


@dataclass(slots=True, kw_only=True)
class BusWorker(BusAsker):
    """Polls the meters of one bus. `learn` is told what was learned about a meter (address, facts).

    `group`: the records of all buses. `items`: those that the settings define. `slots`: where missed slots are kept;
    without it none is filled. `snapshots`: the names of the tasks that freeze first.
    """

    clock: Clock
    sink: Sink
    health: Health
    rounds: Rounds
    meters: InitVar[dict[str, PolledMeter]]
    group: RecordGroup
    learn: InitVar[Callable[[str, Learned], None]]
    items: InitVar[tuple[VendorItem, ...]] = ()
    slots: OpenSlots | None = None
    snapshots: frozenset[str] = frozenset()
    jobs: JobQueue = field(default_factory=JobQueue)
    polls_done: int = 0
    _buffer: RecordBuffer = field(init=False)
    _spare: SpareTime = field(init=False)
    _poll: MeterPoll | VersionSearch | None = None
    _polled: tuple[Round, str] | None = None
    _chance: Chance | None = None
    _chances: SecondChances = field(default_factory=SecondChances)
    _snapshots: Snapshots = field(init=False)
    _busy_until_s: float = 0.0
    _anew_since: datetime | None = None
    _jump: ClockJump = field(init=False)
    turn: TimeTurn = field(init=False)
    _new_plans: deque[tuple[Plan, Mapping[str, PolledMeter], BusSettings | None]] = field(default_factory=deque)

    def __post_init__(
        self, meters: dict[str, PolledMeter], learn: Callable[[str, Learned], None], items: tuple[VendorItem, ...]
    ) -> None:
        self._jump, self.turn = ClockJump(self.clock), TimeTurn(self.clock)
        zone, now_s = self.rounds.plan.timezone, self.clock.monotonic()
        self._snapshots = Snapshots(tasks=self.snapshots, timezone=zone, began_at=self.clock.utc_now(), since_s=now_s)
        self._here = MetersHere(
            bus=self.bus, clock=self.clock, health=self.health, meters=meters, learn=learn, items=items
        )
        self._spare = SpareTime(meters=self._here, clock=self.clock, health=self.health, zone=zone)
        self._buffer = RecordBuffer(bus=self.bus.name, sink=self.sink, group=self.group)

    def start(self) -> None:
        """Make the first rounds; call once, when the store's marks are in `rounds`."""
        self.rounds.begin(self.clock.utc_now())
        if self.slots is not None:
            self._spare.fill_slots(self.slots, self.rounds.plan)

    def step(self) -> float:
        """Do the next piece of work; return the monotonic time of the next one.

        Time: one exchange at most (its timing and follow-up frames), or one commit.
        """
        if (following := self.turn.take()) is not None:
            self._go_on(following)
        return self._pause() if self.turn.must_pause() else self._step()

    def _step(self) -> float:
        self._take_new_plans()
        self._make_due()
        frozen = self._snapshots.due(self.rounds.begun, self.clock.utc_now())
        if frozen is not None and self.port.is_ready():
            self._freeze(frozen)
        if self.clock.monotonic() < self._busy_until_s:
            return self._busy_until_s
        if self._poll is None and self.jobs.takes_turn(is_poll_waiting=self.rounds.has_waiting):
            self.jobs.step(self)
            self._buffer.commit_if_due(is_idle=False)
            return self.clock.monotonic()
        if self._buffer.is_full:
            self._buffer.commit_if_due(is_idle=True)
            return self.group.retry_at
        if self._poll is None:
            self._note_unasked()
            if not self.rounds.has_unasked:
                self._begin_poll()
        if self._poll is None and not self.rounds.has_unasked and not self.rounds.has_waiting:
            self._begin_chance()
        if self._poll is not None:
            self._step_poll(self._poll)
        elif not self.rounds.has_unasked and not self._step_spare():
            self._buffer.commit_if_due(is_idle=True)
            return self._next_wake()
        self._buffer.commit_if_due(is_idle=False)
        return self.clock.monotonic()

    def _pause(self) -> float:
        """Store what is buffered; poll nothing until the records have their true time."""
        self._poll, self._polled, self._chance = None, None, None
        self._buffer.commit()
        self.turn.is_held = self._buffer.is_empty
        return self.clock.monotonic() + _PAUSE_S

    def _go_on(self, what: GoOn) -> None:
        """Begin again with what the store holds now."""
        now = self.clock.utc_now()
        for _ in range(what.passed):
            self._use_settings(self._new_plans.popleft()[2])
        self._anew_since = None
        self._here.use(what.meters)
        self._chances.clear()
        self._snapshots.begin_anew(now)
        self.rounds.begin_from(what.plan, what.marks, now)
        self._spare.use_plan(what.plan)

    def stop(self) -> None:
        """Commit what is buffered and give the port back."""
        try:
            self._buffer.commit()
        finally:
            self.port.close()

    def use_plan(self, plan: Plan, meters: Mapping[str, PolledMeter], site: BusSettings | None = None) -> None:
        """Take another plan, other meters and settings between two polls; may be called from another thread."""
        self._new_plans.append((plan, meters, site))

    def go_on(self, what: GoOn) -> None:
        """Go on at the next step, with plans that come after this; called while it pauses, from another thread."""
        self.turn.go_on(replace(what, passed=len(self._new_plans)))

    def restart_slots(self, since: datetime) -> None:
        """Begin the slots anew at the next step, forgetting those of a time that has not come; from any thread.

        `since`: this instant, at which the clock was found wrong; the next step may be a while away.
        """
        self._anew_since = since

    # Polling.

    def _begin_poll(self) -> None:
        """Begin to ask the next meter that is due; those that rest are missing at once."""
        while self.rounds.has_waiting and self.port.is_ready():
            due = self.rounds.next_poll(self.clock.utc_now())
            if due is None:
                return
            if not self._here.is_resting(due[1]):
                self._ask(*due)
                return
            self._miss_resting(*due)

    def _begin_chance(self) -> None:
        """Ask a meter again that was missed in a slot that is still young; only while nothing else is due."""
        if self._spare_s < _CLEAR_S:
            return
        chance = self._chances.take(
            self.clock.utc_now(), self.clock.monotonic(), lambda address: not self._here.is_resting(address)
        )
        if chance is not None and chance.address in self._here and self.port.is_ready():
            self._chance = chance
            self._ask(chance.round, chance.address)

    def _ask(self, one: Round, address: str) -> None:
        self._polled = (one, address)
        self._poll = self._here.begin(address, self._snapshots.keys(one))

    def _step_poll(self, poll: MeterPoll | VersionSearch) -> None:
        if not poll.is_done:
            outcome = self._exchange_of(poll)
            if outcome.verdict is Verdict.PORT_GONE and not (isinstance(poll, MeterPoll) and poll.read):
                self._put_back()
                return
            poll.take(outcome)
        if poll.is_done:
            self._end(poll)

    def _exchange_of(self, poll: MeterPoll | VersionSearch) -> Outcome:
        """Run the next exchange of a poll the way that suits its meter."""
        if not self.port.is_ready():  # it went away at a freeze in between
            return PortGone()
        exchange, line = poll.next_exchange(), self._here.state(poll.address).line
        outcome = self.exchange(exchange, line, poll.quiet_s if isinstance(poll, MeterPoll) else None)
        self._here.heard(poll, outcome)
        return outcome

    def _put_back(self) -> None:
        """Let a meter whose poll brought nothing yet wait again, behind the others: the port may come back in time."""
        if self._polled is not None and self._chance is None:
            self.rounds.missed_as = SlotReason.PORT_GONE
            self.rounds.put_back(*self._polled)
        self._poll, self._polled, self._chance = None, None, None

    def _end(self, poll: MeterPoll | VersionSearch) -> None:
        if self._polled is None:
            return
        if isinstance(poll, MeterPoll):
            self._end_poll(poll)
        elif poll.found:
            self._here.state(poll.address).spoke(poll.found)
            self._ask(*self._polled)
        else:
            self._end_poll(poll.as_poll(self._polled[0].task.items))

    def _end_poll(self, poll: MeterPoll) -> None:
        if self._polled is None:
            return
        one, address = self._polled
        chance = self._chance
        self._poll, self._polled, self._chance = None, None, None
        self.polls_done += 1
        self._here.took(address, poll)
        if poll.reason is not None and chance is not None:
            self._chances.put_back(chance, self.clock.monotonic())
            return
        if poll.reason is not None and poll.exchanges:
            self._chances.add(one, address, self.clock.monotonic())
        record = self._snapshots.judged(poll_record(one, self.bus.name, poll, stamp_of(self.clock)), one.task, poll)
        if one.task.name in self.snapshots:
            self._here.report.froze(record)
        if record.reason is not None and chance is not None:
            return
        self._keep(record, is_new=chance is None)
        if chance is not None and self._spare.refill is not None:
            self._spare.refill.note_filled(record)
        if chance is None and not one.waiting:
            self._end_round()

    def _freeze(self, one: Round) -> None:
        """Order the freeze of a snapshot."""
        self._snapshots.note_ordered(one, self.clock.utc_now(), self.clock.monotonic())
        verdicts: set[Verdict] = set()
        states = [self._here.state(address) for address in one.task.meters if address in self._here]
        for order, line in freeze_orders(states, self.timing):
            if not self.port.is_ready():
                break
            verdicts.add(self.exchange(order, line).verdict)
            self._snapshots.note_ordered(one, self.clock.utc_now(), self.clock.monotonic())
        if verdicts == {Verdict.FOREIGN_MASTER}:
            self._snapshots.withdraw(one)
        self._busy_until_s = self.clock.monotonic() + _FREEZE_S

    def _miss_resting(self, one: Round, address: str) -> None:
        """Record a slot of a meter that rests: it was silent when it was asked last."""
        self._here.report.missed(address, SlotReason.SILENCE)
        self._keep(
            missing_record(
                Unasked(one.task, one.slot_at, address, SlotReason.SILENCE), self.bus.name, stamp_of(self.clock)
            )
        )
        self._chances.add(one, address, self.clock.monotonic())
        if not one.waiting:
            self._end_round()

    def _end_round(self) -> None:
        self._here.end_round()
        self.health.holds(f"bus {self.bus.name}")  # the round was completed in time

    # Slots that nobody asked for in time.

    def _note_unasked(self) -> None:
        unasked = self.rounds.take_unasked(_UNASKED_PER_STEP)
        for one in unasked:
            self._keep(missing_record(one, self.bus.name, stamp_of(self.clock)))
        late = [one for one in unasked if one.reason is SlotReason.OVERRUN]
        if late:
            error = EdgeError("E-BUS-211", bus=self.bus.name, count=len(late), task=late[0].task.name)
            if self.health.fails(f"bus {self.bus.name}", error):
                log.warning("%s", error)

    # What can wait.

    @property
    def _spare_s(self) -> float:
        """The seconds until the next slot."""
        due = self.rounds.next_due()
        return _SPARE_S if due is None else (due - self.clock.utc_now()).total_seconds()

    def _step_spare(self) -> bool:
        """Do something that can wait, if there is time for it before the next live slot; False if nothing was done."""
        if self.rounds.has_waiting or not self.port.is_ready():
            return False
        try:
            records = self._spare.step(self, self._spare_s)
        except StoreError as exc:
            self.group.say(exc)
            return False
        for record in records or ():
            self._keep(record, is_new=False)
        return records is not None

    # Committing.

    def _keep(self, record: PollRecord, *, is_new: bool = True) -> None:
        """Buffer a record, but none of a slot that has not come; one that is not new fills a slot that was missing."""
        if not self.turn.may_keep(record):
            return
        if lies_ahead(record):
            self._anew_since = self._anew_since or record.stamp.at
            return
        self._buffer.add(record)
        if is_new:
            self.rounds.settle(record.task, record.meter, record.slot_at)

    def _next_wake(self) -> float:
        now, wall = self.clock.monotonic(), self.clock.utc_now()
        due = self.rounds.next_due()
        wait = _IDLE_S if due is None else min(_IDLE_S, max(0.0, (due - wall).total_seconds()))
        chance_s = self._chances.next_at()
        if chance_s is not None and chance_s > now:
            wait = min(wait, chance_s - now)
        return now if self.jobs else max(now, min(now + wait, self._buffer.due_s))

    def _make_due(self) -> None:
        """Make the rounds that are due. Slots that the wall clock jumped over passed while the box was off."""
        if self._jump.has_jumped():
            self.rounds.missed_as = SlotReason.GATEWAY_DOWN
        else:
            self.rounds.missed_as = SlotReason.PORT_GONE if self.port.is_lost else SlotReason.OVERRUN
        now = self.clock.utc_now()
        self.rounds.make_due(min(now, self._new_plans[0][0].valid_from) if self._new_plans else now)

    def _begin_anew(self, since: datetime) -> None:
        """Store what is buffered, then let store and rounds forget slots of a time that has not come yet."""
        self._buffer.commit()
        now = self.clock.utc_now()
        try:
            self.sink.forget_after(now, since)
        except StoreError as exc:
            self.group.say(exc)
            return
        self._anew_since = None
        if self._spare.refill is not None:
            self._spare.refill.start_anew()
        self._chances.clear()
        self._snapshots.begin_anew(since)
        self.rounds.begin_anew(now, since)

    def _take_new_plans(self) -> None:
        """Apply plans one after the other: each one's slots count up to the next."""
        if self._anew_since is not None and self._poll is None:
            self._begin_anew(self._anew_since)
        while self._new_plans and self._poll is None:
            plan, meters, site = self._new_plans.popleft()
            self._buffer.commit()  # before another bus stores for a meter that moved there
            self._here.use(meters)
            self._use_settings(site)
            self.rounds.replace_plan(plan)
            self._spare.use_plan(plan)

    def _use_settings(self, site: BusSettings | None) -> None:
        """Go on with other settings of the bus and of its tasks."""
        if site is not None:
            self.snapshots = self._snapshots.tasks = site.snapshots
            self.ask_as_set(site.bus, site.items)
