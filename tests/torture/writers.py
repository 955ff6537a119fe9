"""The processes whose calls are recorded: a poller, a forwarder, openings that have more to do, the register.

They run the product's own code from the record to the file: the poller's buffer and journal, the forwarder's sealer
and outbox, the register. `--broken NAME` breaks one rule of theirs on purpose, to see whether the judges notice.

    python -m tests.torture.writers store FOLDER SEED ROUNDS [--broken NAME]     starts a poller and a forwarder, twice
    python -m tests.torture.writers daemon|aside|upgraded|register FOLDER SEED ROUNDS [--broken NAME]
"""

import os
import select
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from random import Random

from edge.clock import ManualClock
from edge.forward.sealing import Sealer
from edge.forward.settings import SealRules
from edge.health.model import Health
from edge.poll.buffer import CommitRule, RecordBuffer, RecordGroup
from edge.store import migration, safe_storage
from edge.store.database import Database, open_database
from edge.store.journal import Journal
from edge.store.meter import Meter, meter_document
from edge.store.outbox import Outbox
from edge.store.receipts import EpochState
from edge.store.register import REGISTER_FILE, MeterRegister, RegisterLock
from tests.torture.next_schema import next_schema
from tests.torture.site import run_site
from tests.torture.words import (
    GATEWAY,
    MAX_MIB,
    QUARTER,
    SIGNER,
    START,
    STORE,
    Key,
    Mouth,
    key_of,
    open_batch,
    plan_of,
    record_of,
)

LIVES = 2
METERS = 24


def main() -> None:
    """Be the process that the arguments name."""
    role, folder, seed, rounds, *broken = sys.argv[1:]
    rule = broken[1] if broken else ""
    ROLES[role](Path(folder), int(seed), int(rounds), rule)


def store(folder: Path, seed: int, rounds: int, broken: str) -> None:
    """Run a poller and a forwarder beside each other, stop both, and run them once more."""
    for life in range(LIVES):
        arguments = [str(folder), str(seed), str(rounds), "--broken", broken]
        poller = _process(f"poll-{life}", arguments)
        forwarder = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, "forward", *arguments], stdin=subprocess.PIPE
        )
        poller.wait()
        forwarder.communicate()  # its input ends: nothing more will come
        if poller.returncode or forwarder.returncode:
            sys.exit(f"poller {poller.returncode}, forwarder {forwarder.returncode}")


