"""The half that polls: serial ports, the meter register and the store; no key, no network unless a bus is TCP."""

import logging
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from edge.app import bus_jobs
from edge.app.aside_watch import AsideWatch
from edge.app.daemon import STORE_FILE, Half, Watch
from edge.app.file_watch import FileWatch
from edge.app.plan_keeper import PlanKeeper
from edge.app.poll_state_watch import PollStateWatch
from edge.app.room_watch import RoomWatch
from edge.app.threads import Worker
from edge.bus.link import Link
from edge.bus.open import open_link
from edge.clock import Clock
from edge.config.settings import Bus, Settings
from edge.control.jobs import DetectJob, DiagnoseJob, Job, ReadJob, RegisterJob, ScanJob, TraceJob
from edge.control.server import Reply
from edge.errors import ControlError, StoreError
from edge.health.model import Health
from edge.poll.buffer import CommitRule, RecordGroup
from edge.poll.job_queue import BusJob
from edge.poll.jobs import ReadOrder, ReadRun
from edge.poll.learned import Learned
from edge.poll.plan import BusSettings, plan_of_bus
from edge.poll.port import BusPort
from edge.poll.rounds import Rounds
from edge.poll.scan import scan_run
from edge.poll.scan_state import Candidate
from edge.poll.time_turn import GoOn
from edge.poll.trace_job import TraceFollower
from edge.poll.vendor_items import vendor_items
from edge.poll.worker import BusWorker
from edge.store.asides import load_asides
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.poll_state import PollState
from edge.store.register import REGISTER_FILE, MeterRegister, RegisterLock
from edge.store.register_change import change_of

log = logging.getLogger(__name__)

_LEARN_EVERY_S = 60.0

OpenPort = Callable[[str, Clock], Link]  # port as in the settings -> link


@contextmanager
def open_poll(
    settings: Settings, clock: Clock, health: Health, open_port: OpenPort = open_link
) -> Iterator["PollHalf"]:
    """Open the polling half: the register's lock, the store, and one worker a bus."""
    path, max_mib = settings.state_dir / STORE_FILE, settings.store.max_mib
    with ExitStack() as stack:
        stack.enter_context(RegisterLock(settings.state_dir, "edge run"))
        database = stack.enter_context(open_database(path, max_mib=max_mib, clock=clock))
        if (notice := database.notice()) is not None:
            log.error("%s", notice)
        register = stack.enter_context(MeterRegister(settings.state_dir / REGISTER_FILE))
        register.meters()
        if (damage := register.recovered()) is not None:
            log.error("%s", StoreError("E-STO-209", path=settings.state_dir / REGISTER_FILE, detail=damage))
        watches = (
            RoomWatch(path, database.room, clock, health),
            AsideWatch(path, partial(load_asides, database), clock, health),
            FileWatch(path, database.is_there, clock),
        )
        half = PollHalf(PlanKeeper(settings, clock, health, register, Journal(database)), watches, open_port)
        half.watches.append(PollStateWatch(half.bus_of, half.note_state, clock, health))
        half.make_workers(
            [
                Journal(stack.enter_context(open_database(path, max_mib=max_mib, check=False, clock=clock)))
                for _ in settings.bus
            ]
        )
        try:
            yield half
        finally:
            half.close()


