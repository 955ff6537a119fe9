"""The rules of the product, each broken on purpose: the invariants must see it. `make sim-broken` tries them all.

Each entry is a function that breaks one rule, by a `setattr` like that of pytest's monkeypatch, and the mishaps under
which the rule is needed.
"""

from dataclasses import replace

from edge.centre import accept
from edge.clock import ClockTrust
from edge.forward import receipts as accepted
from edge.forward.worker import ForwardWorker
from edge.messages.envelope import envelope_hash
from edge.store import outbox, packing, taking
from edge.store import receipts as settled
from edge.store.database import Database
from edge.store.epochs import find_epoch, hash_at
from edge.store.journal import Journal
from edge.store.receipts import EpochState
from tests.simulation.box import Box


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


BROKEN = {
    delete_at_puback: ("manners", "broker_dies"),
    delete_at_stored: ("centre_back_up", "centre_restored"),
    skip_an_fsync: ("power", "kill"),
    drop_the_row_crc: ("damage",),
    drop_the_hash_of_receipts: ("go_back",),
    drop_the_chain: ("go_back", "shake"),
    drop_the_signature_of_receipts: ("hostile", "centre_away", "manners", "broker_dies"),
    wall_time_for_deadlines: ("clock", "broker_dies"),
    believe_the_wrong_time: ("clock", "power"),
}