def _process(role: str, arguments: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", __spec__.name, role, *arguments])


def _open(folder: Path, broken: str, clock: ManualClock, *, check: bool = True) -> Database:
    database = open_database(folder / STORE, max_mib=MAX_MIB, check=check, clock=clock)
    if broken in ("synchronous_off", "synchronous_normal"):
        database.rows(f"PRAGMA synchronous = {broken.removeprefix('synchronous_')}")
    return database


class _SayingJournal(Journal):
    """A journal whose promises are heard."""

    def __init__(self, database: Database, mouth: Mouth, broken: str) -> None:
        super().__init__(database)
        self._mouth, self._broken = mouth, broken

    def append(self, records):
        word = {"keys": [key_of(record) for record in records]}
        if self._broken == "said_before_commit":
            self._mouth.say("appended", **word)
        kept = super().append(records)
        if self._broken != "said_before_commit":
            self._mouth.say("appended", **word)
        return kept


def poll(life: int, folder: Path, seed: int, rounds: int, broken: str) -> None:
    """Poll rounds of slots: most are read, some are missed and filled later, and now and then the plan changes."""
    rng, clock, mouth = Random(f"poll {seed} {life}"), ManualClock(now=START), Mouth(folder)
    with ExitStack() as stack:
        first = stack.enter_context(_open(folder, broken, clock))
        mouth.say("opened", aside=str(first.set_aside or ""))
        journal = _SayingJournal(stack.enter_context(_open(folder, broken, clock, check=False)), mouth, broken)
        rule = CommitRule(polls=rng.choice((4, 16)))
        buffer = RecordBuffer(bus="A", sink=journal, group=RecordGroup(clock=clock, health=Health(clock), rule=rule))
        missed: list[tuple[int, int]] = []
        for slot in range(life * rounds, (life + 1) * rounds):
            if slot % 25 == 0 and Journal(first).append_plan(plan_of(slot // 25)):
                mouth.say("planned", number=slot // 25)
            for key in _round_of(slot, rng, missed):
                buffer.add(record_of(key))
                buffer.commit_if_due(is_idle=False)
            clock.advance(QUARTER.total_seconds())
            buffer.commit_if_due(is_idle=True)
        buffer.commit()


def _round_of(slot: int, rng: Random, missed: list[tuple[int, int]]) -> list[Key]:
    keys: list[Key] = []
    for meter in range(1, METERS + 1):
        is_missing = rng.random() < 0.05
        keys.append((meter, slot, is_missing))
        if is_missing:
            missed.append((meter, slot))
    if len(missed) > 8:
        meter, old = missed.pop(0)
        keys.append((meter, old, False))
    return keys


def forward(folder: Path, seed: int, rounds: int, broken: str) -> None:
    """Seal what waits until the input ends and nothing waits; apply the receipts of a centre that lags behind."""
    rng, clock, mouth = Random(f"forward {seed}"), ManualClock(now=START), Mouth(folder)
    with _open(folder, broken, clock) as database:
        mouth.say("opened", aside=str(database.set_aside or ""))
        outbox = (_TornOutbox if broken == "sealed_in_two_commits" else Outbox)(database, clock)
        sealer = Sealer(outbox, SIGNER, clock, GATEWAY, SealRules(max_readings=rng.choice((600, 2000))))
        centre = _Centre(outbox, mouth, rng)
        is_over = False
        while not is_over:
            is_over = _has_ended(sys.stdin.fileno())
            sealer.look(clock.monotonic())
            clock.advance(1000)
            while (due := sealer.due_s()) is not None and due <= clock.monotonic():
                is_over = False
                _seal(sealer, mouth)
                centre.confirm()


class _TornOutbox(Outbox):
    """An outbox that deletes what it seals in a commit of its own, before the batch is there."""

    def seal(self, taken, sealing, *, lane):
        self._write(lambda: super(_TornOutbox, self)._forget(taken, sealing))
        return super().seal(taken, sealing, lane=lane)

    def _forget(self, taken, sealing):
        pass


def _has_ended(descriptor: int) -> bool:
    ready, _, _ = select.select([descriptor], [], [], 0.01)
    return bool(ready) and not os.read(descriptor, 1)


def _seal(sealer: Sealer, mouth: Mouth) -> None:
    sealed = sealer.seal(0.0)
    if sealed is not None:
        keys = [key_of(record) for record in open_batch(sealed.envelope).records]
        mouth.say("sealed", epoch=sealed.epoch.hex(), seq=sealed.seq, sha256=sealed.sha256.hex(), keys=keys)


class _Centre:
    """What a centre says of what it has by now: `stored` lags, `durable` lags more, a restore puts it back."""

    def __init__(self, outbox: Outbox, mouth: Mouth, rng: Random) -> None:
        self._outbox, self._mouth, self._rng = outbox, mouth, rng
        self._run, self._n = rng.randbytes(4), 0

    def confirm(self) -> None:
        """Send a receipt now and then."""
        if self._rng.random() < 0.4:
            return
        head = self._outbox.head()
        epoch, last = head.epoch, head.next_seq - 1
        durable = self._outbox.standings(4)[0].oldest_seq - 1
        stored = max(durable, last - self._rng.randrange(6))
        if self._rng.random() < 0.1:
            self._run, self._n, stored = self._rng.randbytes(4), 0, max(durable, stored - 3)
        self._n += 1
        if self._outbox.mark_receipt(self._run, self._n):
            self._mouth.say("receipt", run=self._run.hex(), n=self._n)
        sure = max(durable, min(stored, last - self._rng.randrange(4, 16)))
        rejected = ((stored, "made up"),) if stored > sure and self._rng.random() < 0.1 else ()
        self._outbox.apply_receipt(EpochState(epoch, stored, sure, self._hash_at(epoch, stored), rejected))
        self._mouth.say("confirmed", epoch=epoch.hex(), stored=stored, durable=sure)

    def _hash_at(self, epoch: bytes, seq: int) -> bytes:
        rows = self._outbox._database.rows("SELECT sha256 FROM outbox WHERE epoch = ? AND seq = ?", epoch, seq)
        if rows:
            return bytes(rows[0][0])
        return bytes(self._outbox._database.rows("SELECT durable_sha256 FROM epoch WHERE epoch = ?", epoch)[0][0])


def register(folder: Path, seed: int, rounds: int, broken: str) -> None:
    """Add, change, remove and learn, as the poller does; one process after another, as after a restart."""
    rng, mouth = Random(f"register {seed}"), Mouth(folder)
    _break_register(broken)
    for _ in range(LIVES):
        with RegisterLock(folder), MeterRegister(folder / REGISTER_FILE) as meters:
            for number in range(rounds):
                before = [one.address for one in meters.meters()]
                _change(meters, before, rng, number)
                mouth.say("registered", meters=[meter_document(one) for one in meters.meters()])


def _change(meters: MeterRegister, known: list[str], rng: Random, number: int) -> None:
    address = f"{rng.randrange(10**6):012d}"
    if len(known) < 5 or (rng.random() < 0.4 and address not in known):
        meters.add(Meter(address=address, bus="A", note="x" * rng.randrange(120)))
    elif rng.random() < 0.2:
        meters.remove(rng.choice(known))
    elif rng.random() < 0.5:
        meters.learn(rng.choice(known), quiet_ms=number)
    else:
        meters.learn_all({one: {"response_ms": number} for one in rng.sample(known, 3)})


def _break_register(broken: str) -> None:
    if broken == "folder_not_synced":
        safe_storage._sync_folder = lambda folder: None
    elif broken == "text_not_synced":
        safe_storage._write_synced = lambda path, content: path.write_bytes(content)
    elif broken == "written_in_place":
        safe_storage.SafeStorage._write = lambda self, content: safe_storage._write_synced(self._path, content)


def filled(folder: Path, seed: int, rounds: int, broken: str) -> None:
    """Store records and seal some of them, and die without closing: the log holds what the file does not."""
    clock, mouth = ManualClock(now=START), Mouth(folder)
    database = _open(folder, broken, clock)
    journal, outbox = _SayingJournal(database, mouth, broken), Outbox(database, clock)
    journal.append_plan(plan_of(0))
    mouth.say("planned", number=0)
    sealer = Sealer(outbox, SIGNER, clock, GATEWAY, SealRules(max_readings=600))
    for slot in range(rounds):
        journal.append([record_of((meter, slot, (meter + slot + seed) % 9 == 0)) for meter in range(1, METERS + 1)])
        if slot == rounds // 2:
            _seal(sealer, mouth)
    mouth.say("waiting", keys=[key_of(one) for one in outbox.take(10**9).records])
    os._exit(0)


def aside(folder: Path, seed: int, rounds: int, broken: str) -> None:
    """Open a store that is damaged: it is set aside, what waits is carried over, and work goes on in the new one."""
    _process("filled", [str(folder), str(seed), str(rounds)]).wait()
    clock, mouth = ManualClock(now=START), Mouth(folder)
    with open_database(folder / STORE, max_mib=MAX_MIB, check=False, clock=clock) as database:
        database.change("UPDATE epoch SET next_seq = next_seq + 1")
        mouth.say("prepared")
    _go_on(folder, rounds, broken)


def upgraded(folder: Path, seed: int, rounds: int, broken: str) -> None:
    """Open a store of this version with a program that knows the next one, and work in it."""
    _process("filled", [str(folder), str(seed), str(rounds)]).wait()
    Mouth(folder).say("prepared")
    if broken == "copy_name_not_synced":
        migration.sync_folder = lambda folder: None
    with next_schema():
        _go_on(folder, rounds, broken)


def _go_on(folder: Path, rounds: int, broken: str) -> None:
    clock, mouth = ManualClock(now=START), Mouth(folder)
    with _open(folder, broken, clock) as database:
        mouth.say("opened", aside=str(database.set_aside or ""))
        for slot in range(rounds, rounds + 3):
            records = [record_of((meter, slot, False)) for meter in range(1, METERS + 1)]
            _SayingJournal(database, mouth, broken).append(records)
        _seal(Sealer(Outbox(database, clock), SIGNER, clock, GATEWAY, SealRules()), mouth)


def daemon(folder: Path, seed: int, rounds: int, broken: str) -> None:
    """Run a whole site for `rounds` seconds, twice; nothing of the daemon is put together here."""
    run_site(folder, rounds)


ROLES = {
    "daemon": daemon,
    "filled": filled,
    "aside": aside,
    "upgraded": upgraded,
    "store": store,
    "poll-0": lambda *given: poll(0, *given),
    "poll-1": lambda *given: poll(1, *given),
    "forward": forward,
    "register": register,
}

if __name__ == "__main__":
    main()
