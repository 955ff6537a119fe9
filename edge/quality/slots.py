"""Slot instants: when a schedule is due, by the local clock of the meters' zone, as UTC instants.

Rules, in order:
1. A period gives the times of day 00:00, 00:00 + period ... below 24:00; daily and monthly give their local time.
2. A local time that the zone leaves out (clocks go forward) is due later by as much as the clocks moved.
3. A local time that the zone has twice (clocks go back) is due once, at the first; but the times of a period not
   longer than the repeated stretch are due at both, else the load curve would have a hole as long as that stretch.
4. Two times that fall on one instant by rule 2 are one slot.

The instants do not depend on where a window begins or ends: two windows side by side give what their union gives.
It holds no clock: the window is an argument.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from heapq import merge
from zoneinfo import ZoneInfo

from edge.reading.plan import Schedule

_DAY = timedelta(days=1)
_DAY_S = 86400
# The widest change of a zone's offset since 1970 is 24 h (Pacific/Apia, 2011-12-30 left out): tzdata.
_WIDEST = timedelta(days=2)
_FIRST_LOOK = timedelta(minutes=1)


def slots_between(schedule: Schedule, zone_name: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the slots with after < slot <= until, in order, in UTC.

    Raises ValueError for a naive instant, for a schedule that is not exactly one kind, and for an unknown zone
    (ZoneInfoNotFoundError is a KeyError: settings check the name).
    """
    zone = ZoneInfo(zone_name)
    after, until = _in_utc(after), _in_utc(until)
    _check(schedule)
    return _merged(schedule, zone, after, until)


def next_slot(schedule: Schedule, zone_name: str, after: datetime) -> datetime:
    """Return the first slot later than an instant."""
    reach = _FIRST_LOOK
    while True:
        for slot in slots_between(schedule, zone_name, after, after + reach):
            return slot
        reach *= 8


def previous_slot(schedule: Schedule, zone_name: str, until: datetime) -> datetime:
    """Return the last slot that is not later than an instant."""
    reach = _FIRST_LOOK
    while True:
        last = None
        for last in slots_between(schedule, zone_name, until - reach, until):  # noqa: B007 - the last one is wanted
            pass
        if last is not None:
            return last
        reach *= 8


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no zone")
    return at.astimezone(UTC)


def _check(schedule: Schedule) -> None:
    if (schedule.every_s is None) == (schedule.at is None) or (schedule.day is not None and schedule.at is None):
        raise ValueError(f"{schedule} is not exactly one kind")
    if schedule.every_s is not None and schedule.every_s < 1:
        raise ValueError(f"{schedule} has no period")


def _merged(schedule: Schedule, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    if after >= until:
        return
    days = _days((after - _WIDEST).date(), (until + _WIDEST).date())
    last = after
    for slot in merge(*(_slots_of(schedule, zone, day, after, until) for day in days)):
        if last < slot <= until:
            yield slot
            last = slot


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + number * _DAY


def _slots_of(schedule: Schedule, zone: ZoneInfo, day: date, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the slots that belong to a local day, in order; those outside the window may be left out."""
    if schedule.every_s is not None:
        yield from _periods_of(schedule.every_s, zone, day, after, until)
    elif schedule.at is not None and schedule.day in (None, day.day):
        yield _instant(datetime.combine(day, schedule.at), zone)


def _periods_of(every_s: int, zone: ZoneInfo, day: date, after: datetime, until: datetime) -> Iterator[datetime]:
    midnight = datetime.combine(day, time())
    start = _instant(midnight, zone)
    if start - _WIDEST > until or start + _DAY + _WIDEST < after:
        return
    if not _is_even(zone, midnight):
        yield from _uneven(every_s, zone, day)
        return
    first = max(0, int((after - start).total_seconds()) // every_s)
    last = min(_DAY_S - 1, int((until - start).total_seconds())) // every_s
    for number in range(first, last + 1):
        yield start + timedelta(seconds=number * every_s)


@lru_cache(maxsize=512)
def _is_even(zone: ZoneInfo, midnight: datetime) -> bool:
    """Return True if the zone's clocks do not move in the hours of this day, nor close to its ends."""
    moments = (midnight + hours * timedelta(hours=3) for hours in range(-1, 10))
    return len({(moment.replace(tzinfo=zone, fold=fold)).utcoffset() for moment in moments for fold in (0, 1)}) == 1


@lru_cache(maxsize=64)
def _uneven(every_s: int, zone: ZoneInfo, day: date) -> tuple[datetime, ...]:
    """Return the slots of a day on which the clocks move: each local time on its own."""
    midnight = datetime.combine(day, time())
    found = set()
    for second in range(0, _DAY_S, every_s):
        local = midnight + timedelta(seconds=second)
        once, again = _instant(local, zone), _instant(local, zone, fold=1)
        found.add(once)
        if timedelta(seconds=every_s) <= again - once:
            found.add(again)
    return tuple(sorted(found))


def _instant(local: datetime, zone: ZoneInfo, fold: int = 0) -> datetime:
    """Return the UTC instant of a local time; of one left out, with the offset before the gap (PEP 495)."""
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
