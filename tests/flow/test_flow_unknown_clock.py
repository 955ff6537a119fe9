"""A box without a clock chip: power cut, polling by the old time, then the network tells the true one."""

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


@pytest.mark.parametrize("outage_s", [90, 600, 3605, 86400 + 17])
def test_each_slot_is_read_in_its_time_or_named(tmp_path, outage_s):
    """Whatever the outage was: no slot twice, none lost, no reading under a slot in which it was not made."""
    clock = ManualClock(now=T0)
    run(tmp_path, clock, 300, is_first=True)
    clock.boot_id, clock.monotonic_s, clock.trusted = "cd" * 16, 20.0, ClockTrust.FLOOR

    def know():
        clock.step_wall(outage_s)
        clock.trusted = ClockTrust.SYNCHRONISED

    undated, still_open, counters = run(tmp_path, clock, 600, when_known=know)
    assert None is undated
    assert 4 * len(METERS) <= counters["records.redated"]
    with open_database(tmp_path / "edge.db", max_mib=64) as database:
        records = Outbox(database).take(10**6).records
    slots, readings = {}, {}
    for one in records:
        slots.setdefault((one.meter, one.slot_at), []).append(one)
        if one.state in READ and one.source is Source.LIVE:
            assert one.slot_at <= one.stamp.at <= one.slot_at + MINUTE
            readings[one.meter, one.slot_at] = readings.get((one.meter, one.slot_at), 0) + 1
    assert {1} == set(readings.values())
    first, last = (min(at for _, at in slots), max(at for _, at in slots))
    every = {(meter, first + number * MINUTE) for meter in METERS for number in range((last - first) // MINUTE + 1)}
    assert every == set(slots)
    assert last >= clock.now - 2 * MINUTE
    filled = {key for key, own in slots.items() if any(one.state in READ for one in own)}
    closed = {key for key, own in slots.items() if any(one.state is SlotState.MISSING_FINAL for one in own)}
    assert every - filled - closed == {(one.meter, one.slot_at) for one in still_open}
