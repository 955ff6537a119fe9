"""Slots at midnight, month's end, year's end, 29 February and where a zone's clocks or rules change: once each.

The real worker's rounds on a real store, while the wall clock goes on, jumps ahead and steps back.
"""

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.poll.records import missing_record
from edge.poll.rounds import Rounds, Unasked
from edge.quality import slots as slot_rules
from edge.quality.slots import slots_between
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import Stamp
from edge.reading.verdict import SlotReason
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox

METER = "000000000001"
SCHEDULES = (
    Schedule(every_s=900),
    Schedule(every_s=86400),
    Schedule(at=time(0, 0)),
    Schedule(at=time(2, 30)),
    Schedule(at=time(0, 10), day=1),
    Schedule(at=time(23, 59), day=28),
)
BEGINS = (
    ("Asia/Shanghai", datetime(2026, 3, 14, 15, 0, tzinfo=UTC)),  # midnight is 16:00
    ("Asia/Shanghai", datetime(2026, 4, 30, 15, 30, tzinfo=UTC)),  # month's end
    ("Asia/Shanghai", datetime(2026, 12, 31, 15, 30, tzinfo=UTC)),  # year's end
    ("Asia/Shanghai", datetime(2028, 2, 28, 15, 0, tzinfo=UTC)),  # into 29 February
    ("Asia/Shanghai", datetime(2028, 2, 29, 15, 0, tzinfo=UTC)),  # and out of it
    ("Europe/Berlin", datetime(2026, 3, 28, 22, 30, tzinfo=UTC)),  # clocks go forward at 01:00
    ("Europe/Berlin", datetime(2026, 10, 24, 21, 30, tzinfo=UTC)),  # and back at 01:00
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 12, 0, tzinfo=UTC)),  # by half an hour
)
PASSES = st.tuples(st.just("passes"), st.sampled_from((1, 30, 600, 900, 3600, 20_000)))
STEPS = st.tuples(st.just("steps"), st.sampled_from((1, 15, 130, 3600, 86400, 3 * 86400, -1, -15, -130, -3600, -86400)))
COURSES = st.lists(PASSES | STEPS | st.tuples(st.just("restarts"), st.just(0)), min_size=1, max_size=12)


def plan_at(zone, begin):
    tasks = tuple(
        PlanTask(f"t{number}", schedule, ("voltage_l1",), (METER,)) for number, schedule in enumerate(SCHEDULES)
    )
    return Plan(begin, zone, tasks)


class Site:
    """The rounds of one bus on a store; `furthest`: the latest that its clock ever showed."""

    def __init__(self, plan, journal):
        self.plan, self.journal = plan, journal
        self.now = self.furthest = plan.valid_from
        self.start()

    def start(self):
        """Start the daemon: it goes on from the store's marks."""
        self.rounds = Rounds(self.plan, self.journal.settled_marks())
        self.rounds.begin(self.now)
        self.work()

    def work(self):
        """Ask whoever is due, and name what nobody asked for."""
        self.furthest = max(self.furthest, self.now)
        for _ in range(2):  # a slot that is over when its round is made is dropped at the next look
            self.rounds.make_due(self.now)
            self.keep(self.rounds.take_unasked(10**6))
        while (due := self.rounds.next_poll(self.now)) is not None:
            self.keep([Unasked(due[0].task, due[0].slot_at, due[1], SlotReason.SILENCE)])

    def keep(self, unasked):
        """Store what became of slots; none of them may be known already."""
        stamp = Stamp(self.now, "synchronised", "0" * 32, 1.0)
        kept = self.journal.append([missing_record(one, "A", stamp) for one in unasked])
        assert 0 == kept.duplicates
        for one in unasked:
            self.rounds.settle(one.task.name, one.meter, one.slot_at)

    def live(self, kind, seconds):
        """Let time pass, or step the clock, or restart the daemon."""
        if kind == "restarts":
            self.start()
            return
        # Where a clock goes back before the plan by more than two minutes, the plan is forgotten too: not shown here.
        self.now = max(self.now + timedelta(seconds=seconds), self.plan.valid_from - timedelta(seconds=119))
        self.work()


