"""The polls of batches on their way into PostgreSQL: one COPY into the staging table, one INSERT for all that is new.

Order: what repeats gets its number (`series`, `manner`); polls go to the staging table, each slot's first one; all
whose slot has no poll that counts are taken over; only the others, few as a rule, are settled one by one by the rules
of `once.py`, in the order of their coming, against what stands.

PostgreSQL's text has no NUL: it is kept as U+2400, and the envelope keeps it as it was.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import psycopg

from edge.centre.ledger import PollCounts
from edge.centre.once import Once, PollFace, settle
from edge.centre.postgres_schema import STAGING, month_of, partition_name, partition_statements
from edge.centre.rows import face_of, faults_text
from edge.reading.record import PollRecord, SlotState, is_dated

_PLAIN = re.compile(r"[0-9.-]+(?:,[0-9.-]+)*")
_PIECE = 128  # polls
_MOST_KNOWN = 200_000  # numbers remembered; then they are asked for again
_COPY = "COPY incoming (n, slot_at, read_at, batch, series, manner, amounts, faults) FROM STDIN"
_TAKE_OVER = """
WITH taken AS (
  INSERT INTO poll (slot_at, read_at, batch, series, manner, counts, conflict, amounts, faults)
  SELECT slot_at, read_at, batch, series, manner, true, false, amounts, faults FROM incoming ORDER BY n
  ON CONFLICT (series, slot_at) WHERE counts DO NOTHING RETURNING series, slot_at
)
SELECT n FROM incoming WHERE NOT EXISTS (
  SELECT FROM taken WHERE taken.series = incoming.series AND taken.slot_at = incoming.slot_at
)
"""
_STANDING = """
SELECT poll.series, poll.slot_at, trust, state, reason, quantities, units, amounts, faults, conflict
FROM unnest(%s::integer[], %s::timestamptz[]) AS asked (series, slot_at)
JOIN poll ON poll.series = asked.series AND poll.slot_at = asked.slot_at AND poll.counts
JOIN manner ON manner.id = poll.manner
"""
_HAS_TABLE = "SELECT FROM pg_class WHERE relname = %s AND relnamespace = current_schema()::regnamespace"
_INSERT = """
INSERT INTO poll (slot_at, read_at, batch, series, manner, counts, conflict, amounts, faults)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

Series = tuple[str, str, str]  # gateway, task, meter
Slot = tuple[int, datetime]  # series and slot: what is read once
Connection = psycopg.Connection[tuple[Any, ...]]


class _Coming(NamedTuple):
    """A poll with the place of its batch in the set, the batch's number in the ledger, and its series' number."""

    place: int
    batch: int
    series: int
    record: PollRecord

    @property
    def slot(self) -> Slot:
        return self.series, self.record.slot_at


class _Manner(NamedTuple):
    """What of a poll repeats from slot to slot: its number, and whether the values come in the order of their keys."""

    number: int
    is_ordered: bool


@dataclass(slots=True)
class _Tally:
    """What became of the polls of one batch so far."""

    readings: int = 0
    repeated: int = 0
    superseded: int = 0
    conflicts: int = 0

    def add(self, once: Once, readings: int) -> None:
        self.readings += readings if once in (Once.COUNT, Once.SUPERSEDE) else 0
        self.repeated += once is Once.IGNORE
        self.superseded += once is Once.SUPERSEDE
        self.conflicts += once is Once.CONFLICT


