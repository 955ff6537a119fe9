"""The forwarder's side of the store: what waits is taken, sealed into batches, kept until the centre has it for good.

Sealing is one transaction: the waiting rows go, the exact signed bytes come, the head of the chain moves. The bytes
are opaque here. A batch is *unsent* until a receipt says stored, then *archived* until one says durable, and only
then forgotten; a rejected one is kept in quarantine. What receipts do is in `receipts.py`; batches of an epoch whose
numbers hold other content at the centre move to another one (`disputes.py`); a full store gives up batches for smaller
ones (`shedding.py`), and many small ones for one (`merging.py`);
what a store that was set aside still holds is taken over (`recovery.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from edge.clock import Clock, SystemClock
from edge.errors import StoreError
from edge.reading.loss import Loss
from edge.reading.plan import Plan
from edge.reading.record import PollRecord, Stamp
from edge.store.ballast import ballast_of, drop_ballast
from edge.store.chain_end import append_sealed, demand_next
from edge.store.database import Database
from edge.store.disputes import IS_MOVED, MOVED, next_disputed, retire
from edge.store.epochs import Standing, begin_epoch, current_epoch, sendable_epochs
from edge.store.foreign import DISK_FULL
from edge.store.instants import from_us
from edge.store.losses import read_losses
from edge.store.mending import Mending
from edge.store.merging import Merging
from edge.store.meta import load_fact, mark_fact
from edge.store.packing import JOURNAL_ROWS
from edge.store.plans import mark_plan_sent, next_plan
from edge.store.poll_state import PollState, load_poll_state
from edge.store.receipt_marks import ReceiptMarks, load_marks, mark_applied
from edge.store.receipts import REJECTED, STORED, UNSENT, Applied, EpochState, reached_in, settle_receipt
from edge.store.recovery import Recovery
from edge.store.redating import undated_boot, undated_plans
from edge.store.sealed import SEALED_COLUMNS, Sealed, Sealing, sealed_of
from edge.store.shedding import Shedding
from edge.store.taking import move_damaged, read_journal

_RESERVE_BYTES = 1 << 20  # the sealing connection may exceed the bound by this, so that a full store still delivers
_WAITED = "waited_for_clock"
_WALL = SystemClock()
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Head:
    """What the next envelope must carry: its epoch and number, the hash before it, and the epoch's predecessor."""

    epoch: bytes
    next_seq: int
    prev: bytes
    predecessor: bytes | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not yet sealed. `oldest_at`: when the oldest record was read."""

    readings: int
    oldest_at: datetime | None
    has_plan: bool
    losses: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What goes into one batch. The ids are the store's own: hand the value back to `seal` as it is.

    An id comes with its row's CRC: the id of a row that went is given again, to a row that says something else.
    `damaged`: rows that were found damaged and moved aside just now. `plan_stamp`: when the plan was put in force, if
    the time was not trusted then.
    """

    rowids: tuple[tuple[int, int], ...]
    records: tuple[PollRecord, ...]
    plan: Plan | None
    losses: tuple[Loss, ...]
    plan_id: int | None = None
    loss_ids: tuple[tuple[int, int], ...] = ()
    readings: int = 0
    damaged: int = 0
    plan_stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A batch that the centre rejected, and why, or where it moved."""

    epoch: bytes
    seq: int
    reason: str

    @property
    def is_moved(self) -> bool:
        """True for one that lives on under another number: nothing is lost with it."""
        return self.reason.startswith(MOVED)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much lies here: readings that wait, batches by state, rows found damaged, bytes of the file and its bound.

    `unsent_readings`: those in unsent batches.
    """

    waiting: int
    unsent: int
    archived: int
    quarantined: int
    oldest_unsent_at: datetime | None
    damaged: int
    size_bytes: int
    limit_bytes: int
    unsent_readings: int


