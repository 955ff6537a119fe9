"""The judge of the store: opened as the product opens it, compared with what was promised, and used again.

In order: it opens and nothing was set aside; each batch that must be there is there, to the byte, in an unbroken
chain; each record that was acknowledged is there once, in the journal or in a batch or under a durable receipt, and
says what was read; open slots, marks, plan and receipts are no older than what was said. Then the store is used: a
record is stored, a batch sealed, and the next opening finds everything sound.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from edge.clock import ManualClock
from edge.errors import EdgeError
from edge.forward.sealing import Sealer
from edge.forward.settings import SealRules
from edge.messages.envelope import open_envelope
from edge.messages.signing import Ed25519Verifier
from edge.reading.chain import GENESIS
from edge.reading.record import PollRecord, SlotState
from edge.store.database import Database, open_database
from edge.store.epochs import all_epochs
from edge.store.instants import to_us
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.plans import newest_plan
from tests.torture.judge_register import judge_register
from tests.torture.recording import Recording
from tests.torture.verdict import Verdict
from tests.torture.words import (
    GATEWAY,
    MAX_MIB,
    QUARTER,
    SIGNER,
    START,
    STORE,
    Key,
    content_key,
    key_of,
    open_batch,
    plan_of,
    record_of,
)

BatchKey = tuple[bytes, int]
AnyKey = tuple[Any, ...]
_PROBE: Key = (999, 90_000, False)


@dataclass(slots=True)
class Promises:
    """What had been said by a moment."""

    keys: list[AnyKey] = field(default_factory=list)
    sealed: dict[BatchKey, tuple[bytes, list[AnyKey]]] = field(default_factory=dict)
    durable: dict[bytes, int] = field(default_factory=dict)
    receipt: tuple[bytes, int] | None = None
    plan: int | None = None
    public: bytes = SIGNER.public
    waiting: list[AnyKey] = field(default_factory=list)
    keys_before: int = 0

    @property
    def after(self) -> list[AnyKey]:
        """What was appended after somebody had looked what waits."""
        return self.keys[self.keys_before :]

    @property
    def count(self) -> int:
        """How many promises there are to be kept."""
        return len(self.keys) + len(self.sealed) + len(self.durable) + (self.receipt is not None)


def promises_of(recording: Recording, moment: int) -> Promises:
    """Return what had been promised by a moment."""
    found = Promises()
    for word in (call.word for call in recording.said(moment)):
        match word["what"]:
            case "appended":
                found.keys += [_key(key) for key in word["keys"]]
            case "sealed":
                content = [_key(key) for key in word["keys"]]
                found.sealed[bytes.fromhex(word["epoch"]), word["seq"]] = (bytes.fromhex(word["sha256"]), content)
            case "confirmed":
                found.durable[bytes.fromhex(word["epoch"])] = word["durable"]
            case "receipt":
                found.receipt = (bytes.fromhex(word["run"]), word["n"])
            case "planned":
                found.plan = word["number"]
            case "key":
                found.public = bytes.fromhex(word["public"])
            case "waiting":
                found.waiting = [_key(key) for key in word["keys"]]
                found.keys_before = len(found.keys)
    return found


def judge_store(folder: Path, recording: Recording, moment: int) -> Verdict:
    """Compare the files of a cut with what was said by that moment."""
    return _judge(folder, recording, moment, _Look)


def judge_daemon(folder: Path, recording: Recording, moment: int) -> Verdict:
    """Do the same for the daemon's own files, its readings known by what they said when they were acknowledged."""
    verdict = _judge(folder, recording, moment, _DaemonLook)
    register = judge_register(folder, recording, moment)
    verdict.add(register, "register")
    return verdict


def _judge(folder: Path, recording: Recording, moment: int, kind: "type[_Look]") -> Verdict:
    promises = promises_of(recording, moment)
    verdict = Verdict(checked=promises.count)
    try:
        clock = ManualClock(now=START)
        with open_database(folder / STORE, max_mib=MAX_MIB, clock=clock) as database:
            if database.set_aside is not None:
                verdict.unreadable.append(f"set aside: {database.notice()}")
            kind(database, promises, verdict, clock).look()
        _look_again(folder, verdict, clock)
    except EdgeError as exc:
        verdict.unreadable.append(str(exc))
    return verdict


