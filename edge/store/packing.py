"""Poll records and plans as the bytes of a row, and back.

A row names task, meter and slot in columns of their own; everything else is its body: one byte of version, then
deflate (raw, with a fixed dictionary) over a CBOR array. The CRC covers columns and body. Whatever is wrong with a
row on its way back is `DamagedRow`: SQLite has no checksums of its own (of 200 flipped bits its check saw 13). A
checksum that holds proves no kindness: sizes are bounded and every field has its type, or the row is damaged too.
The dictionary belongs to the version: a changed one is a new version, and the old stays readable.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

import cbor2

from edge.reading.outcome import Value
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Source, Stamp
from edge.reading.verdict import SlotReason
from edge.store.instants import from_us, to_us
from edge.store.strict import MAX_BYTES, load_strict

JOURNAL_ROWS = (
    "SELECT id, CAST(task AS BLOB), CAST(meter AS BLOB), CAST(slot_us AS INTEGER) AS slot_us, "
    "CAST(readings AS INTEGER), CAST(crc AS INTEGER), CAST(body AS BLOB) FROM journal"
)
_VERSION = 1
_WORDS_1 = (
    b"gateway_downoverrunmissing_finalmissing_openrefilledfreezeload_recordre-readnonefloorrtcsilencegarbage"
    b"bad_checksumpower_factor_totalpower_factor_l1frequencydemand_active_import_totaldemand_active_export_total"
    b"energy_reactive_importenergy_reactive_exportenergy_reactive_q1_totalenergy_active_combined_total"
    b"power_reactive_l1power_reactive_totalpower_active_totalpower_active_l1power_active_l2power_active_l3"
    b"current_l1current_l2current_l3voltage_l1voltage_l2voltage_l3energy_active_export_totalenergy_active_export_t1"
    b"energy_active_import_t1energy_active_import_t2energy_active_import_t3energy_active_import_t4"
    b"energy_active_import_totalreadlivesynchronised"
)
_HEX_BOOT_ID = 32
# What bytes of another shape make the parsers raise; cbor2's own errors are no ValueError.
_WRONG = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
    cbor2.CBORError,
    zlib.error,
)
_SHOWN = 200  # characters of a fault's text
_Kind = TypeVar("_Kind")
_WINDOW = -11  # raw deflate, 2 KiB: the dictionary fits, and a packer costs little memory


class DamagedRow(ValueError):  # noqa: N818 - a finding that the outbox turns into a loss, no error of the program
    """The bytes of a row are not those that were written."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the journal as it stands in the file."""

    task: bytes
    meter: bytes
    slot_us: int
    readings: int
    crc: int
    body: bytes


def crc_of(*parts: bytes | int | str) -> int:
    """Return the CRC-32 over parts of a row, each told apart from the next."""
    crc = 0
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        crc = zlib.crc32(len(data).to_bytes(4, "big") + data, crc)
    return crc


def pack_record(record: PollRecord) -> Row:
    """Return the row of a record. A missing slot counts as one reading: it takes its place in a batch too."""
    task, meter, slot_us = record.task.encode(), record.meter.encode(), to_us(record.slot_at)
    readings = max(1, len(record.values) + len(record.faults))
    body = _deflate(_fields(record))
    return Row(task, meter, slot_us, readings, crc_of(task, meter, slot_us, readings, body), body)


def unpack_record(row: Row) -> PollRecord:
    """Return the record of a row. Raises DamagedRow."""
    if crc_of(row.task, row.meter, row.slot_us, row.readings, row.body) != row.crc:
        raise DamagedRow("the checksum does not hold")
    try:
        return _record(row)
    except _WRONG as exc:
        raise DamagedRow(str(exc)[:_SHOWN]) from exc


def pack_plan(plan: Plan) -> bytes:
    """Return a plan's bytes, without the instant from which it is valid: equal bytes are the same plan."""
    return cbor2.dumps([_VERSION, plan.timezone, [_task_fields(task) for task in plan.tasks]])


def unpack_plan(data: bytes, valid_from_us: int) -> Plan:
    """Return the plan. Raises DamagedRow."""
    try:
        version, timezone, tasks = load_strict(data)
        if version != _VERSION:
            raise DamagedRow(f"version {version!r:.20} is not known")
        return Plan(from_us(valid_from_us), _as(str, timezone), tuple(_task(fields) for fields in _as(list, tasks)))
    except _WRONG as exc:
        raise DamagedRow(str(exc)[:_SHOWN]) from exc


