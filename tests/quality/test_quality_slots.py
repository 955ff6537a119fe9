"""Slots: the local clock of the meters' zone decides, also on the days when it moves."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.quality.slots import next_slot, previous_slot, slots_between
from edge.reading.plan import Schedule

CHINA = "Asia/Shanghai"
BERLIN = "Europe/Berlin"  # 2026: forward on 29 March, 02:00 -> 03:00; back on 25 October, 03:00 -> 02:00
QUARTER = Schedule(every_s=900)
SCHEDULES = (
    QUARTER,
    Schedule(every_s=7200),
    Schedule(every_s=21600),
    Schedule(every_s=86400),
    Schedule(at=time(2, 30)),
    Schedule(at=time(0, 10), day=1),
    Schedule(at=time(2, 30), day=25),
)
ZONES = (CHINA, BERLIN, "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu", "UTC")
instants = st.one_of(
    st.datetimes(datetime(2009, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
    *(st.datetimes(day, day + timedelta(days=3)) for day in (datetime(2026, 3, 27), datetime(2026, 10, 23))),  # noqa: DTZ001
    st.datetimes(datetime(2011, 12, 28), datetime(2012, 1, 2)),  # noqa: DTZ001
).map(lambda at: at.replace(tzinfo=UTC))
spans = st.timedeltas(timedelta(0), timedelta(days=5))


def local_day(zone: str, day: datetime) -> tuple[datetime, datetime]:
    """Return the window of one local day: its first instant included, that of the next day not."""
    first = day.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    last = (day + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    tick = timedelta(microseconds=1)
    return first - tick, last - tick


def local_times(schedule: Schedule, zone: str, day: datetime) -> list[str]:
    """Return the slots of one local day, as its clocks show them."""
    slots = slots_between(schedule, zone, *local_day(zone, day))
    return [slot.astimezone(ZoneInfo(zone)).strftime("%H:%M") for slot in slots]


def test_a_quarter_hour_is_aligned_to_local_midnight():
    """Kathmandu is 5:45 ahead: its midnight is 18:15 UTC, and slots of an hour stand at a quarter past."""
    after = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
    slots = list(slots_between(Schedule(every_s=3600), "Asia/Kathmandu", after, after + timedelta(hours=2)))
    assert [datetime(2026, 11, 23, 17, 15, tzinfo=UTC), datetime(2026, 11, 23, 18, 15, tzinfo=UTC)] == slots


def test_the_window_excludes_its_start_and_includes_its_end():
    """A slot at the start belongs to the window before."""
    at = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    assert [at + timedelta(minutes=15)] == list(slots_between(QUARTER, CHINA, at, at + timedelta(minutes=15)))


def test_daily_is_due_at_the_local_time():
    """00:05 in China is 16:05 UTC of the day before."""
    after = datetime(2026, 11, 23, tzinfo=UTC)
    slots = list(slots_between(Schedule(at=time(0, 5)), CHINA, after, after + timedelta(days=2)))
    assert [datetime(2026, 11, 23, 16, 5, tzinfo=UTC), datetime(2026, 11, 24, 16, 5, tzinfo=UTC)] == slots


def test_monthly_is_due_on_its_local_day():
    """The first at 00:10 in China is the last day of the month before, 16:10 UTC."""
    after = datetime(2026, 1, 31, 16, 10, tzinfo=UTC)
    slots = list(slots_between(Schedule(at=time(0, 10), day=1), CHINA, after, datetime(2026, 4, 1, tzinfo=UTC)))
    assert [datetime(2026, 2, 28, 16, 10, tzinfo=UTC), datetime(2026, 3, 31, 16, 10, tzinfo=UTC)] == slots


def test_a_time_left_out_is_due_later():
    """02:30 does not exist on 29 March in Berlin: it is due at 03:30."""
    assert local_times(Schedule(at=time(2, 30)), BERLIN, datetime(2026, 3, 29)) == ["03:30"]  # noqa: DTZ001


def test_a_doubled_time_is_due_once():
    """02:30 exists twice on 25 October in Berlin: the first counts."""
    slots = list(slots_between(Schedule(at=time(2, 30)), BERLIN, *local_day(BERLIN, datetime(2026, 10, 25))))  # noqa: DTZ001
    assert [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)] == slots


@pytest.mark.parametrize(("day", "count"), [(datetime(2026, 3, 29), 92), (datetime(2026, 10, 25), 100)])  # noqa: DTZ001
def test_quarter_hours_have_no_hole_and_no_double(day: datetime, count: int):
    """A day of 23 hours has 92 of them, one of 25 hours has 100, all a quarter apart."""
    slots = list(slots_between(QUARTER, BERLIN, *local_day(BERLIN, day)))
    assert count == len(slots)
    assert {timedelta(minutes=15)} == {later - earlier for earlier, later in pairwise(slots)}


@pytest.mark.parametrize("day", [datetime(2026, 3, 29), datetime(2026, 10, 25)])  # noqa: DTZ001
def test_long_periods_stay_on_the_wall_clock(day: datetime):
    """Every six hours is 00, 06, 12, 18 o'clock, on the days when the clocks move too."""
    assert local_times(Schedule(every_s=21600), BERLIN, day) == ["00:00", "06:00", "12:00", "18:00"]


