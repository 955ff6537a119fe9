"""What must hold once everything has worked again for a while; each function returns what does not.

It reads what the centre holds from the exact bytes of the envelopes that it keeps as evidence, opened with the keys
that were enrolled, and compares that with the books and with the ledger's own answers. Each complaint begins with the
name of its invariant:

 [true] every value that a store was handed is what its meter said or held (judged at once: `books.py`);
 [register] a start finds the register as it was written last, or as a write under way would have it (`registers.py`);
 [chain] every envelope was sealed by a gateway, is under its own number, and follows the one before it; none is kept
     of a gateway that never spoke;
 [recorded] every poll in it was handed to that gateway's store, with these values; what was given up of it is named;
 [kept] every record that `append` acknowledged is there, or a signed loss names its slot (a destroyed store excepted);
 [planned] every slot of every plan is there, as a reading or with a reason;
 [timed] a live reading whose time is known was really made in its slot;
 [once] what counts for a slot is what was sent for it, once, a reading before a reason;
 [archive] nothing that a gateway has forgotten is lacking at the centre, nor in any backup that may yet be restored;
 [settled] when the meters rest, everything is sealed, sent, durable and forgotten (`rest.py`);
 [works] no part dies of a defect, and none works for ever (`system.py`).
"""

import contextlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import apsw

from edge.centre.ledger import BatchKey, Span
from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.rows import value_text
from edge.config.settings import parse_duration
from edge.errors import MessageError
from edge.messages.batch import parse_batch
from edge.messages.envelope import envelope_hash, open_envelope
from edge.reading.chain import GENESIS
from edge.reading.record import PollRecord, Source
from edge.reading.verdict import SlotReason
from edge.store.merged_numbers import merged_numbers
from edge.store.meta import load_fact
from tests.simulation.books import Books, slot_of
from tests.simulation.calendars import slots_of

_SIGNATURE = 64  # bytes at the end of an envelope
_ALL = 1 << 30
_OFF = timedelta(seconds=60)  # as far as a clock that is trusted may be off here
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class AtCentre:
    """What the centre holds of one gateway, from its envelopes."""

    gateway: str
    wrong: list[str] = field(default_factory=list)
    sent: dict = field(default_factory=lambda: defaultdict(list))
    losses: list = field(default_factory=list)
    plans: int = 0
    replacements: int = 0

    def name_of(self, number) -> str:
        """Return how an envelope is named here."""
        return f"{self.gateway} {number[0].hex()}/{number[1]}"

    def check_signature(self, data, number, books) -> None:
        """Note an envelope whose signature no gateway has made."""
        if data[-_SIGNATURE:] not in books.signatures:
            self.wrong.append(f"[chain] {self.name_of(number)}: no gateway signed this")


def check(system) -> list[str]:
    """Return everything that does not hold at this moment."""
    books: Books = system.books
    wrong = list(books.wrong)
    with contextlib.closing(SqliteLedger(system.centre.path)) as ledger:
        for box in system.boxes:
            held = read_envelopes(ledger, box.name, system.public_keys[box.name], books)
            wrong += held.wrong
            wrong += _unsealed(held, books)
            wrong += _lacking(held, books, system.settled_at)
            wrong += _misplaced(held, system, box)
            wrong += _holes(held, books, system, box)
            counted, values = _counted(ledger, held, system)
            wrong += counted
            system.readings += values
            system.replacements[box.name] = held.replacements
            wrong += books.registers[box.name].wrong
        wrong += [
            f"[chain] {name}: it never spoke, and the centre has {state.stored} envelopes of it"
            for name in set(ledger.gateways()) - {box.name for box in system.boxes}
            for state in ledger.epochs(name)
            if state.stored
        ]
    return wrong + check_archive(system)


def read_envelopes(ledger, gateway, keys, books) -> AtCentre:
    """Return what the envelopes of a gateway say; each is opened with the key of the gateway that was enrolled."""
    held = AtCentre(gateway)
    for state in ledger.epochs(gateway):
        mark = None
        rejected = {seq for seq, _ in ledger.rejected(gateway, state.epoch, _ALL)}  # kept, but taken in by nobody
        for seq in range(1, _last(ledger, state) + 1):
            data = ledger.envelope(BatchKey(gateway, state.epoch, seq))
            if data is None or seq in rejected:
                mark = None
                continue
            held.check_signature(data, (state.epoch, seq), books)
            mark = _read(held, data, (state.epoch, seq), mark if seq > 1 else GENESIS, keys)
    return held


def _last(ledger, state):
    """Return a number above everything that is held of an epoch."""
    seq, gap = state.stored, 0
    while gap < 64:
        found = ledger.envelope(BatchKey(state.gateway, state.epoch, seq + 1 + gap))
        if found is None:
            gap += 1
        else:
            seq, gap = seq + 1 + gap, 0
    return seq