def _fields(record: PollRecord) -> list[Any]:
    stamp = record.stamp
    return [
        record.bus,
        [to_us(stamp.at), stamp.trust, _pack_boot_id(stamp.boot_id), stamp.boot_s],
        record.state.value,
        record.source.value,
        record.reason.value if record.reason else None,
        {key: _pack_value(value) for key, value in record.values.items()},
        dict(record.units),
        {key: reason.value for key, reason in record.faults.items()},
        record.response_ms,
        record.tries,
        list(record.flags),
        list(record.raw),
    ]


def _record(row: Row) -> PollRecord:
    bus, stamp, state, source, reason, values, units, faults, response_ms, tries, flags, raw = _inflate(row.body)
    at_us, trust, boot_id, boot_s = stamp
    return PollRecord(
        task=row.task.decode(),
        slot_at=from_us(row.slot_us),
        meter=row.meter.decode(),
        bus=_as(str, bus),
        stamp=Stamp(from_us(_as(int, at_us)), _as(str, trust), _as(str, _unpack_boot_id(boot_id)), _seconds(boot_s)),
        state=SlotState(state),
        source=Source(source),
        reason=SlotReason(reason) if reason else None,
        values=_frozen({_as(str, key): _unpack_value(value) for key, value in _as(dict, values).items()}),
        units=_frozen({_as(str, key): _as(str, unit) for key, unit in _as(dict, units).items()}),
        faults=_frozen({_as(str, key): SlotReason(word) for key, word in _as(dict, faults).items()}),
        response_ms=None if response_ms is None else _as(int, response_ms),
        tries=_as(int, tries),
        flags=tuple(_as(str, flag) for flag in _as(list, flags)),
        raw=tuple(_as(bytes, frame) for frame in _as(list, raw)),
    )


def _as(kind: type[_Kind], value: Any) -> _Kind:
    """Return the value, which must be of exactly this kind: True is no number here."""
    if type(value) is not kind:
        raise DamagedRow(f"{type(value).__name__} where {kind.__name__} stands")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise DamagedRow("no number of seconds")
    return value  # type: ignore[no-any-return]


def _frozen(table: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(table)


def _pack_value(value: Value | None) -> Any:
    """Return [digits, exponent] for a number, [text] for one that this cannot hold (-0), else the value itself."""
    if not isinstance(value, Decimal):
        return value
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or (value.is_signed() and not value):
        return [str(value)]
    number = int("".join(map(str, digits)))
    return [-number if value.is_signed() else number, exponent]


def _unpack_value(packed: Any) -> Value | None:
    if isinstance(packed, str) or packed is None:
        return packed
    if len(_as(list, packed)) == 1:
        return Decimal(_as(str, packed[0]))
    number, exponent = _as(int, packed[0]), _as(int, packed[1])
    digits = tuple(map(int, str(abs(number))))
    return Decimal((int(number < 0), digits, exponent))


def _pack_boot_id(boot_id: str) -> bytes | str:
    try:
        packed = bytes.fromhex(boot_id)
    except ValueError:
        return boot_id
    return packed if len(boot_id) == _HEX_BOOT_ID and packed.hex() == boot_id else boot_id


def _unpack_boot_id(packed: bytes | str) -> str:
    return packed.hex() if isinstance(packed, bytes) else packed


def _task_fields(task: PlanTask) -> list[Any]:
    schedule = task.schedule
    at = schedule.at.isoformat() if schedule.at else None
    when = [schedule.every_s, at, schedule.day]
    return [task.name, when, list(task.items), list(task.meters), task.priority]


def _task(fields: list[Any]) -> PlanTask:
    name, (every_s, at, day), items, meters, priority = fields
    for number in (every_s, day):
        if number is not None:
            _as(int, number)
    schedule = Schedule(every_s, time.fromisoformat(at) if at else None, day)
    items, meters = (tuple(_as(str, one) for one in _as(list, each)) for each in (items, meters))
    return PlanTask(_as(str, name), schedule, items, meters, _as(int, priority))


def _deflate(fields: list[Any]) -> bytes:
    packer = zlib.compressobj(level=6, wbits=_WINDOW, memLevel=4, zdict=_WORDS_1)
    return bytes((_VERSION,)) + packer.compress(cbor2.dumps(fields)) + packer.flush()


def _inflate(body: bytes) -> Any:
    if body[:1] != bytes((_VERSION,)):
        raise DamagedRow(f"version {body[:1].hex()} is not known")
    unpacker = zlib.decompressobj(wbits=_WINDOW, zdict=_WORDS_1)
    inflated = unpacker.decompress(body[1:], MAX_BYTES + 1)  # one byte more than is taken: seen, and refused
    if not unpacker.eof or unpacker.unused_data:
        raise DamagedRow("cut, too long, or followed by other bytes")
    return load_strict(inflated)
