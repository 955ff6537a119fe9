"""`[[item]]` through the polling half: the slot's record and a job's answer carry value and unit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from edge.app.poll_half import open_poll
from edge.bus.memory_link import MemoryLink
from edge.clock import ManualClock
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.control.jobs import ReadJob, RegisterJob
from edge.health.model import Health
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire

METER = "202311000001"
T0 = datetime(2026, 3, 1, 0, 0, 30, tzinfo=UTC)


class Sink:
    def __init__(self):
        self.records, self.refused = [], ()

    def append(self, records):
        self.records += records
        return self


class Reply:
    is_closed = False

    def __init__(self):
        self.documents = []

    def put(self, document):
        self.documents.append(document)

    def end(self, document=None):
        self.documents.append(document)


@pytest.fixture
def half(tmp_path):
    """Open a half with one bus; its meter sends 23 10 for the vendor's identifier."""
    clock = ManualClock(now=T0)
    wire = SimWire([SimMeter(METER, truths={"04A00101": ("2310",)})], clock)
    settings = build_table(
        Settings,
        {
            "schema": 1,
            "gateway": {"id": "gw", "tenant": "t", "state_dir": str(tmp_path)},
            "bus": [{"name": "A", "port": "memory"}],
            "task": [{"name": "heat", "every": "1m", "items": ["vendor_heat"]}],
            "item": [{"key": "vendor_heat", "di": "04a00101", "format": "XXX.X", "unit": "°C"}],
        },
    )
    with open_poll(settings, clock, Health(clock), lambda port, clock: MemoryLink(clock, wire, port=port)) as opened:
        opened.start_job(RegisterJob({"add": [{"address": METER, "bus": "A"}]}), Reply(), lambda _: None)
        yield opened


def test_a_slot_is_read_by_the_definition(half):
    """The record of the slot has the value by the format, and the unit with it."""
    (_, worker), clock = half.workers()[0], half.clock
    worker._buffer.sink = Sink()
    end = clock.utc_now() + timedelta(seconds=45)
    while clock.utc_now() < end:
        clock.sleep(max(0.0, worker.step() - clock.monotonic()))
    (record,) = worker._buffer.sink.records
    assert ({"vendor_heat": Decimal("102.3")}, {"vendor_heat": "°C"}) == (record.values, record.units)


def test_a_job_is_read_by_the_definition(half):
    """Key and `di:` are one value in a reading on demand too."""
    reply = Reply()
    half.start_job(ReadJob(METER, ("vendor_heat", "di:04A00101")), reply, lambda _: None)
    half.workers()[0][1].step()
    readings = reply.documents[-1]["result"]["readings"]
    assert [("04A00101", "102.3", "°C")] * 2 == [(one["di"], one["value"], one["unit"]) for one in readings]
