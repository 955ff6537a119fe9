"""Further mishaps: rarer ones, drawn by a chance of their own, so that a seed of `mishaps.py` stays what it was.

A kind is one method; `FURTHER` is the list. `WAITING` are kinds for which the product has no answer yet: they befall a
world only where somebody asks for them by name.
"""

import contextlib
from random import Random

import apsw

from edge.clock import ClockTrust
from edge.errors import EdgeError
from edge.store.meta import load_fact
from edge.store.packing import DamagedRow, Row, unpack_record
from tests.simulation.books import slot_of

_SHORT_S = (2.0, 30.0, 200.0)
_LONG_S = (600.0, 1500.0, 3000.0)
CROWD = {
    "name": "fast",
    "every": "1m",
    "priority": 2,
    "items": ["energy_active_import_total", "voltage_l1", "current_l1", "power_active_total"],
}
CROWDED = {"batch": {"max_readings": 4096, "max_age": "15m"}, "store": {"shed_percent": 50}}
_STEPS = ("archived", "reduced", "dropped", "", "quarantined", "merged")


class Further:
    """The further mishaps of one world."""

    def __init__(self, system, kinds=None) -> None:
        self.system = system
        self.random = Random(f"further/{system.seed}")
        self.now, self.faults = system.now, system.faults
        chosen = FURTHER if kinds is None else tuple(kind for kind in (*FURTHER, *WAITING) if kind in kinds)
        most = min(len(chosen), 3)
        least = len(chosen) if kinds is not None else 0
        self.kinds = self.random.sample(chosen, self.random.randint(least, max(least, most)))

    @property
    def mishaps(self):
        """The other mishaps of this world."""
        return self.system.mishaps

    @property
    def is_crowded(self) -> bool:
        """True where batches must be large: small ones are not worth replacing."""
        return "shed" in self.kinds

    def plan(self) -> None:
        """Put the mishaps into the calendar."""
        for kind in self.kinds:
            for _ in range(self.random.randint(1, 3)):
                self.system.at(self.random.uniform(1.0, self.mishaps.end), getattr(self, kind))

    def shed(self) -> None:
        """Let batches pile up behind a broker that is away, and then the room go out, for a while each."""
        box, left = self.system.box, self.random.choice((0, 8192, 30_000))
        begins_s = self._keep_broker_away()
        self.system.later(begins_s, lambda: setattr(box.disk, "room_bytes", box.disk.used_bytes() + left))
        self.system.later(begins_s + self.random.choice((120, 600)), lambda: setattr(box.disk, "room_bytes", None))

    def _keep_broker_away(self) -> float:
        """Let the broker be away for a while; return how many seconds from now batches have piled up."""
        broker, away_s = self.system.broker, self.random.choice(_LONG_S)
        if broker.is_up:
            broker.die()
            self.system.later(away_s, lambda: setattr(broker, "is_up", True))
        return self.random.uniform(0.4, 0.95) * away_s

    def cut_in_start(self) -> None:
        """Take the power away, and again in some act of the start that follows."""
        box = self.system.box
        if not box.is_up:
            return
        self.faults["gateway lost its power"] += 1
        box.cut_power()
        self._start_again(box)

    def break_chain(self) -> None:
        """Change a sealed batch in the store of a gateway that is off: the next start sets the file aside.

        Mostly the power goes in that start too. What was sealed stays in the file that is set aside; what was not is
        carried over, to the last record.
        """
        self.system.later(self._keep_broker_away(), self._break_chain)

    def _break_chain(self) -> None:
        box, system = self.system.box, self.system
        if not box.is_up:
            return
        box.die()
        box.start_at = self.now.at + self.random.choice(_SHORT_S)
        disk = system.disks.pop(str(box.folder))
        with contextlib.closing(apsw.Connection(str(box.path))) as db:
            is_broken = self._break(db)
            waiting = _waiting(db, box.name) if is_broken else {}
        disk.forget()
        system.disks[str(box.folder)] = disk
        if not is_broken:
            return
        self.faults["sealed batch damaged"] += 1
        system.books.destroy(box.name, but=waiting)
        furthest_s = max(0.0, *box.clock.offsets)  # what was sealed goes up to where any clock of this boot has been
        system.books.gaps[box.name].append(self.now.utc(self.now.at + furthest_s))
        if self.random.random() < 0.7:
            self._start_again(box)

    def _break(self, db) -> bool:
        """Flip a bit of the bytes of an unsent batch; return False if there is none."""
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'envelope'").fetchall():
            return False  # the power went before there were tables
        found = db.execute(
            "SELECT n, bytes FROM envelope JOIN outbox USING (n) WHERE state = 0 ORDER BY n LIMIT 256"
        ).fetchall()
        if not found:
            return False
        number, content = self.random.choice(found)
        changed, bit = bytearray(content), self.random.randrange(len(content) * 8)
        changed[bit // 8] ^= 1 << bit % 8
        db.execute("UPDATE envelope SET bytes = ? WHERE n = ?", (bytes(changed), number))
        return True

    def _start_again(self, box) -> None:
        box.dies_in_start = self.random.randint(1, self.random.choice((12, 60)))
        box.start_at = self.now.at + self.random.choice(_SHORT_S)
        self.system.at(box.start_at - 0.001, lambda: self.mishaps.boot(box))

    def register_torn(self) -> None:
        """Change the register, and let the machine die in one of the acts of writing it."""
        box = self.system.box
        if not box.is_up:
            return
        box.life.countdown = self.random.randint(1, 7)
        with contextlib.suppress(EdgeError):
            box.change_register(self.random)
        if box.life.is_dead:
            self.faults["gateway died while it wrote its register"] += 1
            self.mishaps.died(box)

    def commit_torn(self) -> None:
        """Let the gateway die inside a transaction."""
        self.system.box.disk.dies_in_commit = self.random.randint(1, 30)

    def centre_commit_torn(self) -> None:
        """Let the centre die inside a transaction."""
        self.system.centre.disk.dies_in_commit = self.random.randint(1, 40)

    def forgetful_broker(self) -> None:
        """Let the broker die and forget sessions and all that it retained."""
        broker = self.system.broker
        if broker.is_up:
            broker.die()
            self.faults["broker forgot its sessions"] += bool(broker._sessions)
            self.faults["broker forgot what it retained"] += bool(broker.retained)
            broker._sessions.clear()
            broker.retained.clear()
            self.system.later(self.random.choice(_SHORT_S), lambda: setattr(broker, "is_up", True))

    def lost_centre(self) -> None:
        """Let the centre lose everything and go on from its latest backup."""
        centre = self.system.centre
        if not centre.backups:
            centre.back_up(marks=True)
            return
        centre.backups = centre.backups[-1:]
        if centre.restore():
            self.faults["centre restored from its latest backup"] += 1
            centre.start()
            if centre.is_up:
                self.system.look_at_archive()

    def hostile_further(self) -> None:
        """Let the centre start anew, and the hostile hand bring what is old, or somebody else's."""
        centre = self.system.centre
        if centre.is_up:
            centre.die()
            centre.start_at = self.now.at + self.random.choice(_SHORT_S)
        for _ in range(self.random.randint(1, 4)):
            self.system.later(self.random.uniform(0, 600), lambda: self.mishaps.hand.act_further(self.random))

    def wrong_time_server(self) -> None:
        """Let a time server set the clock wrong, with all authority, and right again."""
        box = self.system.box
        boots = box.clock.boots
        self.faults["time server was wrong"] += 1
        box.clock.step_to(self.random.choice((-7000, -1000, 400, 1300, 8000)), ClockTrust.SYNCHRONISED)
        self.system.later(self.random.uniform(60, 1500), lambda: self.mishaps._synchronise(box, boots))


def count_shedding(system) -> None:
    """Count what was given up, as far as the stores of this moment know, and what of it the centre has."""
    system.faults["replacement at the centre"] += sum(system.replacements.values())
    for box in system.boxes:
        if not box.is_up:
            continue
        with contextlib.closing(apsw.Connection(str(box.path))) as db:
            fact = load_fact(Rows(db), "shed") or ()
        system.faults.update(
            {f"batch given up: {step}": times for step, times in zip(_STEPS, fact, strict=False) if step}
        )


def _waiting(db, gateway):
    """Return the records of the journal, by slot: what is not sealed yet; a damaged row is nobody's any more."""
    found: dict = {}
    for cells in db.execute(
        "SELECT CAST(task AS BLOB), CAST(meter AS BLOB), slot_us, readings, crc, body FROM journal"
    ):
        with contextlib.suppress(DamagedRow):
            record = unpack_record(Row(*cells))
            found.setdefault(slot_of(gateway, record), []).append(record)
    return found


class Rows:
    """The questions of the store, to a file that nobody opened as a store."""

    def __init__(self, db):
        self._db = db

    def rows(self, sql, *values):
        """Return all rows of a question."""
        return self._db.execute(sql, values).fetchall()


FURTHER = (
    *("shed", "cut_in_start", "break_chain", "register_torn", "commit_torn", "centre_commit_torn"),
    *("forgetful_broker", "lost_centre", "hostile_further"),
)
WAITING = ("wrong_time_server",)
