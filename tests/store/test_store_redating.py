"""Records of a time before the clock was known: each slot ends as the reading that was made in it, or as a reason."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import StoreError
from edge.reading.record import SlotState, Source, Stamp
from edge.reading.verdict import SlotReason
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.redating import Look, Redated, TrueTime
from tests.store.store_kit import QUARTER, START, record, seal

BOOT = "ab" * 16
METER = "000000000001"


def slot_of(_record, at):
    """Return the quarter of an hour that an instant lies in."""
    return START + (at - START) // QUARTER * QUARTER


def true_time(boot_at, now, **more):
    """Return what is known once the clock is."""
    return TrueTime(boot_id=BOOT, boot_at=boot_at, trust="synchronised", now=now, slot_of=slot_of, **more)


def polled(boot_at, boot_s, behind, trust="floor", **more):
    """Return a poll so long after the boot, by a clock that was so far behind; its energy says when it was."""
    at = boot_at + timedelta(seconds=boot_s)
    wrong = at - behind
    one = record(0, METER, **more)
    values = {"boot_s": str(boot_s)} if one.state is SlotState.READ else {}
    return replace(
        one, slot_at=slot_of(one, wrong), values=values, units={}, stamp=Stamp(wrong, trust, BOOT, float(boot_s))
    )


def noted(number):
    """Return what the poller notes of a slot that nobody asked for."""
    return record(number, METER, state=SlotState.MISSING_OPEN, reason=SlotReason.GATEWAY_DOWN)


def redate_all(journal, true, size=500):
    """Look at all rows, so many at a time; return what moved, what went, what waits."""
    look, totals = Look(), [0, 0, 0]
    while True:
        done = journal.redate(true, look, size)
        totals = [a + b for a, b in zip(totals, (done.moved, done.dropped, done.waiting), strict=True)]
        if done.following is None:
            return tuple(totals)
        look = done.following


@pytest.fixture
def journal(tmp_path):
    """Yield a journal whose last slot before the power cut is number 9."""
    with open_database(tmp_path / "edge.db", max_mib=16) as database:
        made = Journal(database)
        made.append([record(9, METER)])
        yield made


def found(journal):
    """Return what the journal holds, by slot number: the states in order, and when a value was read."""
    rows = {}
    for one in Outbox(journal._database).take(10**6).records:
        if one.slot_at > START + 9 * QUARTER:
            rows.setdefault((one.slot_at - START) // QUARTER, []).append((one.state, one.values.get("boot_s")))
    return rows


def test_a_reading_moves_to_the_slot_in_which_it_was_read(journal):
    """Two hours of power cut, the clock went on where it was: what it called 10 was 18, and 10 was not read."""
    boot_at = START + 18 * QUARTER
    journal.append([polled(boot_at, 60, 8 * QUARTER)])
    assert BOOT == journal.undated_boot()
    journal.append([noted(number) for number in range(11, 19)])
    assert (1, 0, 0) == redate_all(journal, true_time(boot_at, boot_at + QUARTER))
    missing = SlotState.MISSING_OPEN
    rows = found(journal)
    assert [(missing, None), (SlotState.REFILLED, "60")] == rows[18]
    assert [[(missing, None)]] * 8 == [rows[number] for number in range(10, 18)]
    assert [START + number * QUARTER for number in range(10, 18)] == [one.slot_at for one in journal.open_slots(99)]
    taken = Outbox(journal._database).take(100).records
    assert {("synchronised", boot_at + timedelta(seconds=60))} == {
        (one.stamp.trust, one.stamp.at) for one in taken if one.state is SlotState.REFILLED
    }
    assert (0, 0, 0) == redate_all(journal, true_time(boot_at, boot_at + QUARTER))


def test_a_slot_that_nobody_noted_yet_is_waited_for(journal):
    """Filling it now would settle those before it unseen; when waiting is over, the reading goes, the slot stays."""
    boot_at = START + 18 * QUARTER
    journal.append([polled(boot_at, 60, 8 * QUARTER)])
    true = true_time(boot_at, boot_at + QUARTER)
    assert (0, 0, 1) == redate_all(journal, true)
    assert [10] == list(found(journal))
    assert (0, 1, 0) == redate_all(journal, replace(true, may_wait=False))
    journal.append([noted(number) for number in range(11, 19)])
    assert list(range(10, 19)) == [(one.slot_at - START) // QUARTER for one in journal.open_slots(99)]


def test_a_clock_that_was_right_is_only_trusted_now(journal):
    """Or wrong by less than the slot: time and trust are put right, the slot stays."""
    boot_at = START + 10 * QUARTER
    journal.append([polled(boot_at, 100, timedelta(seconds=30))])
    redate_all(journal, true_time(boot_at, boot_at + QUARTER))
    (one,) = [one for one in Outbox(journal._database).take(9).records if one.stamp.boot_id == BOOT]
    assert (START + 10 * QUARTER, "synchronised", boot_at + timedelta(seconds=100)) == (
        one.slot_at, one.stamp.trust, one.stamp.at,
    )  # fmt: skip
    assert [] == journal.open_slots(9)


@pytest.mark.parametrize(
    "changes",
    [
        {"trust": "rtc"},
        {"state": SlotState.MISSING_OPEN},
        {"source": Source.LOAD_RECORD},
        {"source": Source.FREEZE},
        {"behind": timedelta(hours=-2)},
    ],
)
def test_what_needs_or_bears_no_other_time_is_left_alone(journal, changes):
    """Trusted, missed, from the meter's memory, or by a clock that was ahead: as it was written."""
    boot_at = START + 18 * QUARTER
    behind = changes.pop("behind", 8 * QUARTER)
    journal.append([polled(boot_at, 60, behind, **changes)])
    journal.append([noted(number) for number in range(28, 29)])
    before = Outbox(journal._database).take(99)
    assert (0, 0, 0) == redate_all(journal, true_time(boot_at, boot_at + QUARTER))
    assert before == Outbox(journal._database).take(99)


