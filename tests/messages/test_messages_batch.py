"""The payload of a batch: what goes in comes out, whatever it is; what is hostile is refused."""

from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import MessageError
from edge.messages.batch import Batch, build_batch, parse_batch
from edge.messages.canonical import encode_canonical
from edge.messages.codes import REASONS, SOURCES, STATES, TRUSTS
from edge.reading.record import PollRecord, SlotState, Source, Stamp
from edge.reading.verdict import SlotReason
from tests.messages.samples import BATCHES, SEALED_AT, START, batch_of, in_full, load

STAMP = Stamp(START, "synchronised", "ab" * 16, 100.0)


def _record(meter: str = "000000000001", slot_at: datetime = START, stamp: Stamp = STAMP, **fields: Any) -> PollRecord:
    state = fields.pop("state", SlotState.READ)
    return PollRecord(task="load", slot_at=slot_at, meter=meter, bus="", stamp=stamp, state=state, **fields)


def _by_slot(batch: Batch) -> dict[object, list[object]]:
    found = defaultdict(list)
    for record in batch.records:
        found[record.task, record.slot_at, record.meter].append(in_full(record))
    return found


@given(BATCHES)
def test_any_batch_survives_both_ways(batch: Batch) -> None:
    """Every record, plan and loss comes back; records of one slot and meter in their order; digits as they were."""
    again = parse_batch(build_batch(batch))
    assert (_by_slot(batch), batch.plan, batch.losses, batch.sealed_at) == (
        _by_slot(again),
        again.plan,
        again.losses,
        again.sealed_at,
    )


@settings(max_examples=30)
@given(BATCHES)
def test_what_came_back_is_built_to_the_same_bytes(batch: Batch) -> None:
    """Building is a function of the content: a batch that was read is built to what it was read from."""
    raw = build_batch(parse_batch(build_batch(batch)))
    assert raw == build_batch(parse_batch(raw))


def test_instants_are_cut_to_seconds_and_clocks_within_one_share_a_row() -> None:
    """`stamp.at` loses its fraction; `boot_s` comes back within 2 s, for any jitter between the clocks below 1 s."""
    records = [
        _record(
            meter=f"{number:012d}",
            stamp=Stamp(START + timedelta(milliseconds=777 * number), "rtc", "cd" * 16, 50 + 0.777 * number + jitter),
        )
        for number, jitter in enumerate([0.0, 0.9, -0.9, 0.3, 5.0])
    ]
    raw = build_batch(batch_of(*records))
    for before, after in zip(records, parse_batch(raw).records, strict=True):
        assert before.stamp.at.replace(microsecond=0) == after.stamp.at
        assert abs(before.stamp.boot_s - after.stamp.boot_s) < 2
    assert 2 == len(cbor2.loads(raw)[3])


def test_bus_tries_response_and_frames_stay_on_the_box() -> None:
    """Only what the centre needs travels."""
    record = _record(response_ms=120, tries=3, raw=(b"\x68",), values={"voltage_l1": Decimal("220.0")})
    (again,) = parse_batch(build_batch(batch_of(record))).records
    assert ("", None, 1, ()) == (again.bus, again.response_ms, again.tries, again.raw)


def test_an_absent_value_stays_in_its_column() -> None:
    """A meter that marks an item as absent, or fails at it, shares the item set of those that have it."""
    records = (
        _record("000000000001", values={"voltage_l1": Decimal("220.0"), "voltage_l2": None}),
        _record("000000000002", values={"voltage_l1": None, "voltage_l2": Decimal("221.0")}),
        _record("000000000003", values={"voltage_l1": Decimal("1.0")}, faults={"voltage_l2": SlotReason.SILENCE}),
    )
    payload = cbor2.loads(build_batch(batch_of(*records)))
    assert ([[["voltage_l1", -1], ["voltage_l2", -1]]], 1) == (payload[5], len(payload[6]))


def test_deltas_pass_over_a_missing_value() -> None:
    """The difference is to the last number that was there, in whichever group."""
    values = ["10.00", None, "10.05", "9.95"]
    records = [
        _record(
            slot_at=START + timedelta(minutes=number),
            stamp=Stamp(START + timedelta(minutes=number), "rtc", "ab" * 16, 60.0 * number),
            values={"voltage_l1": None if text is None else Decimal(text)},
        )
        for number, text in enumerate(values)
    ]
    raw = build_batch(batch_of(*records))
    columns = [group[9][0] for group in cbor2.loads(raw)[6]]
    assert [bytes.fromhex("d007"), None, bytes.fromhex("0a"), bytes.fromhex("13")] == columns
    assert values == [
        None if value is None else str(value)
        for value in (record.values["voltage_l1"] for record in parse_batch(raw).records)
    ]


