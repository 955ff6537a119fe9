"""A day of one bus on virtual time: the daemon is down for three hours, meters are unplugged; every slot counts.

What has to come of each slot is reckoned from what the simulated meters went through, not from the program.
"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from edge.bus.link import LineSettings
from edge.bus.memory_link import MemoryLink
from edge.centre.completeness import Closer, Fill, Question, completeness
from edge.centre.ledger_sqlite import SqliteLedger
from edge.clock import ManualClock
from edge.config.settings import Bus
from edge.health.model import Health
from edge.poll.buffer import RecordGroup
from edge.poll.plan import PolledMeter
from edge.poll.port import BusPort
from edge.poll.rounds import Rounds
from edge.poll.worker import BusWorker
from edge.quality.slots import slots_between
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import SlotState, Source
from edge.reading.verdict import SlotReason
from edge.sim.wire import SimWire
from edge.store.database import open_database
from edge.store.journal import Journal
from tests.centre.centre_kit import Gateway, take
from tests.poll.recording_meter import RecordingMeter

NOON = datetime(2026, 3, 1, 4, 0, 30, tzinfo=UTC)  # 12:00:30 in Shanghai
DAY = timedelta(hours=24)
DOWN, UP = NOON + timedelta(hours=11), NOON + timedelta(hours=14)  # 23:00 to 02:00: midnight and its daily slot in it
LIVE_AGAIN = UP - timedelta(seconds=30)  # the slot of 02:00 can still be read
CUT, POWERLESS, DEAD, OLD = "202311000003", "202311000005", "202311000007", "202311000008"
OFF = {CUT: (NOON + timedelta(hours=4), NOON + timedelta(hours=6)), POWERLESS: (DOWN, NOON + timedelta(hours=15.5))}
METERS = tuple(f"20231100000{number}" for number in range(1, 9))
IMPORT, T1 = "energy_active_import_total", "energy_active_import_t1"
FREEZE = "daily_freeze_energy_active_import"
LOAD = PlanTask("load", Schedule(every_s=900), (IMPORT, T1), METERS)
DAILY = PlanTask("day", Schedule(at=time(0, 5)), (FREEZE,), METERS)
PLAN = Plan(NOON, "Asia/Shanghai", (LOAD, DAILY))


class Sink:
    """The real journal, which remembers the record that counts for each slot; none may be refused."""

    def __init__(self, journal):
        self.journal, self.records, self.all = journal, {}, []

    def append(self, records):
        kept = self.journal.append(records)
        assert 0 == kept.duplicates
        self.all += records
        self.records |= {(one.task, one.meter, one.slot_at): one for one in records}
        return kept

    def forget_after(self, limit, back_to=None):
        return self.journal.forget_after(limit, back_to)


class Site:
    """Eight meters: one off the wire for two hours, one without supply, one dead from noon on, one of 1997."""

    def __init__(self, journal):
        self.clock, self.sink = ManualClock(now=NOON), Sink(journal)
        self.sims = {
            address: RecordingMeter(address, version="1997" if address == OLD else "2007", seed=number)
            for number, address in enumerate(METERS)
        }
        self.sims[CUT].unplug(*OFF[CUT])
        self.sims[POWERLESS].cut_power(*OFF[POWERLESS])
        self.sims[DEAD].unplug(NOON, NOON + 2 * DAY)
        self.wire = SimWire(tuple(self.sims.values()), self.clock, line=LineSettings(baud=9600))

    def run(self, until):
        """Run a worker of its own from now to an instant, as one life of the daemon."""
        bus = Bus(name="A", port="memory", baud=9600)
        health = Health(self.clock)
        worker = BusWorker(
            bus=bus,
            clock=self.clock,
            sink=self.sink,
            health=health,
            port=BusPort(bus=bus, clock=self.clock, health=health, open_link=lambda: MemoryLink(self.clock, self.wire)),
            rounds=Rounds(PLAN, self.sink.journal.settled_marks()),
            meters={
                address: PolledMeter(address, "A", f"dlt645-{meter.version}") for address, meter in self.sims.items()
            },
            group=RecordGroup(clock=self.clock, health=health),
            learn=lambda _address, _refused: None,
            slots=self.sink.journal,
        )
        worker.start()
        while self.clock.utc_now() < until:
            wake = worker.step()
            self.clock.sleep(max(0.0, wake - self.clock.monotonic()))
        worker.stop()

    def fate(self, task, address, slot_at):
        """Return what has to become of a slot, reckoned from the site's day."""
        begin, end = OFF.get(address, (NOON, NOON))
        was_cut = begin <= slot_at < end
        if address == DEAD:
            return SlotState.MISSING_OPEN, None
        if not was_cut and not DOWN <= slot_at < LIVE_AGAIN:
            return SlotState.READ, None
        if address == OLD:
            return SlotState.MISSING_FINAL, SlotReason.NOT_KEPT
        midnight = slot_at - timedelta(minutes=5)  # whose freeze fills the daily slot
        if self.sims[address].has_record(midnight if task == DAILY.name else slot_at):
            return SlotState.REFILLED, None
        return SlotState.MISSING_FINAL, SlotReason.NOT_KEPT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Give a day that has passed; its last slot is a quarter of an hour old."""
    with open_database(tmp_path_factory.mktemp("day") / "edge.db", max_mib=16) as database:
        site = Site(Journal(database))
        site.run(DOWN)
        site.clock.sleep((UP - site.clock.utc_now()).total_seconds())
        site.run(NOON + DAY + timedelta(minutes=14))
        yield site


def expected_slots():
    return [
        (task.name, address, slot_at)
        for task in PLAN.tasks
        for slot_at in slots_between(task.schedule, PLAN.timezone, NOON, NOON + DAY)
        for address in METERS
    ]


def test_every_slot_has_the_fate_that_its_meter_prepared(site):
    """Read, refilled or missing with its reason: no slot is left out, none is there that was not due."""
    slots = expected_slots()
    assert (96 + 1) * 8 == len(slots)
    assert set(slots) == set(site.sink.records)
    for slot in slots:
        record = site.sink.records[slot]
        state, reason = site.fate(*slot)
        assert (slot, state) == (slot, record.state)
        if state is not SlotState.MISSING_OPEN:
            assert (slot, reason) == (slot, record.reason)


def test_the_day_in_numbers(site):
    """The same, counted by hand: 96 slots and a daily one for each of eight meters.

    All miss 23:15 to 01:45 and the daily slot, 11 + 1. Four healthy meters: 12 refilled, 85 read each. CUT misses 16:15
    to 18:00 too, 8: 20 refilled, 77 read. POWERLESS misses 23:15 to 03:30, 18, and has neither records nor the freeze
    of midnight: 18 + 1 final, 78 read. DEAD: 97 open. OLD has no memory: 12 final, 85 read.
    """
    expected = {
        SlotState.READ: 4 * 85 + 77 + 78 + 85,
        SlotState.REFILLED: 4 * 12 + 20,
        SlotState.MISSING_FINAL: 19 + 12,
        SlotState.MISSING_OPEN: 97,
    }
    assert expected == Counter(record.state for record in site.sink.records.values())


def test_what_was_read_is_what_the_meter_said(site):
    """The value of a live slot is one that its own meter answered between the slot and the reading."""
    checked = 0
    for (task, address, slot_at), record in site.sink.records.items():
        if record.state is SlotState.READ and task == LOAD.name:
            said = {
                one.values[0]
                for one in site.sims[address].answered
                if one.di in {"0001FF00", "00010000", "901F", "9010"} and slot_at <= one.at <= record.stamp.at
            }
            assert record.values[IMPORT] in said
            checked += 1
    assert 400 < checked


def test_what_was_refilled_is_what_the_meter_held_at_the_slot(site):
    """Energy of the slot's instant, with the meter's own time; daily values are those of midnight."""
    for (task, address, slot_at), record in site.sink.records.items():
        if record.state is not SlotState.REFILLED:
            continue
        key, at = (IMPORT, slot_at) if task == LOAD.name else (FREEZE, slot_at - timedelta(minutes=5))
        assert site.sims[address].truth("00010000", at)[0] == record.values[key]
        assert f"meter_time={site.sims[address].local_time(at):%y%m%d%H%M}" == record.flags[0]
        assert record.source in {Source.LOAD_RECORD, Source.FREEZE}


def test_live_slots_were_not_delayed(site):
    """Each live poll ended within a few exchanges of its slot, also while slots of the night were filled."""
    late = [
        record.stamp.at - slot_at
        for (_, _, slot_at), record in site.sink.records.items()
        if record.state is SlotState.READ and slot_at >= UP
    ]
    assert timedelta(seconds=10) > max(late)


def test_the_store_knows_no_other_open_slots(site):
    """Open are those of the dead meter alone."""
    assert {DEAD} == {slot.meter for slot in site.sink.journal.open_slots(1000)}


def test_the_centre_counts_the_same(site, tmp_path):
    """All records as batches, in the order in which they were stored: the ledger's statement names every slot."""
    gateway, records = Gateway(), [replace(one, raw=()) for one in site.sink.all]
    portions = [records[at : at + 500] for at in range(0, len(records), 500)]
    envelopes = [gateway.seal(*portion, plan=None if at else PLAN) for at, portion in enumerate(portions)]
    end = NOON + DAY
    question = Question(since=NOON, until=end + timedelta(minutes=1), now=end + DAY, grace_s=2 * 86400)
    with SqliteLedger(tmp_path / "ledger.db") as ledger:
        take(ledger, gateway, *envelopes, at=end)
        statement = completeness(ledger, question)
    assert {
        Fill.IN_TIME: 580,
        Fill.REFILLED: 68,
        Fill.MISSING_FINAL: 31,
        Fill.MISSING_OPEN: 97,
    } == {fill: count for fill, count in statement.total.items() if count}
    final = {(hole.meter, hole.reason, hole.closer) for hole in statement.holes if hole.fill is Fill.MISSING_FINAL}
    assert {(POWERLESS, "not_kept", Closer.NOBODY), (OLD, "not_kept", Closer.NOBODY)} == final
    assert 0 == sum(statement.conflicts.values())
