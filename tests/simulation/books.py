"""What really happened, kept beside the product: every record that a gateway's store took, every plan, every signature.

Each value is judged at the moment at which it is handed to the store, when the meters still know what they said. What
a destroyed store held, and what a store that went back in time forgot, is marked: nobody can deliver that.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from edge.errors import StoreError
from edge.messages.signing import Ed25519Signer
from edge.reading.plan import Plan
from edge.reading.record import PollRecord
from edge.store.journal import Journal
from tests.simulation.held import is_right
from tests.simulation.registers import RegisterBook

_WRITE_FAILED = "E-STO-106"

Slot = tuple[str, str, str, datetime]  # gateway, task, meter, slot


@dataclass(slots=True)
class Kept:
    """A record that `append` acknowledged at the true time `at`; `is_destroyed`: its store was lost.

    `instead`: what may stand in its place, for the commit that laid it anew failed, and its bytes may be on the disk.
    """

    record: PollRecord
    at: float
    is_destroyed: bool = False
    instead: list[tuple[PollRecord, ...]] = field(default_factory=list)


@dataclass(slots=True)
class Books:
    """`tried`: every record that was handed to a store; `kept`: those acknowledged; `wrong`: what no meter said.

    `unsure`: what a store put down before it said that the disk had failed. It may be there all the same, and be sent:
    a sync that failed leaves the bytes. Nobody was promised it; but if that store is lost, an answer that the centre
    may have is lost with it.
    """

    tried: dict[Slot, list[PollRecord]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[Slot, list[Kept]] = field(default_factory=lambda: defaultdict(list))
    unsure: dict[Slot, list[Kept]] = field(default_factory=lambda: defaultdict(list))
    plans: dict[str, list[Plan]] = field(default_factory=lambda: defaultdict(list))
    gaps: dict[str, list[datetime | int]] = field(default_factory=lambda: defaultdict(list))
    signatures: set[bytes] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    values: int = 0
    registers: dict[str, RegisterBook] = field(default_factory=lambda: defaultdict(RegisterBook))

    def register_of(self, gateway: str) -> RegisterBook:
        """Return what the register of a gateway was told."""
        return self.registers[gateway]

    def judge(self, box, record):
        """Check the values of a record that is handed to a store.

        Its bus may be ahead of the bus that stores for it: what was heard is judged by the time at which it was heard.
        """
        self.tried[slot_of(box.name, record)].append(record)
        heard_at = box.clock.at_of(record.stamp.boot_s) if record.stamp.boot_id == box.clock.boot_id else 0.0
        until = box.clock.now.utc(max(box.clock.now.at, heard_at))
        for key, value in record.values.items():
            self.values += 1
            if not any(
                is_right(meter, record, key, value, (box.true_of(record.slot_at, offset), until))
                for meter in box.meters_behind(record)
                for offset in box.clock.offsets
            ):
                self.wrong.append(f"[true] no meter said or held {key} = {value}: {record}")

    def note(self, box, record):
        """Judge a record that was put into another slot than the one it was handed over with."""
        if record not in self.tried[slot_of(box.name, record)]:
            self.judge(box, record)

    def destroy(self, gateway, since=-1.0, but=MappingProxyType({})):
        """Note that the store of a gateway lost what it took after an instant, `but` these records, by slot."""
        for slot, kept in (*self.kept.items(), *self.unsure.items()):
            if slot[0] == gateway:
                saved = [record.stamp for record in but.get(slot, ())]
                for one in kept:
                    is_lost = one.at > since and one.record.stamp not in saved
                    one.is_destroyed = one.is_destroyed or is_lost


class WitnessJournal(Journal):
    """The journal; what it takes and acknowledges goes into the books."""

    def __init__(self, database, box, books):
        super().__init__(database)
        self._box, self._books = box, books
        self._taken = []

    def append(self, records):
        """Store records."""
        for record in records:
            self._books.judge(self._box, record)
        self._taken, at = [], self._box.clock.now.at
        try:
            appended = super().append(records)
        except StoreError as exc:
            for record in self._taken if exc.code == _WRITE_FAILED else ():
                self._books.unsure[slot_of(self._box.name, record)].append(Kept(record, at))
            raise
        at = self._box.clock.now.at
        for record in self._taken:
            self._books.kept[slot_of(self._box.name, record)].append(Kept(record, at))
        self._box.appended()
        return appended

    def lay_anew(self, pair, ids, lay):
        """Put rows into the slots in which they were really made."""
        self._taken, was, made = [], [], []

        def laying(rows):
            was[:] = rows
            laid = lay(rows)
            made[:] = [*laid.records, *laid.kept]
            for record in laid.kept:
                self._books.note(self._box, record)
            return laid

        try:
            laid = super().lay_anew(pair, ids, laying)
        except StoreError:
            self._may_be_laid(was, made)
            raise
        at = self._box.clock.now.at
        for record in was:
            for one in self._books.kept[slot_of(self._box.name, record)]:
                one.is_destroyed |= one.record.stamp == record.stamp
        for record in (*self._taken, *(laid.kept if laid else ())):
            self._books.kept[slot_of(self._box.name, record)].append(Kept(record, at))
        return laid

    def _may_be_laid(self, was, made):
        """Note what a commit that failed made of rows: nobody knows whether the rows or that are on the disk."""
        for record in was:
            instead = tuple(one for one in made if one.stamp.boot_s == record.stamp.boot_s)
            for one in self._books.kept[slot_of(self._box.name, record)]:
                if one.record.stamp == record.stamp:
                    one.instead.append(instead)

    def _open_again(self, miss):
        super()._open_again(miss)
        self._taken.append(miss)
        self._books.note(self._box, miss)

    def redate_plans(self, begins):
        """Give plans their true begins."""
        found = super().redate_plans(begins)
        plans = self._books.plans[self._box.name]
        for new, begin in found:
            for number, plan in enumerate(plans):
                if plan == replace(new, valid_from=begin):
                    plans[number] = new
        return found

    def append_plan(self, plan, stamp=None):
        """Put a plan in force. One may be in force already though the power failed before that was said."""
        is_new = super().append_plan(plan, stamp)
        in_force, plans = self.current_plan(), self._books.plans[self._box.name]
        if in_force not in plans:
            plans.append(in_force)
        return is_new

    def forget_after(self, limit, back_to=None):
        """Forget what was recorded under a wrong clock."""
        forgotten = super().forget_after(limit, back_to)
        plans = self._books.plans[self._box.name]
        plans[:] = [plan for plan in plans if plan.valid_from <= limit]
        return forgotten

    def _settle(self, record):
        is_stored = super()._settle(record)
        if is_stored:
            self._taken.append(record)
            self._books.note(self._box, record)
        return is_stored


class WitnessSigner:
    """A gateway's key; each of its signatures goes into the books."""

    def __init__(self, seed, books):
        self._signer, self._books = Ed25519Signer(seed), books
        self.alg, self.kid, self.public = self._signer.alg, self._signer.kid, self._signer.public

    def sign(self, data):
        """Sign."""
        signature = self._signer.sign(data)
        self._books.signatures.add(signature)
        return signature

    def verifier(self):
        """Return the public side."""
        return self._signer.verifier()


def slot_of(gateway, record) -> Slot:
    """Return the slot of a record."""
    return gateway, record.task, record.meter, record.slot_at
