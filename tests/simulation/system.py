"""The whole system on virtual time, from a seed: meters, gateways, disks, clocks, a broker, the centre, a hostile hand.

One thread steps whoever is due next. First comes a time of faults, of kinds that the seed chooses (`mishaps.py`); then
everything is put right, and a bounded time later every invariant must hold (`invariants.py`).
"""

import contextlib
import heapq
import os
import traceback
from collections import Counter
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from edge.clock import ClockTrust
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.messages.signing import Ed25519Verifier
from edge.store.meter import Meter
from tests.simulation.books import Books
from tests.simulation.box import Box, Cable
from tests.simulation.broker import Manners, SimBroker
from tests.simulation.calendars import CALENDARS, Calendar
from tests.simulation.centre_site import TENANT, Centre
from tests.simulation.clocks import Now, TrueClock
from tests.simulation.disk import simulated_disks
from tests.simulation.further import CROWD, CROWDED, Further, count_shedding
from tests.simulation.hand import Hand
from tests.simulation.invariants import check, check_archive
from tests.simulation.mishaps import Mishaps
from tests.simulation.plain_files import PlainFiles
from tests.simulation.rest import come_to_rest
from tests.simulation.worlds import BEGIN, Climate, World

_USUAL_DAYS = 0.6  # of worlds live on a day on which the calendar is easy
_SETTLE_S = 600.0  # what was recorded so long after everything was put right must be at the centre
_FIRST_LOOK_S = 1500.0
_LOOK_EVERY_S = 900.0
_PATIENCE_S = 6000.0
_MOST_STEPS = 2000  # in a second; more, and somebody spins
_KEYS = (
    *("energy_active_import_total", "energy_active_import_t1", "voltage_l1", "current_l1"),
    *("power_active_total", "energy_reactive_q1_total"),
)


