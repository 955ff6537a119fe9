"""Whether a value of a record is what its meter said, or held in its memory, for the instant that the record names."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from edge.protocols.dlt645.catalogue import catalogue
from edge.reading.record import SlotState, Source
from tests.simulation.questions import places

DAILY = "daily_freeze_energy_active_import"
SNAPSHOT = "snapshot"
_RARE = ("day", "month")
_METERS = timezone(timedelta(hours=8))
_NEAR = timedelta(minutes=2)
_NEAR_MIDNIGHT = timedelta(minutes=15)


def is_right(meter, record, key, value, asked):
    """Return whether a meter said or held it; `asked`: between which true instants a live record was asked for."""
    return any(_is_same(key, held, value) for held in _held(meter, record, key, asked))


def _held(meter, record, key, asked):
    """Return what a meter held or said of a key, as far as a record may bring it."""
    base, _, part = key.partition(".")
    di = catalogue(meter.version).identifier_of(base) or ""
    place = int(part[1:]) if part else 0
    slot_at = record.slot_at
    if record.task == SNAPSHOT and (record.state is SlotState.READ or _was_ordered(record)):
        near = [at for at in meter.frozen if min(abs(at - asked[0]), abs(at - slot_at)) < _NEAR]
        return [_truth(meter, di, at) for at in near]
    if record.source is Source.LIVE:
        return _said(meter, record, di, place, asked)
    # A meter whose clock is off wrote its record when its own clock showed the instant.
    slot_at -= meter.state.clock_error
    if base == DAILY:
        at = _midnight(meter, slot_at)
        return [meter.truth("05060101", at + timedelta(seconds=1))[place]]
    if record.task in _RARE and (at := _own_midnight(record)) is not None:
        slot_at = at - meter.state.clock_error  # the daily freeze nearby stands for a time that no record has
    return [_truth(meter, di, slot_at)]


def _was_ordered(record):
    """Return whether a freeze was ordered by the gateway, and not kept by the meter: also if it was read late."""
    return any(flag.startswith("frozen_at=") for flag in record.flags)


def _own_midnight(record):
    """Return the midnight of the meter's own clock that a record says it is of; None without, or for one not near."""
    said = [flag.partition("=")[2] for flag in record.flags if flag.startswith("meter_time=")]
    if not said or not said[0].endswith("0000"):
        return None
    at = datetime.strptime(said[0], "%y%m%d%H%M").replace(tzinfo=_METERS)
    return at if abs(at - record.slot_at) <= _NEAR_MIDNIGHT else None


def _said(meter, record, di, place, asked):
    found = []
    for one in meter.said:
        if one.address != record.meter or not asked[0] <= one.at <= asked[1]:
            continue
        members = places(meter.version, one.di, len(one.values))
        here = [value for member, value in zip(members, one.values, strict=True) if member == di]
        if one.di[:2] == "05":
            found += here[place : place + 1]
        elif here:
            found += here
        elif di in places(meter.version, one.di, 99):
            found.append(None)  # a block without this member
    return found


def _midnight(meter, at):
    local = meter.local_time(at)
    passed = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second)
    midnight = at - passed
    return midnight if passed < timedelta(hours=12) else midnight + timedelta(days=1)


def _truth(meter, di, at):
    values = meter.truth(di, at)
    return values[0] if values else None


def _is_same(key, held, value):
    if held is None or value is None:
        return held is value
    is_power = key.startswith("power_") and "factor" not in key
    return Decimal(held) * (1000 if is_power else 1) == value