class PollHalf:
    """One worker a bus, and the main thread's share: jobs, register, plan. `open_port` opens the ports of the buses."""

    name: Half = "poll"

    def __init__(self, keeper: PlanKeeper, watches: Sequence[Watch], open_port: OpenPort = open_link) -> None:
        self._open_port = open_port
        self.settings = keeper.settings
        self.clock = keeper.clock
        self.keeper = keeper
        self.watches = list(watches)
        self._items = vendor_items(keeper.settings)
        self._workers: dict[str, BusWorker] = {}
        self._learned: queue.SimpleQueue[tuple[str, Learned]] = queue.SimpleQueue()
        self._facts: dict[str, Learned] = {}
        self._facts_at = 0.0
        self._is_plan_due = False
        self._was_time_unknown = False
        self._followers: list[TraceFollower] = []
        self._group: RecordGroup | None = None

    def make_workers(self, journals: Sequence[Journal]) -> None:
        """Put the plan in force and make the workers; each has a connection of its own to the store."""
        plan = self.keeper.put_in_force(at_start=True)
        marks = self.keeper.journal.settled_marks()
        health, rule = self.keeper.health, _commit_rule(self.settings)
        self._group = group = RecordGroup(clock=self.clock, health=health, rule=rule)
        for bus, journal in zip(self.settings.bus, journals, strict=True):
            worker = BusWorker(
                bus=bus,
                clock=self.clock,
                sink=journal,
                health=health,
                port=BusPort(
                    bus=bus,
                    clock=self.clock,
                    health=health,
                    open_link=partial(self._open_port, bus.port, self.clock),
                ),
                rounds=Rounds(plan_of_bus(plan, self.keeper.meters, bus.name), dict(marks)),
                meters=dict(self.keeper.meters),
                items=self._items,
                group=group,
                learn=lambda address, learned: self._learned.put((address, learned)),
                slots=journal,
                snapshots=_snapshots(self.settings),
            )
            worker.start()
            self._workers[bus.name] = worker

    def workers(self) -> list[tuple[str, Worker]]:
        """Return one worker a bus."""
        return [(f"bus {name}", worker) for name, worker in self._workers.items()]

    def start_job(self, job: Job, reply: Reply, nudge: Callable[[str], None]) -> None:
        """Start a job: register changes here, everything else on its bus."""
        match job:
            case ReadJob():
                self._start_read(job, reply, nudge)
            case ScanJob():
                self._start_scan(job, reply, nudge)
            case DetectJob():
                bus = self._bus(job.bus)
                self._queue(bus, bus_jobs.detect_run(job, bus, reply), nudge)
            case DiagnoseJob():
                bus = self._bus(job.bus)
                hours = self._workers[bus.name].port.damage.hours()
                self._queue(bus, bus_jobs.diagnose_run(job, bus, self._known_on(bus), reply, hours), nudge)
            case TraceJob():
                bus = self._bus(job.bus)
                ring = self._workers[bus.name].port.trace
                self._followers.append(bus_jobs.follow_trace(job, bus, ring, self.clock, reply))
            case RegisterJob():
                self._change_register(job, reply)
            case _:
                raise ControlError("E-CTL-114", job=type(job).__name__)

    def tend(self) -> None:
        """Do what only the main thread may: the register, the plan, and the slots that are open for too long."""
        self._followers = [one for one in self._followers if one.beat()]
        self._keep_learned()
        if not self._is_time_unknown():
            if self.keeper.is_clock_behind() and self.clock.trust().is_good:
                self._start_anew()
            if self._is_plan_due:
                self._change_plan()
            self.keeper.close_old_slots()
        for watch in self.watches:
            watch.tend()

    def _keep_learned(self, *, at_once: bool = False) -> None:
        """Write what the workers learned, at most once in a while: each write is the whole register."""
        while not self._learned.empty():
            address, learned = self._learned.get()
            self._facts[address] = learned
            self.keeper.note(address, learned)
        if self._facts and (at_once or self.clock.monotonic() >= self._facts_at):
            self.keeper.learn(self._facts)
            self._facts = {}
            self._facts_at = self.clock.monotonic() + _LEARN_EVERY_S

    def status(self) -> dict[str, object]:
        """Return the buses, the meters and what waits in the store."""
        return {
            "buses": [
                {"name": bus.name, "port": bus.port, "polls": self._workers[bus.name].polls_done}
                for bus in self.settings.bus
            ],
            "meters": len(self.keeper.meters),
            "tasks": [task.name for task in self.settings.task],
        }

    def bus_of(self) -> Mapping[str, str]:
        """Return the bus of each meter of the register."""
        return {meter.address: meter.bus for meter in self.keeper.meters.values()}

    def note_state(self, state: PollState) -> None:
        """Let the other half know how polling goes. Raises StoreError."""
        self.keeper.journal.note_state(state, self.clock.utc_now())

    def use_settings(self, settings: Settings) -> None:
        """Go on with other settings, of the same buses: what the plan before promised is settled up to this moment."""
        self.settings = self.keeper.settings = settings
        self._items = vendor_items(settings)
        if self._group is not None:
            self._group.rule = _commit_rule(settings)
        self._change_plan()

    def _site(self, name: str) -> BusSettings:
        return BusSettings(self._bus(name), self._items, _snapshots(self.settings))

    def close(self) -> None:
        """Write what was learned and not written yet."""
        self._keep_learned(at_once=True)

    def _is_time_unknown(self) -> bool:
        """Return True while records wait for their true time; put them right when every worker has paused for it."""
        turns = [worker.turn for worker in self._workers.values()]
        if not self.clock.trust().is_good:
            self._was_time_unknown = True
            self._go_on([name for name, one in self._workers.items() if one.turn.is_held])  # lost again before its use
            return False
        if not self._was_time_unknown and not any(turn.was_unknown for turn in turns):
            return False
        for turn in turns:
            turn.was_unknown = True
        if not all(turn.is_held for turn in turns) or not self.keeper.time.try_to_put_right():
            return True
        self._was_time_unknown = not self._go_on(list(self._workers))
        return self._was_time_unknown

    def _go_on(self, names: Sequence[str]) -> bool:
        """Let paused workers go on with what the store holds now; return False if it cannot be read."""
        if not names:
            return True
        journal = self.keeper.journal
        try:
            self.keeper.record_passed(journal.kept_plans())
            plan = journal.current_plan() or self.keeper.put_in_force()
            marks = journal.settled_marks()
        except StoreError as exc:
            if self.keeper.health.fails("store", exc):
                log.error("%s", exc)  # noqa: TRY400 - a condition, not a defect of ours
            return False
        for name in names:
            going = GoOn(plan_of_bus(plan, self.keeper.meters, name), marks, dict(self.keeper.meters))
            self._workers[name].go_on(going)
        return True

    def _start_anew(self) -> None:
        """Let store and workers forget slots of a time that has not come yet; a worker stores first what it has."""
        since = self.clock.utc_now()
        try:
            self.keeper.forget_future()
        except StoreError as exc:
            log.error("%s", exc)  # noqa: TRY400 - tried again in a few seconds
            return
        for worker in self._workers.values():
            worker.restart_slots(since)
        self._is_plan_due = True

    def _change_plan(self) -> None:
        """Put the register's plan in force and hand it to the workers; if the store fails, again at the next turn."""
        self._is_plan_due = True
        try:
            plan = self.keeper.put_in_force()
        except StoreError as exc:
            if self.keeper.health.fails("store", exc):
                log.error("%s", exc)  # noqa: TRY400 - a condition, not a defect of ours
            return
        self._is_plan_due = False
        for name, worker in self._workers.items():
            worker.use_plan(plan_of_bus(plan, self.keeper.meters, name), dict(self.keeper.meters), self._site(name))

    # Jobs.

    def _bus(self, name: str) -> Bus:
        for bus in self.settings.bus:
            if bus.name == name or (not name and len(self.settings.bus) == 1):
                return bus
        raise ControlError("E-CTL-113", bus=name, known=", ".join(bus.name for bus in self.settings.bus))

    def _start_read(self, job: ReadJob, reply: Reply, nudge: Callable[[str], None]) -> None:
        meter = self.keeper.meters.get(job.meter)
        if meter is None and not job.bus and len(self.settings.bus) != 1:
            raise ControlError("E-CTL-112", meter=job.meter)
        bus = self._bus(job.bus or (meter.bus if meter else ""))
        protocol = job.protocol or (meter.known_protocol if meter else bus.protocol)
        order = ReadOrder.of(job.meter, job.items, protocol, bus, self._items)
        self._workers[bus.name].jobs.append(ReadRun(order, self.clock, reply))
        nudge(f"bus {bus.name}")

    def _start_scan(self, job: ScanJob, reply: Reply, nudge: Callable[[str], None]) -> None:
        bus = self._bus(job.bus)
        order = bus_jobs.scan_order(job, self._known_on(bus))
        run = scan_run(job.protocol or bus.protocol, bus.reply_ms, reply, order)
        self._queue(bus, run, nudge)

    def _queue(self, bus: Bus, run: BusJob, nudge: Callable[[str], None]) -> None:
        self._workers[bus.name].jobs.append(run)
        nudge(f"bus {bus.name}")

    def _known_on(self, bus: Bus) -> tuple[Candidate, ...]:
        meters = self.keeper.meters.values()
        return tuple(
            Candidate(meter.address, protocol=meter.known_protocol) for meter in meters if meter.bus == bus.name
        )

    def _change_register(self, job: RegisterJob, reply: Reply) -> None:
        change = change_of(job.change)
        known = [bus.name for bus in self.settings.bus]
        for meter in (*change.add, *change.replace):
            if meter.bus not in known:
                raise ControlError("E-CTL-113", bus=meter.bus, known=", ".join(known))
        self.keeper.change_register(change)
        self._change_plan()
        reply.end({"result": {"meters": len(self.keeper.meters)}})


def _commit_rule(settings: Settings) -> CommitRule:
    return CommitRule(polls=settings.store.commit_polls, after_s=settings.store.commit_s)


def _snapshots(settings: Settings) -> frozenset[str]:
    return frozenset(task.name for task in settings.task if task.snapshot)
