"""The worker of one bus, whole: simulated meters on a wire of virtual time, records in a list."""

import dataclasses
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from edge.bus.memory_link import MemoryLink
from edge.clock import ClockTrust, ManualClock
from edge.config.settings import Bus
from edge.errors import LinkError, StoreError
from edge.health.model import Answer, Health
from edge.poll.buffer import CommitRule, RecordGroup
from edge.poll.jobs import ReadOrder, ReadRun
from edge.poll.plan import BusSettings, PolledMeter
from edge.poll.port import BusPort
from edge.poll.records import take_asked
from edge.poll.rounds import Rounds
from edge.poll.worker import BusWorker
from edge.protocols.exchange import Timing
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import SlotState
from edge.reading.verdict import SlotReason
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire
from edge.store.database import open_database
from edge.store.journal import Journal

T0 = datetime(2026, 3, 1, 0, 0, 30, tzinfo=UTC)
MINUTE = Schedule(every_s=60)
ITEMS = ("energy_active_import_total", "energy_active_import_t1", "voltage_l1", "voltage_l2")
A, B, C = "202311000001", "202311000002", "202311000003"


class ListSink:
    """A real journal that also remembers what it was given; every record must be new to it."""

    def __init__(self, journal):
        self.journal, self.records, self.commits, self.is_full = journal, [], [], False

    def append(self, records):
        if self.is_full:
            raise StoreError("E-STO-103", path="edge.db")
        kept = self.journal.append(records)
        assert kept.duplicates == 0
        self.records += records
        self.commits.append(len(records))
        return kept

    def forget_after(self, limit, back_to=None):
        return self.journal.forget_after(limit, back_to)


class Way:
    def __init__(self):
        self.is_closed, self.documents = False, []

    def put(self, document):
        self.documents.append(document)

    def end(self, document=None):
        self.documents.append({"done": True, **(document or {})})

    def fail(self, error):
        self.documents.append({"error": error.code})


class Site:
    """A bus with meters, on virtual time."""

    def __init__(
        self,
        journal,
        *meters,
        faults=None,
        years=None,
        items=ITEMS,
        marks=None,
        commit=None,
        valid_from=None,
        protocol="dlt645-2007",
        schedule=MINUTE,
        tags=None,
        **bus,
    ):
        self.clock = ManualClock(now=T0)
        self.sink, self.health, self.learned = ListSink(journal), Health(self.clock), []
        self.sims = {
            address: SimMeter(
                address,
                (years or {}).get(address, "2007"),
                faults=tuple(parse_fault(one) for one in (faults or {}).get(address, ())),
            )
            for address in meters
        }
        self.port_is_there = True
        self.links = []
        plan = Plan(
            valid_from or T0 - timedelta(seconds=1),
            "Asia/Shanghai",
            (PlanTask("load", schedule, items, tuple(meters)),),
        )
        bus = Bus(name="A", port="memory", **bus)
        self.worker = BusWorker(
            bus=bus,
            clock=self.clock,
            sink=self.sink,
            health=self.health,
            port=BusPort(bus=bus, clock=self.clock, health=self.health, open_link=self.open_link),
            rounds=Rounds(plan, dict(marks or {})),
            meters={address: PolledMeter(address, "A", protocol, (tags or {}).get(address, ())) for address in meters},
            group=RecordGroup(clock=self.clock, health=self.health, rule=commit or CommitRule()),
            learn=lambda address, learned: self.learned.append((address, learned)),
        )
        self.worker.start()

    def open_link(self):
        if not self.port_is_there:
            raise LinkError("E-BUS-101", port="memory", detail="gone")
        link = MemoryLink(self.clock, SimWire(tuple(self.sims.values()), self.clock, line=self.worker.port.line))
        self.links.append(link)
        return link

    def run_until(self, seconds):
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            wake = self.worker.step()
            if wake > self.clock.monotonic():
                self.clock.sleep(wake - self.clock.monotonic())

    def by_meter(self):
        found = {}
        for record in self.sink.records:
            found.setdefault(record.meter, []).append(record)
        return found


