"""Missed slots of one bus filled from simulated meters' memories, in spare time, on virtual time."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

import pytest

from edge.bus.memory_link import MemoryLink
from edge.clock import ClockTrust, ManualClock
from edge.config.settings import Bus
from edge.health.model import Health
from edge.poll.meter_state import MeterState
from edge.poll.plan import PolledMeter
from edge.poll.port import BusPort
from edge.poll.refill import Refill
from edge.reading.outcome import BadChecksum
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import SlotState, Source
from edge.reading.verdict import SlotReason
from edge.sim.faults import parse_fault
from edge.sim.wire import SimWire
from tests.poll.recording_meter import RecordingMeter

NOW = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)  # noon in Shanghai
A, B = "202311000001", "202311000002"
QUARTER = Schedule(every_s=900)
IMPORT, T1, VOLTAGE = "energy_active_import_total", "energy_active_import_t1", "voltage_l1"
PLENTY_S = 900.0


@dataclass(frozen=True)
class Slot:
    slot_at: datetime


class Slots:
    """Open slots as a store keeps them: what is given stays until it is stored."""

    def __init__(self, *slots):
        self.slots, self.most = list(slots), 0
        self.plans = []

    def kept_plans(self):
        return self.plans

    def open_slots_of(self, task, meter, after, limit):
        found = sorted(at for t, m, at in self.slots if (t, m) == (task, meter) and (after is None or at > after))
        self.most = max(self.most, limit)
        return [Slot(at) for at in found[:limit]]


class Bench:
    """Meters on a bus, and a refill of slots (task, meter, UTC instant)."""

    def __init__(self, slots, *meters, tasks=None, protocol="dlt645-2007", timezone="Asia/Shanghai", now=NOW):
        self.clock = ManualClock(now=now)
        self.bus = Bus(name="A", port="memory")
        self.sims = {meter.address: meter for meter in meters}
        self.silent, self.learned, self.exchanges = set(), [], []
        self.states = {address: MeterState.of(PolledMeter(address, "A", protocol), self.bus) for address in self.sims}
        self.tasks = tasks or (PlanTask("load", QUARTER, (IMPORT, VOLTAGE), tuple(self.sims)),)
        self.slots = Slots(*slots)
        self.wire = SimWire(tuple(meters), self.clock)
        self.port = BusPort(
            bus=self.bus,
            clock=self.clock,
            health=Health(self.clock),
            open_link=lambda: MemoryLink(self.clock, self.wire),
        )
        self.refill = Refill(
            bus=self.bus,
            clock=self.clock,
            slots=self.slots,
            plan=Plan(NOW - timedelta(days=30), timezone, self.tasks),
            state_of=self.states.__getitem__,
            is_silent=self.silent.__contains__,
            learned=self.learned.append,
        )

    def exchange(self, exchange, line=None):
        begun = self.clock.monotonic()
        outcome = self.port.exchange(exchange, line)
        self.exchanges.append((begun, self.clock.monotonic(), outcome))
        return outcome

    def run(self, spare_s=PLENTY_S, steps=400):
        """Step until there is nothing to do; return the records."""
        records = []
        for _ in range(steps):
            done = self.refill.step(self, spare_s)
            if done is None:
                return records
            records += done
        raise AssertionError("it does not end")

    def run_for(self, hours):
        """Run, and again every five minutes; return the records."""
        records = self.run()
        for _ in range(12 * hours):
            self.clock.sleep(300)
            records += self.run()
        return records


def quarters(count, hours_ago=24, meter=A, task="load"):
    """Return so many slots in a row."""
    first = NOW - timedelta(hours=hours_ago)
    return [(task, meter, first + number * timedelta(minutes=15)) for number in range(count)]


def test_slots_are_filled_by_the_records_of_their_time():
    """State, source, the meter's own time and exactly the values that it held; the reading is stamped now."""
    bench = Bench(quarters(3), RecordingMeter(A))
    records = bench.run()
    assert [at for _, _, at in bench.slots.slots] == [one.slot_at for one in records]
    for one in records:
        assert (SlotState.REFILLED, Source.LOAD_RECORD, None) == (one.state, one.source, one.reason)
        local = one.slot_at + timedelta(hours=8)
        assert (f"meter_time={local:%y%m%d%H%M}",) == one.flags
        assert bench.sims[A].truth("00010000", one.slot_at)[0] == one.values[IMPORT]
        assert bench.sims[A].truth("02010100", one.slot_at)[0] == one.values[VOLTAGE]
        assert (NOW, {}) == (one.stamp.at.replace(second=0, microsecond=0), dict(one.faults))


