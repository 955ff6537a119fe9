"""Whole rounds of the poller in a random world: the real worker, journal and memory of slots, every record judged.

Each world is a few hours of one bus, with a stretch in which the daemon is down; then what was missed is refilled. A
record's value counts as right if its own meter said it between the slot and the reading, or, where it comes from the
meter's memory, if the meter held it at the instant that the record names.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from edge.config.settings import Bus
from edge.health.model import Health
from edge.poll.buffer import RecordGroup
from edge.poll.plan import PolledMeter
from edge.poll.port import BusPort
from edge.poll.rounds import Rounds
from edge.poll.worker import BusWorker
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import SlotState
from edge.store.database import open_database
from edge.store.journal import Journal
from tests.simulation.held import DAILY, SNAPSHOT, is_right
from tests.simulation.worlds import Climate, World

_LIVE = (
    *("energy_active_import_total", "energy_active_import_t1", "energy_active_import_t2", "energy_active_import_t4"),
    *("energy_reactive_q1_total", "voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l3"),
    *("power_active_total", "power_active_l1", "power_active_l2", "power_reactive_total", "power_factor_total"),
    *("power_apparent_total", "energy_active_export_total"),
)
_FROZEN = ("energy_active_import_total", "energy_active_import_t1", "power_active_total")


@dataclass(slots=True)
class Polled:
    """What came of polling: records by state and source, values checked, and whatever was wrong."""

    exchanges: int = 0
    values: int = 0
    records: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, other):
        """Add what came of others."""
        self.exchanges += other.exchanges
        self.values += other.values
        self.records += other.records
        self.faults += other.faults
        self.wrong += other.wrong


def run_polling(seed, climate=None, hours=2.5):
    """Return what came of some hours of polling in the world of a seed."""
    random = Random(f"poll/{seed}")
    world = World(random, climate or Climate(), most_meters=4)
    with TemporaryDirectory(dir=_folder()) as folder, open_database(Path(folder) / "edge.db", max_mib=16) as database:
        site = _Site(seed, random, world, Journal(database))
        down = timedelta(hours=hours / 2), timedelta(hours=hours / 2 + random.choice((0.1, 0.7)))
        site.live(down[0])
        world.clock.sleep((down[1] - down[0]).total_seconds())
        site.live(timedelta(hours=hours))
    for record in site.records:
        site.judge(record)
    site.polled.faults += world.faults
    return site.polled


def _folder():
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() else None


class _Site:
    """A bus with its poller, which may begin several lives; it is the journal's front and keeps every record."""

    def __init__(self, seed, random, world, journal):
        self.seed, self.world, self.journal = seed, world, journal
        self.polled = Polled()
        self.records = []
        self.begin = world.clock.utc_now()
        self.learned = {}
        self.bus = Bus(
            name="A",
            port="memory",
            baud=world.line.baud,
            parity=world.line.parity,
            gap_ms=random.choice((0, 20, 50)),
            reply_ms=random.choice((550, 600, 1000)),
            tries=random.choice((1, 2, 3)),
        )
        keys = tuple(random.sample(_LIVE, random.randint(2, len(_LIVE))))
        every_s = random.choice((60, 300, 900))
        meters = tuple(sorted(world.addresses))
        self.plan = Plan(
            self.begin,
            "Asia/Shanghai",
            (
                PlanTask("load", Schedule(every_s=900), keys, meters),
                PlanTask("fast", Schedule(every_s=every_s), tuple(random.sample(_LIVE, 2)), meters, priority=2),
                PlanTask(SNAPSHOT, Schedule(every_s=1800), _FROZEN, meters),
                PlanTask("day", Schedule(at=_soon(self.begin, random)), (DAILY,), meters),
            ),
        )
        self.years = {
            one: "dlt645" if random.random() < 0.3 else f"dlt645-{world.of(one)[0].version}" for one in meters
        }

    def append(self, records):
        self.records += records
        return self.journal.append(records)

    def forget_after(self, limit, back_to=None):
        return self.journal.forget_after(limit, back_to)

    def live(self, until):
        """Run the poller up to a time after the begin."""
        clock = self.world.clock
        health = Health(clock)
        worker = BusWorker(
            bus=self.bus,
            clock=clock,
            sink=self,
            health=health,
            port=BusPort(bus=self.bus, clock=clock, health=health, open_link=lambda: self.world.link),
            rounds=Rounds(self.plan, self.journal.settled_marks()),
            meters={one: PolledMeter(one, "A", self.years[one], (), *self._known(one)) for one in self.years},
            group=RecordGroup(clock=clock, health=health),
            learn=self.learned.__setitem__,
            slots=self.journal,
            snapshots=frozenset({SNAPSHOT}),
        )
        worker.start()
        while clock.utc_now() < self.begin + until:
            wake = worker.step()
            clock.sleep(max(0.0, wake - clock.monotonic()))
        worker.port._link = None  # the wire of this world goes on
        worker.stop()
        self.polled.exchanges += sum(
            count for name, count in health.snapshot()["counters"].items() if name.startswith("exchanges.")
        )

    def _known(self, address):
        return (self.learned[address],) if address in self.learned else ()

    # Judging.

    def judge(self, record):
        """Check every value of a record, and that nothing is said to be lost that the meter holds."""
        self.polled.records[f"{record.state.value} {record.source.value}"] += 1
        if record.state is SlotState.MISSING_FINAL:
            self._judge_loss(record)
        for key, value in record.values.items():
            self.polled.values += 1
            meters = self.world.of(record.meter)
            if not any(is_right(meter, record, key, value, (record.slot_at, record.stamp.at)) for meter in meters):
                self._wrong(record, f"{key} = {value}")

    def _judge_loss(self, record):
        lies = {"refuse", "malformed", "wrong-address"}
        meters = self.world.of(record.meter)
        for meter in meters if len(meters) == 1 else ():  # of two with one address nobody knows who was asked
            is_held = meter.version == "2007" and meter.has_record(record.slot_at)
            is_of_records = any(_is_recorded(key) for key in self.plan.tasks[0].items)
            if record.task == "load" and is_held and is_of_records and not lies & {one.name for one in meter.faults}:
                self._wrong(record, "is said not to be kept, but is")

    def _wrong(self, record, what):
        self.polled.wrong.append(
            f"seed {self.seed}: {record.task} {record.slot_at} {record.meter} {record.state.value} "
            f"{record.source.value} read {record.stamp.at}: {what}"
        )


def _soon(begin, random):
    """Return a time of the day: five past midnight, or some minutes from now."""
    local = (begin + timedelta(hours=8, minutes=random.randint(5, 60))).time().replace(second=0, microsecond=0)
    return random.choice((time(0, 5), local))


def _is_recorded(key):
    """Return whether load records hold a quantity: no tariffs, no apparent power."""
    return not key.endswith(("_t1", "_t2", "_t4")) and "apparent" not in key
