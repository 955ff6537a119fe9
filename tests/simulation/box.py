"""A gateway in a cabinet: the real poller and forwarder on a real store, on a simulated disk, clock, bus and broker.

It can be stopped, killed at any act, lose its power, and be started again on what its disk still holds. One life is
what lies between a start and the end of the process; nothing but the disk and the wires outlives it.
"""

import contextlib
import shutil
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

import apsw

from edge.app.daemon import STORE_FILE
from edge.app.plan_keeper import PlanKeeper
from edge.app.poll_half import PollHalf
from edge.app.room_watch import RoomWatch
from edge.bus.memory_link import MemoryLink
from edge.clock import ClockTrust
from edge.config.settings import Settings
from edge.control.jobs import RegisterJob
from edge.errors import EdgeError, LinkError, StoreError
from edge.forward.settings import forward_settings
from edge.forward.worker import ForwardWorker
from edge.health.model import Health
from edge.messages.signing import Verifier
from edge.reading.record import Source
from edge.store.ballast import BALLAST_BYTES, ballast_of
from edge.store.database import open_database
from edge.store.meter import Meter
from edge.store.outbox import Outbox
from edge.store.register import REGISTER_FILE
from edge.store.register_change import RegisterChange
from tests.simulation.actors import Actor, Stopped
from tests.simulation.books import Books, WitnessJournal, WitnessSigner
from tests.simulation.broker import SimBroker
from tests.simulation.clocks import BoxClock, Now, TrueClock
from tests.simulation.disk import Disk, Life
from tests.simulation.held import SNAPSHOT
from tests.simulation.registers import WitnessRegister

_TEND_S = 30.0
_IDLE_S = 1.0  # what a bus without work waits
_STRETCH_S = 60.0  # and what it may wait here, where nothing but time wakes it
_RESTART_S = 5.0
_MAX_MIB = 16


@dataclass(slots=True)
class Cable:
    """A wire with its meters, as a port of a gateway finds it; `gone_until`: the adapter is unplugged."""

    world: object
    gone_until: float = -1.0
    link: MemoryLink | None = None

    def open(self, now: Now) -> MemoryLink:
        """Open the port."""
        if now.at < self.gone_until:
            raise LinkError("E-BUS-104", port="memory", detail="unplugged")
        self.link = MemoryLink(TrueClock(now), self.world.wire)
        return self.link

    def unplug(self, until: float) -> None:
        """Take the adapter away for a while."""
        self.gone_until = until
        if self.link is not None:
            self.link.vanish()


class _Reply:
    is_closed = False

    def end(self, document=None):
        pass