@pytest.mark.parametrize(
    ("day", "times"),
    [
        (datetime(2026, 3, 29), ["00:00", "03:00", "04:00"]),  # noqa: DTZ001
        (datetime(2026, 10, 25), ["00:00", "02:00", "04:00"]),  # noqa: DTZ001
    ],
)
def test_a_period_longer_than_the_stretch_is_due_once_in_it(day: datetime, times: list[str]):
    """Every two hours: 02:00 left out is due at 03:00; 02:00 doubled is due once."""
    assert times == local_times(Schedule(every_s=7200), BERLIN, day)[:3]


def test_a_day_left_out_has_no_slots_of_its_own():
    """Samoa had no 30 December 2011: the daily slots go from the 29th to the 31st."""
    after = datetime(2011, 12, 29, 12, 0, tzinfo=UTC)
    slots = list(slots_between(Schedule(at=time(12, 0)), "Pacific/Apia", after, after + timedelta(days=2)))
    shown = [slot.astimezone(ZoneInfo("Pacific/Apia")).strftime("%d %H:%M") for slot in slots]
    assert shown == ["29 12:00", "31 12:00"]


@given(st.sampled_from(SCHEDULES), st.sampled_from(ZONES), instants, spans, spans)
def test_two_windows_give_what_their_union_gives(schedule, zone, first, span, further):
    """The slots do not depend on where a window begins or ends; they are in order and none comes twice."""
    middle, last = first + span, first + span + further
    whole = list(slots_between(schedule, zone, first, last))
    parts = [*slots_between(schedule, zone, first, middle), *slots_between(schedule, zone, middle, last)]
    assert whole == parts
    assert whole == sorted(set(whole))
    assert all(first < slot <= last for slot in whole)


@given(st.sampled_from(SCHEDULES), st.sampled_from(ZONES), instants)
def test_next_and_previous_are_neighbours(schedule, zone, at):
    """Nothing is due between the last slot that is due and the next one."""
    before, behind = previous_slot(schedule, zone, at), next_slot(schedule, zone, at)
    assert before <= at < behind
    assert [behind] == list(slots_between(schedule, zone, before, behind))
    assert behind == next_slot(schedule, zone, before)


@given(st.sampled_from(ZONES), instants, st.sampled_from([60, 900, 3600]))
def test_every_instant_is_within_a_period_of_its_slot(zone, at, every_s):
    """Periods of an hour or less have no hole wherever the clocks move by whole hours."""
    if zone == "Australia/Lord_Howe" and every_s == 3600:
        return  # its clocks move by half an hour: a period of an hour is longer than the stretch
    assert at - previous_slot(Schedule(every_s=every_s), zone, at) < timedelta(seconds=every_s)


def test_a_period_of_a_second_is_found_without_walking_the_day():
    """The next slot of the shortest period is the next second."""
    at = datetime(2026, 11, 23, 12, 0, 0, 500, tzinfo=UTC)
    assert datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC) == next_slot(Schedule(every_s=1), CHINA, at)


@pytest.mark.parametrize(
    "schedule", [Schedule(), Schedule(every_s=60, at=time(1)), Schedule(day=3), Schedule(every_s=0)]
)
def test_a_schedule_is_exactly_one_kind(schedule: Schedule):
    """A schedule of no kind or of two is refused before any slot is given."""
    at = datetime(2026, 11, 23, tzinfo=UTC)
    with pytest.raises(ValueError, match="Schedule"):
        slots_between(schedule, CHINA, at, at)


def test_a_naive_instant_is_refused():
    """An instant without a zone would be read as this machine's local time."""
    with pytest.raises(ValueError, match="no zone"):
        slots_between(QUARTER, CHINA, datetime(2026, 11, 23), datetime(2026, 11, 24))  # noqa: DTZ001