def test_slots_in_a_row_take_one_request():
    """Three slots of two classes: one request for each class, three records long."""
    bench = Bench(quarters(3), RecordingMeter(A))
    bench.run()
    begin = bytes.fromhex("00 12 04 03 26")
    assert [("06010001", b"\3" + begin), ("06040001", b"\3" + begin)] == bench.sims[A].asked


def test_many_slots_take_few_requests_and_follow_up_frames():
    """Nothing is asked for twice, and no more than 96 slots are ever in memory."""
    bench = Bench(quarters(90), RecordingMeter(A))
    assert [at for _, _, at in bench.slots.slots] == [one.slot_at for one in bench.run()]
    assert 10 > len(bench.sims[A].asked)
    assert 96 == bench.slots.most


def test_the_oldest_slot_of_the_bus_goes_first():
    """Two meters take turns by the age of their slots."""
    slots = quarters(1, hours_ago=20) + quarters(1, hours_ago=30, meter=B) + quarters(1, hours_ago=10)
    bench = Bench(slots, RecordingMeter(A), RecordingMeter(B))
    assert [B, A, A] == [one.meter for one in bench.run()]


def test_nothing_is_asked_that_could_reach_into_the_next_slot():
    """However little time is left, the exchange ends within it; with too little none begins.

    Two records of class 1: 27 + 21 + 66 bytes of 4.58 ms, 20 ms of quiet, at most 600 ms to the answer: 1.142 s.
    """
    for spare_s in (0.1, 0.6, 1.14, 1.15, 2.0, 3.0, 6.0):
        bench = Bench(quarters(40), RecordingMeter(A, reply_delay_ms=500))
        bench.run(spare_s=spare_s)
        assert all(ended - begun <= spare_s for begun, ended, _ in bench.exchanges)
        assert bool(bench.exchanges) == (spare_s >= 1.15)


def test_a_silent_meter_is_not_asked():
    """Its neighbour is."""
    bench = Bench(quarters(1) + quarters(1, meter=B), RecordingMeter(A), RecordingMeter(B))
    bench.silent.add(A)
    assert [B] == [one.meter for one in bench.run()]
    assert [] == bench.sims[A].asked


def test_a_young_slot_waits():
    """Half its period after its time a slot may be asked for, not before: until then it may still be read."""
    bench = Bench([("load", A, NOW)], RecordingMeter(A))
    bench.clock.sleep(449)
    assert [] == bench.run()
    bench.clock.sleep(1)
    assert [NOW] == [one.slot_at for one in bench.run()]


def test_a_meter_that_does_not_answer_rests_longer_each_time():
    """Asked again one minute after its deadline, then two, then four, at the next tick; then its slots come."""
    bench = Bench(quarters(2), meter := RecordingMeter(A))
    meter.unplug(NOW, NOW + timedelta(minutes=6))
    asked_at, records = [], []
    for second in range(0, 900, 10):
        records += bench.run()
        if len(bench.exchanges) > len(asked_at):
            asked_at.append(second)
        bench.clock.sleep(10 - bench.clock.monotonic() % 10)
    assert [0, 70, 200, 450] == asked_at[:4]
    assert 2 == len(records)


