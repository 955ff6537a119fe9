"""A day of the polling half itself on two buses of simulated meters: so many polls share a commit as really do.

The product's own workers, plan, register and journal run on virtual time; each bus takes the time that its speed takes.
Beside them stands the forwarder's share: it looks for news, seals by the product's own rules, and gets a receipt that
calls each batch durable. So all that this day writes is counted: commits, checkpoints, batches, receipts, register.
"""

from functools import wraps

from edge.app.poll_half import open_poll
from edge.bus.link import LineSettings
from edge.bus.memory_link import MemoryLink
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.forward.sealing import Sealer
from edge.forward.settings import seal_rules
from edge.health.model import Health
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.meter import Meter
from edge.store.outbox import Outbox
from edge.store.register import REGISTER_FILE, MeterRegister
from edge.store.register_change import RegisterChange
from tests.bench.store import delivery
from tests.bench.store.stopwatch import Stopwatch
from tests.messages.samples import KEYS, START
from tests.simulation.actors import Actor
from tests.simulation.clocks import Now, TrueClock

_ROUND_S = 900.0
_FIRST_S = 900.0  # the plan is in force before its first slot
_LOOK_S = 2.0  # how often the forwarder asks for news
_TEND_S = 10.0
_IDLE_S = 1.0  # what a bus without work waits
_FIRST_METER = 202107070000
_FRAME = b"\x68"


def site(folder, meters, rounds, baud):
    """Poll so many meters on two buses for so many rounds; return what it took."""
    now = Now(START)
    clock = TrueClock(now)
    commits = Commits(clock)
    wires = _wires(clock, meters, baud)
    settings = _settings(folder, baud)
    with MeterRegister(folder / REGISTER_FILE) as register:
        there = [Meter(address=meter.plate.address, bus=bus) for bus, wire in wires.items() for meter in wire.meters]
        register.apply(RegisterChange(add=tuple(there)))
    with (
        open_poll(settings, clock, Health(clock), lambda port, clock: MemoryLink(clock, wires[port])) as half,
        open_database(folder / "edge.db", max_mib=256, check=False, clock=clock) as database,
    ):
        forward = _Forward(Outbox(database, clock), clock, seal_rules(settings))
        actors = [Actor(name, commits.counted(_stepping(worker, clock)), at=0.0) for name, worker in half.workers()]
        actors += [Actor("forward", forward.step, at=0.0), Actor("tend", _tending(half, now), at=0.0)]
        _run(now, actors, _FIRST_S + rounds * _ROUND_S)
        for _, worker in half.workers():
            worker.stop()
    return {
        "readings": commits.readings,
        "storing": commits.storing,
        "sealing": forward.sealing,
        "wire": forward.wire,
        "commits": commits.count,
        "longest_s": commits.longest_s,
    }


def _run(now, actors, end):
    """Step whoever is due, each on its own time."""
    while (actor := min(actors, key=lambda one: one.due)).due < end:
        now.at = actor.due
        actor.at = actor.step()
        actor.free_at = now.at


class Commits:
    """What the journal was given: how often, how many readings, and how long the oldest of them had waited."""

    def __init__(self, clock):
        self._clock = clock
        self.count = self.readings = 0
        self.longest_s = 0.0
        self.storing = Stopwatch()

    def counted(self, step):
        """Return a worker's step whose commits are counted."""
        original, commits = Journal.append, self

        @wraps(original)
        def append(journal, records):
            with commits.storing:
                kept = original(journal, records)
            commits.count += 1
            commits.readings += sum(len(one.values) for one in records)
            waited = max(commits._clock.monotonic() - one.stamp.boot_s for one in records)
            commits.longest_s = max(commits.longest_s, waited)
            return kept

        def counted_step():
            Journal.append = append
            try:
                return step()
            finally:
                Journal.append = original

        return counted_step


class _Forward:
    """The forwarder without its network: what the store hears from it."""

    def __init__(self, outbox, clock, rules):
        self._outbox, self._clock, self._news, self._receipts = outbox, clock, None, 0
        self._sealer = Sealer(outbox, delivery.SIGNER, clock, delivery.GATEWAY, rules)
        self.sealing, self.wire = Stopwatch(), 0

    def step(self):
        now_s = self._clock.monotonic()
        with self.sealing:
            news = self._outbox.news()
            if news != self._news:
                self._news = news
                self._sealer.look(now_s)
            while (due := self._sealer.due_s()) is not None and due <= now_s:
                self._receipts += 1
                self.wire += delivery.deliver(self._outbox, self._sealer, self._receipts)
        return now_s + _LOOK_S


def _stepping(worker, clock):
    """Return a worker's step that sleeps through the time in which nothing but the next slot can wake it."""

    def step():
        wake = worker.step()
        due = worker.rounds.next_due()
        if wake - clock.monotonic() < _IDLE_S or due is None:
            return wake
        return max(wake, clock.monotonic() + (due - clock.utc_now()).total_seconds())

    return step


def _tending(half, now):
    def tend():
        half.tend()
        return now.at + _TEND_S

    return tend


class _Wire:
    """A wire whose meters are all healthy: only the one that is asked hears a request, or this would take hours."""

    def __init__(self, meters, clock, line):
        self.meters = meters
        self._wires = {meter.plate.address: SimWire([meter], clock, line=line) for meter in meters}

    def transmit(self, data, at, line=None):
        head = data.index(_FRAME) + 1
        asked = data[head : head + 6][::-1].hex()
        return self._wires[asked].transmit(data, at, line)


def _wires(clock, meters, baud):
    """Return two wires with half of the meters each, by the name of the bus."""
    wires = {}
    for number, name in enumerate("AB"):
        there = [SimMeter(f"{_FIRST_METER + one:012d}", seed=one) for one in range(number, meters, 2)]
        wires[name] = _Wire(there, clock, LineSettings(baud=baud))
    return wires


def _settings(folder, baud):
    return build_table(
        Settings,
        {
            "schema": 1,
            "gateway": {"id": delivery.GATEWAY, "tenant": "hz", "state_dir": str(folder)},
            "bus": [{"name": name, "port": name, "baud": baud} for name in "AB"],
            "task": [{"name": "load", "every": "15m", "items": list(KEYS)}],
            "mqtt": {"endpoints": ["mqtt://broker.example:1883"]},
            "store": {"max_mib": 256},
        },
    )
