"""Snapshots: one order for all meters at the slot's instant, then what each of them froze; on virtual time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.bus.memory_link import MemoryLink
from edge.clock import ClockTrust, ManualClock
from edge.config.load import load_toml_model
from edge.config.settings import Bus, Settings
from edge.errors import ConfigError, LinkError
from edge.health.model import Answer, Health
from edge.poll.buffer import RecordGroup
from edge.poll.laying import Begun, TrueTime, lay_anew
from edge.poll.learned import Learned
from edge.poll.meter_state import MeterState
from edge.poll.plan import PolledMeter
from edge.poll.port import BusPort
from edge.poll.rounds import Rounds
from edge.poll.snapshot import SNAPSHOT_CHECKS, freeze_orders
from edge.poll.worker import BusWorker
from edge.protocols.exchange import Timing
from edge.reading.outcome import ForeignMaster
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import SlotState, Source
from edge.reading.verdict import SlotReason
from edge.sim.faults import parse_fault
from edge.sim.wire import SimWire
from edge.store.database import open_database
from edge.store.journal import Journal
from tests.poll.recording_meter import RecordingMeter

T0 = datetime(2026, 3, 1, 4, 10, tzinfo=UTC)  # 12:10 in Shanghai
FIRST = T0 + timedelta(minutes=5)
A, B, C = "202311000001", "202311000002", "202311000003"
IMPORT, T1, EXPORT = "energy_active_import_total", "energy_active_import_t1", "energy_active_export_total"
KEYS = (IMPORT, T1, EXPORT)


class Sink:
    """The real journal; it keeps what it took, and no record may be refused."""

    def __init__(self, journal):
        self.journal, self.records = journal, []

    def append(self, records):
        kept = self.journal.append(records)
        assert 0 == kept.duplicates
        self.records += records
        return kept

    def forget_after(self, limit, back_to=None):
        return self.journal.forget_after(limit, back_to)


class Site:
    """A bus whose meters are read in snapshots of a quarter of an hour; `also`: further tasks."""

    def __init__(self, journal, *meters, items=KEYS, also=(), **bus):
        self.clock, self.sink = ManualClock(now=T0), Sink(journal)
        self.sims = {meter.address: meter for meter in meters}
        self.bus = Bus(name="A", port="memory", **bus)
        addresses = tuple(self.sims)
        task = PlanTask("same", Schedule(every_s=900), items, addresses)
        self.plan = Plan(T0 - timedelta(seconds=1), "Asia/Shanghai", (task, *also))
        self.snapshots = frozenset({"same"})
        self.orders, self.has_port_from, self.loses_port_for = [], T0, timedelta()
        self.begin()

    def begin(self):
        """Begin a new life of the daemon."""
        self.health = Health(self.clock)
        self.worker = BusWorker(
            bus=self.bus,
            clock=self.clock,
            sink=self.sink,
            health=self.health,
            port=BusPort(bus=self.bus, clock=self.clock, health=self.health, open_link=self.open_link),
            rounds=Rounds(self.plan, self.sink.journal.settled_marks()),
            meters={one: PolledMeter(one, "A", f"dlt645-{meter.version}") for one, meter in self.sims.items()},
            group=RecordGroup(clock=self.clock, health=self.health),
            learn=lambda _address, _learned: None,
            snapshots=self.snapshots,
        )
        self.worker.start()

    def open_link(self):
        if self.clock.utc_now() < self.has_port_from:
            raise LinkError("E-BUS-101", port="memory", detail="gone")
        return MemoryLink(
            self.clock, Ear(SimWire(tuple(self.sims.values()), self.clock, line=self.worker.port.line), self)
        )

    def run_to(self, instant):
        while self.clock.utc_now() < instant:
            wake = self.worker.step()
            self.clock.sleep(max(0.0, wake - self.clock.monotonic()))

    def of(self, address):
        self.worker.stop()
        return [one for one in self.sink.records if one.meter == address and one.task == "same"]


class Ear:
    """A wire that notes when a freeze for all was ordered; the port may be lost with it."""

    def __init__(self, wire, site):
        self.wire, self.site = wire, site

    def transmit(self, data, at, line=None):
        if bytes.fromhex("68 99 99 99 99 99 99 68 16 04 CC CC CC CC") in data:
            self.site.orders.append(self.site.clock.utc_now())
            if self.site.loses_port_for:
                self.site.has_port_from = self.site.clock.utc_now() + self.site.loses_port_for
                raise LinkError("E-BUS-104", port="memory", detail="pulled out")
        return self.wire.transmit(data, at, line)


@pytest.fixture
def make_site(tmp_path):
    """Make a site on a real store."""
    with open_database(tmp_path / "edge.db", max_mib=16) as database:
        yield lambda *meters, **more: Site(Journal(database), *meters, **more)


def test_all_meters_are_read_as_of_one_instant(make_site):
    """One order a slot, at the slot; each value is what the meter held then, marked with both clocks' times."""
    site = make_site(RecordingMeter(A, seed=1), RecordingMeter(B, seed=2), RecordingMeter(C, seed=3))
    site.run_to(FIRST + timedelta(minutes=16))
    slots = [FIRST, FIRST + timedelta(minutes=15)]
    assert slots == [at.replace(microsecond=0) for at in site.orders]
    for address, meter in site.sims.items():
        records = site.of(address)
        assert slots == [one.slot_at for one in records]
        for one, frozen in zip(records, reversed(meter.frozen), strict=True):
            assert (SlotState.READ, Source.FREEZE) == (one.state, one.source)
            expected = meter.truth("0001FF00", frozen)[:2] + meter.truth("00020000", frozen)
            assert dict(zip(KEYS, expected, strict=True)) == one.values
            local = one.slot_at + timedelta(hours=8)
            assert f"meter_time={local:%y%m%d%H%M}" == one.flags[0]
            assert f"frozen_at={frozen.isoformat(timespec='milliseconds')}" == one.flags[1]


