"""Days on which a calendar is difficult, and when a schedule is due on them: reckoned here, by no rule of the product.

Good for zones whose offsets are whole half hours: there every period of the tasks falls on its multiples in UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_FREEZE, _ENERGY = "daily_freeze_energy_active_import", "energy_active_import_total"


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a world begins, and in which zone; `name` is what it is counted as."""

    name: str
    begin: datetime
    zone: str = "Asia/Shanghai"
    has_memory: bool = True  # meters that keep records: simulated ones know no change of a zone's rules
    at: str = "00:05"

    @property
    def tasks(self):
        """The tasks that fall on such a day."""
        first = {"name": "day", "at": self.at, "items": [_FREEZE if self.has_memory else _ENERGY]}
        return (first, {"name": "month", "monthly": {"day": 1, "at": "00:10"}, "items": [_ENERGY]})


# Each begins half an hour to an hour and a half before what is difficult.
CALENDARS = (
    Calendar("midnight in the world", datetime(2026, 3, 10, 15, 0, tzinfo=UTC)),
    Calendar("month's end in the world", datetime(2026, 3, 31, 15, 0, tzinfo=UTC)),
    Calendar("year's end in the world", datetime(2026, 12, 31, 15, 0, tzinfo=UTC)),
    Calendar("leap day in the world", datetime(2028, 2, 29, 15, 0, tzinfo=UTC)),
    Calendar(
        "clocks go forward in the world", datetime(2026, 3, 29, 0, 0, tzinfo=UTC), "Europe/Berlin", False, "02:30"
    ),
    Calendar("clocks go back in the world", datetime(2026, 10, 25, 0, 0, tzinfo=UTC), "Europe/Berlin", False, "02:30"),
    Calendar(
        "clocks go forward in the world", datetime(2026, 3, 8, 4, 0, tzinfo=UTC), "America/Havana", False, "00:30"
    ),
    Calendar("clocks go back in the world", datetime(2026, 11, 1, 4, 0, tzinfo=UTC), "America/Havana", False, "00:30"),
)


def slots_of(schedule, zone_name: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield when a schedule is due, after < slot <= until, in UTC."""
    if schedule.every_s:
        every = timedelta(seconds=schedule.every_s)
        slot = datetime.min.replace(tzinfo=UTC) + (after - datetime.min.replace(tzinfo=UTC)) // every * every + every
        while slot <= until:
            yield slot
            slot += every
        return
    zone = ZoneInfo(zone_name)
    day = after.astimezone(zone).date() - timedelta(days=1)
    while day <= until.astimezone(zone).date():
        if schedule.day is None or schedule.day == day.day:
            slot = _instant(day, schedule.at, zone)
            if after < slot <= until:
                yield slot
        day += timedelta(days=1)


def _instant(day, at: time, zone: ZoneInfo) -> datetime:
    """Return the first instant at which clocks show it, or by how much they moved later where they never do."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