def _read(held, data, number, mark, keys):
    """Take one envelope; return its mark."""
    name = held.name_of(number)
    try:
        opened = open_envelope(data, lambda gateway, kid: keys.get(kid) if gateway == held.gateway else None)
        batch = parse_batch(opened.raw)
    except MessageError as exc:
        held.wrong.append(f"[chain] {name}: cannot be opened: {exc}")
        return None
    header = opened.header
    if (header.epoch, header.seq) != number:
        held.wrong.append(f"[chain] {name}: its own number is {header.epoch.hex()}/{header.seq}")
    if mark is not None and header.prev != mark:
        held.wrong.append(f"[chain] {name}: does not follow the one before it")
    for record in batch.records:
        held.sent[slot_of(held.gateway, record)].append(record)
    held.losses += batch.losses
    held.plans += batch.plan is not None
    held.replacements += header.replaces is not None
    return header.replaces or envelope_hash(data)


def _face(record: PollRecord):
    """Return what a record says of its slot, as the centre can know it."""
    return (
        None if record.values else record.reason,
        tuple(sorted((key, value_text(value)) for key, value in record.values.items())),
    )


def _is_rest(record, face, whole):
    """Return whether a record says what another one did, or what is left of that where the rest is named as shed."""
    if face == whole:
        return True
    shed = {key for key, reason in record.faults.items() if reason is SlotReason.SHED}
    left = tuple((key, value) for key, value in whole[1] if key not in shed)
    return bool(shed) and face[1] == left and shed == {key for key, _ in whole[1]} - {key for key, _ in left}


def _unsealed(held, books):
    """Yield polls that no gateway's store was ever given."""
    for slot, records in held.sent.items():
        tried = [_face(record) for record in books.tried.get(slot, ())]
        for record in records:
            if not any(_is_rest(record, _face(record), whole) for whole in tried):
                yield f"[recorded] {_name(slot)}: nobody recorded {record.state} {record.reason} {dict(record.values)}"


def _lacking(held, books, until):
    """Yield acknowledged records that are not there, without a loss that says so."""
    unnamed = sum(loss.count for loss in held.losses if not loss.meter)
    for slot, kept in books.kept.items():
        if slot[0] != held.gateway:
            continue
        sent = [(record, _face(record)) for record in held.sent.get(slot, ())]
        for one in kept:
            if one.is_destroyed or one.at > until or _is_lost(held, slot):
                continue
            whole = _face(one.record)
            if any(_is_rest(record, face, whole) for record, face in sent) or _is_laid(held, one):
                continue
            if unnamed > 0:
                unnamed -= 1
                continue
            what = f"{one.record.state} {one.record.reason}"
            yield f"[kept] {_name(slot)}: acknowledged at {one.at:.0f}, not at the centre: {what}"


def _is_laid(held, kept):
    """Return whether what a commit that failed may have put in the place of a record is all there."""
    return any(all(_is_there(held, record) for record in instead) for instead in kept.instead)


def _is_there(held, record):
    slot, whole = slot_of(held.gateway, record), _face(record)
    return _is_lost(held, slot) or any(_is_rest(sent, _face(sent), whole) for sent in held.sent.get(slot, ()))


def _is_lost(held, slot):
    _, task, meter, slot_at = slot
    return any((loss.task, loss.meter) == (task, meter) and loss.covers(slot_at) for loss in held.losses)


def _misplaced(held, system, box):
    """Yield live readings of a time that was known, or became known, that were made in another slot than theirs."""
    tasks = {task["name"]: timedelta(seconds=parse_duration(task.get("every", "1d"))) for task in system.tasks}
    for slot, records in held.sent.items():
        for record in records:
            if not record.values or record.source is not Source.LIVE:
                continue
            if not record.stamp.is_dated:
                if record.stamp.boot_id in system.dated_boots(box):
                    yield f"[timed] {_name(slot)}: the time of its boot became known, but not to it"
                continue
            at = box.clock.true_of(record.stamp.boot_id, record.stamp.boot_s)
            if not -_OFF <= at - slot[3] <= tasks[slot[1]] + _OFF:
                trust = record.stamp.trust
                yield f"[timed] {_name(slot)}: really read at {at:%d %H:%M:%S}, and its time counts as {trust}"


def _holes(held, books, system, box):
    """Yield slots that a plan promised and of which the centre knows nothing."""
    if box.is_retired:
        return
    unnamed = sum(loss.count for loss in held.losses if not loss.meter)
    gaps = list(_gaps(books, box.name))
    for slot in expected(books.plans[box.name], box.name, system.settled_until):
        if slot in held.sent or _is_lost(held, slot) or any(first < slot[3] <= last for first, last in gaps):
            continue
        if unnamed > 0:
            unnamed -= 1
            continue
        yield f"[planned] {_name(slot)}: expected by its plan, never heard of"


