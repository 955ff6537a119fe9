"""The course of questions to a meter's memory, with a meter that holds records and one that is written down here."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from edge.poll.recall import Known, Missed, recall
from edge.protocols.dlt645.items import decode_data, encode_data
from edge.protocols.dlt645.load_records import LoadRecord, encode_load_records
from edge.reading.outcome import Answer, BadChecksum, Garbage, Malformed, Refused, Silence
from edge.reading.record import Source

local = datetime.fromisoformat
NOW = local("2026-03-05 12:00")
IMPORT, T1, VOLTAGE = "energy_active_import_total", "energy_active_import_t1", "voltage_l1"
NO_DATA = Refused(code="02")
NEVER = Silence()


def answer(identifier, data):
    return Answer(address="202311000001", items=decode_data("2007", identifier, data))


def load(identifier, *hundredths_by_time):
    """Return the answer of a meter whose class 4 holds forward energies at these times (hhmm of March 1st)."""
    records = [
        LoadRecord(time=f"260301{time}", sections=((), (), (), (Decimal(value).scaleb(-2), None, None, None), (), ()))
        for time, value in hundredths_by_time
    ]
    return answer(identifier, encode_load_records(records))


def stamp(identifier, text):
    return answer(identifier, encode_data("2007", identifier, [text]))


def energies(identifier, *hundredths):
    return answer(identifier, encode_data("2007", identifier, [Decimal(one).scaleb(-2) for one in hundredths]))


def missed(*times, keys=(IMPORT,), is_rare=False, now=NOW, blocks=None, needs_two=False, tries=1):
    moments = tuple(local(f"2026-03-01 {time}") for time in times)
    return Missed(
        keys=keys,
        moments=moments,
        is_rare=is_rare,
        blocks=blocks or len(times),
        now=now,
        needs_two=needs_two,
        tries=tries,
    )


def run(course, script):
    """Run a course against (identifier asked, outcome) pairs, all of which must be asked, in this order."""
    asked = []
    try:
        ask = next(course)
        for identifier, outcome in script:
            asked.append(ask.request.identifier)
            assert [one for one, _ in script][: len(asked)] == asked
            assert identifier == ask.request.identifier
            ask = course.send(outcome)
    except StopIteration as ended:
        assert len(script) == len(asked)
        return ended.value
    raise AssertionError(f"{ask.request.identifier} is asked for besides")


def texts(result):
    return [(f"{one.moment:%H%M}", {key: str(value) for key, value in one.values.items()}) for one in result.settled]


def test_slots_in_a_row_come_in_one_answer():
    """Each slot has the record of its own time, with that time as the meter's."""
    known = Known()
    result = run(
        recall(missed("00:15", "00:30"), known), [("06040001", load("06040001", ("0015", 101), ("0030", 102)))]
    )
    assert [("0015", {IMPORT: "1.01"}), ("0030", {IMPORT: "1.02"})] == texts(result)
    assert [local("2026-03-01 00:30")] == [one.at for one in result.settled[1:]]
    assert timedelta(minutes=15) == known.interval


def test_a_record_left_out_between_others_is_not_kept():
    """The slot between two records is settled without values."""
    script = [("06040001", load("06040001", ("0015", 101), ("0045", 103)))]
    result = run(recall(missed("00:15", "00:30", "00:45"), Known()), script)
    assert [("0015", {IMPORT: "1.01"}), ("0030", {}), ("0045", {IMPORT: "1.03"})] == texts(result)


def test_what_lies_behind_the_last_record_stays_open():
    """A meter may send fewer records than were asked for: nothing is known of the others."""
    script = [("06040001", load("06040001", ("0015", 101)))]
    result = run(recall(missed("00:15", "00:30", "00:45"), Known()), script)
    assert (["0015"], True) == ([time for time, _ in texts(result)], result.is_sound)


def test_an_empty_answer_settles_the_begin_alone():
    """What a meter sends for a time without record is not in the standard: the next slots are asked for themselves."""
    result = run(recall(missed("00:15", "00:30"), Known()), [("06040001", load("06040001"))])
    assert [("0015", {})] == texts(result)


def test_a_young_slot_without_record_stays_open():
    """The record of the last hour may be still to come."""
    young = missed("00:15", now=local("2026-03-01 01:24"))
    assert ([], True) == (texts(r := run(recall(young, Known()), [("06040001", load("06040001"))])), r.is_sound)
    old = missed("00:15", now=local("2026-03-01 01:25"))
    assert [("0015", {})] == texts(run(recall(old, Known()), [("06040001", load("06040001"))]))


