"""The vectors of batches, and how they are made: `python -m tests.vectors.batch.make` writes them beside this file.

Each file holds a key seed, a payload, its envelope, and what they mean, written out by hand below. The same input gives
the same payload everywhere; the envelope's bytes hang on the zlib in use, therefore a reader is held to the payload.
"""

import json
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from edge.messages.batch import Batch, build_batch
from edge.messages.envelope import Header, envelope_hash, seal_envelope
from edge.messages.signing import Ed25519Signer
from edge.reading.chain import GENESIS
from edge.reading.loss import Loss
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Source, Stamp
from edge.reading.verdict import SlotReason

HERE = Path(__file__).parent
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # RFC 8032, 7.1, test 1
SLOT = datetime(2026, 3, 1, 0, 15, tzinfo=UTC)
SEALED_AT = datetime(2026, 3, 1, 0, 31, 2, 500000, tzinfo=UTC)
BOOT_ID = "000102030405060708090a0b0c0d0e0f"
ONE, TWO, ODD = "202107072529", "000000000012", "AAAAAAAAAA12"


def _poll(
    meter: str,
    slot: int,
    second: int,
    values: dict[str, str | Decimal | None] | None = None,
    *,
    trust: str = "synchronised",
    **fields: Any,
) -> PollRecord:
    slot_at = SLOT + timedelta(minutes=15 * slot)
    at = slot_at + timedelta(seconds=second)
    boot_at = datetime(2026, 2, 27, 12, 0, 0, 250000, tzinfo=UTC)
    state = fields.pop("state", SlotState.READ)
    stamp = Stamp(at, trust, BOOT_ID, (at - boot_at).total_seconds())
    return PollRecord(
        task=fields.pop("task", "load"),
        slot_at=slot_at,
        meter=meter,
        bus="",
        stamp=stamp,
        state=state,
        values=values or {},
        **fields,
    )


def _numbers(energy: str, voltage: str | None) -> dict[str, str | Decimal | None]:
    return {"energy_active_import_total": Decimal(energy), "voltage_l1": None if voltage is None else Decimal(voltage)}


_SHED = {"voltage_l1": SlotReason.SHED, "current_l1": SlotReason.SHED}

BATCHES = {
    "two-rounds": Batch(
        (
            _poll(TWO, 0, 1, _numbers("100.00", "220.0")),
            _poll(ONE, 0, 2, _numbers("31776.00", "219.9")),
            _poll(TWO, 1, 1, _numbers("100.25", "219.5")),
            _poll(ONE, 1, 3, _numbers("31776.40", "230.0")),
        ),
        None,
        (),
        SEALED_AT,
    ),
    "faults": Batch(
        (
            _poll(TWO, 0, 1, _numbers("100.00", None)),
            _poll(
                ONE, 0, 2, {"energy_active_import_total": Decimal("7.10")}, faults={"voltage_l1": SlotReason.REFUSED}
            ),
            _poll(ODD, 0, 9, state=SlotState.MISSING_OPEN, reason=SlotReason.SILENCE, flags=("first_seen",)),
            _poll(ODD, 0, 600, _numbers("5.00", "1.0"), state=SlotState.REFILLED, source=Source.LOAD_RECORD),
        ),
        None,
        (),
        SEALED_AT,
    ),
    "kinds": Batch(
        (
            _poll(
                ONE, 0, 2, {"di:02010100": Decimal("220.0"), "di:04000401": "000000000012"}, units={"di:02010100": "V"}
            ),
            _poll(TWO, 0, 3, {"power_active_total": Decimal("-0.00")}, trust="none"),
            _poll(TWO, 1, 3, {"power_active_total": Decimal("-12345678901234567890.5")}, trust="none"),
            _poll(TWO, 1, 4, {"power_active_total": Decimal("1E+3")}, task="昼夜", trust="floor"),
        ),
        None,
        (),
        SEALED_AT,
    ),
    "plan-and-losses": Batch(
        (),
        Plan(
            SLOT,
            "Asia/Shanghai",
            (
                PlanTask(
                    "load", Schedule(every_s=900), ("energy_active_import_total", "voltage_l1"), (TWO, ONE, ODD), 1
                ),
                PlanTask("daily", Schedule(at=time(0, 5)), ("di:05060101",), (ONE,), 2),
                PlanTask("monthly", Schedule(at=time(0, 10), day=1), ("energy_active_import_total",), (), 3),
            ),
        ),
        (Loss("load", ONE, SLOT, SLOT + timedelta(hours=1), 5, "full"),),
        SEALED_AT,
    ),
    "nothing": Batch((), None, (), SEALED_AT),
    "shed": Batch(
        (
            _poll(TWO, 0, 1, {"energy_active_import_total": Decimal("100.00")}, faults=_SHED),
            _poll(ONE, 0, 2, {"energy_active_import_total": Decimal("7.10")}, faults=_SHED),
            _poll(TWO, 1, 1, {"energy_active_import_total": Decimal("100.25")}, faults=_SHED),
            _poll(
                ONE,
                1,
                2,
                {"energy_active_import_total": Decimal("7.20")},
                faults=_SHED | {"current_l1": SlotReason.REFUSED},
            ),
            _poll(ONE, 2, 2, {"energy_active_import_total": Decimal("7.30"), "voltage_l1": Decimal("220.0")}),
        ),
        None,
        (Loss("volts", ONE, SLOT, SLOT + timedelta(hours=1), 5, "shed"),),
        SEALED_AT,
    ),
}
_REPLACES = {"nothing": bytes(range(32)), "shed": bytes(range(1, 33))}