@pytest.fixture
def make_site(tmp_path):
    """Make sites on a real store."""
    with open_database(tmp_path / "edge.db", max_mib=16) as database:
        yield lambda *args, **kwargs: Site(Journal(database), *args, **kwargs)


def slot(minute):
    return datetime(2026, 3, 1, 0, minute, tzinfo=UTC)


def test_three_rounds_of_healthy_meters(make_site):
    """Each meter is read once a slot, at its slot, with the values that the meter held at that moment."""
    site = make_site(A, B)
    site.run_until(190)
    for address in (A, B):
        records = site.by_meter()[address]
        assert [slot(1), slot(2), slot(3)] == [record.slot_at for record in records]
        for record in records:
            assert SlotState.READ == record.state
            truth = site.sims[address].truth("02010100", record.stamp.at)
            assert truth[0] == record.values["voltage_l1"]
            assert record.stamp.at - record.slot_at < timedelta(seconds=5)


def test_a_poll_of_an_unknown_time_says_when_it_began(make_site):
    """Its slot is told by that once the time is known; where it is known, nothing is said."""
    site = make_site(A, B)
    site.clock.trusted = ClockTrust.FLOOR
    site.run_until(50)
    site.clock.trusted = ClockTrust.SYNCHRONISED
    began = []
    for record in (site.by_meter()[address][0] for address in (A, B)):
        before, others = take_asked(record.flags)
        assert () == others
        began.append(record.stamp.at - before)
    ended = [site.by_meter()[address][0].stamp.at for address in (A, B)]
    nearly = timedelta(milliseconds=1)
    assert slot(1) - nearly < began[0] <= slot(1)
    assert ended[0] - nearly < began[1] <= ended[0]
    site = make_site(C)
    site.run_until(50)
    assert () == site.by_meter()[C][0].flags


def test_a_dead_meter_is_missing_and_its_neighbours_are_read(make_site):
    """Silence is recorded with its reason, the condition names it, the others lose nothing."""
    site = make_site(A, B, C, faults={B: ["dead"]})
    site.run_until(80)
    records = site.by_meter()
    assert [(SlotState.MISSING_OPEN, SlotReason.SILENCE)] == [(one.state, one.reason) for one in records[B]]
    assert SlotState.READ == records[A][0].state == records[C][0].state
    assert Answer.NO is site.health.answer(f"meter {B}")
    assert Answer.YES is site.health.answer(f"meter {A}")


def test_damaged_answers_are_counted_by_the_hour(make_site):
    """All answers that came on the bus, whichever meter's; those that were damaged among them."""
    site = make_site(A, B, C, faults={A: ["bad-checksum"], B: ["dead"]})
    site.run_until(110)
    (hour,) = site.worker.port.damage.hours()
    counters = site.health.snapshot()["counters"]
    sound, damaged = counters["exchanges.A.ok"], counters["exchanges.A.bad_checksum"]
    assert sound
    assert damaged
    assert (sound + damaged, damaged) == (hour.answers, hour.damaged)


def test_a_known_dead_meter_costs_one_try(make_site):
    """After its tries a silent meter is probed once a step of 30, 60, 120 s ..., though a slot comes every minute."""
    site = make_site(A, faults={A: ["dead"]})
    site.run_until(200)
    assert [2, 1, 0] == [record.tries for record in site.by_meter()[A]]
    assert {SlotReason.SILENCE} == {record.reason for record in site.by_meter()[A]}
    assert 2 + 2 == site.health.snapshot()["counters"]["exchanges.A.silence"]