class Box:
    """One gateway. `actors`: who is to be stepped; none while it is off."""

    def __init__(
        self, name, seed, *, now, random, disks, folder, cables, broker, books, centre_key, faults, settings
    ) -> None:
        self.name: str = name
        self.now: Now = now
        self.random: Random = random
        self.folder: Path = folder
        self.cables: dict[str, Cable] = cables
        self.broker: SimBroker = broker
        self.books: Books = books
        self.centre_key: Verifier = centre_key
        self.faults = faults
        self.signer = WitnessSigner(seed, books)
        self.clock = BoxClock(now)
        self.life = Life(random, is_dead=True)
        self.disk = Disk(folder, random, faults, self.life)
        self.settings: Settings = settings
        self.actors: list[Actor] = []
        self.start_at: float | None = None
        self.is_retired = False
        self.dies_after_append = False
        self.dies_in_start: int | None = None  # the power goes in this act of the next start
        self.on_death = lambda box: box.cut_power()
        self.on_boot = lambda box: box.boot(0.0, ClockTrust.SYNCHRONISED)
        self.needs_boot = False  # it lost its power since it booted last
        self.links = []
        self._disks = disks
        self._open: list = []
        folder.mkdir()
        disks[str(folder)] = self.disk
        self.lay_ballast()

    @property
    def path(self) -> Path:
        """The store's file."""
        return self.folder / STORE_FILE

    @property
    def is_up(self) -> bool:
        """True while the daemon runs."""
        return bool(self.actors) and not self.life.is_dead

    @property
    def deadlines(self):
        """The clock that the forwarder waits by."""
        return self.clock

    def register(self, meters: list[Meter]) -> None:
        """Write the register, as the installer does."""
        with WitnessRegister(self.folder / REGISTER_FILE, self.books.register_of(self.name)) as register:
            register.apply(RegisterChange(add=tuple(meters)))

    def meters_behind(self, record):
        """Return the meters that a record may be of: of its address, or for a live one also who answered under it."""
        meters = [meter for cable in self.cables.values() for meter in cable.world.meters]
        is_said = record.source is Source.LIVE and record.task != SNAPSHOT
        return [meter for meter in meters if is_said or meter.address == record.meter]

    def true_of(self, slot_at, offset_s):
        """Return the true instant of one by the wall clock."""
        return slot_at - timedelta(seconds=offset_s)

    def appended(self) -> None:
        """Note that the store acknowledged records."""
        if self.dies_after_append:
            self.dies_after_append = False
            self.life.is_dead = True

    def change_register(self, random: Random) -> None:
        """Take a meter out of the register, or put one back, as a job of the control socket does."""
        known = set(self.half.keeper.meters)
        there = [meter.address for cable in self.cables.values() for meter in cable.world.meters]
        gone = [address for address in there if address not in known]
        if gone:
            port, meter = next(
                (port, meter)
                for port, cable in self.cables.items()
                for meter in cable.world.meters
                if meter.address == gone[0]
            )
            change = {"add": [{"address": gone[0], "bus": port[-1], "protocol": f"dlt645-{meter.version}"}]}
        else:
            change = {"remove": [random.choice(sorted(known))]}
        with self.disk.in_program():
            self.half.start_job(RegisterJob(change), _Reply(), lambda _: None)

    def rest(self) -> None:
        """Let the buses rest: what was read is stored, and nothing more is asked; all else goes on."""
        with self.disk.in_program():
            for actor in self.actors:
                if actor.name.startswith("bus"):
                    actor.stop()
        self.actors = [actor for actor in self.actors if not actor.name.startswith("bus")]

    # Lives.

    def start(self) -> None:
        """Start the daemon; if the disk does not let it, the service starts it again a little later."""
        self.start_at = None
        if self.needs_boot:
            self.on_boot(self)
        self.life = self.disk.life = Life(self.random, countdown=self.dies_in_start)
        self.dies_in_start = None
        try:
            with self.disk.in_program():
                self._begin()
        except (StoreError, apsw.Error, Stopped, OSError):
            if self.life.is_dead:
                self.faults["gateway lost its power while it started"] += 1
                self.on_death(self)
                return
            self.faults["start failed"] += 1
            self.die()
            self.start_at = self.now.at + _RESTART_S

    def die(self) -> None:
        """End the process without a word: only the disk knows it existed."""
        self.life.is_dead = True
        self.actors = []
        for link in self.links:
            self.broker.drop(link, is_told=False)
        self.links.clear()
        while self._open:
            with contextlib.suppress(EdgeError, apsw.Error):
                self._open.pop().close()

    def stop(self) -> None:
        """Stop the daemon as the service does."""
        workers, self.actors = [actor for actor in self.actors if actor.stop is not None], []
        with self.disk.in_program():
            for worker in workers:
                self.now.at = max(self.now.at, worker.free_at)  # it is stopped when its step has ended
                with contextlib.suppress(EdgeError):
                    worker.stop()
            self.half.close()
        while self._open:
            with contextlib.suppress(EdgeError, apsw.Error):
                self._open.pop().close()
        self.links.clear()
        self.life.is_dead = True

    def lay_ballast(self) -> None:
        """Put a ballast there that takes no room on the real disk."""
        path = ballast_of(self.path)
        path.touch()
        with path.open("r+b") as file:
            file.truncate(BALLAST_BYTES)

    def _begin(self) -> None:
        health = Health(self.clock)
        database = self._database(check=True)
        if database.set_aside is not None:
            self.faults["store set aside"] += 1
        register = WitnessRegister(self.folder / REGISTER_FILE, self.books.register_of(self.name))
        self._open.append(register)
        register.check()
        keeper = PlanKeeper(self.settings, self.clock, health, register, self._journal(database))
        room = RoomWatch(self.path, database.room, self.clock, health)
        self.half = PollHalf(keeper, (room,), self._open_port)
        self.half.make_workers([self._journal(self._database()) for _ in self.settings.bus])
        self.forwarder = self._forwarder(health)
        buses = [
            Actor(name, self._step_of(worker), at=self.now.at, stop=worker.stop) for name, worker in self.half.workers()
        ]
        forward = Actor("forward", self._step_forward, at=self.now.at, stop=self.forwarder.stop, inbox=self._inbox)
        self.actors = [*buses, forward, Actor("tend", self._tend, at=self.now.at)]

    def _database(self, *, check: bool = False):
        database = open_database(self.path, max_mib=_MAX_MIB, check=check, clock=self.clock)
        self._open.append(database)
        return database

    def _journal(self, database):
        return WitnessJournal(database, self, self.books)

    def _open_port(self, port, _clock):
        if not self.life.act():
            raise LinkError("E-BUS-104", port=port, detail="dead")
        return self.cables[port].open(self.now)

    def _forwarder(self, health) -> ForwardWorker:
        return ForwardWorker(
            replace(forward_settings(self.settings, "0.1.0"), look_s=self.look_s),
            outbox=Outbox(self._database(), self.clock),
            signer=self.signer,
            centre=self.centre_key,
            clock=self.deadlines,
            make_link=self._make_link,
            rng=self.random,
            health=health,
        )

    look_s = 10.0

    def _make_link(self, url, will):
        link = self.broker.link(self.name, url, life=self.life, will=will, is_clean=True)
        self.links[:] = [link]
        return link

    # Steps. Each returns the true time at which the next one is wanted.

    def _step_of(self, worker):
        def step() -> float:
            wake = self.clock.at_of(worker.step())
            if wake - self.now.at < _IDLE_S:
                return wake
            due = worker.rounds.next_due()
            due_s = _STRETCH_S if due is None else (due - self.clock.utc_now()).total_seconds()
            return self.now.at + max(0.0, min(_STRETCH_S, due_s))

        return step

    def _inbox(self) -> float:
        return self.links[0].arrives_at if self.links else float("inf")

    def _step_forward(self) -> float:
        for link in self.links:
            link.waits_until = 0.0
        now_s = self.deadlines.monotonic()
        wake = self.deadlines.at_of(self.forwarder.step(now_s))
        return max([wake, *(link.waits_until for link in self.links)])

    def _tend(self) -> float:
        self.half.tend()
        return self.now.at + _TEND_S

    # What befalls it.

    def cut_power(self) -> None:
        """Take the power away."""
        self.die()
        self.needs_boot = True
        self.disk.cut_power()

    def boot(self, offset_s: float, trusted: ClockTrust) -> None:
        """Let the box boot with such a clock."""
        self.needs_boot = False
        self.clock.boot(offset_s, trusted)

    def lose_store(self) -> None:
        """Put an empty card into the box: its register was written down elsewhere."""
        self.die()
        for path in self.folder.glob("edge.db*"):
            path.unlink()
        self.disk.forget()
        self.disk.deleted.clear()
        self.books.destroy(self.name)

    def copy_store(self, folder: Path) -> None:
        """Keep a copy of the store of a box that is off."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path in self.folder.glob("edge.db*"):
            if path.suffix != ".lock" and not path.name.endswith("-shm"):
                shutil.copy(path, folder)

    def restore_store(self, folder: Path, copied_at: float) -> None:
        """Put an older copy of the store into the box."""
        self.die()
        for path in [*self.folder.glob("edge.db"), *self.folder.glob("edge.db-*")]:
            path.unlink()
        for path in folder.iterdir():
            shutil.copy(path, self.folder)
        self.disk.forget()
        self.disk.deleted.clear()
        self.books.destroy(self.name, since=copied_at)
