"""Asking one meter's memory for what was missed: a course of requests, and what it settles. Pure.

A course is a generator: it yields what to ask, takes the outcome, and returns what is settled. Rules:
1. A slot of a period is filled by the load record of exactly its local time; what load records do not hold, by the
   hourly or daily freeze of exactly that time.
2. A daily or monthly slot within 15 minutes of midnight is filled by that day's freeze; at other times as by rule 1.
3. A freeze counts only if its time is the same before and after its values were read: a new one moves all others on.
4. "Not kept" needs a sound answer: a record left out between others, an answer without records, a refusal. A slot of
   the last hour, with no later record, may not be recorded yet: it stays open.
5. On a noisy line (`needs_two`) an answer counts only if a second one is the same: a checksum lets some damage by.
6. A damaged answer is asked for again, up to `tries` times. A missing one is not: it may still come, and the next
   question could take it for its own.
7. Anything else that comes back (silence, a stranger, damage again) decides nothing; what was settled before, counts.
8. That there is no memory of a kind is believed at the second refusal, in another course: a meter that starts up
   refuses what it has.
"""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TypeVar

from edge.protocols.dlt645.frozen import (
    Freeze,
    FrozenPlace,
    frozen_place,
    frozen_time,
    frozen_values,
    time_ask,
    value_ask,
)
from edge.protocols.dlt645.memory import (
    Ask,
    LoadAnswer,
    interval_of,
    latest_ask,
    load_answer,
    load_ask,
    load_identifiers,
    load_place,
    load_values,
)
from edge.reading.outcome import Answer, BadChecksum, Garbage, Malformed, Outcome, Refused, Value
from edge.reading.record import Source

NEAR_MIDNIGHT = timedelta(minutes=15)
_EXACTLY = timedelta()
_RECORDED_AFTER = timedelta(minutes=70)  # the longest interval of records is an hour; clocks differ
_MOST_PROBES = 4
_EVER, _NEVER = datetime.max, datetime.min  # noqa: DTZ901 - meters' local times

Result = TypeVar("Result")
Course = Generator[Ask, Outcome, Result]


@dataclass(slots=True, kw_only=True)
class Known:
    """What is known of a meter's memory: identifiers that it refuses, those it answered, time between records.

    `doubted`: refused once (rule 8).
    """

    refused: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    interval: timedelta | None = None

    def answers(self, identifier: str) -> None:
        """Note that the meter has what the identifier names."""
        self.answered.add(identifier)
        self.doubted.discard(identifier)

    def refuses(self, identifier: str) -> bool:
        """Note that the meter refused what every memory has; return whether that is sure."""
        is_sure = identifier in self.doubted
        (self.refused if is_sure else self.doubted).add(identifier)
        return is_sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What was missed: keys at moments of the meter's local time, ascending; `blocks` records may be asked for.

    `is_rare`: a daily or monthly task; then there is one moment. `now` is the local time. `needs_two`: rule 5;
    `tries`: rule 6.
    """

    keys: tuple[str, ...]
    moments: tuple[datetime, ...]
    is_rare: bool
    blocks: int
    now: datetime
    needs_two: bool = False
    tries: int = 1


@dataclass(slots=True, kw_only=True)
class Recalled:
    """What the memory holds of one moment; no values: it holds nothing. `at`: the meter's own time of the values."""

    moment: datetime
    at: datetime | None = None
    sources: list[Source] = field(default_factory=list)
    values: dict[str, Value | None] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def add(self, source: Source, at: datetime, values: Mapping[str, Value | None], units: Mapping[str, str]) -> None:
        """Add what one source holds."""
        if values:
            self.at = at
            self.sources.append(source)
            self.values.update(values)
            self.units.update(units)


@dataclass(slots=True)
class CourseResult:
    """What a course settled, in order; `is_sound` False: it ended by something that decides nothing."""

    settled: list[Recalled] = field(default_factory=list)
    is_sound: bool = True