def test_a_young_slot_before_a_record_is_not_kept():
    """A later record proves that the memory went on without it."""
    young = missed("00:15", "00:30", now=local("2026-03-01 00:40"))
    result = run(recall(young, Known()), [("06040001", load("06040001", ("0030", 102)))])
    assert [("0015", {}), ("0030", {IMPORT: "1.02"})] == texts(result)


@pytest.mark.parametrize("outcome", [NEVER, BadChecksum(), load("06040001", ("0000", 100))])
def test_silence_damage_and_an_answer_to_another_begin_decide_nothing(outcome):
    """Nothing is settled, nothing remembered."""
    known = Known()
    result = run(recall(missed("00:15"), known), [("06040001", outcome)])
    assert ([], False, set()) == (result.settled, result.is_sound, known.refused)


def test_a_meter_without_load_records_is_remembered():
    """Refused with a time and without, and so again: one class, then all; each is remembered, the slots are over."""
    known, slots = Known(), missed("00:15", "00:30")
    one, every = [[(each, NO_DATA) for each in (f"06{kind}0001", f"06{kind}0002")] for kind in ("04", "00")]
    for script in (one, one + every):
        assert ([], False) == (texts(result := run(recall(slots, known), script)), result.is_sound)
    result = run(recall(slots, known), every)
    assert [("0015", {}), ("0030", {})] == texts(result)
    assert {"06040001", "06000001"} == known.refused


def test_a_meter_that_refuses_while_it_starts_up_loses_no_slot():
    """One refusal of everything decides nothing; then it answers, and the doubt is gone."""
    known = Known()
    assert not run(recall(missed("00:15"), known), [("06040001", NO_DATA), ("06040002", NO_DATA)]).is_sound
    found = [("06040001", load("06040001", ("0015", 100)))]
    assert [("0015", {IMPORT: "1.00"})] == texts(run(recall(missed("00:15"), known), found))
    assert (set(), set()) == (known.refused, known.doubted)


def test_a_refusal_of_one_time_is_no_refusal_of_records():
    """The latest record is there: only the time asked for is not kept, and this is not asked again."""
    known = Known()
    script = [("06040001", NO_DATA), ("06040002", load("06040002", ("2345", 900)))]
    result = run(recall(missed("00:15", "00:30"), known), script)
    assert ([("0015", {})], set()) == (texts(result), known.refused)
    assert [("0030", {})] == texts(run(recall(missed("00:30"), known), script[:1]))


def test_what_records_lack_comes_from_the_freeze_of_exactly_that_time():
    """Tariffs at midnight: the daily freeze, its time read before and after; at other times they are not kept."""
    script = [
        ("06040001", load("06040001", ("0000", 100), ("0015", 101))),
        ("05060005", stamp("05060005", "2603010000")),
        ("05060105", energies("05060105", 100, 40)),
        ("05060005", stamp("05060005", "2603010000")),
    ]
    result = run(recall(missed("00:00", "00:15", keys=(IMPORT, T1)), Known()), script)
    assert [("0000", {IMPORT: "1.00", T1: "0.40"}), ("0015", {IMPORT: "1.01"})] == texts(result)
    assert [Source.LOAD_RECORD, Source.FREEZE] == result.settled[0].sources


def test_a_freeze_of_another_time_is_not_taken_for_a_slot_of_a_period():
    """One minute off is another moment."""
    script = [
        ("05060005", stamp("05060005", "2603010001")),
    ]
    result = run(recall(missed("00:00", keys=(T1,)), Known()), script)
    assert [("0000", {})] == texts(result)


def test_hourly_freezes_stand_in_for_refused_records():
    """Three hours back is the fourth latest; energies of the whole hour, with the freeze's own time."""
    known = Known(refused={"06040001", "06000001"})
    script = [
        ("05040004", stamp("05040004", "2603010900")),
        ("05040104", energies("05040104", 555)),
        ("05040004", stamp("05040004", "2603010900")),
    ]
    result = run(recall(missed("09:00", now=local("2026-03-01 12:10")), known), script)
    assert [("0900", {IMPORT: "5.55"})] == texts(result)
    assert [Source.FREEZE] == result.settled[0].sources


def test_a_daily_slot_is_filled_by_the_freeze_of_its_day():
    """The slot of 00:05 takes the freeze of 00:00, five days back."""
    script = [
        ("05060005", stamp("05060005", "2603010000")),
        ("05060105", energies("05060105", 100, 40)),
        ("05060005", stamp("05060005", "2603010000")),
    ]
    keys = ("daily_freeze_energy_active_import", VOLTAGE)
    result = run(recall(missed("00:05", keys=keys, is_rare=True), Known()), script)
    assert [("0005", {keys[0]: "1.00", f"{keys[0]}.t1": "0.40"})] == texts(result)
    assert local("2026-03-01 00:00") == result.settled[0].at