def named(journal):
    """Return how often each slot is named, by task."""
    found = {}
    for one in Outbox(journal._database).take(10**6).records:
        found.setdefault(one.task, Counter())[one.slot_at] += 1
    return found


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(BEGINS), COURSES)
def test_no_slot_doubles_and_none_vanishes(begin, course):
    """Whatever the clock does, every slot up to the furthest time that it showed is named, once, and no other."""
    zone, at = begin
    with TemporaryDirectory() as folder, open_database(Path(folder) / "edge.db", max_mib=64) as database:
        journal = Journal(database)
        site = Site(plan_at(zone, at), journal)
        for kind, seconds in course:
            site.live(kind, seconds)
        found = named(journal)
        for number, schedule in enumerate(SCHEDULES):
            every = Counter(slots_between(schedule, zone, at, site.furthest))
            assert every == found.get(f"t{number}", Counter())


@pytest.mark.parametrize(
    ("zone", "begin", "days", "schedule", "local"),
    [
        ("Asia/Shanghai", (2026, 1, 30), 31, Schedule(at=time(0, 10), day=1), ["02-01 00:10", "03-01 00:10"]),
        ("Asia/Shanghai", (2026, 12, 30), 3, Schedule(at=time(0, 0)), ["12-31 00:00", "01-01 00:00", "01-02 00:00"]),
        ("Asia/Shanghai", (2028, 2, 27), 3, Schedule(at=time(0, 0)), ["02-28 00:00", "02-29 00:00", "03-01 00:00"]),
        ("Asia/Shanghai", (2028, 2, 1), 32, Schedule(at=time(23, 59), day=28), ["02-28 23:59"]),
        ("Europe/Berlin", (2026, 3, 27), 3, Schedule(at=time(2, 30)), ["03-28 02:30", "03-29 03:30", "03-30 02:30"]),
        ("Europe/Berlin", (2026, 10, 23), 3, Schedule(at=time(2, 30)), ["10-24 02:30", "10-25 02:30", "10-26 02:30"]),
    ],
)
def test_rare_slots_fall_on_their_local_days(zone, begin, days, schedule, local):
    """Day by day, by the meters' own clock."""
    since = datetime(*begin, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    found = [
        slot
        for day in range(days)
        for slot in slots_between(schedule, zone, since + timedelta(day), since + timedelta(day + 1))
    ]
    assert local == [slot.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M") for slot in found]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Europe/Berlin", "Europe/London"),
        ("Europe/London", "Europe/Berlin"),
        ("Asia/Shanghai", "Asia/Kathmandu"),
        ("America/Sao_Paulo", "America/New_York"),
    ],
)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 3 * 86400), st.integers(0, 90_000))
def test_rules_that_change_between_two_starts(old, new, before_s, down_s):
    """An update of the zone's rules moves the slots that follow: none comes again, none is left out."""
    begin = datetime(2026, 10, 24, 3, 0, tzinfo=UTC)
    with (
        pytest.MonkeyPatch.context() as patch,
        TemporaryDirectory() as folder,
        open_database(Path(folder) / "edge.db", max_mib=64) as database,
    ):
        patch.setattr(slot_rules, "ZoneInfo", lambda _: rules_of(old))
        journal = Journal(database)
        site = Site(plan_at("Test/Zone", begin), journal)
        site.live("passes", before_s)
        first = named(journal)
        marks = journal.settled_marks()
        patch.setattr(slot_rules, "ZoneInfo", lambda _: rules_of(new))
        site.now += timedelta(seconds=down_s)
        site.start()
        site.live("passes", 2 * 86400)
        found = named(journal)
        for number, schedule in enumerate(SCHEDULES):
            task = f"t{number}"
            after = marks.get((task, METER), begin)
            follow = Counter(slots_between(schedule, "Test/Zone", after, site.now))
            assert first.get(task, Counter()) + follow == found.get(task, Counter())


def rules_of(name):
    """Return the rules of a zone under the name of another, as an update of the zone files brings them."""
    with files("tzdata.zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key="Test/Zone")
