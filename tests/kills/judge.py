"""Counts in PostgreSQL: each slot of the plan once, each value what its meter said, each envelope in its chain.

It asks the tables themselves and none of the product's own statements. Rules:
1. A slot that was promised is there: a poll that counts, or a loss that names it. Else it is lost.
2. A slot has one poll that counts, and values once. Else it is doubled.
3. A poll with values has all items of the plan, and each is what the meter answered between slot and stamp. A meter
   that is dead has no value, and nobody has a slot that was not promised. Else it is wrong.
4. There are as many records as the store acknowledged: none was forgotten and then recorded anew, as `gateway_down`.
5. No forks, nothing forged or rejected, one epoch, numbers without gaps, each envelope its hash and its predecessor's.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from tests.kills.truth import ITEMS, Truth

SECOND = timedelta(seconds=1)
_POLLS = """
SELECT meter, slot_at, read_at, state, coalesce(reason, ''), source, counts, conflict, quantities, amounts
FROM poll JOIN series ON series.id = series JOIN manner ON manner.id = manner
"""
_VALUED = ("read", "refilled")

Slot = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class Poll:
    """A row of the ledger."""

    meter: str
    slot_at: datetime
    read_at: datetime
    state: str
    reason: str
    source: str
    counts: bool
    conflict: bool
    quantities: list[str]
    amounts: list[str | None]

    @property
    def slot(self) -> Slot:
        return self.meter, self.slot_at

    @property
    def has_values(self) -> bool:
        return self.state in _VALUED


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What must be there: a slot every second of each meter, up to an instant, and no value of the dead one.

    `acknowledged`: how many records the store took, by the poller's own count, all its lives together.
    """

    meters: tuple[str, ...]
    dead: str
    until: datetime
    acknowledged: int


@dataclass(slots=True)
class Count:
    """What was found. The lists hold a text for each fault."""

    slots: int = 0
    readings: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    chain: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """All of them."""
        return [
            f"{kind} {text}"
            for kind, texts in (
                ("LOST", self.lost), ("DOUBLED", self.doubled), ("WRONG", self.wrong), ("CHAIN", self.chain),
            )
            for text in texts
        ]  # fmt: skip


def count(db: psycopg.Connection, truth: Truth, promise: Promise) -> Count:
    """Return what the database holds, judged."""
    found = Count()
    polls = [Poll(*row) for row in db.execute(_POLLS)]
    begin = _begin(db)
    promised = {
        (meter, begin + n * SECOND)
        for n in range(1, _whole_seconds(promise.until - begin) + 1)
        for meter in promise.meters
    }
    found.slots = len(promised)
    held = [poll for poll in polls if poll.counts]
    losses = _named_losses(db)
    _judge_slots(found, promised, held, losses)
    _judge_doubles(found, polls)
    recorded = len(polls) + len(losses)
    if recorded < promise.acknowledged:
        found.lost.append(f"{promise.acknowledged - recorded} of {promise.acknowledged} records that were acknowledged")
    for poll in held:
        _judge_values(found, poll, truth, promise, begin)
    found.chain = list(_broken_links(db))
    return found


def _begin(db: psycopg.Connection) -> datetime:
    """Return the last whole second at or before the one plan's beginning: slots come after it."""
    query = "SELECT min((document::json->>'valid_from')::timestamptz), count(DISTINCT document) FROM plan"
    ((valid_from, plans),) = db.execute(query)
    assert 1 == plans, f"{plans} plans: the settings did not change"
    return valid_from.astimezone(UTC).replace(microsecond=0)


def _whole_seconds(span: timedelta) -> int:
    return span // SECOND


def _named_losses(db: psycopg.Connection) -> dict[Slot, str]:
    """Return the slots that losses name, with their reasons: so many, evenly spaced from the first to the last."""
    named = {}
    for meter, first, last, number, reason in db.execute("SELECT meter, first_at, last_at, count, reason FROM loss"):
        step = (last - first) / max(1, number - 1)
        named.update({(meter, first + n * step): reason for n in range(number)})
    return named


def _judge_slots(found: Count, promised: Collection[Slot], held: list[Poll], losses: dict[Slot, str]) -> None:
    there = {poll.slot: poll for poll in held}
    for slot in sorted(promised):
        poll = there.get(slot)
        if poll is None and slot not in losses:
            found.lost.append(f"{slot[0]} {slot[1]}")
        elif poll is None:
            found.missing[losses[slot]] += 1
        elif not poll.has_values:
            found.missing[poll.reason] += 1
            if not poll.reason:
                found.lost.append(f"{slot[0]} {slot[1]}: {poll.state} without a reason")


def _judge_doubles(found: Count, polls: list[Poll]) -> None:
    for kind, slots in (
        ("polls that count", Counter(poll.slot for poll in polls if poll.counts)),
        ("polls with values", Counter(poll.slot for poll in polls if poll.has_values)),
    ):
        found.doubled += [f"{meter} {at}: {n} {kind}" for (meter, at), n in slots.items() if n > 1]
    found.doubled += [f"{poll.meter} {poll.slot_at}: conflict" for poll in polls if poll.conflict]


def _judge_values(found: Count, poll: Poll, truth: Truth, promise: Promise, begin: datetime) -> None:
    where = f"{poll.meter} {poll.slot_at}"
    if poll.meter not in promise.meters or poll.slot_at <= begin or poll.slot_at.microsecond:
        found.wrong.append(f"{where}: nobody promised this slot")
    values = {key: value for key, value in zip(poll.quantities, poll.amounts, strict=True) if value is not None}
    if values and poll.meter == promise.dead:
        found.wrong.append(f"{where}: a dead meter spoke: {values}")
    if poll.has_values and set(values) != set(ITEMS):
        found.wrong.append(f"{where}: {poll.state} with {sorted(values)}")
    for key, value in values.items():
        found.readings += 1
        is_true = (
            truth.said(poll.meter, key, value, poll.slot_at, poll.read_at)
            if poll.source == "live"
            else truth.said_ever(poll.meter, value)
        )
        if not is_true:
            found.wrong.append(f"{where}: {key} = {value} ({poll.source}, stamped {poll.read_at}) was never answered")


def _broken_links(db: psycopg.Connection) -> Iterator[str]:
    """Yield what is wrong with the envelopes. A number may lack only if it was merged into a later one.

    The gateway says so: the oldest number that it can send is above it, and `stored` has passed it.
    """
    for kind, number in db.execute("SELECT kind, count(*) FROM quarantine GROUP BY kind"):
        yield f"{number} in quarantine: {kind}"
    epochs = db.execute("SELECT oldest, stored FROM epoch").fetchall()
    if len(epochs) != 1:
        yield f"{len(epochs)} epochs"
    head, number, passed = None, 0, min(map(min, epochs), default=0)
    rows = db.execute("SELECT seq, state, sha256, prev, replaces, envelope FROM batch ORDER BY epoch, seq")
    for seq, state, sha256, prev, replaces, envelope in rows:
        number += 1
        if number < seq <= passed:
            number, head = seq, None
        if seq != number or state == "rejected":
            yield f"batch {seq} ({state}) in the place of {number}"
        if hashlib.sha256(envelope).digest() != sha256:
            yield f"batch {seq} is not what its hash says"
        if head is not None and prev != head:
            yield f"batch {seq} does not follow its predecessor"
        head = replaces or sha256