def test_a_meter_that_comes_to_life_is_read_in_its_slot(make_site):
    """A probe in the first half of the slot's time finds it: the slot was missing, and is filled by a live reading."""
    site = make_site(A, B, faults={A: ["dead"]}, schedule=Schedule(every_s=300))
    site.run_until(280)
    site.sims[A].faults = ()
    site.run_until(30)
    missed, read = site.by_meter()[A]
    assert (SlotState.MISSING_OPEN, SlotReason.SILENCE) == (missed.state, missed.reason)
    assert (SlotState.READ, missed.slot_at, set(ITEMS)) == (read.state, read.slot_at, set(read.values))


def test_a_meter_that_is_back_keeps_its_slots(make_site):
    """Life ends the rest: from then on every slot is asked live."""
    site = make_site(A, faults={A: ["dead"]})
    site.run_until(60 * 10)
    site.sims[A].faults = ()
    site.run_until(60 * 12)
    states = [record.state for record in site.by_meter()[A]]
    assert [SlotState.READ] * 5 == states[-5:]


def test_a_dead_bus_is_one_alarm_and_wakes_up_whole(make_site, caplog):
    """Not one line a meter; when one answers again, the others are asked at once."""
    site = make_site(A, B, C, faults={one: ["dead"] for one in (A, B, C)})
    site.run_until(60 * 20)
    assert ["E-BUS-233"] == [line[line.index("E-") : line.index("]")] for line in caplog.messages if "E-" in line]
    for sim in site.sims.values():
        sim.faults = ()
    site.run_until(60 * 11)
    assert {SlotState.READ} == {records[-1].state for records in site.by_meter().values()}
    assert Answer.YES is site.health.answer("bus A answers")


def test_what_a_meter_has_is_learned(make_site):
    """Two tariffs instead of four, and nothing else is odd about it; a meter like others has nothing to tell."""
    site = make_site(A, B)
    site.sims[A] = SimMeter(A, tariffs=2)
    site.run_until(60 * 12)
    known = dict(site.learned)
    assert (2, {}) == (known[A].tariffs, dict(known[A].sizes))
    assert (4, {}) == (known[B].tariffs, dict(known[B].sizes))


def test_which_year_a_meter_speaks_is_found_once(make_site):
    """One meter of each year on a bus that does not say: both are read, and the year is handed on."""
    site = make_site(A, B, protocol="dlt645", items=("energy_active_import_total",), years={B: "1997"})
    site.run_until(40)
    assert {SlotState.READ} == {records[0].state for records in site.by_meter().values()}
    assert {A: "dlt645-2007", B: "dlt645-1997"} == {one: known.protocol for one, known in site.learned}
    asked = [event for event in site.worker.port.trace.events() if event.direction == "tx"]
    site.run_until(60)
    assert 2 == len([event for event in site.worker.port.trace.events() if event.direction == "tx"]) - len(asked)


def test_a_dead_meter_of_unknown_year_is_silent(make_site):
    """Neither year brings an answer: the slot is missing for silence."""
    site = make_site(A, protocol="dlt645", faults={A: ["dead"]})
    site.run_until(40)
    assert [SlotReason.SILENCE] == [record.reason for record in site.by_meter()[A]]


def test_refused_blocks_are_learned(make_site):
    """A meter that refuses blocks is read singly in the same poll, and the refusal is handed on."""
    site = make_site(A, faults={A: ["no-blocks"]})
    site.run_until(40)
    record = site.by_meter()[A][0]
    assert set(ITEMS) == set(record.values)
    site.run_until(60)
    assert [6, 4] == [record.tries for record in site.by_meter()[A]]
    assert {(A, "0001FF00"), (A, "0201FF00")} == {(one, di) for one, known in site.learned for di in known.refused}


def test_records_are_committed_in_groups(make_site):
    """So many polls make a commit; what is left is committed when the round ends."""
    site = make_site(A, B, C, commit=CommitRule(polls=2, after_s=60))
    site.run_until(45)
    assert [2, 1] == site.sink.commits