def test_what_is_not_kept_is_over():
    """Off its supply for an hour: those slots are missing for good, the others are filled, none is left out."""
    off = NOW - timedelta(hours=23)
    bench = Bench(quarters(12), meter := RecordingMeter(A))
    meter.cut_power(off, off + timedelta(hours=1))
    records = bench.run()
    lost = [one for one in records if one.state is SlotState.MISSING_FINAL]
    assert 12 == len(records)
    assert [off + number * timedelta(minutes=15) for number in range(4)] == [one.slot_at for one in lost]
    assert {SlotReason.NOT_KEPT} == {one.reason for one in lost}
    assert [{}] * 4 == [dict(one.values) for one in lost]


def test_an_item_that_no_record_holds_is_a_fault_of_a_filled_slot():
    """The tariff is not in the load records: the slot is filled, the tariff says why it is not there."""
    task = PlanTask("load", QUARTER, (IMPORT, T1), (A,))
    (one,) = Bench([("load", A, NOW - timedelta(hours=23, minutes=45))], RecordingMeter(A), tasks=(task,)).run()
    assert {T1: SlotReason.NOT_KEPT} == one.faults
    assert [IMPORT] == list(one.values)


def test_midnight_has_the_tariffs_from_its_freeze():
    """One record from two sources of the same minute says so."""
    midnight = NOW - timedelta(hours=12 + 24)
    task = PlanTask("load", QUARTER, (IMPORT, T1), (A,))
    bench = Bench([("load", A, midnight)], RecordingMeter(A), tasks=(task,))
    (one,) = bench.run()
    assert ("meter_time=2603040000", "also_from=freeze") == one.flags
    assert bench.sims[A].truth("00010100", midnight)[0] == one.values[T1]


def test_a_daily_slot_has_the_freeze_of_its_day():
    """Read at five past midnight, filled from midnight, with the meter's own time."""
    task = PlanTask("day", Schedule(at=datetime.fromisoformat("2026-03-01 00:05").time()), (IMPORT, T1), (A,))
    slot_at = NOW - timedelta(hours=11, minutes=55) - timedelta(days=2)
    bench = Bench([("day", A, slot_at)], RecordingMeter(A), tasks=(task,))
    (one,) = bench.run()
    assert (SlotState.REFILLED, Source.FREEZE, ("meter_time=2603030000",)) == (one.state, one.source, one.flags)
    assert bench.sims[A].truth("00010100", slot_at - timedelta(minutes=5))[0] == one.values[T1]


def test_a_meter_without_records_is_asked_twice():
    """What it refused again after a rest is remembered; all its slots end, and no other is asked for on the wire."""
    bench = Bench(quarters(3, hours_ago=23.75) + quarters(1, hours_ago=3.75), RecordingMeter(A, refused=("06",)))
    assert [] == bench.run()
    records = bench.run_for(hours=1)
    assert [SlotReason.NOT_KEPT] * 4 == [one.reason for one in records]
    assert A == bench.learned[-1]
    assert {"06010001", "06040001", "06000001"} == bench.states[A].learned.avoid(NOW.date())
    asked = len(bench.exchanges)
    bench.slots.slots += quarters(1, hours_ago=2.75)
    bench.refill.start_anew()
    bench.slots.slots = bench.slots.slots[-1:]
    assert 1 == len(bench.run())
    assert asked == len(bench.exchanges)


def test_a_new_meter_that_has_no_freezes_yet_is_asked_again_the_next_day():
    """It refuses what it will have: tomorrow's slot is not lost for a month."""
    task = PlanTask("day", Schedule(at=time(0, 5)), (IMPORT,), (A,))
    first = datetime(2026, 3, 4, 16, 5, tzinfo=UTC)  # 00:05 in Shanghai
    meter = RecordingMeter(A, refused=("0506",))
    bench = Bench([("day", A, first)], meter, tasks=(task,))
    assert [SlotReason.NOT_KEPT] == [one.reason for one in bench.run_for(hours=1)]
    meter.refused = ()
    bench.slots.slots = [("day", A, first + timedelta(days=1))]
    assert [SlotState.REFILLED] == [one.state for one in bench.run_for(hours=24)]


