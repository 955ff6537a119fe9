"""What was recorded before the clock was known, on a real store: plans, cuts in between, a store that refuses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from edge.app.daemon import STORE_FILE, make_clock
from edge.app.time_keeper import TimeKeeper
from edge.clock import BUILT_AT, ClockTrust, ManualClock, SystemClock
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.errors import StoreError
from edge.health.model import Answer, Health
from edge.poll.records import stamp_of
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState
from edge.reading.verdict import SlotReason
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.saved_time import saved_time

A, B = "202311000001", "202311000002"
T0 = datetime(2026, 3, 1, 10, 0, 30, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def plan(valid_from, *meters):
    return Plan(valid_from, "Asia/Shanghai", (PlanTask("load", Schedule(every_s=900), ("voltage_l1",), meters),))


class Site:
    """A store, a clock that is wrong by `off`, and who puts it right."""

    def __init__(self, database, clock=None):
        self.clock = clock or ManualClock(now=T0)
        self.journal, self.outbox = Journal(database), Outbox(database)
        self.health = Health(self.clock)
        self.keeper = TimeKeeper(self.clock, self.health, self.journal)

    def lose_time(self, off):
        self.clock.step_wall(off.total_seconds())
        self.clock.trusted = ClockTrust.FLOOR

    def know_time(self, off):
        self.clock.step_wall(-off.total_seconds())
        self.clock.trusted = ClockTrust.SYNCHRONISED

    def put_in_force(self, *meters):
        self.journal.append_plan(plan(self.clock.now, *meters), stamp_of(self.clock))

    def read(self, meter):
        """Read the slot of this moment, by the clock; those before it are named as the poller does."""
        now = self.clock.now
        slot = now.replace(minute=now.minute // 15 * 15, second=0)
        self.journal.append([self.record(meter, slot)])

    def record(self, meter, slot):
        return PollRecord(
            task="load", slot_at=slot, meter=meter, bus="A", stamp=stamp_of(self.clock), state=SlotState.READ
        )


@pytest.fixture
def site(tmp_path):
    """Make a store whose plan began in a known time."""
    with open_database(tmp_path / STORE_FILE, max_mib=16) as database:
        made = Site(database)
        made.put_in_force(A)
        yield made


OFFS = [timedelta(hours=-5), timedelta(hours=5), timedelta(days=-400), timedelta(days=400)]


@pytest.mark.parametrize("off", OFFS)
def test_a_plan_that_changed_under_a_wrong_clock_begins_when_it_came(site, off):
    """Behind or ahead: neither too early nor years from now; the plan before it counts up to there."""
    site.clock.advance(3600)
    site.lose_time(off)
    site.put_in_force(A, B)
    site.clock.advance(1800)
    site.know_time(off)
    site.keeper.put_right()
    begins = [one.valid_from for one in site.journal.kept_plans()]
    assert begins[0] == T0
    assert abs(begins[1] - (T0 + timedelta(hours=1))) < timedelta(seconds=1)
    assert None is site.journal.undated_boot()


def test_a_cut_between_two_meters_leaves_the_other_for_the_next_start(site, monkeypatch):
    """What was laid is dated and is not touched again."""
    off = timedelta(days=1)
    site.lose_time(off)
    for meter in (A, B):
        site.journal.append([site.record(meter, T0.replace(second=0))])
    site.know_time(off)
    lay_anew, calls = site.journal.lay_anew, []

    def cut(*arguments):
        calls.append(arguments[0])
        if len(calls) > 1:
            raise StoreError("E-STO-106", path="edge.db", detail="I/O error")
        return lay_anew(*arguments)

    monkeypatch.setattr(site.journal, "lay_anew", cut)
    with pytest.raises(StoreError):
        site.keeper.put_right()
    monkeypatch.undo()
    assert [("load", B)] == list(site.journal.undated_rows(site.clock.boot_id))
    site.keeper.put_right()
    assert {} == site.journal.undated_rows(site.clock.boot_id)


def test_what_an_earlier_boot_named_ahead_hides_no_slot_of_this_one(site):
    """That boot never knew the time, and this one polled nothing below its marks: they go back to its begin."""
    site.lose_time(timedelta(hours=5))
    site.read(A)
    site.clock.advance(1800)
    site.clock.boot_id, site.clock.monotonic_s = "b" * 32, 0.0
    site.clock.advance(1800)
    site.know_time(timedelta(hours=5))
    site.keeper.put_right()
    began = site.clock.now - timedelta(minutes=30)
    assert {("load", A): began} == site.journal.settled_marks()


def seal_all(site):
    """Take all rows out of the journal, as sealing does."""
    site.journal._database.change("DELETE FROM journal")


@pytest.mark.parametrize("stretches", [1, 2])
def test_what_was_read_before_the_clock_was_lost_is_not_read_again(site, stretches):
    """Its rows of the wrong time were sealed and cannot be laid: the marks go back to where the clock was lost."""
    for _ in range(stretches):
        site.clock.advance(3600)
        site.read(A)
        site.lose_time(timedelta(hours=5))
        site.clock.advance(60)
        lost_at = site.clock.now - timedelta(hours=5)
        for _ in range(3):
            site.read(A)
            site.clock.advance(900)
        seal_all(site)
        site.know_time(timedelta(hours=5))
    site.keeper.put_right()
    assert {("load", A): lost_at} == site.journal.settled_marks()


def test_a_clock_that_is_lost_again_at_once_settles_nothing_twice(site):
    """Nothing was recorded between: that the time was known in between counts nevertheless."""
    off = timedelta(hours=5)
    site.clock.advance(3600)
    site.read(A)
    site.lose_time(off)
    site.clock.advance(60)
    site.read(A)
    site.know_time(off)
    site.keeper.put_right()
    site.clock.advance(300)
    site.lose_time(off)
    site.clock.advance(60)
    lost_at = site.clock.now - off
    for _ in range(3):
        site.read(A)
        site.clock.advance(900)
    seal_all(site)
    site.know_time(off)
    site.keeper.put_right()
    assert {("load", A): lost_at} == site.journal.settled_marks()


def test_records_of_both_times_in_one_commit_say_when_the_clock_was_lost(site):
    """Those that were waiting for it are of a known time still."""
    site.clock.advance(3600)
    known = site.record(A, T0.replace(minute=45, second=0))
    site.lose_time(timedelta(hours=5))
    site.clock.advance(60)
    lost_at = site.clock.now - timedelta(hours=5)
    site.journal.append([known, site.record(A, T0 + timedelta(hours=6))])
    seal_all(site)
    site.know_time(timedelta(hours=5))
    site.keeper.put_right()
    assert {("load", A): lost_at} == site.journal.settled_marks()


def test_a_boot_that_knew_no_time_is_settled_anew_from_its_begin(site):
    """Another boot did: what this one read, by a clock ahead, was sealed."""
    site.read(A)
    site.clock.boot_id, site.clock.monotonic_s = "b" * 32, 0.0
    booted_at = site.clock.now
    site.lose_time(timedelta(hours=5))
    site.clock.advance(1800)
    site.read(A)
    seal_all(site)
    site.know_time(timedelta(hours=5))
    site.keeper.put_right()
    assert {("load", A): booted_at} == site.journal.settled_marks()


@pytest.mark.parametrize("sealed", [0, 1, 2])
def test_what_waits_is_laid_though_what_came_first_is_sealed(site, sealed):
    """Its slots lie ahead, and the plan is of a known time: each reading is in its true slot all the same."""
    off = timedelta(hours=5)
    site.read(A)
    site.clock.boot_id, site.clock.monotonic_s = "b" * 32, 0.0
    site.lose_time(off)
    for number in range(4):
        if number == sealed:
            seal_all(site)
        site.clock.advance(900)
        site.read(A)
    site.clock.advance(60)
    site.know_time(off)
    site.keeper.put_right()
    minutes = [15 * number for number in range(1, 5)]
    found = {one.slot_at - T0.replace(second=0): one.state for one in site.outbox.take(99).records}
    expected = {timedelta(minutes=minute): SlotState.READ for minute in minutes[sealed:]}
    down = {timedelta(minutes=minute): SlotState.MISSING_OPEN for minute in minutes[:sealed]}
    assert down | expected == found
    assert {("load", A): T0.replace(second=0) + timedelta(hours=1)} == site.journal.settled_marks()


def test_a_reading_after_the_time_was_put_right_is_not_read_again(site):
    """The wrong time had noted its slot as missed: that is forgotten with the mark, so the reading moves the mark."""
    site.lose_time(timedelta(hours=5))
    for quarters in range(30):
        slot = T0.replace(second=0) + (quarters + 1) * QUARTER
        miss = replace(site.record(A, slot), state=SlotState.MISSING_OPEN, reason=SlotReason.GATEWAY_DOWN)
        site.journal.append([miss])
    seal_all(site)
    site.clock.advance(1800)
    site.know_time(timedelta(hours=5))
    site.keeper.put_right()
    assert [] == site.journal.open_slots(99)
    site.read(A)
    assert {("load", A): T0.replace(minute=30, second=0)} == site.journal.settled_marks()
    assert [SlotState.READ] == [one.state for one in site.outbox.take(99).records]


def test_a_store_that_is_set_aside_takes_along_what_is_to_be_put_right(tmp_path):
    """Readings and plans of an unknown time are in the new store; once the time is known they get it."""
    off, path = timedelta(hours=-5), tmp_path / STORE_FILE
    with open_database(path, max_mib=16) as database:
        site = Site(database)
        site.put_in_force(A)
        site.read(A)
        site.lose_time(off)
        site.put_in_force(A, B)
        site.clock.advance(900)
        site.read(B)
        site.put_in_force(A)
        site.put_in_force(A, B)
        joined = site.journal.joined_marks(site.clock.boot_id)
        since_s = site.journal.undated_since(site.clock.boot_id)
        database.change("UPDATE epoch SET next_seq = 9")
    with open_database(path, max_mib=16, check=True) as database:
        assert database.set_aside is not None
        again = Site(database)
        again.clock.boot_id = site.clock.boot_id
        assert 0 < since_s == again.journal.undated_since(site.clock.boot_id)
        assert [("load", B)] == list(joined)
        assert joined == again.journal.joined_marks(site.clock.boot_id)
        again.clock.advance(1000)
        again.keeper.put_right()
        joined_at = T0 + QUARTER
        assert [T0, T0, joined_at, joined_at] == [
            one.valid_from.replace(microsecond=0) for one in again.journal.kept_plans()
        ]
        assert {} == again.journal.undated_rows(site.clock.boot_id)
        assert T0.replace(minute=15, second=0) == again.journal.settled_marks()["load", B]


def take_out_and_back(site):
    """Take the meter out of the plan and put it back, under a clock that is twenty minutes behind since a boot."""
    site.read(A)
    site.clock.boot_id, site.clock.monotonic_s = "b" * 32, 0.0
    site.clock.advance(1200)
    site.lose_time(timedelta(minutes=-20))
    for meters in ((), (A,)):
        site.clock.advance(5)
        site.put_in_force(*meters)


def test_a_meter_that_leaves_and_joins_under_a_wrong_clock_owes_what_was_missed_before(site):
    """The slot was due while the box was off, by the plan of then; the clock that was behind never named it."""
    take_out_and_back(site)
    site.clock.advance(900)
    site.read(A)
    site.know_time(timedelta(minutes=-20))
    site.keeper.put_right()
    found = [(one.slot_at.minute, one.state) for one in site.outbox.take(9).records]
    assert [(0, SlotState.READ), (15, SlotState.MISSING_OPEN), (30, SlotState.READ)] == found


def test_the_mark_at_the_first_join_counts_and_of_this_boot_alone(site):
    """What was read since is of the wrong time, and is laid anew; of an earlier boot it is not."""
    take_out_and_back(site)
    joined = {("load", A): T0.replace(second=0)}
    assert joined == site.journal.joined_marks("b" * 32)
    site.clock.advance(900)
    site.read(A)
    site.put_in_force()
    site.put_in_force(A)
    assert joined == site.journal.joined_marks("b" * 32)
    assert {} == site.journal.joined_marks("c" * 32)
    site.clock.boot_id = "c" * 32
    site.put_in_force()
    site.put_in_force(A)
    assert {("load", A): T0.replace(minute=15, second=0)} == site.journal.joined_marks("c" * 32)
    site.journal.forget_undated(site.clock.boot_id)
    assert {} == site.journal.joined_marks("c" * 32)


def test_who_joins_in_a_known_time_or_for_the_first_time_is_not_remembered(site):
    """There is nothing to go back to."""
    site.read(A)
    site.put_in_force()
    site.put_in_force(A)
    site.lose_time(QUARTER)
    site.put_in_force(A, B)
    assert {} == site.journal.joined_marks(site.clock.boot_id)


def test_a_store_that_is_set_aside_takes_along_that_the_time_was_known(tmp_path):
    """The clock is lost after that: what was read before, by the marks that came along, is not read again."""
    off, path = timedelta(hours=5), tmp_path / STORE_FILE
    with open_database(path, max_mib=16) as database:
        site = Site(database)
        site.put_in_force(A)
        site.clock.advance(3600)
        site.read(A)
        database.change("UPDATE epoch SET next_seq = 9")
    with open_database(path, max_mib=16, check=True) as database:
        assert database.set_aside is not None
        again = Site(database, site.clock)
        again.lose_time(off)
        again.clock.advance(60)
        lost_at = again.clock.now - off
        for _ in range(3):
            again.read(A)
            again.clock.advance(900)
        seal_all(again)
        again.know_time(off)
        again.keeper.put_right()
        assert {("load", A): lost_at} == again.journal.settled_marks()


def refuse(*_):
    raise StoreError("E-STO-106", path="edge.db", detail="I/O error")


def test_a_store_that_refuses_for_too_long_ends_the_waiting(site, monkeypatch):
    """Polling goes on after two minutes, from where the clock was lost; it is a condition meanwhile."""
    site.read(A)
    site.lose_time(timedelta(hours=5))
    site.clock.advance(60)
    lost_at = site.clock.now - timedelta(hours=5)
    site.read(A)
    site.know_time(timedelta(hours=5))
    monkeypatch.setattr(site.journal, "lay_anew", refuse)
    assert not site.keeper.try_to_put_right()
    assert Answer.NO is site.health.answer("store")
    site.clock.advance(119)
    assert not site.keeper.try_to_put_right()
    site.clock.advance(2)
    assert site.keeper.try_to_put_right()
    assert {("load", A): lost_at} == site.journal.settled_marks()


def test_what_was_left_is_not_laid_over_what_is_read_later(site, monkeypatch):
    """Polling went on: a start would else lay the old rows anew, and forget the slots that were read since."""
    site.lose_time(-QUARTER)
    site.clock.advance(900)
    site.read(A)
    site.know_time(-QUARTER)
    monkeypatch.setattr(site.journal, "lay_anew", refuse)
    site.keeper.try_to_put_right()
    site.clock.advance(121)
    assert site.keeper.try_to_put_right()
    monkeypatch.undo()
    site.clock.advance(900)
    site.read(A)
    read = site.journal.settled_marks()
    site.keeper.put_right()
    assert read == site.journal.settled_marks()
    assert ["floor", "synchronised"] == [one.stamp.trust for one in site.outbox.take(9).records]


def test_a_store_that_takes_nothing_is_waited_for(site, monkeypatch):
    """Marks of a time that has not come would hide what is due; as soon as it works again all is put right."""
    site.lose_time(timedelta(hours=5))
    site.read(A)
    site.know_time(timedelta(hours=5))
    for name in ("redate_plans", "forget_after"):
        monkeypatch.setattr(site.journal, name, refuse)
    for _ in range(3):
        assert not site.keeper.try_to_put_right()
        site.clock.advance(600)
    monkeypatch.undo()
    assert site.keeper.try_to_put_right()
    assert {} == site.journal.undated_rows(site.clock.boot_id)
    assert site.journal.settled_marks()["load", A] <= site.clock.now


def test_nothing_is_put_right_by_a_time_that_is_not_trusted(site):
    """Nor where there is nothing to put right."""
    site.lose_time(QUARTER)
    site.put_in_force(A, B)
    site.keeper.put_right()
    assert site.clock.boot_id == site.journal.undated_boot()


# The time that was known last.


def settings(folder):
    return build_table(Settings, {"schema": 1, "gateway": {"id": "gw", "tenant": "t", "state_dir": str(folder)}})


def test_a_box_goes_on_no_earlier_than_it_knew(tmp_path, monkeypatch):
    """The time of a synchronised clock is saved with the records; a boot in 1970 goes on from there, untrusted."""
    known = BUILT_AT + timedelta(days=400)
    with open_database(tmp_path / STORE_FILE, max_mib=16) as database:
        site = Site(database)
        site.clock.now = known
        site.read(A)
    monkeypatch.setattr("edge.clock._is_disciplined", lambda: False)
    clock = make_clock(settings(tmp_path))
    assert known == clock.saved_at
    assert known <= clock.utc_now() < known + timedelta(minutes=10)
    assert ClockTrust.NONE is clock.trust()
    monkeypatch.setattr("edge.clock._is_disciplined", lambda: True)
    assert clock.utc_now() < known
    assert ClockTrust.SYNCHRONISED is clock.trust()


def test_a_store_that_is_not_there_or_broken_saves_no_time(tmp_path):
    """The build's own date is left."""
    assert BUILT_AT == make_clock(settings(tmp_path)).saved_at
    (tmp_path / STORE_FILE).write_bytes(b"no database" * 1000)
    assert BUILT_AT == make_clock(settings(tmp_path)).saved_at
    assert SystemClock().utc_now() >= BUILT_AT


@pytest.mark.parametrize("trust", [ClockTrust.FLOOR, ClockTrust.NONE, ClockTrust.RTC])
def test_a_clock_that_was_ahead_leaves_no_trace(site, trust):
    """Only a synchronised time is saved."""
    site.clock.trusted = trust
    site.clock.now = T0 + timedelta(days=4000)
    site.read(A)
    assert None is saved_time(site.journal._database)


def test_the_time_is_saved_seldom_and_may_go_back(site):
    """Once in ten minutes; a wrong time server's time is replaced by an earlier one that came later."""
    saved = []
    for seconds in (0, 300, 300, 86400, -86400):
        site.clock.advance(seconds)
        site.clock.trusted = ClockTrust.SYNCHRONISED
        site.read(A)
        saved.append(saved_time(site.journal._database) - T0)
    assert [0, 0, 600, 87000, 600] == [one.total_seconds() for one in saved]
