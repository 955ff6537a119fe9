"""A box without a clock chip: power cut, polling by a wrong time, then the network tells the true one."""

from datetime import UTC, datetime, timedelta

import pytest

from edge.app.poll_half import open_poll
from edge.bus.memory_link import MemoryLink
from edge.clock import ClockTrust, ManualClock
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.control.jobs import RegisterJob
from edge.health.model import Health
from edge.reading.record import SlotState, Source
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire
from edge.store.database import open_database
from edge.store.outbox import Outbox

METERS = ("202311000001", "202311000002")
T0 = datetime(2026, 3, 1, 10, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLL = timedelta(seconds=2)  # what was asked just before the next slot is of the slot in which it was asked
READ = (SlotState.READ, SlotState.REFILLED)


class Reply:
    is_closed = False

    def put(self, document):
        pass

    def end(self, document=None):
        pass


def run(tmp_path, clock, seconds, *, is_first=False, when_known=None):
    """Run the polling half for so long on virtual time; `when_known` is called in the middle."""
    settings = build_table(
        Settings,
        {
            "schema": 1,
            "gateway": {"id": "gw", "tenant": "t", "state_dir": str(tmp_path)},
            "bus": [{"name": "A", "port": "memory"}],
            "task": [{"name": "load", "every": "1m", "items": ["energy_active_import_total"]}],
        },
    )
    health = Health(clock)
    with open_poll(settings, clock, health) as half:
        worker = half._workers["A"]
        sims = tuple(SimMeter(address) for address in METERS)
        worker.port.open_link = lambda: MemoryLink(clock, SimWire(sims, clock, line=worker.port.line))
        if is_first:
            half.start_job(RegisterJob({"add": [{"address": one, "bus": "A"} for one in METERS]}), Reply(), print)
        middle = clock.monotonic() + seconds / 2
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            wake = min(worker.step(), clock.monotonic() + 1)
            half.tend()
            if when_known is not None and clock.monotonic() >= middle:
                when_known = when_known()
            clock.sleep(max(0.0, wake - clock.monotonic()))
        worker.stop()
        assert not [name for name, one in health.snapshot()["conditions"].items() if one["answer"] == "no"]
        return half.keeper.journal.undated_boot(), half.keeper.journal.open_slots(999), health.snapshot()["counters"]


def step(clock, seconds):
    """Return what sets the clock right, by so many seconds."""

    def know():
        clock.step_wall(seconds)
        clock.trusted = ClockTrust.SYNCHRONISED

    return know


def boot(clock, outage_s, off_s):
    """Let the box come back after an outage, with a wall clock that is so far ahead of the truth, or behind."""
    clock.now += timedelta(seconds=outage_s + off_s)
    clock.boot_id, clock.monotonic_s, clock.trusted = "cd" * 16, 20.0, ClockTrust.FLOOR


def stored(tmp_path):
    with open_database(tmp_path / "edge.db", max_mib=64) as database:
        return Outbox(database).take(10**6)


def check_slots(records, still_open, since, until):
    """Check that each slot of each meter is a reading that was made in it, or has a reason."""
    slots, readings = {}, []
    for one in records:
        slots.setdefault((one.meter, one.slot_at), []).append(one)
        if one.state in READ and one.source is Source.LIVE:
            assert one.slot_at <= one.stamp.at <= one.slot_at + MINUTE + POLL
            readings.append((one.meter, one.slot_at))
    assert len(readings) == len(set(readings))
    count = (until - since) // MINUTE
    every = {(meter, since + number * MINUTE) for meter in METERS for number in range(1, count + 1)}
    assert every <= set(slots)
    assert max(at for _, at in slots) <= until + 2 * MINUTE
    filled = {key for key, own in slots.items() if any(one.state in READ for one in own)}
    closed = {key for key, own in slots.items() if any(one.state is SlotState.MISSING_FINAL for one in own)}
    assert set(slots) - filled - closed == {(one.meter, one.slot_at) for one in still_open}
    return readings


@pytest.mark.parametrize(
    ("outage_s", "off_s"),
    [
        (90, -90),
        (600, -600),
        (3605, -3605),
        (86400 + 17, -86400 - 17),
        (90, 200),
        (600, 3605),
        (3605, 86400),
        (0, 2 * 86400),
        (3600, -600),
    ],
)
def test_each_slot_is_read_in_its_time_or_named(tmp_path, outage_s, off_s):
    """Whatever the outage was, and wherever the clock stood: no slot twice, none lost, no reading in a wrong one."""
    clock = ManualClock(now=T0)
    run(tmp_path, clock, 300, is_first=True)
    boot(clock, outage_s, off_s)
    undated, still_open, counters = run(tmp_path, clock, 600, when_known=step(clock, -off_s))
    assert None is undated
    assert 4 * len(METERS) <= counters["records.redated"]
    since = T0.replace(second=0)
    readings = check_slots(stored(tmp_path).records, still_open, since, clock.now.replace(second=0) - 2 * MINUTE)
    assert len(readings) >= 2 * (4 + 8)


@pytest.mark.parametrize("off_s", [-1000 * 86400, -7200, 7200, 1000 * 86400])
def test_a_plan_begins_when_it_really_came(tmp_path, off_s):
    """The first start of a box, its clock wrong: what the plan promised until the time was known is read or named."""
    clock = ManualClock(now=T0)
    boot(clock, 0, off_s)
    undated, still_open, _ = run(tmp_path, clock, 600, is_first=True, when_known=step(clock, -off_s))
    taken = stored(tmp_path)
    assert None is undated
    assert None is taken.plan_stamp
    assert abs(taken.plan.valid_from - T0) < timedelta(seconds=1)
    readings = check_slots(taken.records, still_open, T0.replace(second=0), clock.now.replace(second=0) - 2 * MINUTE)
    assert len(readings) >= 2 * 7