def test_another_boot_is_nobodys_to_date(journal):
    """What its clock said then cannot be known: its rows go as they are marked."""
    boot_at = START + 18 * QUARTER
    old = polled(boot_at, 60, 8 * QUARTER)
    journal.append([replace(old, stamp=replace(old.stamp, boot_id="cd" * 16))])
    assert Redated(None) == journal.redate(true_time(boot_at, boot_at + QUARTER), Look(), 99)
    assert "cd" * 16 == journal.undated_boot()
    journal.forget_undated()
    assert None is journal.undated_boot()


def test_trusted_records_leave_no_note(journal):
    """The common case writes nothing more than its rows."""
    assert None is journal.undated_boot()


outages = st.integers(0, 40 * 900)
lags = st.lists(st.tuples(st.integers(1, 899), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=80)
@given(outages, lags, st.integers(1, 7), st.booleans(), st.integers(0, 899))
def test_whatever_the_clock_was_each_slot_ends_once(outage_s, polls, size, is_noted_first, boot_s):
    """Any outage, any polls in the wrong slots, any order of the work: no slot doubles, none vanishes, none lies."""
    behind = timedelta(seconds=outage_s)
    boot_at = START + 10 * QUARTER + behind - timedelta(seconds=boot_s)
    with TemporaryDirectory() as folder, open_database(Path(folder) / "edge.db", max_mib=16) as database:
        journal = Journal(database)
        journal.append([record(9, METER)])
        for number, (lag_s, is_read) in enumerate(polls):
            state = SlotState.READ if is_read else SlotState.MISSING_OPEN
            journal.append([polled(boot_at, boot_s + number * 900 + lag_s, behind, state=state)])
        now = boot_at + timedelta(seconds=boot_s + len(polls) * 900)
        last, true = (slot_of(None, now) - START) // QUARTER, true_time(boot_at, now)
        if not is_noted_first:
            redate_all(journal, true, size)
        for number in range(10 + len(polls), last + 1):
            journal.append([noted(number)])
        redate_all(journal, true, size)
        assert (0, 0, 0) == redate_all(journal, true, size)
        rows = found(journal)
        assert set(range(10, last + 1)) == set(rows)
        still_open = {(one.slot_at - START) // QUARTER for one in journal.open_slots(999)}
        read_at = [boot_s + number * 900 + lag_s for number, (lag_s, is_read) in enumerate(polls) if is_read]
        assert {slot_of(None, boot_at + timedelta(seconds=one)) for one in read_at} == {
            START + number * QUARTER for number, entries in rows.items() if any(boot for _, boot in entries)
        }
        for number, entries in rows.items():
            values = [boot for _, boot in entries if boot is not None]
            assert len(values) <= 1
            assert (number in still_open) == (not values)
            for value in values:
                assert START + number * QUARTER == slot_of(None, boot_at + timedelta(seconds=int(value)))


def test_what_got_its_true_time_while_it_was_sealed_is_taken_again(tmp_path):
    """The row that comes in the place of the one that was taken has its number; it is neither lost nor sealed wrong."""
    with open_database(tmp_path / "edge.db", max_mib=16) as own, open_database(tmp_path / "edge.db", max_mib=16) as far:
        journal, outbox = Journal(own), Outbox(far)
        boot_at = START + 20 * QUARTER
        journal.append([polled(boot_at, 60, timedelta(0))])
        taken = outbox.take(1000)
        journal.redate(true_time(boot_at, boot_at + QUARTER), Look(), 500)
        with pytest.raises(StoreError) as caught:
            seal(outbox, taken)
        again = outbox.take(1000)
        assert ("E-STO-120", 1) == (caught.value.code, outbox.head().next_seq)
        assert [("synchronised", "floor")] == [
            (new.stamp.trust, old.stamp.trust) for new, old in zip(again.records, taken.records, strict=True)
        ]
        assert [row for row, _ in taken.rowids] == [row for row, _ in again.rowids]
        seal(outbox, again)
        assert ((), 0) == (outbox.take(1000).records, outbox.waiting().readings)