def meaning_of(record: PollRecord) -> dict[str, object]:
    """Return a record as plain JSON values; numbers as text, digit for digit."""
    return {
        "task": record.task,
        "slot_at": record.slot_at.isoformat(),
        "meter": record.meter,
        "read_at": record.stamp.at.isoformat(),
        "trust": record.stamp.trust,
        "boot_id": record.stamp.boot_id,
        "boot_s": record.stamp.boot_s,
        "state": str(record.state),
        "source": str(record.source),
        "reason": record.reason and str(record.reason),
        "values": {key: None if value is None else str(value) for key, value in sorted(record.values.items())},
        "texts": sorted(key for key, value in record.values.items() if isinstance(value, str)),
        "units": dict(sorted(record.units.items())),
        "faults": {key: str(reason) for key, reason in sorted(record.faults.items())},
        "flags": list(record.flags),
    }


def vectors() -> dict[str, dict[str, object]]:
    """Return the content of each file; the envelopes form one chain in this order."""
    signer = Ed25519Signer(SEED)
    found: dict[str, dict[str, object]] = {}
    prev = GENESIS
    for seq, (name, batch) in enumerate(BATCHES.items(), start=1):
        raw = build_batch(batch)
        header = Header(
            gateway="gw-hz-0001",
            epoch=b"epoch--2",
            seq=seq,
            prev=prev,
            raw_length=len(raw),
            predecessor=b"epoch--1" if seq == 1 else None,
            replaces=_REPLACES.get(name),
        )
        envelope = seal_envelope(header, raw, signer)
        prev = header.replaces or envelope_hash(envelope)
        found[name] = {
            "key_seed": SEED.hex(),
            "public_key": signer.public.hex(),
            "kid": signer.kid.hex(),
            "gateway": header.gateway,
            "epoch": header.epoch.hex(),
            "seq": seq,
            "prev": header.prev.hex(),
            "predecessor": header.predecessor and header.predecessor.hex(),
            "replaces": header.replaces and header.replaces.hex(),
            "raw": raw.hex(),
            "envelope": envelope.hex(),
            "sha256": envelope_hash(envelope).hex(),
            "sealed_at": batch.sealed_at.isoformat(),
            "records": [meaning_of(record) for record in batch.records],
            "plan": _plan(batch.plan),
            "losses": [
                [loss.task, loss.meter, loss.first_at.isoformat(), loss.last_at.isoformat(), loss.count, loss.reason]
                for loss in batch.losses
            ],
        }
    return found


def _plan(plan: Plan | None) -> object:
    if plan is None:
        return None
    return {
        "valid_from": plan.valid_from.isoformat(),
        "timezone": plan.timezone,
        "tasks": [
            {
                "name": task.name,
                "every_s": task.schedule.every_s,
                "at": task.schedule.at and task.schedule.at.isoformat(),
                "day": task.schedule.day,
                "items": list(task.items),
                "meters": list(task.meters),
                "priority": task.priority,
            }
            for task in plan.tasks
        ],
    }


if __name__ == "__main__":
    for name, content in vectors().items():
        (HERE / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
