"""The hours in which answers were damaged: counted by the hour, for a day, whatever the clock does."""

from datetime import UTC, datetime, timedelta

from edge.poll.damage_hours import DamageHours, HourOfAnswers, worst_hour
from edge.reading.verdict import Verdict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def note(hours, at, *, sound=0, damaged=0):
    for verdict, count in ((Verdict.OK, sound), (Verdict.BAD_CHECKSUM, damaged)):
        for _ in range(count):
            hours.note(at, verdict)


def test_answers_are_counted_by_the_hour():
    """Each hour for itself; what nobody answered counts nowhere."""
    hours = DamageHours()
    note(hours, NOON + timedelta(minutes=59, seconds=59), sound=3, damaged=1)
    note(hours, NOON + timedelta(hours=1), sound=2)
    for verdict in (Verdict.SILENCE, Verdict.PORT_GONE, Verdict.FOREIGN_MASTER):
        hours.note(NOON, verdict)
    assert [(NOON, 4, 1), (NOON + timedelta(hours=1), 2, 0)] == [
        (one.begin, one.answers, one.damaged) for one in hours.hours()
    ]


def test_a_day_is_kept():
    """The hour of a day ago is let go when a new one begins; a clock that is set back lets go what has not come yet."""
    hours = DamageHours()
    for number in range(30):
        note(hours, NOON + timedelta(hours=number), sound=1)
    assert [NOON + timedelta(hours=6), NOON + timedelta(hours=29)] == [hours.hours()[n].begin for n in (0, -1)]
    assert 24 == len(hours.hours())
    note(hours, NOON, sound=1)
    assert [NOON] == [one.begin for one in hours.hours()]


def test_the_worst_hour_has_enough_answers():
    """Three bad answers of three tell less than ten of a hundred; without enough nothing is told."""
    few, bad, good = HourOfAnswers(NOON, 3, 3), HourOfAnswers(NOON, 100, 10), HourOfAnswers(NOON, 200, 1)
    assert bad is worst_hour([few, good, bad])
    assert worst_hour([few]) is None
