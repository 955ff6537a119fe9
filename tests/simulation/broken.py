"""The rules of the product, each broken on purpose: the invariants must see it.

`make sim-broken` tries them all, `make sim-broken RULE=delete-at-puback` one; it prints which invariant caught it and
on which seed, and fails for one that nothing catches.

Each entry is a function that breaks one rule, by a `setattr` like that of pytest's monkeypatch, and the mishaps under
which the rule is needed.
"""

import logging
import os
import sys
from dataclasses import replace
from multiprocessing import get_context

from edge.app.daemon import STORE_FILE
from edge.centre import accept
from edge.clock import ClockTrust
from edge.forward import receipts as accepted
from edge.forward import shedding as forward_shedding
from edge.forward.worker import ForwardWorker
from edge.messages.envelope import envelope_hash
from edge.messages.signing import Ed25519Verifier
from edge.store import outbox, packing, safe_storage, taking
from edge.store import receipts as settled
from edge.store.database import Database
from edge.store.epochs import find_epoch, hash_at
from edge.store.journal import Journal
from edge.store.receipts import EpochState
from edge.store.safe_storage import SafeStorage
from tests.simulation.box import Box
from tests.simulation.centre_site import Keys
from tests.simulation.disk import Disk
from tests.simulation.system import run_system

_WIDE = 200
_SKIPPED = 0.5


def delete_at_puback(put):
    """Let the broker's acknowledgement release a batch."""
    note_published = ForwardWorker._note_published

    def release(self, mid, *, refused):
        key = self._numbers.get(mid)
        note_published(self, mid, refused=refused)
        for sealed in self._outbox.unstored(None, 64) if key else ():
            if (sealed.epoch, sealed.seq) == key:
                self._outbox.apply_receipt(EpochState(*key, key[1], envelope_hash(sealed.envelope)))
                self._window.drop(key)

    put(ForwardWorker, "_note_published", release)


def delete_at_stored(put):
    """Forget what a receipt calls stored, and not only what it calls durable."""
    state = accepted._state

    def forget(one):
        return replace(state(one), durable=one.stored)

    put(accepted, "_state", forget)


def keep_what_is_durable(put):
    """Never believe that something is durable: the archive is never emptied."""
    state = accepted._state
    put(accepted, "_state", lambda one: replace(state(one), durable=0))


def skip_an_fsync(put):
    """Leave out the sync of a commit of the store."""
    rows = Database.rows

    def hasty(self, sql, *values):
        return rows(self, sql.replace("synchronous = FULL", "synchronous = NORMAL"), *values)

    put(Database, "rows", hasty)


def drop_the_row_crc(put):
    """Take a row of the journal without its checksum."""

    def trusting(row):
        crc = packing.crc_of(row.task, row.meter, row.slot_us, row.readings, row.body)
        return packing.unpack_record(replace(row, crc=crc))

    put(taking, "unpack_record", trusting)


def drop_the_hash_of_receipts(put):
    """Believe a receipt whatever its hash at `stored` is."""
    settle = settled.settle_receipt

    def believe(rows, receipt, at, *, may_dispute=True):
        epoch = find_epoch(rows, receipt.epoch)
        if epoch is not None:
            stored = min(receipt.stored, epoch.next_seq - 1)
            own = hash_at(rows, epoch, stored)
            receipt = replace(
                receipt, stored=stored, durable=min(receipt.durable, stored), head=own or receipt.head, is_foreign=False
            )
        return settle(rows, receipt, at, may_dispute=may_dispute)

    put(outbox, "settle_receipt", believe)


def drop_the_chain(put):
    """Let the centre take an envelope that does not follow the one before it."""
    judge = accept.judge

    def careless(new, held, _before, _after):
        return judge(new, held, None, None)

    put(accept, "judge", careless)


def drop_the_signature_of_receipts(put):
    """Believe a receipt whoever signed it."""
    open_receipt = accepted.open_receipt

    class _AnyKey:
        def __init__(self, verifier):
            self.alg, self.kid = verifier.alg, verifier.kid

        def verify(self, signature, data):
            pass

    put(accepted, "open_receipt", lambda data, verifier: open_receipt(data, _AnyKey(verifier)))


def wall_time_for_deadlines(put):
    """Let the forwarder wait by the wall clock."""

    class _Wall:
        def __init__(self, clock):
            self._clock = clock
            self.boot_id = clock.boot_id

        def monotonic(self):
            return self._clock.utc_now().timestamp()

        def at_of(self, wall_s):
            return self._clock.now.at + wall_s - self.monotonic()

        def utc_now(self):
            return self._clock.utc_now()

        def trust(self) -> ClockTrust:
            return self._clock.trust()

    put(Box, "deadlines", property(lambda self: _Wall(self.clock)))


