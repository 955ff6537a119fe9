"""What load records hold, what is asked for, and which answers count."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from edge.protocols.dlt645.load_records import LoadRecord, encode_load_records
from edge.protocols.dlt645.memory import (
    identifier_of,
    interval_of,
    latest_ask,
    load_answer,
    load_ask,
    load_identifiers,
    load_place,
    load_values,
)
from edge.reading.outcome import Answer, Item

local = datetime.fromisoformat
BEGIN = local("2026-03-01 00:15")
ENERGIES = (Decimal("1.00"), Decimal("2.00"), Decimal("3.00"), Decimal("4.00"))
POWERS = (Decimal("-0.2687"), None, None, None, *(Decimal("0.0001"),) * 4)


def record(time, four=ENERGIES, two=()):
    return LoadRecord(time=time, sections=((), two, (), four, (), ()))


def answer(*records):
    data = encode_load_records(records)
    items = (Item("di:06000001", "06000001", data.hex().upper(), ""),) if data else ()
    return Answer(address="202311000001", items=items)


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("voltage_l3", 1),
        ("frequency", 1),
        ("power_reactive_l1", 2),
        ("power_factor_total", 3),
        ("energy_active_export_total", 4),
        ("energy_reactive_q4_total", 5),
        ("demand_active_present", 6),
        ("di:00010000", 4),
    ],
)
def test_each_class_holds_its_quantities(key, number):
    """A quantity is found in the class of the standard's table, also when it is asked for by its identifier."""
    assert number == load_place(key).number


@pytest.mark.parametrize("key", ["energy_active_import_t1", "clock", "di:00010100", "di:00010001", "no_such_key"])
def test_what_no_record_holds_has_no_place(key):
    """Tariffs, past settlements and parameters stand in no load record."""
    assert load_place(key) is None


def test_the_request_is_count_then_time_lowest_first():
    """The bytes behind the identifier are N mm hh DD MM YY (DL/T 645-2007, section 3)."""
    ask = load_ask("06000001", local("2026-11-25 13:45"), 12)
    assert "06000001" == ask.request.identifier
    assert bytes.fromhex("12 45 13 25 11 26") == ask.request.argument


def test_the_latest_record_is_asked_for_without_argument():
    """A probe names the class and nothing else."""
    assert ("06040002", b"") == (latest_ask("06040001").request.identifier, latest_ask("06040001").request.argument)


@pytest.mark.parametrize("blocks", [0, 100])
def test_a_count_that_two_digits_cannot_say_is_refused(blocks):
    """N has two digits, and none is no question."""
    with pytest.raises(ValueError, match="cannot be asked for"):
        load_ask("06000001", BEGIN, blocks)


def test_bytes_of_one_full_record():
    """One record of all classes has 103 bytes; request 26 and answer 20 + 103 with preambles, one for the number."""
    ask = load_ask("06000001", BEGIN, 1)
    assert 103 == ask.answer_bytes
    assert (1, 26 + 1 + 20 + 1 + 103) == (ask.frames, ask.wire_bytes)


@pytest.mark.parametrize(
    ("classes", "blocks", "expected"),
    [
        ((4,), 8, {"06040001": (4,)}),  # 16 + 16 bytes a record, where all classes take 103
        ((1, 4), 8, {"06010001": (1,), "06040001": (4,)}),  # 33 + 32 a record
        ((1, 2, 4), 8, {"06000001": (1, 2, 4)}),  # 33 + 40 + 32 = 105 a record
        ((1, 4), 1, {"06000001": (1, 4)}),  # one record: a second request costs more than it saves
        ((), 8, {}),
    ],
)
def test_the_cheapest_request_is_chosen(classes, blocks, expected):
    """All classes in one where that takes fewer bytes, else each by itself."""
    assert expected == load_identifiers(classes, blocks)


def test_refused_identifiers_are_gone_round():
    """A class that is refused by itself is read with all others, all others one by one; else it is left out."""
    assert {"06000001": (1, 4)} == load_identifiers((1, 4), 8, frozenset({"06010001"}))
    assert {"06010001": (1,), "06040001": (4,)} == load_identifiers((1, 4), 1, frozenset({"06000001"}))
    assert {"06040001": (4,)} == load_identifiers((1, 4), 1, frozenset({"06000001", "06010001"}))


def test_records_by_their_times():
    """Each record stands under its time; absence is proven up to the last one."""
    found = load_answer(answer(record("2603010015"), record("2603010045")), BEGIN, 4)
    assert [BEGIN, BEGIN + timedelta(minutes=30)] == list(found.records)
    assert BEGIN + timedelta(minutes=30) == found.until


def test_an_answer_without_records_speaks_of_its_begin_alone():
    """The standard does not say what a meter sends where the time asked for has no record."""
    found = load_answer(answer(), BEGIN, 4)
    assert ({}, BEGIN) == (found.records, found.until)


@pytest.mark.parametrize(
    "times",
    [
        ("2603010000", "2603010015"),  # the answer to an earlier begin
        ("2603010030", "2603010015"),
        ("2603010015", "2603010015"),
        ("2603010015", "2603010030", "2603010045"),  # more than asked for
    ],
)
def test_an_answer_to_another_question_does_not_count(times):
    """Records before the begin, in a wrong order, or too many: this was not asked."""
    assert load_answer(answer(*map(record, times)), BEGIN, 2) is None


def test_a_broken_record_does_not_count():
    """A wrong checksum spoils the answer, not the program."""
    data = bytearray(encode_load_records([record("2603010015")]))
    data[-2] ^= 1
    broken = Answer(address="202311000001", items=(Item("di:06000001", "06000001", data.hex(), ""),))
    assert load_answer(broken, BEGIN, 4) is None


def test_a_record_that_the_meter_calls_faulty_has_no_values():
    """A block marked E0 E0 is stepped over; its neighbours count."""
    faulty = LoadRecord(time=None, is_faulty=True, raw=bytes.fromhex("E0E000E5"))
    found = load_answer(answer(record("2603010015"), faulty, record("2603010045")), BEGIN, 4)
    assert [BEGIN, BEGIN + timedelta(minutes=30)] == list(found.records)


def test_values_are_in_the_quantities_own_units():
    """Power comes in kW and is kept in W, sign and all; what the meter marks absent is None; absent classes are out."""
    values, units = load_values(
        record("2603010015", two=POWERS), ("power_active_total", "power_active_l1", "di:00010000", "voltage_l1")
    )
    assert {"power_active_total": Decimal("-268.7"), "power_active_l1": None, "di:00010000": Decimal("1.00")} == values
    assert {"di:00010000": "kWh"} == units


def test_the_interval_is_the_shortest_distance():
    """A left-out record makes a longer distance; one record makes none."""
    times = [BEGIN, BEGIN + timedelta(minutes=45), BEGIN + timedelta(minutes=60)]
    assert timedelta(minutes=15) == interval_of(times)
    assert interval_of(times[:1]) is None


def test_an_unknown_key_has_no_identifier():
    """A key that no table has is nothing to ask for."""
    assert (None, "00010000") == (identifier_of("no_such_key"), identifier_of("energy_active_import_total"))
