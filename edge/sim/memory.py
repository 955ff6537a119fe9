"""What a meter keeps of the past: load records and freezes, DL/T 645-2007.

Nothing is stored but the instants of freeze orders: what the meter showed at any instant follows from its truths. A
record is there if its instant is past, not older than the meter keeps, and the meter was recording then.

Load records stand at whole multiples of their interval from midnight. Freezes: timed (by default at midnight),
instantaneous (on order), hourly, daily; the first is the latest. Blocks of a whole freeze are not kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from edge.protocols.dlt645.load_records import LoadRecord, Section, encode_load_records
from edge.sim.load import ORIGIN
from edge.sim.traits import Traits
from edge.sim.truth import Truth, Values

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_EARLIEST, _FROM, _LATEST = 0, 1, 2
_CLASSES = 6
_NOW = "99999999"
_STAMP = "%y%m%d%H%M"
# The identifiers of each class of load records; phase 00 is the total. Class 6 is made of the present demands.
_SECTIONS: tuple[tuple[str, ...], ...] = (
    ("02010100", "02010200", "02010300", "02020100", "02020200", "02020300", "02800002"),
    tuple(f"02{quantity:02X}{phase:02X}00" for quantity in (3, 4) for phase in range(4)),
    tuple(f"0206{phase:02X}00" for phase in range(4)),
    ("00010000", "00020000", "00030000", "00040000"),
    ("00050000", "00060000", "00070000", "00080000"),
    ("02800004", "02800005"),
)

IsRecording = Callable[[datetime], bool]


class Memory:
    """The memory of one meter. Instants are the meter's local time; `is_recording` says whether it recorded then."""

    def __init__(self, truth: Truth, traits: Traits, is_recording: IsRecording) -> None:
        self._truth = truth
        self._traits = traits
        self._is_recording = is_recording
        self._frozen: list[datetime] = []
        self._timed = _Cycle(timedelta())
        self._timed_since = ORIGIN
        self._since = ORIGIN

    def clear(self, local: datetime) -> None:
        """Forget everything up to an instant."""
        self._since = local
        self._frozen.clear()

    def freeze(self, order: str, local: datetime) -> bool:
        """Obey a freeze order MMDDhhmm: "99999999" now, other nines "every"; return whether the meter can.

        A cycle holds from its order on; what was frozen in the cycle before is forgotten.
        """
        if order == _NOW:
            kept = self._traits.instant_freezes
            self._frozen = [local, *self._frozen][:kept]
            return kept > 0
        cycle = _cycle_of(order)
        if cycle is None:
            return False
        self._timed, self._timed_since = cycle, local
        return True

    def frozen(self, di: str, local: datetime) -> Values | None:
        """Return the values of a freeze 05kkiinn; None if there is none."""
        _, which, item, back = bytes.fromhex(di)
        at = next(islice(self._instants(which, local), back - 1, None), None) if back else None
        if at is None:
            return None
        return (f"{at:{_STAMP}}",) if item == 0 else self._truth.at_freeze(di, at)

    def load_records(self, di: str, argument: bytes, local: datetime) -> bytes | None:
        """Return the records of a read 06cc000k, empty if none fits; None for a request that the meter cannot take.

        `argument`: count of blocks (one decimal byte), and for k = 1 the begin, mm hh DD MM YY.
        """
        _, section, zero, kind = bytes.fromhex(di)
        if not self._traits.load_every_min or section > _CLASSES or zero or kind > _LATEST:
            return None
        wanted = _wanted(kind, argument)
        if wanted is None:
            return None
        count, begin = wanted
        found = self._records(kind, begin, local)
        records = list(islice(found, count))
        if kind == _LATEST:
            records.reverse()
        return encode_load_records([self._record(at, section) for at in records])

    # Instants.

    def _instants(self, which: int, local: datetime) -> Iterator[datetime]:
        """Return the instants of a kind of freeze, the latest first."""
        traits = self._traits
        match which:
            case 0:
                every, kept = self._timed.back_from(local, max(self._timed_since, self._since)), traits.timed_freezes
            case 1:
                return iter(self._frozen)
            case 4:
                every, kept = _Cycle(timedelta(), _HOUR).back_from(local, self._since), traits.hourly_freezes
            case 6:
                every, kept = _Cycle(timedelta()).back_from(local, self._since), traits.daily_freezes
            case _:
                return iter(())
        return islice((at for at in every if self._is_recording(at)), kept)

    def _records(self, kind: int, begin: datetime | None, local: datetime) -> Iterator[datetime]:
        """Return the instants of load records: forward from the earliest or the begin, or back from the latest."""
        step = self._traits.load_every_min * _MINUTE
        earliest = max(self._since, ORIGIN, local - timedelta(days=self._traits.load_days))
        low, high = _ceil(max(begin or earliest, earliest), step), _floor(local, step)
        count = max(0, (high - low) // step + 1)
        places = range(count - 1, -1, -1) if kind == _LATEST else range(count)
        return (at for at in (low + place * step for place in places) if self._is_recording(at))

    def _record(self, at: datetime, section: int) -> LoadRecord:
        """Return the record of an instant; `section` 0: with all classes."""
        chosen = (section,) if section else range(1, _CLASSES + 1)
        sections = tuple(self._section(number, at) if number in chosen else () for number in range(1, _CLASSES + 1))
        return LoadRecord(time=f"{at:{_STAMP}}", sections=sections)

    def _section(self, number: int, at: datetime) -> Section:
        values = (self._truth.values("2007", di, at) for di in _SECTIONS[number - 1])
        return tuple(value[0] if value else None for value in values)


@dataclass(frozen=True, slots=True)
class _Cycle:
    """When a timed freeze is due: `offset` into each `every`; a month has no fixed length, then `day` counts."""

    offset: timedelta
    every: timedelta = _DAY
    day: int = 0

    def back_from(self, local: datetime, since: datetime) -> Iterator[datetime]:
        """Yield the instants up to `local`, the latest first, none before `since`."""
        at = _floor(local, self.every) + self.offset
        while at > local:
            at -= self.every
        while at >= since:
            if not self.day or at.day == self.day:
                yield at
            at -= self.every


def _cycle_of(order: str) -> _Cycle | None:
    """Return the cycle of MMDDhhmm, None for one that cannot be: 99DDhhmm, 9999hhmm or 999999mm."""
    month, day, hour, minute = (int(order[at : at + 2]) for at in range(0, 8, 2))
    every = 99
    if month != every or minute > 59 or (day == every and hour == every and minute == every):  # noqa: PLR2004
        return None
    if hour == every:
        return _Cycle(minute * _MINUTE, _HOUR) if day == every else None
    if hour > 23 or not (day == every or 1 <= day <= 28):  # noqa: PLR2004 - hours, and days that every month has
        return None
    return _Cycle(hour * _HOUR + minute * _MINUTE, day=0 if day == every else day)


def _wanted(kind: int, argument: bytes) -> tuple[int, datetime | None] | None:
    """Return how many records are wanted and from when; None for a request that is none."""
    if not argument and kind == _LATEST:
        return 1, None
    text = argument[::-1].hex()
    if len(argument) != (6 if kind == _FROM else 1) or not text.isdecimal():
        return None
    if kind != _FROM:
        return int(text), None
    try:
        return int(text[-2:]), datetime.strptime(text[:-2], _STAMP)  # noqa: DTZ007 - a meter's local time
    except ValueError:
        return None


def _floor(at: datetime, step: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // step * step


def _ceil(at: datetime, step: timedelta) -> datetime:
    floor = _floor(at, step)
    return floor if floor == at else floor + step
