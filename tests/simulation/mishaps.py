"""What befalls a world: kinds chosen by its seed, each at random moments, each counted.

A kind is one method; `KINDS` is the list. A world gets some of them (so that rare pairs meet), and each several times.
"""

import contextlib
from datetime import timedelta

import apsw

from edge.clock import ClockTrust
from edge.errors import EdgeError
from tests.simulation.books import WitnessSigner
from tests.simulation.broker import Manners
from tests.simulation.hand import Hand

_SHORT_S = (2.0, 30.0, 200.0)
_LONG_S = (600.0, 1500.0, 3000.0)
_SAVED_S = 600.0
_ROT_GAP = timedelta(minutes=30)


class Mishaps:
    """The mishaps of one world; `end`: when the time of faults is over."""

    def __init__(self, system, kinds=None) -> None:
        self.system, self.random = system, system.random
        self.now, self.faults = system.now, system.faults
        self.hand = Hand(system)
        self.end = self.now.at + self.random.choice((2400.0, 3600.0, 5400.0, 7200.0))
        chosen = KINDS if kinds is None else tuple(kind for kind in KINDS if kind in kinds)
        least = 1 if kinds is None else len(chosen)
        self.kinds = self.random.sample(chosen, self.random.randint(least, min(len(chosen), 7)))
        self._has_rtc = "clock" not in self.kinds
        self._copies = None
        self._damages = False
        self._names = 1

    def plan(self) -> None:
        """Put the mishaps into the calendar."""
        for kind in self.kinds:
            for _ in range(self.random.randint(1, 4)):
                self.system.at(self.random.uniform(1.0, self.end), getattr(self, kind))

    def heal(self) -> None:
        """Let nothing more be damaged, and whoever boots from here on know the time."""
        self._damages = False
        self._has_rtc = True

    def died(self, machine) -> None:
        """Take in that a program died in an act, with or without the power; it is started again a little later."""
        is_centre = machine is self.system.centre
        what = "centre" if is_centre else "gateway"
        if self.random.random() < 0.6:
            self.faults[f"{what} lost its power in an act"] += 1
            machine.cut_power()
            self.boot(machine)
        else:
            self.faults[f"{what} killed in an act"] += 1
            machine.die()
        if not is_centre and self._damages:
            self._damages = False
            self._damage(machine)
        machine.start_at = self.now.at + self.random.choice(_SHORT_S)

    def boot(self, machine) -> None:
        """Let a machine boot, if it does not run already: whoever repaired it may have started it before its time."""
        if machine is self.system.centre or machine.is_up:
            return
        if self._has_rtc:
            machine.boot(0.0, ClockTrust.SYNCHRONISED)
            return
        known, trusted = self.random.choice(
            (
                (-self.random.uniform(3600, 6 * 3600), ClockTrust.NONE),  # the floor: 1970 is below it
                (-self.random.uniform(10, _SAVED_S), ClockTrust.FLOOR),  # what was saved last
                (self.random.uniform(600, 6 * 3600), ClockTrust.FLOOR),  # somebody saved a time that was ahead
                (self.random.uniform(-20, 20), ClockTrust.RTC),
            )
        )
        self.faults[f"booted with clock trust {trusted.value}"] += 1
        machine.boot(known, trusted)
        boots = machine.clock.boots
        self.system.later(self.random.uniform(20, 1500), lambda: self._synchronise(machine, boots))

    def _synchronise(self, box, boots) -> None:
        if box.clock.boots == boots:
            self.faults["clock set by a time server"] += 1
            box.clock.step_to(0.0, ClockTrust.SYNCHRONISED)

    # The gateway.

    def kill(self) -> None:
        """Kill the daemon, at once or in one of its next acts."""
        box = self.system.box
        if not box.is_up:
            return
        if self.random.random() < 0.7:
            box.life.countdown = self.random.randint(1, 60)
            return
        self.faults["gateway killed"] += 1
        box.die()
        box.start_at = self.now.at + self.random.choice(_SHORT_S)

    def restart(self) -> None:
        """Restart the service by the book."""
        box = self.system.box
        if box.is_up:
            self.faults["gateway restarted"] += 1
            box.stop()
            box.start_at = self.now.at + 3

    def power(self) -> None:
        """Take the power away for a while."""
        box = self.system.box
        if box.is_up:
            self.faults["gateway lost its power"] += 1
            box.cut_power()
            box.start_at = self.now.at + self.random.choice((*_SHORT_S, *_LONG_S))
            self.system.at(box.start_at - 0.001, lambda: self.boot(box))

    def clock(self) -> None:
        """Step the clock a little, as a time server does, or set it wrong for a while."""
        box = self.system.box
        if box.clock.trusted is ClockTrust.SYNCHRONISED and self.random.random() < 0.5:
            self.faults["clock stepped a little"] += 1
            box.clock.step_to(self.random.uniform(-20, 20), ClockTrust.SYNCHRONISED)
            return
        boots = box.clock.boots
        step_s = self.random.choice((-7000, -1000, 400, 1300, 8000))
        self.faults["clock stepped ahead" if step_s > 0 else "clock stepped back"] += 1
        box.clock.step_to(step_s, ClockTrust.FLOOR)
        self.system.later(self.random.uniform(60, 1500), lambda: self._synchronise(box, boots))

    def full(self) -> None:
        """Fill the gateway's disk for a while."""
        disk = self.system.box.disk
        disk.room_bytes = disk.used_bytes() + self.random.choice((0, 4096, 30_000))
        self.system.later(self.random.choice((60, *_LONG_S)), lambda: setattr(disk, "room_bytes", None))

    def syncs(self) -> None:
        """Let some syncs of the gateway's disk fail."""
        self.system.box.disk.bad_syncs = self.random.randint(1, 3)

    def damage(self) -> None:
        """Give back other bytes of a record than were written."""
        box = self.system.box
        if box.is_up:
            self._damages = True
            box.dies_after_append = True

    def _damage(self, box) -> None:
        """Change one row of the journal of a gateway that is off."""
        disks, folder = self.system.disks, str(box.folder)
        disk = disks.pop(folder)
        with contextlib.closing(apsw.Connection(str(box.path))) as db:
            is_made = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'journal'").fetchall()
            ids = [number for (number,) in db.execute("SELECT id FROM journal")] if is_made else []
            if ids:
                self.faults["row of the journal damaged"] += 1
                self._change_row(db, self.random.choice(ids))
        disk.forget()
        disks[folder] = disk

    def _change_row(self, db, number) -> None:
        what = self.random.choice(("body", "body", "body", "meter"))
        value = db.execute(f"SELECT {what} FROM journal WHERE id = ?", (number,)).fetchone()[0]
        if what == "meter":
            value = value[:-1] + "x"
        else:
            bit = self.random.randrange(8, len(value) * 8)
            value = bytearray(value)
            value[bit // 8] ^= 1 << bit % 8
        db.execute(f"UPDATE journal SET {what} = ? WHERE id = ?", (value, number))

    def rot(self) -> None:
        """Flip bits anywhere in the store's file of a gateway that is off: much may be lacking then, nothing forged.

        Sealed batches of a file that is set aside stay in it, and rows of a table that cannot be read any more are not
        told as lost; so what was there before counts as destroyed.
        """
        box, system = self.system.box, self.system
        if not box.is_up:
            return
        self.faults["bits of the store flipped"] += 1
        box.die()
        content = bytearray(box.path.read_bytes())
        for _ in range(self.random.choice((1, 1, 3, 50))):
            bit = self.random.randrange(len(content) * 8)
            content[bit // 8] ^= 1 << bit % 8
        box.path.write_bytes(content)
        box.disk.forget()
        system.books.destroy(box.name)
        system.books.gaps[box.name].append(self.now.utc() + _ROT_GAP)
        box.start_at = self.now.at + self.random.choice(_SHORT_S)

    def lose_store(self) -> None:
        """Lose the card of the gateway; it goes on with an empty one, perhaps with a new key.

        A plan that a clock ahead had dated into the future is gone with it, and never begins. With a new key the old
        one is trusted no more, so a copy of before is not put back: what it had sealed nobody would take.
        """
        box, system = self.system.box, self.system
        self.faults["store lost"] += 1
        box.lose_store()
        plans = system.books.plans[box.name]
        plans[:] = [plan for plan in plans if plan.valid_from <= self.now.utc()]
        system.books.gaps[box.name].append(len(plans))
        if self.random.random() < 0.4:
            self.faults["gateway has a new key"] += 1
            self._copies = None
            box.signer = WitnessSigner(self.random.randbytes(32), system.books)
            system.enrol(box)
        box.start_at = self.now.at + self.random.choice(_SHORT_S)

    def go_back(self) -> None:
        """Put an older copy of the store into the gateway; the first time, make the copy."""
        box, folder = self.system.box, self.system.folder / "image"
        if box.start_at is not None:
            return
        if self._copies is None or self._copies[0] is not box:
            if box.is_up:
                box.stop()
                box.copy_store(folder)
                self._copies = (box, self.now.at, len(self.system.books.plans[box.name]))
                box.start_at = self.now.at + 5
            return
        self.faults["store went back in time"] += 1
        box.restore_store(folder, self._copies[1])
        del self.system.books.plans[box.name][self._copies[2] :]
        box.start_at = self.now.at + self.random.choice(_SHORT_S)

    def replace(self) -> None:
        """Another gateway is put into the cabinet, for the same meters; the old one is scrap."""
        system = self.system
        self.faults["gateway replaced"] += 1
        old = system.box
        old.die()
        old.is_retired, old.start_at = True, None
        system.books.destroy(old.name)
        self._names += 1
        system.add_box(f"gw-{self._names}")
        system.box.start_at = self.now.at + self.random.choice(_SHORT_S)

    def port(self) -> None:
        """Unplug the adapter of a bus for a while."""
        self.faults["port gone"] += 1
        cable = self.random.choice(list(self.system.cables.values()))
        cable.unplug(self.now.at + self.random.choice((10, 100, 1000)))

    # The broker.

    def manners(self) -> None:
        """Let the broker behave otherwise."""
        random = self.random
        self.system.broker.manners = Manners(
            loses=random.choice((0.0, 0.1, 0.5)),
            doubles=random.choice((0.0, 0.1, 0.5)),
            delays=random.choice((0.0, 0.2, 0.8)),
            delay_s=random.choice((1.0, 30.0, 600.0)),
            stalls=random.choice((0.0, 0.0, 0.5)),
            queue=random.choice((0, 2, 1000)),
            keeps_sessions=random.random() < 0.5,
            keeps_retained=random.random() < 0.5,
        )

    def broker_dies(self) -> None:
        """Let the broker die, and come back after a while."""
        broker = self.system.broker
        if broker.is_up:
            broker.die()
            self.system.later(self.random.choice((*_SHORT_S, *_LONG_S)), lambda: setattr(broker, "is_up", True))

    def shake(self) -> None:
        """All connections are dropped."""
        self.faults["connections dropped"] += 1
        self.system.broker.shake()

    def doors(self) -> None:
        """Let a door of the broker refuse, or hang, for a while."""
        broker = self.system.broker
        door = self.random.choice(list(broker.doors))
        broker.doors[door] = self.random.choice(("shut", "stuck"))
        broker.shake()
        self.system.later(self.random.choice((60, *_LONG_S)), lambda: broker.doors.update({door: "open"}))

    # The centre.

    def centre_dies(self) -> None:
        """Let the centre die in one of its next acts: before, in or after a transaction, or before a receipt."""
        if self.system.centre.is_up:
            self.system.centre.life.countdown = self.random.randint(1, 25)

    def centre_away(self) -> None:
        """Keep the centre down for a while."""
        centre = self.system.centre
        if centre.is_up:
            self.faults["centre down"] += 1
            centre.die()
            centre.start_at = self.now.at + self.random.choice(_LONG_S)

    def centre_back_up(self) -> None:
        """Make a backup, or let the newest be known as safe."""
        centre = self.system.centre
        self.random.choice((centre.back_up, centre.back_up, centre.mark_backup))()

    def centre_restored(self) -> None:
        """Let the centre go on from a backup."""
        centre = self.system.centre
        if not centre.backups:
            centre.back_up()
        elif centre.restore():
            self.faults["centre restored from a backup"] += 1
            centre.start()
            if centre.is_up:
                self.system.look_at_archive()

    def centre_disk(self) -> None:
        """Fill the centre's disk, or let it fail to sync."""
        disk = self.system.centre.disk
        if self.random.random() < 0.5:
            disk.bad_syncs = self.random.randint(1, 3)
            return
        disk.room_bytes = disk.used_bytes() + self.random.choice((0, 20_000))
        self.system.later(self.random.choice((60, *_LONG_S)), lambda: setattr(disk, "room_bytes", None))

    def centre_clock(self) -> None:
        """Set the centre's clock wrong."""
        self.faults["centre's clock off"] += 1
        self.system.centre.step_clock(self.random.choice((-86400.0, -30.0, 30.0, 4000.0)))

    # Others.

    def hostile(self) -> None:
        """Let a hostile hand do some things."""
        for _ in range(self.random.randint(1, 6)):
            self.hand.act()
            self.system.later(self.random.uniform(0, 300), self.hand.act)

    def register(self) -> None:
        """Take a meter out of the register, or put it back."""
        box = self.system.box
        if not box.is_up:
            return
        with contextlib.suppress(EdgeError):
            box.change_register(self.random)
            self.faults["register changed"] += 1


KINDS = (
    *(
        "kill",
        "restart",
        "power",
        "clock",
        "full",
        "syncs",
        "damage",
        "rot",
        "lose_store",
        "go_back",
        "replace",
        "port",
    ),
    *("manners", "broker_dies", "shake", "doors", "centre_dies", "centre_away", "centre_back_up", "centre_restored"),
    *("centre_disk", "centre_clock", "hostile", "register"),
)