def test_two_polls_of_one_slot_keep_their_order() -> None:
    """Missing first, refilled later; also where the group of the later kind was opened by another meter before."""
    other = _record("000000000002", state=SlotState.REFILLED, values={"voltage_l1": Decimal(1)})
    missing = _record(state=SlotState.MISSING_OPEN, reason=SlotReason.SILENCE)
    refilled = _record(state=SlotState.REFILLED, values={"voltage_l1": Decimal(2)})
    again = parse_batch(build_batch(batch_of(other, missing, refilled, refilled))).records
    states = [record.state for record in again if record.meter == missing.meter]
    assert [SlotState.MISSING_OPEN, SlotState.REFILLED, SlotState.REFILLED] == states


def test_tables_of_numbers_cover_every_word() -> None:
    """Each reason, source and state that travels has one number; an expected slot does not travel."""
    assert set(SlotReason) == set(REASONS.values())
    assert set(Source) == set(SOURCES.values())
    assert set(SlotState) - {SlotState.EXPECTED} == set(STATES.values())
    assert len(REASONS) == len(set(REASONS.values()))
    assert ["synchronised", "rtc", "floor", "none"] == list(TRUSTS.values())


@pytest.mark.parametrize(
    "record",
    [
        _record(values={"voltage_l1": Decimal("NaN")}),
        _record(values={"voltage_l1": Decimal("Infinity")}),
        _record(values={"voltage_l1": "\ud800"}),
        _record(values={"voltage_l1": Decimal("7" * 65)}),
        _record(values={"voltage_l1": "x" * 1025}),
        _record(values={"k" * 65: Decimal(1)}),
        _record(units={"di:1": "u" * 17}, values={"di:1": Decimal(1)}),
        _record(slot_at=START + timedelta(milliseconds=1)),
        _record(slot_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - a naive one is the case
        _record(slot_at=datetime(1960, 1, 1, tzinfo=UTC)),
        _record(stamp=Stamp(START, "guessed", "ab" * 16, 1.0)),
        _record(stamp=Stamp(START, "rtc", "ab" * 16, float("nan"))),
        _record(stamp=Stamp(START, "rtc", "ab" * 16, float("inf"))),
        _record(stamp=Stamp(START, "rtc", "b" * 65, 1.0)),
        _record(state=SlotState.EXPECTED),
        _record(flags=("f" * 65,)),
        _record(meter="1" * 33),
    ],
)
def test_what_the_centre_could_not_read_is_not_built(record: PollRecord) -> None:
    """A record outside the bounds fails here, on the box, not at the centre."""
    with pytest.raises(MessageError):
        build_batch(batch_of(record))


# --- hostile payloads


def _payload(**changes: object) -> dict[int, Any]:
    """Return a sound payload of two meters and two rounds, with fields changed or (by ...) taken out."""
    fields: dict[int, Any] = cbor2.loads(build_batch(batch_of(*load(2, 2))))
    return _changed(fields, changes)


def _changed(fields: dict[int, Any], changes: dict[str, object]) -> dict[int, Any]:
    for name, value in changes.items():
        key = int(name.removeprefix("f"))
        if value is ...:
            del fields[key]
        else:
            fields[key] = value
    return fields


def _with_group(**changes: object) -> dict[int, Any]:
    fields = _payload()
    groups = list(fields[6])
    groups[0] = _changed(dict(groups[0]), changes)
    fields[6] = groups
    return fields


def _exact(text: str) -> dict[int, Any]:
    """Return a sound payload whose first item of the first group is this number, written as text, for both meters."""
    fields = _payload()
    fields[5] = [[["voltage_l1", "exact"]]]
    return fields | {6: [fields[6][0] | {9: [[text, "1"]]}]}


COLUMN = bytes(2)
HOSTILE = {
    "no map": [],
    "another version": _payload(f0=2),
    "version by truth": _payload(f0=True),
    "no version": _payload(f0=...),
    "no instant": _payload(f1=...),
    "instant after the last year": _payload(f1=1 << 62),
    "instant before 1970": _payload(f1=-1),
    "an unknown key": _payload(f9=1),
    "tasks that are text": _payload(f2="load"),
    "a task twice": _payload(f2=["load", "load"]),
    "a task that is a number": _payload(f2=[1]),
    "a clock of two": _payload(f3=[[bytes(16), 0]]),
    "a trust without meaning": _payload(f3=[[bytes(16), 4, 0]]),
    "a boot id of 15 bytes": _payload(f3=[[bytes(15), 0, 0]]),
    "a boot far away": _payload(f3=[[bytes(16), 0, 1 << 63]]),
    "a meter twice": _payload(f4=[5, 0]),
    "meters that add up to 13 digits": _payload(f4=[999999999999, 1]),
    "a meter below zero": _payload(f4=[-1, 1]),
    "a meter of bytes": _payload(f4=[b"1"]),
    "too many meters": _payload(f4=[1] * 9000),
    "an item without kind": _payload(f5=[[["voltage_l1"]]]),
    "an item of four": _payload(f5=[[["voltage_l1", 0, "V", 1]]]),
    "an absurd exponent": _payload(f5=[[["voltage_l1", -1_000_000_000]]]),
    "an exponent by truth": _payload(f5=[[["voltage_l1", True]]]),
    "a kind without meaning": _payload(f5=[[["voltage_l1", "roughly"]]]),
    "an item twice": _payload(f5=[[["voltage_l1", 0], ["voltage_l1", 0]]]),
    "groups that are a map": _payload(f6={}),
    "a group that is a list": _payload(f6=[[]]),
    "a group without read times": _with_group(f8=...),
    "a group with an unknown key": _with_group(f12=0),
    "a task outside the table": _with_group(f0=1),
    "a task below the table": _with_group(f0=-1),
    "a clock outside the table": _with_group(f2=1),
    "an item set outside the table": _with_group(f4=1),
    "a source without meaning": _with_group(f3=4),
    "a state without meaning": _with_group(f7=4),
    "a slot after the last year": _with_group(f1=300_000_000_000),
    "a slot before 1970": _with_group(f1=-1),
    "read before 1970": _with_group(f8=[-2_000_000_000, 0]),
    "read after the last year": _with_group(f8=[300_000_000_000, 0]),
    "read times without meters": _with_group(f8=[1]),
    "more read times than meters": _with_group(f8=[1, 1, 1]),
    "read times of text": _with_group(f8=["1", "1"]),
    "meters outside the table": _with_group(f5=[1, 1]),
    "meters below the table": _with_group(f5=[-1, 1]),
    "meters not ascending": _with_group(f5=[1, -1]),
    "a meter in a group twice": _with_group(f5=[0, 0]),
    "status for one of two": _with_group(f6=[0]),
    "a reason without meaning": _with_group(f6=[0, 99]),
    "a reason by falsehood": _with_group(f6=[0, False]),
    "no columns": _with_group(f9=...),
    "a column too few": _with_group(f9=[COLUMN] * 11),
    "a column too many": _with_group(f9=[COLUMN] * 13),
    "a column of text": _with_group(f9=["0"] * 12),
    "a column that does not divide": _with_group(f9=[bytes(3)] * 12),
    "members of nine bytes": _with_group(f9=[bytes(18)] * 12),
    "a column of one": _with_group(f9=[[1]] * 12),
    "numbers that are text": _with_group(f9=[["1", "2"]] * 12),
    "numbers that are truths": _with_group(f9=[[True, False]] * 12),
    "numbers of 19 digits": _with_group(f9=[[10**18, 0]] * 12),
    "numbers of 8 bytes": _with_group(f9=[b"\xff" * 16] * 12),
    "a fault at a third meter": _with_group(f10=[[2, 0, 1]]),
    "a fault at a thirteenth item": _with_group(f10=[[0, 12, 1]]),
    "a fault without reason": _with_group(f10=[[0, 0, 0]]),
    "a fault twice": _with_group(f10=[[0, 0, 1], [0, 0, 1]]),
    "a flag that is a number": _with_group(f11=[[0, [1]]]),
    "flags of a third meter": _with_group(f11=[[2, ["late"]]]),
    "flags twice": _with_group(f11=[[0, ["late"]], [0, ["late"]]]),
    "too many flags": _with_group(f11=[[0, ["late"] * 17]]),
    "a plan of two": _payload(f7=[0, "UTC"]),
    "a schedule of no kind": _payload(f7=[0, "UTC", [["load", [None, None, None], [], [], 1]]]),
    "a schedule of two kinds": _payload(f7=[0, "UTC", [["load", [60, 60, None], [], [], 1]]]),
    "a schedule every zero seconds": _payload(f7=[0, "UTC", [["load", [0, None, None], [], [], 1]]]),
    "a schedule at second 86400": _payload(f7=[0, "UTC", [["load", [None, 86400, None], [], [], 1]]]),
    "a schedule on day 31": _payload(f7=[0, "UTC", [["load", [None, 0, 31], [], [], 1]]]),
    "a schedule every day 5": _payload(f7=[0, "UTC", [["load", [60, None, 5], [], [], 1]]]),
    "a plan with strange meters": _payload(f7=[0, "UTC", [["load", [60, None, None], [], [2], 1]]]),
    "a plan of 256 tasks with 1000 meters": {
        0: 1,
        1: 0,
        2: [],
        3: [],
        4: [1] * 1000,
        5: [],
        6: [],
        7: [0, "UTC", [["load", [60, None, None], [], None, 1]] * 256],
    },
    "a number with 9999 zeros": _exact("1E+9999"),
    "a number with 9999 places": _exact("1E-9999"),
    "no zero, with 9999 zeros": _exact("0E+9999"),
    "a loss that ends first": _payload(f8=[[0, 0, 5, 4, 1, "full"]]),
    "a loss of nothing": _payload(f8=[[0, 0, 4, 5, 0, "full"]]),
    "a loss of a third meter": _payload(f8=[[0, 2, 4, 5, 1, "full"]]),
    "too many readings": {
        0: 1,
        1: 0,
        2: ["t"],
        3: [[bytes(16), 0, 0]],
        4: [1] * 300,
        5: [[[f"k{number}", 0] for number in range(300)]],
        6: [{8: [0] * 300, 9: [b""] * 300}],
    },
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_payloads_are_refused(what: str) -> None:
    """Each is well-formed CBOR; each is refused as a MessageError and nothing else."""
    with pytest.raises(MessageError) as caught:
        parse_batch(encode_canonical(HOSTILE[what]))
    assert ("E-MSG-105" if what in {"another version", "version by truth"} else "E-MSG-102") == caught.value.code


def test_the_sound_payload_behind_the_hostile_ones_is_taken() -> None:
    """The cases above differ from this one only in what their names say."""
    assert 4 == len(parse_batch(encode_canonical(_payload())).records)
    assert 4 == len(parse_batch(encode_canonical(_with_group())).records)
    assert 2 == len(parse_batch(encode_canonical(_exact("1E+128"))).records)


_NODES = st.sampled_from(
    [None, True, -1, 0, 1, 13, 255, 1 << 31, 10**18, -(10**18), 1 << 62, (1 << 64) - 1, -(1 << 64), b"", b"\xff" * 24,
     "", "exact", "x" * 2000, [], [0], [[]], [None], [0] * 40, {}, {0: 0}]
)  # fmt: skip


def _paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, member in members for found in _paths(member, (*path, key)))]


