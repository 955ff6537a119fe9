"""When meters may be given the time: each rule at its bounds, and which rule goes first."""

from datetime import date, datetime, timedelta

import pytest

from edge.quality.time_sync import Hindrance, SyncResult, may_broadcast, may_synchronise, result_of

DAY = date(2026, 3, 2)
NOON = datetime.fromisoformat("2026-03-02 12:07:30")


def at(text):
    return datetime.combine(DAY, datetime.strptime(text, "%H:%M:%S").time())  # noqa: DTZ007 - local time


def s(seconds):
    return timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("now", "last_on", "offset", "expected"),
    [
        ("12:07:30", None, 60, None),
        ("12:07:30", None, -60, None),
        ("12:07:30", date(2026, 3, 1), 60, None),
        ("12:07:30", DAY, 60, Hindrance.DONE_TODAY),
        ("12:07:30", date(2026, 3, 3), 60, Hindrance.DONE_TODAY),
        ("12:07:30", None, 5, None),
        ("12:07:30", None, 4, Hindrance.TOO_LITTLE),
        ("12:07:30", None, -4, Hindrance.TOO_LITTLE),
        ("12:07:30", None, 300, None),
        ("12:07:30", None, 301, Hindrance.TOO_FAR),
        ("12:07:30", None, -301, Hindrance.TOO_FAR),
        ("00:10:00", None, 20, Hindrance.NEAR_MIDNIGHT),
        ("00:10:01", None, 20, None),
        ("23:50:00", None, -20, Hindrance.NEAR_MIDNIGHT),
        ("23:49:59", None, -20, None),
        # The meter shows 12:15:10 and would be put back before the quarter, which it has recorded.
        ("12:14:40", None, 30, Hindrance.NEAR_RECORD),
        # The meter shows 12:14:50 and would be put past the quarter, which it would never record.
        ("12:15:20", None, -30, Hindrance.NEAR_RECORD),
        ("12:15:14", None, 20, Hindrance.NEAR_RECORD),
        ("12:15:15", None, 20, None),
        ("12:14:30", None, 14, None),
        ("12:14:30", None, 15, Hindrance.NEAR_RECORD),
        ("12:14:59", None, 1, Hindrance.NEAR_RECORD),
        ("12:14:59", None, 400, Hindrance.TOO_FAR),
    ],
)
def test_each_rule_at_its_bounds(now, last_on, offset, expected):
    """Once a day, within five minutes, worth it, not near midnight, not over a boundary of the meter's records."""
    assert expected == may_synchronise(at(now), last_on, s(offset), is_trusted=True)


def test_an_untrusted_clock_gives_no_time():
    """Whatever else holds: who does not know the time does not give it."""
    assert Hindrance.UNTRUSTED == may_synchronise(NOON, None, s(60), is_trusted=False)


@pytest.mark.parametrize(
    ("now", "offsets", "expected"),
    [
        ("12:07:30", [60, 1, 400], None),
        ("12:07:30", [1, 2], Hindrance.TOO_LITTLE),
        ("12:07:30", [], Hindrance.TOO_LITTLE),
        ("12:07:30", [400, 1], Hindrance.TOO_FAR),
        ("12:10:30", [60, 260], Hindrance.NEAR_RECORD),
        ("12:10:30", [60, 400], None),
        ("00:05:00", [60], Hindrance.NEAR_MIDNIGHT),
    ],
)
def test_one_broadcast_is_for_all_meters(now, offsets, expected):
    """One meter in need is enough; one that would lose a record stops it; one that does not obey does not matter."""
    assert expected == may_broadcast(at(now), None, map(s, offsets), is_trusted=True)


@pytest.mark.parametrize(
    ("before", "after", "was_sent", "expected"),
    [
        (60, 1, True, SyncResult.SYNCHRONISED),
        (-60, -4, True, SyncResult.SYNCHRONISED),
        (60, 61, True, SyncResult.UNCHANGED),
        (60, None, True, SyncResult.UNREAD),
        (None, None, True, SyncResult.UNREAD),
        (60, None, False, SyncResult.NOT_SENT),
        (2, 1, True, SyncResult.IN_TIME),
        (2, None, False, SyncResult.IN_TIME),
        (400, 400, True, SyncResult.TOO_FAR),
    ],
)
def test_what_became_of_a_meter(before, after, was_sent, expected):
    """Only a clock that was read again and is right counts as set."""
    offsets = [None if offset is None else s(offset) for offset in (before, after)]
    assert expected == result_of(*offsets, was_sent=was_sent)