def recall(missed: Missed, known: Known) -> Course[CourseResult]:
    """Ask for what was missed; return what is settled, and note in `known` what was found out on the way."""
    midnight = _midnight_near(missed.moments[0]) if missed.is_rare else None
    if midnight is not None:
        recalled = Recalled(moment=missed.moments[0])
        is_sound = yield from _add_freeze(recalled, Freeze.DAILY, NEAR_MIDNIGHT, missed, known)
        return CourseResult([recalled] if is_sound else [], is_sound)
    records = yield from _ask_records(missed, known)
    if records is None:
        return CourseResult(is_sound=False)
    result = CourseResult()
    for moment in missed.moments:
        if not records.decides(moment, missed.now):
            break
        recalled = records.at(moment)
        for freeze in _freezes_at(moment):
            result.is_sound = yield from _add_freeze(recalled, freeze, _EXACTLY, missed, known)
            if not result.is_sound:
                return result
        result.settled.append(recalled)
    return result


def load_classes(keys: Iterable[str]) -> frozenset[int]:
    """Return the classes of load records that hold any of these keys."""
    return frozenset(place.number for key in keys if (place := load_place(key)))


def _agreed(ask: Ask, missed: Missed) -> Course[Outcome]:
    """Return the outcome; where two have to agree and do not, one that decides nothing."""
    first = yield from _tried(ask, missed)
    if not missed.needs_two or not isinstance(first, Answer):
        return first
    second = yield from _tried(ask, missed)
    is_same = isinstance(second, Answer) and second.items == first.items
    return second if is_same or not isinstance(second, Answer | Refused) else BadChecksum(raw=second.raw)


def _tried(ask: Ask, missed: Missed) -> Course[Outcome]:
    """Return the outcome of the last try (rule 6)."""
    outcome = yield ask
    for _ in range(1, missed.tries):
        if not isinstance(outcome, BadChecksum | Garbage | Malformed):
            break
        outcome = yield ask
    return outcome


def _midnight_near(moment: datetime) -> datetime | None:
    midnight = datetime.combine((moment + NEAR_MIDNIGHT).date(), time())
    return midnight if abs(moment - midnight) <= NEAR_MIDNIGHT else None


def _freezes_at(moment: datetime) -> tuple[Freeze, ...]:
    if moment.minute or moment.second:
        return ()
    return (Freeze.HOURLY,) if moment.hour else (Freeze.HOURLY, Freeze.DAILY)


# Load records.


@dataclass(slots=True)
class _Records:
    """What answers to load requests say: values by moment; nothing is known after `until`.

    `last`: up to here a record that is not there was left out between others.
    """

    until: datetime = _EVER
    last: datetime = _EVER
    found: dict[datetime, Recalled] = field(default_factory=dict)

    def add(self, answer: LoadAnswer, keys: Iterable[str]) -> None:
        """Add the records of one answer."""
        self.until = min(self.until, answer.until)
        self.last = min(self.last, max(answer.records, default=_NEVER))
        for moment, record in answer.records.items():
            self.at(moment).add(Source.LOAD_RECORD, moment, *load_values(record, keys))

    def add_nothing(self, begin: datetime) -> None:
        """Note that there is no record at the begin."""
        self.add(LoadAnswer({}, begin), ())

    def at(self, moment: datetime) -> Recalled:
        """Return what the records hold of a moment."""
        return self.found.setdefault(moment, Recalled(moment=moment))

    def decides(self, moment: datetime, now: datetime) -> bool:
        """Return whether a moment is settled by these records, there or not."""
        is_there = moment in self.found
        return moment <= self.until and (is_there or moment <= self.last or moment + _RECORDED_AFTER <= now)