def test_a_meter_that_did_not_take_the_freeze_is_missing(make_site):
    """Its last freeze is of an earlier slot: no value of that goes under this slot. The others are read."""
    site = make_site(deaf := RecordingMeter(A), RecordingMeter(B))
    site.run_to(FIRST + timedelta(minutes=1))
    deaf.is_deaf = True
    site.run_to(FIRST + timedelta(minutes=20))
    assert [None, SlotReason.NOT_FROZEN] == [one.reason for one in site.of(A)]
    assert [{}, SlotState.MISSING_OPEN] == [site.of(A)[1].values, site.of(A)[1].state]
    assert [None, None] == [one.reason for one in site.of(B)]
    claim = f"meter {A} freezes for same"
    condition = site.health.snapshot()["conditions"][claim]
    assert (Answer.NO.value, "E-BUS-231") == (condition["answer"], condition["code"])


def test_a_meter_that_freezes_nothing_is_refused(make_site):
    """A meter without instantaneous freezes says so itself."""
    site = make_site(RecordingMeter(A, refused=("0501",)))
    site.run_to(FIRST + timedelta(minutes=1))
    assert [SlotReason.REFUSED] == [one.reason for one in site.of(A)]


def test_after_a_restart_no_second_order_goes_out(make_site):
    """Whoever was not asked yet is asked for the freeze of before; the meter's clock tells the minute of the order."""
    site = make_site(*(RecordingMeter(f"20231100001{number}", seed=number) for number in range(6)))
    site.run_to(FIRST + timedelta(seconds=2))
    site.worker.stop()
    before = len(site.sink.records)
    assert 0 < before < 6
    site.begin()
    site.run_to(FIRST + timedelta(minutes=1))
    site.worker.stop()
    assert 1 == len(site.orders)
    assert 6 == len(site.sink.records)
    for one in site.sink.records[before:]:
        meter = site.sims[one.meter]
        assert (SlotState.READ, meter.truth("00010000", meter.frozen[0])[0]) == (one.state, one.values[IMPORT])
        assert "meter_time=2603011215" == one.flags[0]
        assert one.flags[1].startswith("frozen_at=2026-03-01T04:15:0")  # a moment late: the clock's answer took one


def test_a_slot_that_came_before_the_start_is_not_frozen_late(make_site):
    """The box was off at the slot: nothing is ordered, and the freeze of long ago is not taken for it."""
    site = make_site(meter := RecordingMeter(A))
    meter.memory.freeze("99999999", meter.local_time(T0 - timedelta(minutes=10)))
    site.clock.sleep(310)
    site.begin()
    site.run_to(FIRST + timedelta(minutes=1))
    assert [] == site.orders
    assert [SlotReason.NOT_FROZEN] == [one.reason for one in site.of(A)]


