"""Whether the meters of a bus may be given the time, and what became of it. Pure: times and offsets are arguments.

An offset is the meter's clock less the true local time: positive, if the meter is ahead. Rules, in order:
1. Only from a clock that is trusted, and once a day: the standard lets a meter obey once a day.
2. Not near local midnight, where a day's registers are frozen (the standard advises against it).
3. A meter that is off by more than five minutes does not obey: it is reported, and hinders no other.
4. Nothing is worth it that is smaller than what was measured surely.
5. Not where a meter's clock would be moved over a boundary of its own records: it would write one twice, or none.
Source: DL/T 645-2007, broadcast time synchronisation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

_DAY = timedelta(days=1)


class Hindrance(StrEnum):
    """Why the time is not given now."""

    UNTRUSTED = "untrusted"
    DONE_TODAY = "done_today"
    NEAR_MIDNIGHT = "near_midnight"
    TOO_FAR = "too_far"
    TOO_LITTLE = "too_little"
    NEAR_RECORD = "near_record"
    FOREIGN_MASTER = "foreign_master"  # it kept the wire when the time was to be sent


class SyncResult(StrEnum):
    """What became of one meter."""

    SYNCHRONISED = "synchronised"
    IN_TIME = "in_time"  # it needed nothing
    UNCHANGED = "unchanged"  # it heard the time, or did not, and kept its own
    TOO_FAR = "too_far"  # by standard it does not obey: its clock has to be written by a signed command
    NOT_SENT = "not_sent"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRules:
    """The bounds. `record_every`: how often meters write records of their own; `margin`: around each boundary."""

    least: timedelta = timedelta(seconds=5)
    most: timedelta = timedelta(minutes=5)
    around_midnight: timedelta = timedelta(minutes=10)
    record_every: timedelta = timedelta(minutes=15)
    margin: timedelta = timedelta(seconds=15)


DEFAULT_RULES = SyncRules()


def may_synchronise(
    now: datetime, last_on: date | None, offset: timedelta, *, is_trusted: bool, rules: SyncRules = DEFAULT_RULES
) -> Hindrance | None:
    """Return why a meter's clock is better not set now, None if it may be. `now`: local time, without a zone."""
    if not is_trusted:
        return Hindrance.UNTRUSTED
    if last_on is not None and last_on >= now.date():
        return Hindrance.DONE_TODAY
    since_midnight = now - datetime.combine(now.date(), datetime.min.time())
    if min(since_midnight, _DAY - since_midnight) <= rules.around_midnight:
        return Hindrance.NEAR_MIDNIGHT
    if abs(offset) > rules.most:
        return Hindrance.TOO_FAR
    if _crosses(since_midnight, offset, rules):
        return Hindrance.NEAR_RECORD
    return Hindrance.TOO_LITTLE if abs(offset) < rules.least else None


def may_broadcast(
    now: datetime,
    last_on: date | None,
    offsets: Iterable[timedelta],
    *,
    is_trusted: bool,
    rules: SyncRules = DEFAULT_RULES,
) -> Hindrance | None:
    """Return why the time is better not given to all meters of a bus now, None if it may be.

    One meter that needs it is enough; one that would cross a boundary of its records keeps it from all. With no meter
    read there is nothing to mend.
    """
    found = [may_synchronise(now, last_on, offset, is_trusted=is_trusted, rules=rules) for offset in offsets]
    if Hindrance.NEAR_RECORD in found:
        return Hindrance.NEAR_RECORD
    if None in found:
        return None
    return next((one for one in found if one is not Hindrance.TOO_LITTLE), Hindrance.TOO_LITTLE)


def result_of(
    before: timedelta | None, after: timedelta | None, *, was_sent: bool, rules: SyncRules = DEFAULT_RULES
) -> SyncResult:
    """Return what became of a meter with these offsets; None where its clock was not read."""
    if before is None:
        return SyncResult.UNREAD
    if abs(before) > rules.most:
        return SyncResult.TOO_FAR
    if abs(before) < rules.least:
        return SyncResult.IN_TIME
    if not was_sent:
        return SyncResult.NOT_SENT
    if after is None:
        return SyncResult.UNREAD
    return SyncResult.SYNCHRONISED if abs(after) < rules.least else SyncResult.UNCHANGED


def _crosses(since_midnight: timedelta, offset: timedelta, rules: SyncRules) -> bool:
    """Return whether a boundary lies between the meter's time and the true one, or nearer to them than the margin."""
    first = since_midnight + min(offset, timedelta()) - rules.margin
    last = since_midnight + max(offset, timedelta()) + rules.margin
    return first // rules.record_every != last // rules.record_every