def _ask_records(missed: Missed, known: Known) -> Course[_Records | None]:
    """Ask for the records from the first moment on; None if what came back decides nothing."""
    records = _Records()
    begin, todo = missed.moments[0].replace(second=0, microsecond=0), load_classes(missed.keys)
    while cover := load_identifiers(todo, missed.blocks, frozenset(known.refused)):
        identifier, classes = next(iter(cover.items()))
        outcome = yield from _agreed(load_ask(identifier, begin, missed.blocks), missed)
        if isinstance(outcome, Refused):
            is_refused = yield from _is_refused_for_good(identifier, missed, known)
            if is_refused is None:
                return None
            if is_refused:
                continue
            records.add_nothing(begin)
        else:
            answer = load_answer(outcome, begin, missed.blocks) if isinstance(outcome, Answer) else None
            if answer is None:
                return None
            known.answers(identifier)
            known.interval = interval_of(tuple(answer.records)) or known.interval
            records.add(answer, missed.keys)
        todo -= frozenset(classes)
    return records


def _is_refused_for_good(identifier: str, missed: Missed, known: Known) -> Course[bool | None]:
    """Return whether the meter has no records of this class: then it refuses the latest too. None: not decided."""
    if identifier in known.answered:
        return False
    outcome = yield from _tried(latest_ask(identifier), missed)
    if isinstance(outcome, Refused):
        return known.refuses(identifier) or None
    if isinstance(outcome, Answer):
        known.answers(identifier)
        return False
    return None


# Freezes.


def _add_freeze(recalled: Recalled, freeze: Freeze, tolerance: timedelta, missed: Missed, known: Known) -> Course[bool]:
    """Add what a freeze holds of the keys that are still missing; return False if what came back decides nothing."""
    wanted = {
        key: place
        for key in missed.keys
        if key not in recalled.values and (place := frozen_place(key, freeze)) is not None
    }
    if not wanted or time_ask(freeze, 1).request.identifier in known.refused:
        return True
    found = yield from _find_freeze(freeze, recalled.moment, tolerance, missed, known)
    if found is None:
        return False
    number, at = found
    if number is None or at is None:
        return True
    return (yield from _add_values(recalled, freeze, (number, at), wanted, missed))


_NOT_KEPT = (None, None)


def _find_freeze(
    freeze: Freeze, moment: datetime, tolerance: timedelta, missed: Missed, known: Known
) -> Course[tuple[int | None, datetime | None] | None]:
    """Return number and time of the freeze of a moment, two None if it is not kept; None: not decided.

    The number is reckoned from the time that passed, then put right by the times that are found.
    """
    number, asked = max(1, freeze.number_of(moment, missed.now)), set[int]()
    while 1 <= number <= freeze.depth and number not in asked and len(asked) < _MOST_PROBES:
        asked.add(number)
        ask = time_ask(freeze, number)
        outcome = yield from _tried(ask, missed)
        if isinstance(outcome, Refused) and number == 1:
            return _NOT_KEPT if known.refuses(ask.request.identifier) else None
        if isinstance(outcome, Refused):
            number = 1  # fewer are kept: the latest says how they lie
            continue
        at = frozen_time(outcome) if isinstance(outcome, Answer) else None
        if at is None:
            return _NOT_KEPT if isinstance(outcome, Answer) else None
        known.answers(ask.request.identifier)
        if abs(at - moment) <= tolerance:
            return number, at
        number += round((at - moment) / freeze.step) if freeze.step else 1
    return _NOT_KEPT


def _add_values(
    recalled: Recalled, freeze: Freeze, found: tuple[int, datetime], wanted: Mapping[str, FrozenPlace], missed: Missed
) -> Course[bool]:
    """Read the values, then the time again (rule 3); return False if anything decides nothing."""
    number, at = found
    values: dict[str, Value | None] = {}
    units: dict[str, str] = {}
    for what in sorted({place.what for place in wanted.values()}):
        outcome = yield from _agreed(value_ask(freeze, what, number), missed)
        if isinstance(outcome, Answer):
            here = {key: place for key, place in wanted.items() if place.what == what}
            more, more_units = frozen_values(outcome.items, here)
            values |= more
            units |= more_units
        elif not isinstance(outcome, Refused):
            return False
    outcome = yield from _tried(time_ask(freeze, number), missed)
    if not isinstance(outcome, Answer) or frozen_time(outcome) != at:
        return False
    recalled.add(Source.FREEZE, at, values, units)
    return True
