"""Records and plans as bytes, and back."""

import zlib
from dataclasses import replace
from datetime import UTC, datetime, time

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Source, Stamp
from edge.reading.verdict import SlotReason
from edge.store.instants import from_us, to_us
from edge.store.packing import DamagedRow, crc_of, pack_plan, pack_record, unpack_plan, unpack_record
from tests.store.store_kit import START, record

texts = st.text(max_size=20)
instants = st.datetimes(datetime(1970, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
numbers = st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(places=4, min_value=-1000, max_value=1000)
values = st.none() | texts | numbers
stamps = st.builds(Stamp, instants, texts, texts | st.just("ab" * 16), st.floats(0, 1e9))
records = st.builds(
    PollRecord,
    task=texts,
    slot_at=instants,
    meter=texts,
    bus=texts,
    stamp=stamps,
    state=st.sampled_from(SlotState),
    source=st.sampled_from(Source),
    reason=st.none() | st.sampled_from(SlotReason),
    values=st.dictionaries(texts, values, max_size=4),
    units=st.dictionaries(texts, texts, max_size=2),
    faults=st.dictionaries(texts, st.sampled_from(SlotReason), max_size=2),
    response_ms=st.none() | st.integers(0, 100000),
    tries=st.integers(0, 9),
    flags=st.lists(texts, max_size=2).map(tuple),
    raw=st.lists(st.binary(max_size=40), max_size=2).map(tuple),
)
schedules = st.builds(
    Schedule,
    st.none() | st.integers(1, 86400),
    st.none() | st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    st.none() | st.integers(1, 28),
)
tasks = st.builds(
    PlanTask, texts, schedules, st.lists(texts, max_size=3).map(tuple), st.lists(texts, max_size=3).map(tuple)
)
plans = st.builds(Plan, instants, texts, st.lists(tasks, max_size=3).map(tuple))


@given(records)
def test_every_record_survives_both_ways(one):
    """A record comes back equal, and its numbers with the very digits that the meter gave."""
    back = unpack_record(pack_record(one))
    assert one == back
    assert {key: str(value) for key, value in one.values.items()} == {k: str(v) for k, v in back.values.items()}


@given(plans)
def test_every_plan_survives_both_ways(one):
    """A plan comes back equal from its bytes and the instant from which it is valid."""
    assert one == unpack_plan(pack_plan(one), to_us(one.valid_from))


@given(instants)
def test_an_instant_keeps_its_microseconds(instant):
    """Instants are exact in a column."""
    assert instant == from_us(to_us(instant))


def test_an_instant_without_a_zone_is_refused():
    """A naive instant never reaches the file."""
    with pytest.raises(ValueError, match="no time zone"):
        to_us(datetime(2026, 1, 1))  # noqa: DTZ001


@given(st.data())
def test_no_flipped_bit_goes_unseen(data):
    """Whatever bit of a row's body is flipped, reading it says that it is damaged."""
    row = pack_record(record())
    place = data.draw(st.integers(0, len(row.body) * 8 - 1))
    body = bytearray(row.body)
    body[place // 8] ^= 1 << place % 8
    with pytest.raises(DamagedRow):
        unpack_record(replace(row, body=bytes(body)))


@given(
    content=st.recursive(st.none() | st.integers() | st.binary() | st.text(), st.lists).map(cbor2.dumps) | st.binary()
)
def test_a_body_of_another_shape_is_damaged_whatever_its_checksum_says(content):
    """CBOR that is no record, half of one, or no CBOR at all: DamagedRow and nothing else, in rows and in plans."""
    packer = zlib.compressobj(wbits=-11)
    row, body = pack_record(record()), b"\x01" + packer.compress(content) + packer.flush()
    crc = crc_of(row.task, row.meter, row.slot_us, row.readings, body)
    with pytest.raises(DamagedRow):
        unpack_record(replace(row, body=body, crc=crc))
    with pytest.raises(DamagedRow):
        unpack_plan(content, 0)


@pytest.mark.parametrize(
    "change", [{"task": b"lead"}, {"meter": b"000000000002"}, {"slot_us": to_us(START) + 1}, {"readings": 3}]
)
def test_the_columns_are_under_the_checksum_too(change):
    """A row whose task, meter, slot or size was changed is damaged."""
    with pytest.raises(DamagedRow):
        unpack_record(replace(pack_record(record()), **change))


def test_a_twelve_value_row_is_small():
    """The keys of a poll cost a few bytes: a row of twelve values stays below 16 bytes per value."""
    keys = [f"energy_active_import_t{n}" for n in range(1, 5)] + [
        f"{q}_l{n}" for q in ("voltage", "current") for n in (1, 2, 3)
    ]
    full = record(values={key: record(n).values["energy_active_import_total"] for n, key in enumerate(keys * 2)})
    assert len(pack_record(full).body) < 16 * 10