@pytest.mark.parametrize("error", [-4, 0, 4])
@pytest.mark.parametrize(("beside", "is_read"), [(0, True), (-4, False), (4, False)])
def test_a_freeze_that_another_life_ordered_is_dated_by_the_meters_clock(make_site, error, beside, is_read):
    """A clock of ours that was wrong ordered it some minutes beside the slot: that is told from a clock that is off."""
    site = make_site(meter := RecordingMeter(A))
    meter.state.clock_error = timedelta(minutes=error)
    meter.memory.freeze("99999999", meter.local_time(FIRST + timedelta(minutes=beside)))
    site.clock.sleep(310 + 60 * max(beside, 0))
    site.begin()
    site.run_to(FIRST + timedelta(minutes=6))
    assert [] == site.orders
    assert [None if is_read else SlotReason.NOT_FROZEN] == [one.reason for one in site.of(A)]


@pytest.mark.parametrize(("off_s", "error_s", "minute"), [(120, 0, 0), (2, 0, 0), (-20, -30, 15), (-280, 0, 15)])
def test_a_freeze_of_the_life_before_goes_to_the_slot_in_which_it_was(make_site, off_s, error_s, minute):
    """Our clock was ahead or behind, and it was read after a restart, in the next true slot perhaps."""
    site = make_site(*(RecordingMeter(f"20231100001{number}", seed=number) for number in range(6)))
    for meter in site.sims.values():
        meter.state.clock_error = timedelta(seconds=error_s - off_s)
    site.plan = replace(site.plan, valid_from=T0 - timedelta(hours=1))
    site.clock.trusted = ClockTrust.FLOOR
    site.begin()
    site.run_to(FIRST + timedelta(seconds=2))
    site.worker.stop()
    before = len([one for one in site.sink.records if one.values])
    site.clock.sleep(150)
    site.begin()
    site.run_to(FIRST + timedelta(minutes=4))
    site.worker.stop()
    assert 0 < before < len([one for one in site.sink.records if one.values]) == 6
    now = site.clock.utc_now() - timedelta(seconds=off_s)
    boot_at = now - timedelta(seconds=site.clock.monotonic())
    true = TrueTime(site.clock.boot_id, boot_at, "synchronised", now, boot_at)
    for address in site.sims:
        laid = lay_anew(site.of(address), [Begun(site.plan, site.plan.valid_from)], true)
        assert [T0.replace(minute=minute)] == [one.slot_at for one in laid.records if one.values]


def test_a_meter_that_missed_the_order_may_hold_one_of_shortly_before(make_site):
    """Who ordered that is not known: the worker had only just begun."""
    site = make_site(meter := RecordingMeter(A), RecordingMeter(B))
    meter.memory.freeze("99999999", meter.local_time(FIRST - timedelta(minutes=4)))
    meter.is_deaf = True
    site.run_to(FIRST + timedelta(minutes=1))
    assert [SlotReason.NOT_FROZEN] == [one.reason for one in site.of(A)]
    assert [None] == [one.reason for one in site.of(B)]


def test_the_meters_clock_is_read_only_in_doubt(make_site):
    """At the first slot nobody knows what was ordered just before the start; after that this worker knows."""
    site = make_site(meter := RecordingMeter(A, refused=("0400",)), other := RecordingMeter(B))
    asked = []
    other.on_answer = lambda answered: asked.append(answered.di)
    site.run_to(FIRST + timedelta(minutes=1))
    assert {"04000101", "04000102"} <= set(asked)
    asked.clear()
    site.run_to(FIRST + timedelta(minutes=16))
    assert "05010001" in asked
    assert not {"04000101", "04000102"} & set(asked)
    assert [SlotReason.REFUSED, None] == [one.reason for one in site.of(A)]
    assert meter.frozen


def test_a_freeze_of_another_task_shortly_before_is_not_taken(make_site):
    """Each task judges by its own tolerance, whoever ordered first in that slot."""
    five = PlanTask("five", Schedule(every_s=300), (IMPORT,), (A,), 0)
    site = make_site(meter := RecordingMeter(A), also=(five,))
    site.snapshots = frozenset({"same", "five"})
    site.begin()
    site.run_to(FIRST + timedelta(minutes=11))
    assert T0 + timedelta(minutes=15) == meter.frozen[0].replace(second=0, microsecond=0)
    meter.is_deaf = True
    site.run_to(FIRST + timedelta(minutes=16))
    assert [None, SlotReason.NOT_FROZEN] == [one.reason for one in site.of(A)]