def test_a_full_store_loses_nothing(make_site):
    """What could not be stored waits in memory, and is stored when there is room again."""
    site = make_site(A)
    site.sink.is_full = True
    site.run_until(100)
    assert [] == site.sink.records
    assert Answer.NO is site.health.answer("store")
    site.sink.is_full = False
    site.run_until(60)
    assert [slot(1), slot(2), slot(3)] == [record.slot_at for record in site.sink.records]
    assert Answer.YES is site.health.answer("store")


def test_a_vanished_port_is_named_and_opened_again(make_site):
    """The round under way ends as port_gone; polling goes on when the port is back."""
    site = make_site(A)
    site.run_until(40)
    site.port_is_there = False
    site.links[-1].vanish()
    site.run_until(115)
    assert Answer.NO is site.health.answer("port A")
    site.port_is_there = True
    site.run_until(80)
    states = [(record.slot_at, record.state, record.reason) for record in site.by_meter()[A]]
    assert (slot(1), SlotState.READ, None) == states[0]
    assert (slot(2), SlotState.MISSING_OPEN, SlotReason.PORT_GONE) == states[1]
    assert (slot(3), SlotState.READ, None) == states[2]
    assert Answer.YES is site.health.answer("port A")


def test_a_bus_that_is_too_slow_names_what_it_did_not_reach(make_site):
    """Meters that the round did not reach in time are missing with reason overrun; no slot is without a record."""
    meters = tuple(f"2023110000{n:02d}" for n in range(60))
    site = make_site(*meters, baud=600)
    site.run_until(200)
    for address in meters:
        slots = [record.slot_at for record in site.by_meter()[address]]
        assert [slot(1), slot(2)] == slots[:2]
    reasons = {record.reason for record in site.sink.records}
    assert SlotReason.OVERRUN in reasons
    assert Answer.NO is site.health.answer("bus A")


def test_a_slow_bus_that_makes_its_period_reads_everybody(make_site):
    """A round that takes most of its period is no overrun: the bus is used to the end."""
    meters = tuple(f"2023110000{n:02d}" for n in range(40))
    site = make_site(*meters, baud=1200)
    site.run_until(88)
    assert {SlotState.READ} == {record.state for record in site.sink.records if record.slot_at == slot(1)}
    assert set(meters) == {record.meter for record in site.sink.records if record.slot_at == slot(1)}
    assert max(record.stamp.at for record in site.sink.records) > slot(1) + timedelta(seconds=30)
    assert Answer.YES is site.health.answer("bus A")


def test_slots_missed_while_down_come_first_and_in_order(make_site):
    """The store wants each meter's slots in order: what passed while down is recorded before anything live."""
    site = make_site(A, valid_from=T0 - timedelta(minutes=6), marks={("load", A): slot(0) - timedelta(minutes=5)})
    site.run_until(40)
    records = site.by_meter()[A]
    assert [slot(0) - timedelta(minutes=n) for n in (4, 3, 2, 1, 0)] == [one.slot_at for one in records[:5]]
    assert {SlotReason.GATEWAY_DOWN} == {one.reason for one in records[:4]}
    assert [SlotState.READ, SlotState.READ] == [one.state for one in records[4:6]]


def test_a_long_outage_on_a_full_store_keeps_the_order(make_site):
    """Days to name, and no room for hours: when there is room again every slot is there once, in order."""
    site = make_site(A, B, valid_from=T0 - timedelta(days=5))
    site.sink.is_full = True
    site.run_until(7200)
    site.sink.is_full = False
    site.run_until(300)
    for address in (A, B):
        slots = [record.slot_at for record in site.by_meter()[address]]
        assert len(slots) >= 5 * 1440 + 120
        assert all(later - earlier == timedelta(minutes=1) for earlier, later in pairwise(slots))