def test_a_protocol_without_memory_ends_its_slots():
    """1997 meters keep nothing that can be asked for: nothing goes on the wire."""
    bench = Bench(quarters(3), RecordingMeter(A, version="1997"), protocol="dlt645-1997")
    assert [(SlotState.MISSING_FINAL, SlotReason.NOT_KEPT)] * 3 == [(one.state, one.reason) for one in bench.run()]
    assert [] == bench.exchanges


def test_an_hour_that_the_clocks_show_twice_is_not_guessed():
    """When clocks go back, the meter's time does not tell which of the two it means."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, as one hour later
    slots = [("load", A, first), ("load", A, first + timedelta(hours=2))]
    meter = RecordingMeter(A, utc_offset=timedelta(hours=1))
    bench = Bench(slots, meter, timezone="Europe/Berlin", now=first + timedelta(days=1))
    assert [SlotReason.NOT_KEPT, None] == [one.reason for one in bench.run()]


def test_other_plan_other_meters():
    """A meter that left the plan is not asked, though its course was under way."""
    bench = Bench(quarters(1), RecordingMeter(A), RecordingMeter(B))
    assert [] == bench.refill.step(bench, PLENTY_S)
    bench.refill.use_plan(replace(bench.refill.plan, tasks=(replace(bench.tasks[0], meters=(B,)),)))
    assert [] == bench.run()
    assert [] == bench.sims[A].asked


@pytest.mark.parametrize("interval", [5, 15, 60])
def test_records_of_any_interval(interval):
    """Shorter than the period, the same, longer: what stands at the slot's time is taken, the others are not kept."""
    bench = Bench(quarters(16), RecordingMeter(A, interval=interval))
    records = bench.run()
    filled = [one.slot_at.minute for one in records if one.state is SlotState.REFILLED]
    assert 16 == len(records)
    assert ([0, 15, 30, 45] * 4 if interval < 60 else [0] * 4) == filled


def test_a_course_waits_for_time_and_begins_anew_if_it_waited_long():
    """The second of two requests waits while there is no time for it; after ten minutes the first is asked again."""
    bench = Bench(quarters(3), RecordingMeter(A))
    assert [[], []] == [bench.refill.step(bench, PLENTY_S), bench.refill.step(bench, PLENTY_S)]
    bench.clock.sleep(599)
    assert bench.refill.step(bench, 0.5) is None
    assert ["06010001"] == [identifier for identifier, _ in bench.sims[A].asked]
    bench.clock.sleep(2)
    assert 3 == len(bench.run())
    assert ["06010001", "06010001", "06040001"] == [identifier for identifier, _ in bench.sims[A].asked]


def test_a_slot_of_short_period_waits_five_minutes():
    """The meter may record it late."""
    task = PlanTask("load", Schedule(every_s=60), (IMPORT,), (A,))
    bench = Bench([("load", A, NOW)], RecordingMeter(A, interval=1), tasks=(task,))
    bench.clock.sleep(299)
    assert [] == bench.run()
    bench.clock.sleep(1)
    assert [NOW] == [one.slot_at for one in bench.run()]


def test_a_slot_that_was_read_after_all_is_left_out():
    """Its record is on the way to the store, which still calls it open."""
    bench = Bench(quarters(2), RecordingMeter(A))
    (first, _) = Bench(quarters(2), RecordingMeter(A)).run()
    bench.refill.note_filled(first)
    assert [bench.slots.slots[1][2]] == [one.slot_at for one in bench.run()]


def test_a_meter_whose_year_is_not_known_is_not_asked():
    """Its slots stay open until it is: a 1997 meter has no memory, a 2007 meter may have."""
    bench = Bench(quarters(2), RecordingMeter(A), protocol="dlt645")
    assert [] == bench.run()
    bench.states[A].spoke("dlt645-2007")
    assert 2 == len(bench.run())