def test_a_meter_that_was_away_is_read_as_of_the_freeze_later_in_the_slot(make_site):
    """It heard the order, but did not answer for a minute: its second chance brings what it froze, not what is now."""
    site = make_site(meter := RecordingMeter(A), RecordingMeter(B))
    meter.unplug(FIRST + timedelta(seconds=0.4), FIRST + timedelta(seconds=61))
    site.run_to(FIRST + timedelta(minutes=5))
    first, second = site.of(A)
    assert (SlotReason.SILENCE, SlotState.READ) == (first.reason, second.state)
    assert second.stamp.at > FIRST + timedelta(seconds=60)
    assert meter.truth("00010000", meter.frozen[0])[0] == second.values[IMPORT]


@pytest.mark.parametrize(("minutes", "is_read"), [(-5, True), (5, True), (-6, False), (6, False)])
def test_the_meters_clock_may_be_off_by_five_minutes(make_site, minutes, is_read):
    """More cannot be told from a freeze that was not taken."""
    site = make_site(meter := RecordingMeter(A))
    meter.state.clock_error = timedelta(minutes=minutes)
    site.run_to(FIRST + timedelta(minutes=1))
    assert [None if is_read else SlotReason.NOT_FROZEN] == [one.reason for one in site.of(A)]


def test_somebody_elses_freeze_in_between_is_seen(make_site):
    """It comes while the registers are read: the latest freeze is no longer ours, nothing goes under the slot."""
    site = make_site(meter := RecordingMeter(A))
    theirs = meter.local_time(FIRST + timedelta(minutes=7))
    meter.on_answer = lambda _answered: meter.memory.freeze("99999999", theirs)
    site.run_to(FIRST + timedelta(minutes=1))
    assert [SlotReason.NOT_FROZEN] == [one.reason for one in site.of(A)]


@pytest.mark.parametrize(("gone_s", "orders"), [(40, 1), (70, 0)])
def test_the_order_waits_a_minute_for_the_port(make_site, gone_s, orders):
    """Later the instant would no longer be the slot's."""
    site = make_site(RecordingMeter(A))
    site.has_port_from = FIRST + timedelta(seconds=gone_s)
    site.run_to(FIRST + timedelta(minutes=5))
    assert orders == len(site.orders)
    assert [None if orders else SlotReason.REFUSED] == [one.reason for one in site.of(A)]


def test_items_that_are_not_frozen_are_faults(make_site):
    """Voltage is in no freeze; powers this meter refuses; energy is read."""
    items = (IMPORT, "voltage_l1", "power_active_total")
    site = make_site(RecordingMeter(A, refused=("050110",)), items=items)
    site.run_to(FIRST + timedelta(minutes=1))
    (one,) = site.of(A)
    assert [IMPORT] == list(one.values)
    assert {"voltage_l1": SlotReason.UNKNOWN_ITEM, "power_active_total": SlotReason.REFUSED} == one.faults


def test_1997_meters_have_no_such_freeze(make_site):
    """They are told apart from meters that failed to freeze."""
    site = make_site(RecordingMeter(A, version="1997"))
    site.run_to(FIRST + timedelta(minutes=1))
    assert ([], [SlotReason.UNKNOWN_ITEM]) == (site.orders, [one.reason for one in site.of(A)])


def test_the_order_goes_out_between_the_exchanges_of_a_busy_bus(make_site):
    """A slow bus in the middle of another round: the freeze waits for one exchange, not for the round."""
    meters = [RecordingMeter(f"20231100001{number}", seed=number) for number in range(8)]
    busy = PlanTask("busy", Schedule(every_s=60), ("voltage_l1", "frequency"), tuple(m.address for m in meters), 0)
    site = make_site(*meters, also=(busy,), baud=1200, gap_ms=500, reply_ms=1000)
    site.run_to(FIRST + timedelta(minutes=5))
    (ordered,) = site.orders
    assert timedelta(seconds=2) > ordered - FIRST