def _replaced(node: Any, path: tuple[Any, ...], new: object) -> Any:
    if not path:
        return new
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = _replaced(node[path[0]], path[1:], new)
    return copy


@settings(max_examples=400)
@given(st.data())
def test_a_payload_with_any_part_exchanged_is_read_or_refused(data: st.DataObject) -> None:
    """Up to three nodes anywhere in a sound payload are replaced: a batch or a MessageError, and nothing else."""
    node: Any = _FULL
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_paths(node)))
        node = _replaced(node, path, data.draw(_NODES))
    with suppress(MessageError):
        assert isinstance(parse_batch(encode_canonical(node)), Batch)


@settings(max_examples=200)
@given(st.data())
def test_a_payload_with_any_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    """Flipped, cut, put in: a batch or a MessageError, and nothing else."""
    raw = bytearray(encode_canonical(_FULL))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with suppress(MessageError):
        assert isinstance(parse_batch(bytes(raw)), Batch)


def _full() -> Any:
    records = [
        *load(2, 2),
        _record(values={"voltage_l1": Decimal("-0.0"), "meter_clock": "text"}, faults={"di:1": SlotReason.REFUSED}),
        _record(state=SlotState.MISSING_OPEN, reason=SlotReason.LATE, flags=("late",)),
    ]
    payload = cbor2.loads(build_batch(Batch(tuple(records), None, (), SEALED_AT)))
    payload[7] = [0, "UTC", [["load", [60, None, None], ["voltage_l1"], [1], 1]]]
    payload[8] = [[0, 0, 4, 5, 1, "full"]]
    return payload


_FULL = _full()


def test_an_item_that_was_shed_at_some_meters_of_a_group_only_comes_back_so() -> None:
    """Named once where every meter lacks it; where one has it, at the others alone; a meter's own reason stays."""
    shed, refused = SlotReason.SHED, SlotReason.REFUSED
    for others in ({}, {"voltage_l1": shed}, {"voltage_l1": refused}):
        value = {} if others else {"voltage_l1": Decimal("1.0")}
        records = (
            _record("000000000001", values={"current_l1": Decimal("2.0")}, faults={"voltage_l1": shed}),
            _record("000000000002", values={"current_l1": Decimal("2.5"), **value}, faults=others),
        )
        again = parse_batch(build_batch(batch_of(*records))).records
        assert [dict(one.faults) for one in records] == [dict(one.faults) for one in again]
        assert [dict(one.values) for one in records] == [dict(one.values) for one in again]