def _gaps(books, gateway):
    """Return the stretches of which nobody can know: from ever to an instant, or to the plan of that number."""
    plans = books.plans[gateway]
    ever = datetime.min.replace(tzinfo=UTC)
    for end in books.gaps[gateway]:
        if isinstance(end, int):
            yield ever, plans[end].valid_from if end < len(plans) else _LATEST
        else:
            yield ever, end


def expected(plans, gateway, until: datetime):
    """Yield the slots that plans promised up to an instant.

    A plan that came into force while the clock was behind says that it is valid from before the last one; it is not.
    """
    begins = list(accumulate((plan.valid_from for plan in plans), max))
    for plan, begin, end in zip(plans, begins, [*begins[1:], until], strict=True):
        for task in plan.tasks:
            for slot_at in slots_of(task.schedule, plan.timezone, begin, min(end, until)):
                for meter in task.meters:
                    yield gateway, task.name, meter, slot_at


def _counted(ledger, held, system):
    """Return what is wrong with the polls that count for their slots, and how many values were compared."""
    wrong, values = [], 0
    slots = Counter()
    for row in ledger.slots(held.gateway, datetime.min.replace(tzinfo=UTC), _LATEST):
        slot = (held.gateway, row.task, row.meter, row.slot_at)
        slots[slot] += 1
        if row.conflict and not system.may_conflict(slot):
            wrong.append(f"[once] {_name(slot)}: two readings that differ")
    found = defaultdict(dict)
    for row in ledger.readings(Span(gateway=held.gateway)):
        if row.reason is None:
            slot = (held.gateway, row.task, row.meter, datetime.fromisoformat(row.slot_at))
            found[slot][row.quantity] = row.value
    wrong += [f"[once] {_name(slot)}: counted {count} times" for slot, count in slots.items() if count != 1]
    wrong += [
        f"[once] {_name(slot)}: in an envelope, and counts for nothing" for slot in held.sent.keys() - slots.keys()
    ]
    wrong += [f"[once] {_name(slot)}: counts, and is in no envelope" for slot in slots.keys() - held.sent.keys()]
    for slot, records in held.sent.items():
        sent = [dict(_face(record)[1]) for record in records if record.values]
        if bool(sent) != bool(found.get(slot)):
            wrong.append(f"[once] {_name(slot)}: a reading was sent: {bool(sent)}; one counts: {bool(found.get(slot))}")
        dated = [dict(_face(record)[1]) for record in records if record.values and record.stamp.is_dated]
        for key, value in found.get(slot, {}).items():
            values += 1
            if not any(one.get(key, "-") == value for one in ([one for one in dated if key in one] or sent)):
                wrong.append(f"[once] {_name(slot)}: {key} = {value} was never sent, or not by whom the time was known")
    return wrong, values


def check_archive(system) -> list[str]:
    """Return batches that a gateway has forgotten, and that the centre, or a backup of it, lacks."""
    wrong = []
    copies = [("the ledger", system.centre.path)]
    for number, backup in enumerate(system.centre.backups if system.centre.policy == "backup" else ()):
        path = system.folder / f"copy-{number}.db"
        path.write_bytes(backup.content)
        copies.append((f"backup {number}", path))
    for box in system.boxes:
        forgotten = list(_forgotten(box)) if box.is_up else []
        for what, path in copies if forgotten else ():
            with contextlib.closing(SqliteLedger(path)) as ledger:
                wrong += [
                    f"[archive] {box.name} {epoch.hex()}/{seq}: forgotten, and {what} lacks it"
                    for epoch, seq in forgotten
                    if ledger.envelope(BatchKey(box.name, epoch, seq)) is None
                ]
    return wrong


def _forgotten(box):
    """Yield the numbers that a store has sealed and holds no more, but for those whose content went into later ones."""
    with contextlib.closing(apsw.Connection(str(box.path), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        rows = _Rows(db)
        if not rows.rows("SELECT 1 FROM sqlite_schema WHERE name = 'epoch'"):
            return
        disputed = load_fact(rows, "disputed") or []  # their payloads moved to other numbers
        merged = merged_numbers(rows)
        for epoch, next_seq in rows.rows("SELECT epoch, next_seq FROM epoch"):
            here = {seq for (seq,) in rows.rows("SELECT seq FROM outbox WHERE epoch = ?", epoch)}
            here.update(*(range(one.first, one.last + 1) for one in merged if one.epoch == epoch))
            if epoch not in disputed:
                yield from ((epoch, seq) for seq in range(1, next_seq) if seq not in here)


class _Rows:
    def __init__(self, db):
        self._db = db

    def rows(self, sql, *values):
        return self._db.execute(sql, values).fetchall()


def _name(slot):
    gateway, task, meter, slot_at = slot
    return f"{gateway} {task} {meter} {slot_at:%d %H:%M:%S}"