class PollWriter:
    """Writes polls over one connection. `forget` it all after a rollback: the numbers may not be there any more."""

    def __init__(self) -> None:
        self._series: dict[Series, int] = {}
        self._manners: dict[tuple[Any, ...], _Manner] = {}
        self._months: set[date] = set()
        self._has_staging = False

    def forget(self) -> None:
        """Forget every number, partition and staging table."""
        self.__init__()  # type: ignore[misc]

    def write(self, db: Connection, batches: Sequence[tuple[int, str, Sequence[PollRecord]]]) -> list[PollCounts]:
        """Write the polls of batches (number, gateway, records) in order; return what became of each batch's."""
        coming = self._numbered(db, batches)
        tallies = [_Tally() for _ in batches]
        first, later = _split(coming)
        self._make_room(db, first)
        self._copy(db, first)
        standing = {n for (n,) in db.execute(_TAKE_OVER)}
        for n, one in enumerate(first):
            if n not in standing:
                tallies[one.place].readings += len(one.record.values)
        rest = [first[n] for n in sorted(standing)] + later  # of each slot in the order of their coming
        if rest:
            self._settle(db, rest, tallies)
        return [PollCounts(one.readings, one.repeated, one.superseded, one.conflicts) for one in tallies]

    def _numbered(self, db: Connection, batches: Sequence[tuple[int, str, Sequence[PollRecord]]]) -> list[_Coming]:
        """Return the polls with the number of their series; new series get theirs."""
        if len(self._series) > _MOST_KNOWN:
            self._series.clear()
        known = self._series
        asked = {(gateway, one.task, one.meter) for _, gateway, records in batches for one in records}
        new = asked - known.keys()
        if new:
            self._number_series(db, sorted({(gateway, clean(task), clean(meter)) for gateway, task, meter in new}))
            for gateway, task, meter in new:
                known[gateway, task, meter] = known[gateway, clean(task), clean(meter)]
        return [
            _Coming(place, batch, known[gateway, one.task, one.meter], one)
            for place, (batch, gateway, records) in enumerate(batches)
            for one in records
        ]

    def _number_series(self, db: Connection, new: Sequence[Series]) -> None:
        columns = [list(column) for column in zip(*new, strict=True)]
        asked = "unnest(%s::text[], %s::text[], %s::text[]) AS asked (gateway, task, meter)"
        db.execute(
            f"INSERT INTO series (gateway, task, meter) SELECT * FROM {asked} ON CONFLICT DO NOTHING",  # noqa: S608
            columns,
        )
        rows = db.execute(f"SELECT series.* FROM series JOIN {asked} USING (gateway, task, meter)", columns)  # noqa: S608
        self._series.update({(gateway, task, meter): number for number, gateway, task, meter in rows})

    def _make_room(self, db: Connection, coming: Iterable[_Coming]) -> None:
        """Make the months' partitions, and an empty staging table."""
        months = {month_of(slot_at) for slot_at in {one.record.slot_at for one in coming}} - {None}
        for month in sorted(month for month in months if month is not None and month not in self._months):
            if db.execute(_HAS_TABLE, [partition_name(month)]).fetchone() is None:
                for statement in partition_statements(month):
                    db.execute(statement.encode())
            self._months.add(month)
        if not self._has_staging:
            db.execute(STAGING)
            self._has_staging = True
        db.execute("DELETE FROM incoming")  # what an earlier set of this transaction left

    def _copy(self, db: Connection, coming: Sequence[_Coming]) -> None:
        """Send polls to the staging table, in pieces: the server takes one apart while the next one is written."""
        manners = [self._manner(db, one.record) for one in coming]  # asks, so before the COPY
        with db.cursor() as cursor, cursor.copy(_COPY) as copy:
            for first in range(0, len(coming), _PIECE):
                piece = zip(coming[first : first + _PIECE], manners[first : first + _PIECE], strict=True)
                copy.write("".join([_line(n, one, manner) for n, (one, manner) in enumerate(piece, first)]))

    def _manner(self, db: Connection, record: PollRecord) -> _Manner:
        """Return how a poll was read and what it brought, by its number; a new one gets its number."""
        units = tuple(record.units.items()) if record.units else ()
        keys = tuple(record.values)
        key = (record.source, record.stamp.trust, record.state, record.reason, record.flags, keys, units)
        found = self._manners.get(key)
        if found is None:
            if len(self._manners) > _MOST_KNOWN:
                self._manners.clear()
            number = _number_manner(db, record, face_of(record))
            found = self._manners[key] = _Manner(number, list(keys) == sorted(keys))
        return found

    def _settle(self, db: Connection, rest: Sequence[_Coming], tallies: Sequence[_Tally]) -> None:
        """Settle polls one by one against what counts for their slots, and write what becomes of them."""
        standing = _standing(db, {one.slot for one in rest})
        for one in rest:
            ruling = settle(standing.get(one.slot), clean_face(face_of(one.record)))
            tallies[one.place].add(ruling.once, len(one.record.values))
            if ruling.once is Once.IGNORE:
                continue
            where = [one.series, one.record.slot_at]
            if ruling.once is Once.SUPERSEDE:
                db.execute("UPDATE poll SET counts = false WHERE series = %s AND slot_at = %s AND counts", where)
            if ruling.once is Once.CONFLICT:
                db.execute("UPDATE poll SET conflict = true WHERE series = %s AND slot_at = %s AND counts", where)
                standing[one.slot] = replace(standing[one.slot], is_flagged=True)
            if ruling.once in (Once.COUNT, Once.SUPERSEDE):
                standing[one.slot] = ruling.face
            _insert(db, one, ruling.face, ruling.once)


