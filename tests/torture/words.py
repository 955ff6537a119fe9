"""The words in which the writers say what they promised, and the records that stand behind them.

A record follows from its key alone (meter, slot, and whether it says that the slot is missing), so that whoever reads
the files later knows what must stand in them without having been told.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from edge.messages.batch import Batch, parse_batch
from edge.messages.envelope import open_envelope
from edge.messages.signing import Ed25519Signer, Ed25519Verifier, Verifier
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.reading.verdict import SlotReason
from edge.store.instants import to_us
from tests.torture.trace import SAID

START = datetime(2026, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
SIGNER = Ed25519Signer(b"t" * 32)
VERIFIER = Ed25519Verifier(SIGNER.public)
GATEWAY = "gw-cut"
STORE = "edge.db"
MAX_MIB = 64
ITEMS = (
    "energy_active_import_total",
    *(f"energy_active_import_t{tariff}" for tariff in range(1, 5)),
    *(f"voltage_l{phase}" for phase in range(1, 4)),
    *(f"current_l{phase}" for phase in range(1, 4)),
    "power_active_total",
)
Key = tuple[int, int, bool]  # meter, slot, is missing
ContentKey = tuple[str, str, int, bool, str]  # task, meter, slot, is missing, what it says


class Mouth:
    """Says things in the order in which they happen: one write a word, seen by whoever records the calls."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def say(self, what: str, **values: Any) -> None:
        """Say one thing."""
        os.write(self._descriptor, json.dumps({"what": what, **values}).encode() + b"\n")


def record_of(key: Key) -> PollRecord:
    """Return the record of a key."""
    meter, slot, is_missing = key
    rng, at = Random(f"{meter}/{slot}"), START + slot * QUARTER
    values = {name: Decimal(rng.randrange(1, 10**8)).scaleb(-2) for name in ITEMS}
    return PollRecord(
        task="load",
        slot_at=at,
        meter=f"{meter:012d}",
        bus="A",
        stamp=Stamp(at + timedelta(seconds=meter), "synchronised", "ab" * 16, 1000.0 + slot),
        state=SlotState.MISSING_OPEN if is_missing else SlotState.READ,
        values={} if is_missing else values,
        reason=SlotReason.SILENCE if is_missing else None,
    )


def key_of(record: PollRecord) -> Key:
    """Return the key of a record."""
    return int(record.meter), (record.slot_at - START) // QUARTER, record.state is SlotState.MISSING_OPEN


def content_key(record: PollRecord) -> ContentKey:
    """Return a key that says what a record says, for records that nobody made up: the same before and after a batch."""
    content = [sorted((key, str(value)) for key, value in record.values.items())]
    content += [sorted((key, reason.value) for key, reason in record.faults.items()), str(record.reason)]
    digest = sha256(repr(content).encode()).hexdigest()[:16]
    is_missing = record.state is SlotState.MISSING_OPEN
    return record.task, record.meter, to_us(record.slot_at), is_missing, digest


def open_batch(envelope: bytes, verifier: Verifier = VERIFIER) -> Batch:
    """Return what a batch holds, its signature checked."""
    return parse_batch(open_envelope(envelope, lambda gateway, kid: verifier).raw)


def plan_of(number: int) -> Plan:
    """Return the plan with that number: it asks for so many items."""
    return Plan(START, "Asia/Shanghai", (PlanTask("load", Schedule(every_s=900), ITEMS[: 1 + number % 12], ("1",)),))
