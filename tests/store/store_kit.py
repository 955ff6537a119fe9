"""What the tests of the store share: records, and a store in a folder of its own."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.reading.verdict import SlotReason
from edge.store.receipts import EpochState
from edge.store.sealed import Sealing

START = datetime(2026, 11, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def record(slot=0, meter="000000000001", task="load", state=SlotState.READ, **more):
    """Return a record of the slot with that number."""
    at = START + slot * QUARTER
    missing = state in (SlotState.MISSING_OPEN, SlotState.MISSING_FINAL)
    values = {} if missing else {"energy_active_import_total": Decimal("317.70") + slot, "voltage_l1": Decimal("230.1")}
    given = {
        "task": task,
        "slot_at": at,
        "meter": meter,
        "bus": "A",
        "stamp": Stamp(at + timedelta(seconds=3), "synchronised", "0123456789abcdef" * 2, 1234.5 + slot),
        "state": state,
        "values": values,
        "reason": SlotReason.SILENCE if missing else None,
    }
    return PollRecord(**{**given, **more})


def plan(items=("voltage_l1",), valid_from=START):
    """Return a plan of one task."""
    task = PlanTask("load", Schedule(every_s=900), tuple(items), ("000000000001",))
    return Plan(valid_from, "Asia/Shanghai", (task,))


def seal(outbox, taken=None, content=b""):
    """Take what waits and seal it into an envelope of made-up bytes; return what is kept."""
    taken = outbox.take(1000) if taken is None else taken
    head = outbox.head()
    envelope = head.epoch + head.next_seq.to_bytes(4, "big") + content
    return outbox.seal(taken, Sealing(envelope, head.epoch, head.next_seq), lane=0)


def receipt(sealed, stored, durable=0, rejected=()):
    """Return what an honest centre says after it stored the first `stored` of these batches of one epoch."""
    head = sealed[stored - 1].sha256 if stored else bytes(32)
    return EpochState(sealed[0].epoch, stored, durable, head, tuple(rejected))