def clean(text: str) -> str:
    """Return text as PostgreSQL can hold it."""
    return text.replace("\0", "\u2400") if "\0" in text else text


def clean_face(face: PollFace) -> PollFace:
    """Return what of a poll decides as PostgreSQL can hold it."""
    return replace(
        face,
        values={clean(key): clean(value) if value is not None else None for key, value in face.values.items()},
        units={clean(key): clean(unit) for key, unit in face.units.items()},
        faults={clean(key): clean(reason) for key, reason in face.faults.items()},
    )


def _line(n: int, one: _Coming, manner: _Manner) -> str:
    """Return a poll as a line of the COPY."""
    record = one.record
    return (
        f"{n}\t{record.slot_at.isoformat()}\t{record.stamp.at.isoformat()}\t{one.batch}\t{one.series}"
        f"\t{manner.number}\t{_amounts(record, is_ordered=manner.is_ordered)}\t{_faults_of(record)}\n"
    )


def _amounts(record: PollRecord, *, is_ordered: bool) -> str:
    """Return the values of a poll as the text of an array, in the order of their keys."""
    values = record.values
    if is_ordered:
        joined = ",".join(map(str, values.values()))
        if _PLAIN.fullmatch(joined) and joined.count(",") == len(values) - 1:
            return f"{{{joined}}}"
    face = face_of(record)  # a value without digits alone: text, none, or a number with an exponent
    return _copied("{" + ",".join(_element(face.values[key]) for key in sorted(face.values)) + "}")


def _element(value: str | None) -> str:
    if value is None:
        return "NULL"
    text = clean(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _copied(text: str) -> str:
    """Return text as a field of a COPY."""
    text = text.replace("\\", "\\\\").replace("\t", "\\t")
    return text.replace("\n", "\\n").replace("\r", "\\r")


def _faults_of(record: PollRecord) -> str:
    return _copied(clean(faults_text(face_of(record)))) if record.faults else "\\N"


def _split(coming: Iterable[_Coming]) -> tuple[list[_Coming], list[_Coming]]:
    """Return the first poll of each slot, and the later ones of slots that have several in this set."""
    seen: set[Slot] = set()
    first: list[_Coming] = []
    later: list[_Coming] = []
    for one in coming:
        (later if one.slot in seen else first).append(one)
        seen.add(one.slot)
    return first, later


def _standing(db: Connection, slots: Iterable[Slot]) -> dict[Slot, PollFace]:
    """Return the polls that count for these slots."""
    asked = sorted(slots)
    rows = db.execute(_STANDING, [[series for series, _ in asked], [slot_at for _, slot_at in asked]])
    return {
        (series, slot_at): PollFace(
            state=SlotState(state),
            values=dict(zip(keys, amounts, strict=True)),
            units=dict(zip(keys, units, strict=True)),
            faults=json.loads(faults or "{}"),
            reason=reason,
            is_dated=is_dated(trust),
            is_flagged=conflict,
        )
        for series, slot_at, trust, state, reason, keys, units, amounts, faults, conflict in rows
    }


def _number_manner(db: Connection, record: PollRecord, face: PollFace) -> int:
    """Return the number of a manner; its digest finds it, however many quantities it has."""
    keys = sorted(face.values)
    row = [
        *(str(record.source), record.stamp.trust, str(face.state), face.reason, clean(" ".join(record.flags))),
        *([clean(key) for key in keys], [clean(face.units[key]) for key in keys]),
    ]
    digest = sha256(json.dumps(row).encode()).digest()
    db.execute(
        "INSERT INTO manner (digest, source, trust, state, reason, flags, quantities, units)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [digest, *row],
    )
    found = db.execute("SELECT id FROM manner WHERE digest = %s", [digest]).fetchone()
    return int(found[0]) if found else 0


def _insert(db: Connection, one: _Coming, face: PollFace, once: Once) -> None:
    record, keys = one.record, sorted(face.values)
    db.execute(
        _INSERT,
        [
            *(record.slot_at, record.stamp.at, one.batch, one.series, _number_manner(db, record, face)),
            *(once in (Once.COUNT, Once.SUPERSEDE), once is Once.CONFLICT or face.is_flagged),
            *([face.values[key] for key in keys], clean(faults_text(face)) if face.faults else None),
        ],
    )