def test_plans_that_follow_each_other_quickly_all_count(make_site):
    """Two changes during one exchange: what the first promised in between is not forgotten."""
    site = make_site(A)
    site.run_until(20)
    first = Plan(slot(1) - timedelta(seconds=5), "Asia/Shanghai", (PlanTask("load", MINUTE, ITEMS, (A, B)),))
    second = Plan(slot(1) + timedelta(seconds=5), "Asia/Shanghai", (PlanTask("load", MINUTE, ITEMS, (A,)),))
    meters = {one: PolledMeter(one, "A", "dlt645-2007") for one in (A, B)}
    site.clock.advance(16)
    site.worker.use_plan(first, meters)
    site.worker.use_plan(second, {A: meters[A]})
    site.run_until(60)
    assert [slot(1)] == [record.slot_at for record in site.by_meter()[B]]


def test_a_server_that_hangs_up_is_not_hammered(make_site):
    """A port that opens and closes at once is tried with a growing pause, and the meters wait for it."""
    site = make_site(A, B)
    opened = site.open_link

    def open_and_lose():
        link = opened()
        link.vanish()
        return link

    site.worker.port.open_link = open_and_lose
    site.run_until(75)
    assert 2 <= len(site.links) <= 7
    site.worker.port.open_link = opened
    site.run_until(60)
    assert {A, B} == {one.meter for one in site.sink.records if one.state is SlotState.READ}


def test_a_jump_of_the_wall_clock_is_no_overrun(make_site):
    """A box without a clock chip boots with an old time and is set right: the time between it was off, not busy."""
    site = make_site(A)
    site.run_until(40)
    site.clock.step_wall(3600)
    site.run_until(70)
    reasons = [record.reason for record in site.sink.records if record.reason]
    assert len(reasons) >= 58
    assert {SlotReason.GATEWAY_DOWN} == set(reasons)
    assert Answer.YES is site.health.answer("bus A")


def test_a_port_that_goes_in_the_middle_of_a_meter_loses_no_slot(make_site):
    """Silence first, then the port is gone, with one meter on the bus: its slot is read late or named, never lost."""
    site = make_site(A, faults={A: ["dead"]})
    while not site.worker._poll or not site.worker._poll._seen:
        site.worker.step()
        site.clock.sleep(0.1)
    site.links[-1].vanish()
    site.port_is_there = False
    site.run_until(130)
    slots = [record.slot_at for record in site.by_meter()[A]]
    assert slot(1) == slots[0]


def order(address, *keys, protocol="dlt645-2007"):
    return ReadOrder(meter=address, keys=keys, protocol=protocol, timing=Timing())


@pytest.mark.parametrize("year", ["2007", "1997"])
def test_a_job_finds_out_the_year(make_site, year):
    """Asked for either year, a read says which one the meter speaks."""
    site, way = make_site(A, years={A: year}), Way()
    site.worker.jobs.append(ReadRun(order(A, "energy_active_import_total", protocol="dlt645"), site.clock, way))
    site.run_until(20)
    result = way.documents[-1]["result"]
    assert ("ok", f"dlt645-{year}") == (result["verdict"], result["protocol"])


def test_a_job_reads_between_the_polls(make_site):
    """A person's read is answered with values, and the round still reads every meter."""
    site = make_site(A, B)
    way = Way()
    keys = ("voltage_l1", "voltage_l2", "voltage_l3")
    site.run_until(30)
    site.worker.jobs.append(ReadRun(order(B, *keys), site.clock, way))
    site.run_until(30)
    result = way.documents[-1]["result"]
    assert "ok" == result["verdict"]
    assert list(keys) == [one["quantity"] for one in result["readings"]]
    assert {A, B} == set(site.by_meter())


def test_a_job_whose_asker_left_ends(make_site):
    """Nothing is asked for somebody who has gone."""
    site = make_site(A)
    way = Way()
    way.is_closed = True
    site.worker.jobs.append(ReadRun(order(A, "voltage_l1"), site.clock, way))
    site.run_until(2)
    assert [] == way.documents
    assert not site.worker.jobs