def test_meters_of_another_speed_hear_an_order_of_their_own():
    """One order for each speed in use."""
    bus = Bus(name="A", port="memory")
    learned = {A: Learned(), B: Learned(baud=9600), C: Learned()}
    states = [MeterState.of(PolledMeter(one, "A", "dlt645-2007", (), what), bus) for one, what in learned.items()]
    assert [2400, 9600] == [line.baud for _, line in freeze_orders(states, Timing())]


TASK = """gateway = { id = "g", tenant = "t" }
[[task]]
name = "same"
snapshot = true
every = "15m"
items = ["energy_active_import", "demand_active_import_max_total", "power_active"]
"""


def problems_of(tmp_path: Path, text: str):
    file = tmp_path / "edge.toml"
    file.write_text(text, encoding="utf-8")
    try:
        load_toml_model(file, Settings, checks=SNAPSHOT_CHECKS)
    except ConfigError as error:
        return [(problem.code, problem.line) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ('"power_active"', '"voltage_l1"', [("E-CFG-076", 6)]),
        ('"power_active"', '"clock"', [("E-CFG-076", 6)]),
        ('every = "15m"', 'every = "1m"', [("E-CFG-077", 5)]),
        ('every = "15m"', 'every = "5m"', []),
        ('every = "15m"', 'at = "00:00"', []),
        ("snapshot = true", "snapshot = false", []),
    ],
)
def test_settings_of_a_snapshot_are_checked(tmp_path, old, new, expected):
    """An item that meters do not freeze, and a period too short for stamps of minutes, are said with their line."""
    assert expected == problems_of(tmp_path, TASK.replace(old, new))


def test_a_port_that_is_lost_with_the_order_ends_no_worker(make_site):
    """A poll was under way when the adapter was pulled out: it waits, and is read when the port is back."""
    load = PlanTask("load", Schedule(every_s=60), (IMPORT, "voltage_l1", "frequency"), (A,), 0)
    site = make_site(RecordingMeter(A), also=(load,))
    site.loses_port_for = timedelta(seconds=20)
    site.run_to(FIRST - timedelta(milliseconds=1))
    site.worker.rounds.make_due(FIRST)
    site.worker._begin_poll()
    site.run_to(FIRST + timedelta(seconds=50))
    site.worker.stop()
    assert 1 == len(site.orders)
    (record,) = [one for one in site.sink.records if (one.task, one.slot_at) == ("load", FIRST)]
    assert SlotState.READ is record.state


def test_a_clock_that_was_ahead_stops_no_snapshots(make_site):
    """A day of wrong time, then the right one: what was frozen for slots to come holds up none of those that come."""
    site = make_site(RecordingMeter(A), RecordingMeter(B, faults=(parse_fault("dead"),)))
    site.clock.now += timedelta(days=1)
    site.begin()
    site.run_to(FIRST + timedelta(days=1, minutes=1))
    site.clock.now -= timedelta(days=1)
    site.worker.restart_slots(site.clock.utc_now())
    before = len(site.sink.records)
    site.run_to(FIRST + timedelta(minutes=20))
    site.worker.stop()
    slot_at = FIRST + timedelta(minutes=15)
    records = {one.meter: one for one in site.sink.records[before:] if one.slot_at == slot_at}
    assert (SlotState.READ, SlotReason.SILENCE) == (records[A].state, records[B].reason)
    assert 2 == len(site.orders)
    assert slot_at >= max(site.sink.journal.settled_marks().values())


def test_an_order_that_another_master_kept_off_the_wire_goes_out_later(make_site, monkeypatch):
    """While the wire is the other's nothing is sent; within the minute it is tried again, and all are read as of it."""
    site = make_site(RecordingMeter(A), RecordingMeter(B))
    exchange, free_at = BusPort.exchange, FIRST + timedelta(seconds=20)

    def busy(self, *asked):
        if FIRST <= site.clock.utc_now() < free_at:
            site.clock.sleep(10)
            return ForeignMaster()
        return exchange(self, *asked)

    monkeypatch.setattr(BusPort, "exchange", busy)
    site.run_to(FIRST + timedelta(minutes=4))
    (ordered_at,) = site.orders
    assert free_at <= ordered_at < FIRST + timedelta(minutes=1)
    assert [SlotState.READ] * 2 == [one.state for address in (A, B) for one in site.of(address)]