class System:
    """One world. `faults` counts what was done to it, `wrong` is what did not hold, `readings` what was compared."""

    def __init__(self, seed, folder: Path, disks, *, kinds=None, plain: PlainFiles | None = None) -> None:
        self.seed = seed
        self.plain = plain
        self.random = Random(f"system/{seed}")
        self.folder = folder
        self.disks = disks
        self.faults: Counter = Counter()
        self.wrong: list[str] = []
        self.readings = 0
        self.now = Now(BEGIN + timedelta(seconds=self.random.randrange(86400)))
        self.calendar = self._calendar() if plain is not None else None
        self.replacements: dict[str, int] = {}
        self.books = Books()
        self.broker = SimBroker(self.now, self.random, self.faults)
        self.public_keys: dict[str, dict[bytes, Ed25519Verifier]] = {}
        self.boxes: list[Box] = []
        self.settled_at = 0.0
        self.settled_until = self.now.begin
        self._events: list = []
        self._order = count()
        self._make(kinds)

    @property
    def box(self) -> Box:
        """The gateway that is in the cabinet now."""
        return self.boxes[-1]

    @property
    def kinds(self) -> list[str]:
        """The kinds of mishaps that may befall it."""
        return [*self.mishaps.kinds, *(self.further.kinds if self.further is not None else ())]

    def may_conflict(self, slot) -> bool:
        """Return whether a slot may have been asked for twice: its answer was destroyed, or no time of it was known."""
        undated = [record for record in self.books.tried[slot] if not record.stamp.is_dated]
        answers = (*self.books.kept[slot], *self.books.unsure.get(slot, ()))
        return len(undated) > 1 or any(one.is_destroyed for one in answers)

    def dated_boots(self, box):
        """Return the boots whose records must all have their true time: this one, if it is known."""
        has_hurry = {"full", "syncs", "shed"} & set(self.kinds)  # nothing waits where there is no room
        return set() if has_hurry else {box.clock.boot_id} & box.clock.known

    def _calendar(self) -> Calendar | None:
        """Return the difficult day on which this world lives, if it does."""
        random = Random(f"calendar/{self.seed}")
        if random.random() < _USUAL_DAYS:
            return None
        calendar = random.choice(CALENDARS)
        self.now.begin = calendar.begin + timedelta(seconds=random.randint(1200, 3000))
        self.faults[calendar.name] += 1
        return calendar

    def _make(self, kinds) -> None:
        random = self.random
        make = {"now": self.now, "random": random, "disks": self.disks, "broker": self.broker, "faults": self.faults}
        policy = random.choice(("commit", "backup", "backup"))
        self.centre = Centre(**make, folder=self.folder / "centre", policy=policy)
        climate = Climate(calm=random.random() < 0.5, has_duplicates=False)
        names = ("A", "B")[: random.choice((1, 1, 2))]
        self.cables = {
            f"port-{name}": Cable(World(random, climate, most_meters=2, clock=TrueClock(self.now))) for name in names
        }
        self._spread_addresses()
        for cable in self.cables.values():
            for meter in cable.world.meters:
                if random.random() < 0.2:
                    self.faults["meter's clock off"] += 1
                    meter.state.clock_error = timedelta(seconds=random.choice((-400, -90, -20, 15, 60, 500)))
                if self.calendar is not None and not self.calendar.has_memory:
                    meter.refused = ("05", "06")
        self.broker.doors = {"mqtt://a": "open", "mqtt://b": "open", "mqtt://c": "open"}
        self.centre.keys.keys["gw-other"] = Hand(self).key.public
        self.further = Further(self, kinds) if self.plain is not None else None
        self.tasks = self._tasks()
        if self.further is not None and self.further.is_crowded:
            self.tasks = [self.tasks[0], CROWD]
        self.add_box("gw-1")
        self.mishaps = Mishaps(self, kinds)

    def _spread_addresses(self) -> None:
        """Let no address be on two wires: the second one's place is taken by a neighbour."""
        seen: set[str] = set()
        for cable in self.cables.values():
            cable.world.meters = [one for one in cable.world.meters if one.address not in seen]
            cable.world.wire.meters = tuple(cable.world.meters)
            seen |= {one.address for one in cable.world.meters}

    def _tasks(self):
        random = self.random
        tasks = [{"name": "load", "every": "15m", "items": random.sample(_KEYS, random.randint(1, 3))}]
        if random.random() < 0.6:
            tasks.append({"name": "fast", "every": "5m", "items": random.sample(_KEYS, 1), "priority": 2})
        if random.random() < 0.15:
            tasks.append({"name": "snapshot", "every": "30m", "items": [_KEYS[0]], "snapshot": True})
        return tasks if self.calendar is None else [*self._without_snapshot(tasks), *self.calendar.tasks]

    def _without_snapshot(self, tasks):
        return tasks if self.calendar.has_memory else [task for task in tasks if "snapshot" not in task]

    def add_box(self, name: str) -> None:
        """Put a new gateway into the cabinet and enrol its key."""
        random, folder = self.random, self.folder / name
        buses = [
            {
                "name": port[-1],
                "port": port,
                "baud": cable.world.line.baud,
                "gap_ms": random.choice((0, 20)),
                "reply_ms": random.choice((600, 1000)),
                "tries": random.choice((1, 2)),
            }
            for port, cable in self.cables.items()
        ]
        table = {
            "schema": 1,
            "gateway": {"id": name, "tenant": TENANT, "state_dir": str(folder), "timezone": self._zone},
            "bus": buses,
            "task": self.tasks,
            "mqtt": {"endpoints": ["mqtt://a:1", "mqtt://b:1"][: random.choice((1, 2))]},
            "batch": {"max_readings": random.choice((2, 8, 64, 4096)), "max_age": random.choice(("5m", "15m"))},
            "store": {"commit_polls": random.choice((1, 4, 16)), "commit_s": random.choice((1.0, 5.0))},
        }
        if self.further is not None and self.further.is_crowded:
            table |= CROWDED
        settings = build_table(Settings, table)
        box = Box(
            name,
            random.randbytes(32),
            now=self.now,
            random=random,
            disks=self.disks,
            folder=folder,
            cables=self.cables,
            broker=self.broker,
            books=self.books,
            centre_key=self.centre.signer.verifier(),
            faults=self.faults,
            settings=settings,
        )
        box.on_death = lambda dead: self.mishaps.died(dead)  # noqa: PLW0108 - there are none yet
        box.on_boot = lambda off: self.mishaps.boot(off)  # noqa: PLW0108 - the same
        if self.plain is not None:
            self.plain.adopt(box.disk)
        box.register(
            [
                Meter(address=meter.address, bus=port[-1], protocol=f"dlt645-{meter.version}")
                for port, cable in self.cables.items()
                for meter in cable.world.meters
            ]
        )
        box.disk.forget()
        self.boxes.append(box)
        self.enrol(box)

    @property
    def _zone(self) -> str:
        return "Asia/Shanghai" if self.calendar is None else self.calendar.zone

    def enrol(self, box: Box) -> None:
        """Let the centre trust the key of a gateway, and no longer an earlier one of that name."""
        self.centre.keys.keys[box.name] = box.signer.public
        self.public_keys.setdefault(box.name, {})[box.signer.kid] = box.signer.verifier()

    # Time.

    def at(self, at: float, what) -> None:
        """Let something happen at an instant."""
        heapq.heappush(self._events, (at, next(self._order), what))

    def later(self, seconds: float, what) -> None:
        """Let something happen a while from now."""
        self.at(self.now.at + seconds, what)

    def run_until(self, end: float) -> None:
        """Step whoever is due, in the order of time."""
        moment, steps = -1.0, 0
        while not self.wrong:
            at, what = self._next()
            if at > end:
                break
            self.now.at = at
            moment, steps = (moment, steps + 1) if at < moment + 1.0 else (at, 0)
            if steps > _MOST_STEPS:
                self.wrong.append(f"[works] at {at:.1f}: somebody works for ever, and no time passes: {what}")
            what()
        self.now.at = end

    def _next(self):
        """Return what is due next, and when."""
        at, what = (self._events[0][0], self._happen) if self._events else (float("inf"), None)
        for machine in (*self.boxes, self.centre):
            if machine.start_at is not None and machine.start_at < at:
                at, what = machine.start_at, machine.start
            for actor in machine.actors:
                if (due := actor.due) < at:
                    at, what = due, partial(self._step, machine, actor)
        return at, what

    def _happen(self) -> None:
        heapq.heappop(self._events)[2]()

    def _step(self, machine, actor) -> None:
        try:
            with machine.disk.in_program():
                actor.at = actor.step()
        except Exception:  # noqa: BLE001 - whatever it is, the daemon would have died of it
            if not machine.life.is_dead:
                self.wrong.append(f"[works] at {self.now.at:.1f}: a defect of {actor.name}: {traceback.format_exc()}")
                return
        actor.free_at = self.now.at
        if machine.life.is_dead and machine.actors:
            self.mishaps.died(machine)

    # The whole of a world.

    def run(self) -> "System":
        """Live through it and judge."""
        self.centre.start()
        self.box.start()
        self.mishaps.plan()
        if self.further is not None:
            self.further.plan()
        self.run_until(self.mishaps.end)
        self._heal()
        healed = self.now.at
        self.settled_at = healed + _SETTLE_S
        self.settled_until = self.now.utc(self.settled_at)
        look = healed + _FIRST_LOOK_S
        while not self.wrong:
            self.run_until(look)
            self.readings = 0
            problems = self.wrong or check(self)
            if not problems or look >= healed + _PATIENCE_S:
                self.wrong = problems
                break
            look += _LOOK_EVERY_S
        count_shedding(self)
        self.wrong = self.wrong or come_to_rest(self)
        for cable in self.cables.values():
            self.faults.update({f"bus: {name}": times for name, times in cable.world.faults.items()})
        self._end()
        return self

    def _heal(self) -> None:
        """Put everything right: from here on disks, clocks, wires, broker and centre do what they should."""
        self._events.clear()
        self.broker.manners = Manners()
        self.broker.is_up = True
        self.broker.doors = dict.fromkeys(self.broker.doors, "open")
        for machine in (*self.boxes, self.centre):
            machine.disk.room_bytes = None
            machine.disk.bad_syncs = 0
            machine.disk.dies_in_commit = None
            machine.life.countdown = None
            machine.clock.step_to(0.0, ClockTrust.SYNCHRONISED)
        for cable in self.cables.values():
            cable.gone_until = -1.0
        for box in self.boxes:
            box.dies_in_start = None
        self.mishaps.heal()
        for machine in (*self.boxes, self.centre):
            if not machine.actors and not getattr(machine, "is_retired", False):
                machine.start_at = self.now.at

    def look_at_archive(self) -> None:
        """Check that nothing was forgotten that the centre lacks now."""
        self.wrong += check_archive(self)

    def _end(self) -> None:
        for machine in (*self.boxes, self.centre):
            machine.die()


def run_system(seed, *, kinds=None, further: bool = True) -> System:
    """Return the world of a seed after its end; `kinds`: mishaps that may befall it, None for any.

    `further`: with difficult days, the mishaps of `further.py` and cuts in files that are not SQLite's.
    """
    random = Random(f"chance/{seed}")
    memory = Path("/dev/shm")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="sim-")))
        disks = stack.enter_context(simulated_disks(random))
        stack.enter_context(_seeded_chance(random))
        plain = PlainFiles(disks, Random(f"plain/{seed}")) if further else None
        if plain is not None:
            stack.enter_context(plain.in_place())
        return System(seed, folder, disks, kinds=kinds, plain=plain).run()


@contextlib.contextmanager
def _seeded_chance(random: Random):
    """Let `os.urandom` give what the seed gives: a failing seed must replay exactly."""
    real, os.urandom = os.urandom, random.randbytes
    try:
        yield
    finally:
        os.urandom = real
