"""The whole path in one process: wire, store, batch, centre; each stage's rate, and the bytes a reading takes."""

import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.bus.link import LineSettings
from edge.bus.memory_link import MemoryLink
from edge.centre.accept import Uplink, accept
from edge.centre.keyring import FolderKeyring
from edge.centre.ledger_sqlite import SqliteLedger
from edge.clock import ManualClock
from edge.config.settings import Bus
from edge.forward.sealing import Sealer
from edge.forward.settings import SealRules
from edge.health.model import Health
from edge.identity.keys import make_key, save_public
from edge.messages.batch import build_batch
from edge.messages.envelope import Header, seal_envelope
from edge.messages.signing import Ed25519Signer
from edge.poll.buffer import RecordGroup
from edge.poll.plan import PolledMeter
from edge.poll.port import BusPort
from edge.poll.rounds import Rounds
from edge.poll.worker import BusWorker
from edge.reading.chain import GENESIS
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from tests.bench.table import Row
from tests.messages.samples import batch_of, load

_METERS, _MINUTES = 40, 25
_ITEMS = (
    "energy_active_import_total",
    *(f"energy_active_import_t{tariff}" for tariff in range(1, 5)),
    *(f"voltage_l{phase}" for phase in range(1, 4)),
    *(f"current_l{phase}" for phase in range(1, 4)),
    "power_active_total",
)
_GATEWAY = "bench-1"


def rows():
    with tempfile.TemporaryDirectory() as folder:
        yield from _path(Path(folder))
    yield from sizes()


def _path(folder):
    clock = ManualClock(now=datetime(2026, 3, 1, 0, 0, 30, tzinfo=UTC))
    addresses = tuple(f"{202311000001 + n}" for n in range(_METERS))
    plan = Plan(clock.now, "Asia/Shanghai", (PlanTask("load", Schedule(every_s=60), _ITEMS, addresses),))
    with open_database(folder / "edge.db", max_mib=256, clock=clock) as database:
        journal, outbox = Journal(database), Outbox(database, clock)
        journal.append_plan(plan)
        polls, poll_s = _poll(clock, plan, journal)
        readings = polls * len(_ITEMS)
        yield Row(
            "poll to stored (simulated meters' share taken off)",
            f"{readings / poll_s:,.0f} readings/s, {1000 * poll_s / polls:.2f} ms of CPU a poll of {len(_ITEMS)} items",
            "budget 1 ms a transaction; a poll of these items is 4 of them",
        )
        envelopes, seal_s = _seal(folder, clock, outbox)
        yield Row("store to signed batch", f"{readings / seal_s:,.0f} readings/s", f"{len(envelopes)} batches")
        accept_s = _accept(folder, clock, envelopes)
        yield Row("centre: verify, decode, store in SQLite", f"{readings / accept_s:,.0f} readings/s")
        yield Row("whole path, one after the other", f"{readings / (poll_s + seal_s + accept_s):,.0f} readings/s")


def _poll(clock, plan, journal):
    meters = [SimMeter(address) for address in plan.tasks[0].meters]
    wire = _Timed(SimWire(meters, clock, line=LineSettings(baud=9600), fast=True))
    bus, health = Bus(name="A", port="memory", baud=9600), Health(clock)
    worker = BusWorker(
        bus=bus,
        clock=clock,
        sink=journal,
        health=health,
        port=BusPort(bus=bus, clock=clock, health=health, open_link=lambda: MemoryLink(clock, wire)),
        rounds=Rounds(plan, {}),
        meters={meter.address: PolledMeter(meter.address, "A", "dlt645-2007") for meter in meters},
        group=RecordGroup(clock=clock, health=health),
        learn=lambda address, refused: None,
    )
    worker.start()
    busy = 0.0
    end = clock.now + timedelta(minutes=_MINUTES)
    while clock.now < end:
        started = time.perf_counter()
        wake = worker.step()
        busy += time.perf_counter() - started
        if wake > clock.monotonic():
            clock.sleep(wake - clock.monotonic())
    worker.stop()
    return worker.polls_done, busy - wire.spent


class _Timed:
    """A wire that counts the time that the simulated meters take, so that it can be taken off."""

    def __init__(self, wire):
        self._wire, self.spent = wire, 0.0

    def transmit(self, data, at, line=None):
        started = time.perf_counter()
        try:
            return self._wire.transmit(data, at, line)
        finally:
            self.spent += time.perf_counter() - started


def _seal(folder, clock, outbox):
    signer = make_key(folder / "batch.key")
    (folder / "gateways").mkdir()
    save_public(folder / "gateways" / f"{_GATEWAY}.pub", signer)
    sealer = Sealer(outbox, signer, clock, _GATEWAY, SealRules())
    envelopes, started = [], time.perf_counter()
    while outbox.waiting().readings or outbox.waiting().has_plan:
        sealer.look(clock.monotonic())
        clock.advance(1000)
        if (sealed := sealer.seal(clock.monotonic())) is not None:
            envelopes.append(sealed.envelope)
    return envelopes, time.perf_counter() - started


def _accept(folder, clock, envelopes):
    keys = FolderKeyring(folder / "gateways")
    with SqliteLedger(folder / "ledger.db") as ledger:
        started = time.perf_counter()
        taken = accept(ledger, [Uplink(_GATEWAY, data, clock.now) for data in envelopes], keys)
        spent = time.perf_counter() - started
    assert all(one.fate == "stored" for one in taken), taken
    return spent


def sizes():
    """Yield what a reading takes on the wire."""
    signer = Ed25519Signer(random.Random(1).randbytes(32))
    for name, meters, rounds, budget in (
        ("one round, 256 meters", 256, 1, 3.5),
        ("backlog, 8 meters x 96 rounds", 8, 96, 1.2),
    ):
        records = load(meters, rounds)
        raw = build_batch(batch_of(*records))
        header = Header(
            content_type="application/edge-batch+cbor",
            gateway=_GATEWAY,
            epoch=bytes(8),
            seq=1,
            prev=GENESIS,
            raw_length=len(raw),
        )
        size = len(seal_envelope(header, raw, signer)) / sum(len(record.values) for record in records)
        yield Row(f"batch: {name} x 12 quantities", f"{size:.2f} B per reading", f"budget {budget} B")