class Outbox:
    """Batches on their way to the centre."""

    def __init__(self, database: Database, clock: Clock = _WALL) -> None:
        self._database = database
        self._clock = clock
        self._passed_plan = -1
        database.limit(database.bound_bytes + _RESERVE_BYTES)

    def head(self) -> Head:
        """Return what the next envelope must carry."""
        epoch = current_epoch(self._database)
        return Head(epoch.epoch, epoch.next_seq, epoch.prev, epoch.predecessor)

    def why(self) -> str:
        """Return why the current epoch was opened: `first`, or what happened to the one before."""
        return current_epoch(self._database).why

    def open_epoch(self, why: str) -> bytes:
        """Open a new epoch and return it. What the old one has not delivered is still offered, and goes first."""

        def work() -> bytes:
            old = current_epoch(self._database)
            new = begin_epoch(self._database, why=why, predecessor=old.epoch, at=self._clock.utc_now())
            return new.epoch

        return self._write(work)

    def news(self) -> int:
        """Return a number that changes when somebody else has written to the store."""
        return self._database.news()

    def waiting(self) -> Waiting:
        """Return how much waits to be sealed."""
        with self._database.reading():
            readings = int(self._database.rows("SELECT coalesce(sum(readings), 0) FROM journal")[0][0])
            losses = int(self._database.rows("SELECT count(*) FROM loss")[0][0])
            return Waiting(readings, self._oldest_waiting_at(), self._next_plan() is not None, losses)

    def take(self, max_readings: int) -> Taken:
        """Return what goes into the next batch, in arrival order: records of at most `max_readings` readings, or one.

        A row that is not what was written is moved to the table `damaged` and becomes a loss. Nothing else changes:
        without `seal`, the same is taken again.
        """
        found = read_journal(self._database, max_readings)
        if found.damaged:
            self._write(lambda: move_damaged(self._database, found.damaged, self._clock.utc_now()))
        losses, plan = read_losses(self._database), self._next_plan()
        return Taken(
            rowids=found.ids,
            records=found.records,
            plan=plan[1] if plan else None,
            losses=tuple(loss for _, loss in losses),
            plan_id=plan[0] if plan else None,
            loss_ids=tuple(row for row, _ in losses),
            readings=found.readings,
            damaged=len(found.damaged),
            plan_stamp=undated_plans(self._database).get(plan[0]) if plan else None,
        )

    def pass_plan(self, plan_id: int) -> None:
        """Leave out this plan from now on, until there is a later one or the program starts anew."""
        self._passed_plan = plan_id

    def seal(self, taken: Taken, sealing: Sealing, *, lane: int) -> Sealed:
        """Put the envelope in the place of what was taken, in one transaction; return it as it is kept.

        Durable: on the disk on return. Raises StoreError, with nothing changed: E-STO-109 if the envelope is not the
        next of this epoch, E-STO-120 if the rows are no longer what was taken: take again.
        """
        return self._write(lambda: self._seal(taken, sealing, lane))

    def unstored(self, after: tuple[bytes, int] | None, limit: int) -> list[Sealed]:
        """Return batches that no receipt covers, in sending order, those after (epoch, seq): at most `limit`.

        Sending order is the order of sealing: an older epoch goes before a newer. Raises StoreError if an envelope
        is no longer what was sealed; see `mending.py`.
        """
        found = self._database.rows(
            f"SELECT {SEALED_COLUMNS} FROM outbox JOIN envelope USING (n) "  # noqa: S608 - our own text
            "WHERE state = 0 AND n > ? ORDER BY n LIMIT ?",
            self._place_of(after),
            limit,
        )
        return [sealed_of(row, self._database.path) for row in found]

    def apply_receipt(self, receipt: EpochState, *, may_dispute: bool = True) -> Applied:
        """Take what a receipt says of one epoch; see `receipts.py`. Durable on return.

        `may_dispute` False: a receipt that would end the current epoch changes nothing.
        """
        return self._write(
            lambda: settle_receipt(self._database, receipt, self._clock.utc_now(), may_dispute=may_dispute)
        )

    def disputed(self, after: tuple[bytes, int] | None) -> Sealed | None:
        """Return the next batch that must move to the current epoch, after (epoch, seq); None if there is none.

        Its bytes are as the disk gives them: whether they are those that were sealed, their signature tells.
        """
        found = next_disputed(self._database, self._place_of(after))
        if found is None:
            return None
        epoch, seq, lane, sha256, sealed_us, envelope = found
        return Sealed(epoch, seq, lane, sha256, envelope, from_us(sealed_us))

    def reseal(self, old: Sealed, sealing: Sealing) -> Sealed:
        """Put an envelope of the current epoch in the place of a disputed batch, in one transaction; return it.

        Durable: on the disk on return. Raises StoreError, with nothing changed, if the envelope is not the next of
        this epoch or the old batch was moved before.
        """
        return self._write(lambda: self._reseal(old, sealing))

    def shedding(self) -> Shedding:
        """Return the part that gives up what there is no room for; see `shedding.py`."""
        return Shedding(self._database, self._write)

    def merging(self) -> Merging:
        """Return the part that puts one batch in the place of many of which little is left; see `merging.py`."""
        return Merging(self._database, self._write, self._clock.utc_now)

    def mending(self) -> Mending:
        """Return the part that puts a batch in the place of one whose bytes are damaged; see `mending.py`."""
        return Mending(self._database, self._write)

    def recovery(self) -> Recovery:
        """Return the part that takes over what a store that was set aside still holds; see `recovery.py`."""
        return Recovery(self._database, self._write, self._append)

    def marks(self) -> ReceiptMarks:
        """Return which receipts were applied last."""
        return load_marks(self._database)

    def last_receipt(self) -> tuple[bytes, int] | None:
        """Return (run, n) of the receipt that was marked last, of those that the broker brought."""
        return self.marks().brought

    def mark_receipt(self, run: bytes, n: int, issued_at: datetime | None = None, *, is_carried: bool = False) -> bool:
        """Remember a receipt as seen; return False, and remember nothing, if it is no newer than the last of its run.

        Durable on return: an old receipt is refused after a restart too.
        """
        return self._write(lambda: mark_applied(self._database, run, n, issued_at, is_carried=is_carried))

    def mismatch(self) -> tuple[bytes, datetime] | None:
        """Return the latest epoch that was opened because a receipt did not fit, and when; None if there is none."""
        found = self._database.rows(
            "SELECT epoch, opened_us FROM epoch WHERE why = 'receipt_mismatch' ORDER BY n DESC LIMIT 1"
        )
        return (found[0][0], from_us(found[0][1])) if found else None

    def reached(self, epoch: bytes) -> int:
        """Return the highest number of an epoch that the centre is known to have stored; 0 if none, or not ours."""
        return reached_in(self._database, epoch)

    def waited_s(self) -> float:
        """Return for how long sealing has waited for a trusted clock, over all starts; 0 if it does not wait."""
        return float(load_fact(self._database, _WAITED) or 0)

    def mark_waited(self, seconds: float) -> None:
        """Remember for how long sealing has waited. Durable on return."""
        self._write(lambda: mark_fact(self._database, _WAITED, round(seconds)))

    def undated_boot(self) -> str | None:
        """Return the boot whose records may still get their true time; None if there is none."""
        return undated_boot(self._database)

    def poll_state(self, now: datetime) -> PollState | None:
        """Return how the half that polls says that it goes; None if it has said nothing for long."""
        return load_poll_state(self._database, now)

    def counts(self) -> Counts:
        """Return how much lies here, and since when."""
        with self._database.reading():
            found = self._database.rows(
                f"SELECT state, count(*), sum(readings) FROM outbox WHERE NOT {IS_MOVED} GROUP BY state"  # noqa: S608
            )
            states = {state: count for state, count, _ in found}
            return Counts(
                waiting=int(self._database.rows("SELECT coalesce(sum(readings), 0) FROM journal")[0][0]),
                unsent=states.get(UNSENT, 0),
                archived=states.get(STORED, 0),
                quarantined=states.get(REJECTED, 0),
                oldest_unsent_at=self._oldest_unsent_at(),
                damaged=int(self._database.rows("SELECT count(*) FROM damaged")[0][0]),
                size_bytes=self._database.size_bytes(),
                limit_bytes=self._database.limit_bytes(),
                unsent_readings=sum(readings for state, _, readings in found if state == UNSENT),
            )

    def rejected(self) -> int:
        """Return how many batches the centre has rejected that are still listed here."""
        found = self._database.rows(f"SELECT count(*) FROM outbox WHERE state = 2 AND NOT {IS_MOVED}")  # noqa: S608
        return int(found[0][0])

    def standings(self, most: int) -> list[Standing]:
        """Return where the current epoch stands, then older ones with batches that can still be sent, newest first.

        If there are more than `most` older ones, it names those that are sent first.
        """
        with self._database.reading():
            current = current_epoch(self._database)
            sendable = sendable_epochs(self._database, most + 1)
        older = [one for one in sendable if one.epoch != current.epoch][:most]
        return [Standing(current.epoch, current.durable + 1, current.next_seq), *reversed(older)]

    def quarantine(self) -> list[Quarantined]:
        """Return the rejected batches, and those that moved to another epoch, oldest first."""
        found = self._database.rows("SELECT epoch, seq, CAST(reason AS BLOB) FROM outbox WHERE state = 2 ORDER BY n")
        return [Quarantined(epoch, seq, reason.decode("utf-8", "replace")) for epoch, seq, reason in found]

    def _seal(self, taken: Taken, sealing: Sealing, lane: int) -> Sealed:
        epoch = demand_next(self._database, sealing)
        self._forget(taken, sealing)  # first, so that the envelope finds room in a full file
        sealed = self._append(sealing, taken.readings, lane)
        if taken.plan_id is not None:
            mark_plan_sent(self._database, epoch.epoch, taken.plan_id)
        return sealed

    def _reseal(self, old: Sealed, sealing: Sealing) -> Sealed:
        demand_next(self._database, sealing)
        reason = f"{MOVED}{sealing.epoch.hex()}/{sealing.seq}"
        readings = retire(self._database, old.epoch, old.seq, reason)
        if readings is None:
            raise StoreError("E-STO-109", seq=sealing.seq, detail=f"batch {old.seq} was resealed already")
        return self._append(sealing, readings, old.lane)

    def _forget(self, taken: Taken, sealing: Sealing) -> None:
        gone = self._database.change_each("DELETE FROM journal WHERE id = ? AND CAST(crc AS INTEGER) = ?", taken.rowids)
        gone += self._database.change_each("DELETE FROM loss WHERE id = ? AND CAST(crc AS INTEGER) = ?", taken.loss_ids)
        if gone != len(taken.rowids) + len(taken.loss_ids):
            raise StoreError("E-STO-120", seq=sealing.seq)

    def _append(self, sealing: Sealing, readings: int, lane: int) -> Sealed:
        return append_sealed(self._database, sealing, readings, lane, self._clock.utc_now())

    def _place_of(self, after: tuple[bytes, int] | None) -> int:
        if after is None:
            return 0
        found = self._database.rows(
            "SELECT n FROM outbox WHERE epoch = ? AND seq <= ? ORDER BY seq DESC LIMIT 1", *after
        )
        return int(found[0][0]) if found else 0

    def _next_plan(self) -> tuple[int, Plan] | None:
        return next_plan(self._database, current_epoch(self._database).epoch, self._passed_plan)

    def _oldest_waiting_at(self) -> datetime | None:
        oldest = read_journal(self._database, 1)
        if oldest.records:
            return oldest.records[0].stamp.at
        found = self._database.rows(f"SELECT min(slot_us) FROM ({JOURNAL_ROWS} ORDER BY id LIMIT 1)")  # noqa: S608
        return from_us(found[0][0]) if found[0][0] is not None else None

    def _oldest_unsent_at(self) -> datetime | None:
        found = self._database.rows("SELECT sealed_us FROM outbox WHERE state = 0 ORDER BY n LIMIT 1")
        return from_us(found[0][0]) if found else self._oldest_waiting_at()

    def _write(self, work: Callable[[], _Result]) -> _Result:
        """Do work in a transaction; on a full disk give up the ballast and do it once more."""
        try:
            with self._database.writing():
                return work()
        except StoreError as exc:
            if exc.code != DISK_FULL or not drop_ballast(ballast_of(self._database.path)):
                raise
        with self._database.writing():
            return work()