def test_a_number_that_is_off_is_put_right():
    """A meter that was off for two days has fewer freezes: the time that is found says how far to go."""
    script = [
        ("05060005", stamp("05060005", "2602270000")),
        ("05060003", stamp("05060003", "2603010000")),
        ("05060103", energies("05060103", 100)),
        ("05060003", stamp("05060003", "2603010000")),
    ]
    result = run(recall(missed("00:05", is_rare=True), Known()), script)
    assert [("0005", {IMPORT: "1.00"})] == texts(result)


def test_a_freeze_that_moved_on_while_it_was_read_decides_nothing():
    """Midnight passed in between: the values may be those of another day."""
    script = [
        ("05060005", stamp("05060005", "2603010000")),
        ("05060105", energies("05060105", 100)),
        ("05060005", stamp("05060005", "2603020000")),
    ]
    result = run(recall(missed("00:05", is_rare=True), Known()), script)
    assert ([], False) == (result.settled, result.is_sound)


def test_a_day_that_is_not_kept():
    """Refused at its number, and the latest lies as expected: the day is gone."""
    script = [("05060005", NO_DATA), ("05060001", stamp("05060001", "2603050000"))]
    result = run(recall(missed("00:05", is_rare=True), Known()), script)
    assert [("0005", {})] == texts(result)


def test_a_meter_without_daily_freezes_is_remembered():
    """The latest is refused too, and so again: nothing is asked of these freezes any more."""
    known = Known()
    script = [("05060005", NO_DATA), ("05060001", NO_DATA)]
    assert not run(recall(missed("00:05", is_rare=True), known), script).is_sound
    assert [("0005", {})] == texts(run(recall(missed("00:05", is_rare=True), known), script))
    assert {"05060001"} == known.refused
    assert [("0005", {})] == texts(run(recall(missed("00:05", is_rare=True), known), []))


def test_what_nothing_holds_is_settled_without_asking():
    """The clock stands in no record and in no freeze."""
    assert [("0015", {})] == texts(run(recall(missed("00:15", keys=("clock",)), Known()), []))


def test_times_with_seconds_are_asked_for_by_their_minute():
    """Records have minutes: the half minute between two is not kept."""
    result = run(
        recall(missed("00:15:30", "00:16"), Known()), [("06040001", load("06040001", ("0015", 1), ("0016", 2)))]
    )
    assert [("0015", {}), ("0016", {IMPORT: "0.02"})] == texts(result)


def test_silence_in_the_middle_keeps_what_was_settled_before():
    """The freeze of the hour is not answered: the slot before it counts, the hour stays open."""
    script = [
        ("06040001", load("06040001", ("2245", 99), ("2315", 100))),
        ("05040001", NEVER),
    ]
    result = run(recall(missed("22:45", "23:00", now=local("2026-03-01 23:59")), Known()), script)
    assert (["2245"], False) == ([time for time, _ in texts(result)], result.is_sound)


def test_two_answers_that_differ_decide_nothing():
    """On a noisy line a value of a freeze and of a record has to come twice, the same."""
    one, other = load("06040001", ("0015", 101)), load("06040001", ("0015", 201))
    script = [("06040001", one), ("06040001", other)]
    assert not run(recall(missed("00:15", needs_two=True), Known()), script).is_sound
    script = [
        ("05060005", stamp("05060005", "2603010000")),
        ("05060105", energies("05060105", 100)),
        ("05060105", energies("05060105", 300)),
    ]
    assert not run(recall(missed("00:05", is_rare=True, needs_two=True), Known()), script).is_sound


@pytest.mark.parametrize("damaged", [BadChecksum(), Garbage(), Malformed(reason="")])
def test_a_damaged_answer_is_asked_for_again(damaged):
    """It was the meter's answer, so none can come late."""
    script = [("06040001", damaged), ("06040001", load("06040001", ("0015", 101)))]
    assert [("0015", {IMPORT: "1.01"})] == texts(run(recall(missed("00:15", tries=2), Known()), script))


def test_a_missing_answer_is_not_asked_for_again():
    """It may come late, and be taken for the answer to the next question."""
    assert not run(recall(missed("00:15", tries=2), Known()), [("06040001", NEVER)]).is_sound
