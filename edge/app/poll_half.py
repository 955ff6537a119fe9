"""The half that polls: serial ports, the meter register and the store; no key, no network unless a bus is TCP."""

import logging
import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from edge.app.daemon import STORE_FILE, Half
from edge.app.threads import Worker
from edge.bus.open import open_link
from edge.clock import Clock
from edge.config.settings import Bus, Settings
from edge.control.jobs import Job, ReadJob, RegisterJob, ScanJob
from edge.control.server import Reply
from edge.errors import ControlError, EdgeError
from edge.health.model import Health
from edge.poll.jobs import ReadRun, ScanRun
from edge.poll.meter_poll import MeterPoll
from edge.poll.plan import PolledMeter, Rounds, plan_in_force, plan_of_bus
from edge.poll.worker import BusWorker, CommitRule
from edge.protocols.drivers import driver
from edge.reading.plan import Plan
from edge.reading.quantities import expand_item
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.register import REGISTER_FILE, MeterRegister, RegisterLock
from edge.store.register_change import change_of

log = logging.getLogger(__name__)


@contextmanager
def open_poll(settings: Settings, clock: Clock, health: Health) -> Iterator["PollHalf"]:
    """Open the polling half: the register's lock, the store, and one worker a bus."""
    path, max_mib = settings.state_dir / STORE_FILE, settings.store.max_mib
    with ExitStack() as stack:
        stack.enter_context(RegisterLock(settings.state_dir, "edge run"))
        database = stack.enter_context(open_database(path, max_mib=max_mib, clock=clock))
        if (notice := database.notice()) is not None:
            log.error("%s", notice)
        register = stack.enter_context(MeterRegister(settings.state_dir / REGISTER_FILE))
        half = PollHalf(settings, clock, health, register, Journal(database))
        half.make_workers(
            [
                Journal(stack.enter_context(open_database(path, max_mib=max_mib, check=False, clock=clock)))
                for _ in settings.bus
            ]
        )
        yield half


class PollHalf:
    """One worker a bus, and the main thread's share: jobs, register, plan."""

    name: Half = "poll"

    def __init__(
        self, settings: Settings, clock: Clock, health: Health, register: MeterRegister, journal: Journal
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.health = health
        self.register = register
        self.journal = journal
        self._workers: dict[str, BusWorker] = {}
        self._learned: queue.SimpleQueue[tuple[str, frozenset[str]]] = queue.SimpleQueue()
        self._meters: dict[str, PolledMeter] = {}

    def make_workers(self, journals: Sequence[Journal]) -> None:
        """Put the plan in force and make the workers; each has a connection of its own to the store."""
        earlier = self.journal.current_plan()
        plan = self._put_in_force()
        marks = self.journal.settled_marks()
        for bus, journal in zip(self.settings.bus, journals, strict=True):
            rounds = Rounds(plan_of_bus(plan, self._meters, bus.name), dict(marks))
            if earlier is not None and earlier != plan:
                rounds.note_earlier(plan_of_bus(earlier, self._meters, bus.name))
            worker = BusWorker(
                bus=bus,
                clock=self.clock,
                sink=journal,
                health=self.health,
                open_link=partial(open_link, bus.port, self.clock),
                rounds=rounds,
                meters=dict(self._meters),
                commit=CommitRule(polls=self.settings.store.commit_polls, after_s=self.settings.store.commit_s),
                learn=lambda address, refused: self._learned.put((address, refused)),
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
            case RegisterJob():
                self._change_register(job, reply)
            case _:
                raise ControlError("E-CTL-114", job=type(job).__name__)

    def tend(self) -> None:
        """Write what the workers learned about meters into the register; what cannot be written is learned again."""
        while not self._learned.empty():
            address, refused = self._learned.get()
            try:
                if self.register.get(address) is not None:
                    self.register.learn(address, refused=sorted(refused))
            except EdgeError as exc:
                if self.health.fails("register", exc):
                    log.error("%s", exc)  # noqa: TRY400 - a condition, not a defect of ours
            else:
                self.health.holds("register")

    def status(self) -> dict[str, object]:
        """Return the buses, the meters and what waits in the store."""
        return {
            "buses": [
                {"name": bus.name, "port": bus.port, "polls": self._workers[bus.name].polls_done}
                for bus in self.settings.bus
            ],
            "meters": len(self._meters),
            "tasks": [task.name for task in self.settings.task],
        }

    # The plan.

    def _put_in_force(self) -> Plan:
        """Read the register, store the plan if it changed, and return the plan in force."""
        self._meters = {meter.address: meter for meter in self._polled_meters()}
        plan = plan_in_force(self.settings, tuple(self._meters.values()), self.clock.utc_now())
        self.journal.append_plan(plan)
        self._say_what_is_missing(plan)
        return self.journal.current_plan() or plan

    def _polled_meters(self) -> Iterator[PolledMeter]:
        buses = {bus.name: bus for bus in self.settings.bus}
        for meter in self.register.meters():
            bus = buses.get(meter.bus)
            if bus is None:
                log.warning("meter %s is on bus %s, which the settings do not have", meter.address, meter.bus)
                continue
            yield PolledMeter(
                address=meter.address,
                bus=meter.bus,
                protocol=meter.protocol or bus.protocol,
                tags=meter.tags,
                refused=frozenset(str(one) for one in meter.learned.get("refused", ())),
            )

    def _say_what_is_missing(self, plan: Plan) -> None:
        if not self.settings.bus:
            log.warning("no [[bus]] in the settings: nothing is polled")
        if not self._meters:
            log.warning("the register holds no meter: nothing is polled. next: edge meters add, or edge meters import")
        elif not any(task.meters for task in plan.tasks):
            log.warning("no [[task]] names a meter of the register: nothing is polled")

    # Jobs.

    def _bus(self, name: str) -> Bus:
        for bus in self.settings.bus:
            if bus.name == name or (not name and len(self.settings.bus) == 1):
                return bus
        raise ControlError("E-CTL-113", bus=name, known=", ".join(bus.name for bus in self.settings.bus))

    def _start_read(self, job: ReadJob, reply: Reply, nudge: Callable[[str], None]) -> None:
        meter = self._meters.get(job.meter)
        if meter is None and not job.bus and len(self.settings.bus) != 1:
            raise ControlError("E-CTL-112", meter=job.meter)
        bus = self._bus(job.bus or (meter.bus if meter else ""))
        protocol = job.protocol or (meter.protocol if meter else bus.protocol)
        worker = self._workers[bus.name]
        keys = tuple(dict.fromkeys(key for item in job.items for key in expand_item(item)))
        poll = MeterPoll(job.meter, keys, driver(protocol), worker.timing, bus.tries)
        worker.jobs.append(ReadRun(poll, self.clock, reply))
        nudge(f"bus {bus.name}")

    def _start_scan(self, job: ScanJob, reply: Reply, nudge: Callable[[str], None]) -> None:
        bus = self._bus(job.bus)
        worker = self._workers[bus.name]
        worker.jobs.append(ScanRun.over(driver(job.protocol or bus.protocol), worker.timing, reply, job.addresses))
        nudge(f"bus {bus.name}")

    def _change_register(self, job: RegisterJob, reply: Reply) -> None:
        change = change_of(job.change)
        self.register.apply(change)
        plan = self._put_in_force()
        for name, worker in self._workers.items():
            worker.use_plan(plan_of_bus(plan, self._meters, name), dict(self._meters))
        reply.end({"result": {"meters": len(self._meters)}})