class Endless:
    """A job that goes on for ever."""

    def __init__(self, clock):
        self._clock = clock

    def step(self, worker):
        self._clock.sleep(0.5)
        return True


def test_a_long_job_keeps_no_reading_from_the_store(make_site):
    """What was read is committed while the job has the bus."""
    site = make_site(A, commit=CommitRule(polls=100, after_s=5))
    while not site.worker.group.held("A"):
        site.worker.step()
        site.clock.sleep(0.1)
    site.worker.jobs.append(Endless(site.clock))
    site.run_until(7)
    assert 1 == len(site.sink.records)


def test_an_idle_bus_wakes_for_the_commit_that_is_due(make_site):
    """While another bus polls, the records are not committed at once, and not later than they must be."""
    site = make_site(A, commit=CommitRule(polls=100, after_s=0.7))
    site.worker.group.join("B")
    while not site.worker.group.held("A"):
        site.worker.step()
        site.clock.sleep(0.05)
    while (wake := site.worker.step()) <= site.clock.monotonic():
        pass
    assert site.worker.group.due_s() == wake
    assert [] == site.sink.records


def test_stopping_commits_what_is_buffered(make_site):
    """Nothing that was read is left in memory at the end."""
    site = make_site(A, commit=CommitRule(polls=100, after_s=300))
    while not site.worker.group.held("A"):
        site.worker.step()
        site.clock.sleep(0.5)
    site.worker.stop()
    assert 1 == len(site.sink.records)


@pytest.mark.parametrize(("fault", "reason"), [("bad-checksum", "bad_checksum"), ("wrong-address", "wrong_address")])
def test_each_fault_gives_its_reason(make_site, fault, reason):
    """What happened on the wire is the reason of the missing slot."""
    site = make_site(A, faults={A: [fault]})
    site.run_until(40)
    assert [reason] == [record.reason.value for record in site.by_meter()[A]]


def test_a_store_that_cannot_tell_open_slots_stops_no_polling(make_site):
    """Filling missed slots waits for the store; live slots do not."""

    class Unreadable:
        def open_slots_of(self, task, meter, after, limit):
            raise StoreError("E-STO-103", path="edge.db")

        def kept_plans(self):
            return []

    site = make_site(A)
    site.worker.slots = Unreadable()
    site.worker.start()
    site.run_until(100)
    assert Answer.NO is site.health.answer("store")
    site.run_until(90)
    assert 3 == len(site.by_meter()[A])


def test_a_clock_set_right_in_the_middle_of_a_round_records_no_slot_to_come(make_site):
    """What is read then is of a slot that has not come: it is dropped, and the slots go on from the right time."""
    ahead = timedelta(days=1)
    site = make_site(A, B, C, commit=CommitRule(polls=1), valid_from=T0 + ahead)
    site.clock.now += ahead
    site.worker.restart_slots(site.clock.utc_now())
    while not site.sink.records:
        site.run_until(0.1)
    site.clock.now -= ahead + timedelta(seconds=30)
    site.run_until(130)
    after = site.sink.records[1:]
    assert {slot(1), slot(2)} == {record.slot_at for record in after}
    assert 6 == len(after)


def test_settings_that_change_count_from_the_next_poll_on(make_site):
    """The bus is asked as it is set by now, and what a task freezes is known; the plan goes on."""
    site = make_site(A)
    site.run_until(20)
    bus = dataclasses.replace(site.worker.bus, reply_ms=900, tries=4)
    settings = BusSettings(bus, (), frozenset({"other"}))
    site.worker.use_plan(site.worker.rounds.plan, dict(site.worker._here.meters), settings)
    site.run_until(60)
    worker = site.worker
    assert (bus, bus, bus) == (worker.bus, worker.port.bus, worker._here.state(A).bus)
    assert {"other"} == worker.snapshots == worker._snapshots.tasks
    assert [SlotState.READ] == [one.state for one in site.by_meter()[A]][-1:]