class _Look:
    """One look into an open store."""

    def __init__(self, database: Database, promises: Promises, verdict: Verdict, clock: ManualClock) -> None:
        self._database, self._promises, self._verdict = database, promises, verdict
        self._outbox = Outbox(database, clock)
        self._clock = clock
        self._found: Counter[AnyKey] = Counter()
        self._durable = {epoch.epoch: epoch.durable for epoch in all_epochs(database)}

    def look(self) -> None:
        """Look at everything, in the order of the module's page."""
        self._batches()
        self._journal()
        self._records()
        self._slots()
        self._facts()
        Journal(self._database).append([record_of(_PROBE)])
        sealer = Sealer(self._outbox, SIGNER, self._clock, GATEWAY, SealRules())
        sealer.seal(0.0)

    def _batches(self) -> None:
        rows = self._database.rows(
            "SELECT epoch, seq, sha256, bytes FROM outbox LEFT JOIN envelope USING (n) ORDER BY n"
        )
        held: dict[BatchKey, bytes] = {}
        heads = dict.fromkeys(self._durable)
        for epoch, seq, sha256, envelope in rows:
            held[epoch, seq] = sha256
            sha, prev, records = _opened(envelope, self._promises.public)
            if sha != sha256:
                self._verdict.wrong.append(f"batch {seq} has other bytes than its hash")
            if seq > self._durable[epoch]:
                if heads[epoch] is not None and prev != heads[epoch]:
                    self._verdict.wrong.append(f"the chain breaks before batch {seq}")
                if seq == 1 and prev != GENESIS:
                    self._verdict.wrong.append("batch 1 follows something")
                heads[epoch] = sha
            self._take(records)
        for (epoch, seq), (sha256, keys) in self._promises.sealed.items():
            if (epoch, seq) in held:
                if held[epoch, seq] != sha256:
                    self._verdict.wrong.append(f"batch {seq} is not the one that was sealed")
            elif seq <= self._durable.get(epoch, -1):
                self._found.update(keys)
            else:
                self._verdict.lost.append(f"batch {seq}")

    def _journal(self) -> None:
        taken = self._outbox.take(10**9)
        self._take(taken.records)
        if taken.losses:
            self._verdict.wrong.append(f"{len(taken.losses)} losses that nobody noted")

    def _take(self, records: Iterable[PollRecord]) -> None:
        for record in records:
            key = self._key(record)
            self._found[key] += 1
            if not self._is_true(record):
                self._verdict.wrong.append(f"record {key} is not what was read")

    def _key(self, record: PollRecord) -> AnyKey:
        return key_of(record)

    def _is_true(self, record: PollRecord) -> bool:
        """Return True if a record says what was read: a batch leaves out what only this box needs."""
        truth = _truth(key_of(record))
        return (record.values, to_us(record.slot_at), to_us(record.stamp.at), record.reason) == (
            truth.values,
            to_us(truth.slot_at),
            to_us(truth.stamp.at),
            truth.reason,
        ) and record.state in (truth.state, SlotState.REFILLED)

    def _records(self) -> None:
        lost = [key for key in self._promises.keys if not self._found[key]]
        doubled = [key for key, count in self._found.items() if count > 1]
        self._verdict.lost += [f"record {key}" for key in lost]
        self._verdict.wrong += [f"record {key} is there {self._found[key]} times" for key in doubled]

    def _slots(self) -> None:
        journal = Journal(self._database)
        marks, expected = journal.settled_marks(), {}
        for meter, slot, _ in self._found:
            expected["load", f"{meter:012d}"] = max(slot, expected.get(("load", f"{meter:012d}"), 0))
        if marks != {pair: START + slot * QUARTER for pair, slot in expected.items()}:
            self._verdict.wrong.append("the marks are not those of the newest records")
        missing = {key[:2] for key in self._found if key[2]} - {key[:2] for key in self._found if not key[2]}
        held = {(int(one.meter), (one.slot_at - START) // QUARTER) for one in journal.open_slots(10**6)}
        if held != missing:
            self._verdict.wrong.append(f"open slots differ: {sorted(held ^ missing)[:4]}")

    def _facts(self) -> None:
        for epoch, durable in self._promises.durable.items():
            if self._durable.get(epoch, -1) < durable:
                self._verdict.lost.append(f"the receipt that {durable} is durable")
        self._demand("receipt", self._promises.receipt, self._outbox.last_receipt(), _is_no_older)
        plan = newest_plan(self._database)
        if self._promises.plan is not None:
            number = self._promises.plan
            if plan is None or plan.tasks not in (plan_of(number).tasks, plan_of(number + 1).tasks):
                self._verdict.lost.append(f"plan {number}")

    def _demand(self, what: str, said: object, found: object, is_kept: Callable[[object, object], bool]) -> None:
        if said is not None and not is_kept(said, found):
            self._verdict.lost.append(f"{what} {said}, found {found}")


class _DaemonLook(_Look):
    """One look into the store of a daemon; its keys hold what its records say, so nothing else needs to be known."""

    def _key(self, record: PollRecord) -> AnyKey:
        return content_key(record)

    def _is_true(self, record: PollRecord) -> bool:
        return True

    def _slots(self) -> None:
        newest: dict[tuple[str, str], int] = {}
        for task, meter, slot_us, *_ in self._promises.keys:
            newest[task, meter] = max(slot_us, newest.get((task, meter), 0))
        marks = Journal(self._database).settled_marks()
        late = [pair for pair, slot_us in newest.items() if pair not in marks or to_us(marks[pair]) < slot_us]
        self._verdict.lost += [f"the mark of {pair}" for pair in late]


def _is_no_older(said: object, found: object) -> bool:
    """Return True if a receipt that was marked is there, or a later one: of the same run, or the first of the next."""
    return found is not None and (found == said or found[0] != said[0] or found[1] > said[1])


def _look_again(folder: Path, verdict: Verdict, clock: ManualClock) -> None:
    with open_database(folder / STORE, max_mib=MAX_MIB, clock=clock) as database:
        if database.set_aside is not None:
            verdict.unreadable.append(f"set aside after it was used: {database.notice()}")
        newest = database.rows("SELECT bytes FROM envelope ORDER BY n DESC LIMIT 1")[0][0]
        keys = [key_of(record) for record in open_batch(newest).records]
        waiting = database.rows("SELECT slot_us FROM journal WHERE meter = ?", record_of(_PROBE).meter)
        if [to_us(record_of(_PROBE).slot_at)] != [cell for (cell,) in waiting] and _PROBE not in keys:
            verdict.wrong.append("what was stored after the cut waits nowhere, and is not in the newest batch")


def _key(key: list[Any]) -> AnyKey:
    return tuple(key)


@lru_cache(maxsize=512)
def _opened(envelope: bytes, public: bytes) -> tuple[bytes, bytes, tuple[PollRecord, ...]]:
    verifier = Ed25519Verifier(public)
    opened = open_envelope(envelope, lambda gateway, kid: verifier)
    return opened.sha256, opened.header.prev, open_batch(envelope, verifier).records


_truth = lru_cache(maxsize=100_000)(record_of)