def test_on_a_noisy_line_an_answer_is_asked_for_twice():
    """The same request goes out again, and the values count once the two answers agree."""
    task = PlanTask("load", QUARTER, (IMPORT,), (A,))
    bench = Bench(quarters(1), RecordingMeter(A), tasks=(task,))
    bench.states[A].saw(BadChecksum())
    bench.states[A].saw(BadChecksum())
    assert 1 == len(bench.run())
    assert 2 == len(bench.sims[A].asked)
    assert 1 == len(set(bench.sims[A].asked))


def test_with_an_untrusted_clock_nothing_is_decided():
    """What is old enough to be given up cannot be known: nothing is asked."""
    bench = Bench(quarters(1), RecordingMeter(A))
    bench.clock.trusted = ClockTrust.FLOOR
    assert [] == bench.run()
    bench.clock.trusted = ClockTrust.SYNCHRONISED
    assert 1 == len(bench.run())


FAULTS = (
    ("late@0.1", "bad-checksum@0.1", "malformed@0.05"),
    ("noise:0.005@0.3", "cut@0.05"),
    ("duplicate@0.1", "junk@0.2"),
    ("wrong-address@0.1", "foreign-master@0.05"),
)
OF_KEY = {IMPORT: "00010000", T1: "00010100", VOLTAGE: "02010100", "daily_freeze_energy_active_import": "00010000"}


@pytest.mark.parametrize("faults", FAULTS, ids=" ".join)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_fault_puts_a_value_under_a_wrong_slot_or_ends_one_that_is_kept(faults, seed):
    """Late, damaged, doubled and foreign answers: each value is the meter's own of that instant, none is given up."""
    meters = [
        RecordingMeter(address, seed=seed + number, faults=tuple(map(parse_fault, faults)))
        for number, address in enumerate((A, B))
    ]
    daily = PlanTask("day", Schedule(at=datetime.fromisoformat("2026-03-01 00:05").time()), (*OF_KEY,)[3:], (A, B))
    tasks = (PlanTask("load", QUARTER, (IMPORT, T1, VOLTAGE), (A, B)), daily)
    midnights = [datetime(2026, 3, day, 16, 5, tzinfo=UTC) for day in (1, 2, 3)]
    slots = quarters(30) + quarters(30, meter=B) + [("day", one, at) for one in (A, B) for at in midnights]
    bench = Bench(slots, *meters, tasks=tasks)
    records = []
    for _ in range(300):
        records += bench.run()
        bench.clock.sleep(61)
    assert {SlotState.REFILLED} == {one.state for one in records}
    assert len({(one.task, one.meter, one.slot_at) for one in records}) == len(records) > 20
    for one in records:
        at = one.slot_at if one.task == "load" else one.slot_at - timedelta(minutes=5)
        for key in one.values.keys() & OF_KEY.keys():
            assert bench.sims[one.meter].truth(OF_KEY[key], at)[0] == one.values[key]


def test_a_slot_is_filled_with_the_items_that_were_promised_at_it():
    """The task asks for other items by now: slots of before bring the old ones, those since then the new."""
    slots = quarters(4)
    bench = Bench(slots, RecordingMeter(A))
    begun = sorted(at for _, _, at in slots)
    changed = begun[1] + timedelta(minutes=1)
    old = replace(bench.refill.plan, valid_from=begun[0] - timedelta(days=1))
    new = replace(old, valid_from=changed, tasks=(replace(bench.tasks[0], items=(VOLTAGE,)),))
    bench.slots.plans = [old, new]
    bench.refill.use_plan(new)
    records = sorted(bench.run(), key=lambda one: one.slot_at)
    assert [SlotState.REFILLED] * 4 == [one.state for one in records]
    assert [True, True, False, False] == [IMPORT in one.values for one in records]