def believe_the_wrong_time(put):
    """Leave records of an unknown time in the slots that the wrong clock gave them."""
    put(Journal, "undated_rows", lambda *_: {})


def skip_one_sync(put):
    """Leave out half of the syncs of the store's log, below SQLite: its commits seem to be as durable as ever."""
    sync = Disk.sync

    def now_and_then(self, image):
        if image.path.name == f"{STORE_FILE}-wal" and self.random.random() < _SKIPPED:
            self.act()
            return
        sync(self, image)

    put(Disk, "sync", now_and_then)


def skip_the_sync_of_the_register(put):
    """Rename the register's new file into its place before it is on the disk."""

    def hasty(path, content):
        path.write_bytes(content)

    put(safe_storage, "_write_synced", hasty)


def read_the_register_unsynced(put):
    """Believe the register that a program left which died: its last name may be in the system's memory only."""
    put(SafeStorage, "_sync_once", lambda self: None)


def shed_in_silence(put):
    """Give readings up without a word of which."""

    def silent(batch):
        return replace(batch, records=tuple(one for one in batch.records if not one.values))

    put(forward_shedding, "bare_batch", silent)
    put(forward_shedding, "reduced_batch", silent)


def drop_the_signature_of_batches(put):
    """Let the centre take an envelope whoever signed it."""

    def any_key(self, gateway, kid):
        return _AnyKey(self.keys[gateway], kid) if gateway in self.keys else None

    put(Keys, "verifier_of", any_key)


class _AnyKey:
    """A key by which every signature holds."""

    def __init__(self, public, kid):
        self.alg, self.kid = Ed25519Verifier(public).alg, kid

    def verify(self, signature, data):
        """Let it pass."""


BROKEN = {
    delete_at_puback: ("manners", "broker_dies"),
    delete_at_stored: ("centre_back_up", "centre_restored"),
    keep_what_is_durable: ("shake",),
    skip_an_fsync: ("power", "kill"),
    skip_one_sync: ("power", "kill"),
    skip_the_sync_of_the_register: ("register_torn", "register"),
    read_the_register_unsynced: ("register_torn", "register", "power"),
    drop_the_row_crc: ("damage",),
    drop_the_hash_of_receipts: ("go_back",),
    drop_the_chain: ("go_back", "shake"),
    drop_the_signature_of_receipts: ("hostile", "centre_away", "manners", "broker_dies"),
    drop_the_signature_of_batches: ("hostile",),
    shed_in_silence: ("shed",),
    wall_time_for_deadlines: ("clock", "broker_dies"),
    believe_the_wrong_time: ("clock", "power"),
}
TRIED = 80  # worlds within which a broken rule must show


def find_catch(broken, seeds):
    """Return the first seed whose world shows that the rule is broken, and what its invariant says; None: none did."""
    undo = []

    def put(owner, name, value):
        undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    broken(put)
    try:
        for seed in seeds:
            if wrong := run_system(seed, kinds=BROKEN[broken]).wrong:
                return seed, wrong
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)
    return None


def try_rule(name):
    """Break one rule in this process; return its name and what caught it."""
    logging.disable(logging.CRITICAL)
    seeds = [int(os.environ["SEED"])] if "SEED" in os.environ else range(TRIED)
    return name, find_catch(next(one for one in BROKEN if one.__name__ == name), seeds)


def main():
    """Try `RULE`, or each rule, and print what caught it; return the exit code."""
    wanted = os.environ.get("RULE", "").replace("-", "_")
    names = [one.__name__ for one in BROKEN if wanted in ("", one.__name__)]
    if not names:
        print("no such rule; there are:", *(one.__name__.replace("_", "-") for one in BROKEN), sep="\n  ")
        return 1
    missed = []
    with get_context("spawn").Pool(min(len(names), os.cpu_count() or 1)) as pool:
        for name, caught in pool.imap(try_rule, names):
            rule = name.replace("_", "-")
            if caught is None:
                missed.append(rule)
                print(f"{rule}: NOT CAUGHT", flush=True)
                continue
            seed, wrong = caught
            said = wrong[0].strip().splitlines()
            print(f"{rule}: caught on seed {seed}, again with: make sim-broken RULE={rule} SEED={seed}")
            print(f"    {said[0][:_WIDE]}" + (f" ... {said[-1][:_WIDE]}" if len(said) > 1 else ""), flush=True)
    print(f"{len(names)} rules broken, {len(names) - len(missed)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
