"""What a store that was set aside still holds travels in the epoch of the new one: the same payload, a new envelope.

A batch counts if our own key opens it; what lies around it in a damaged file is not believed. One that does not open is
gone, and so is what its numbers say is lacking: the slots in question are named by losses, as soon as there is a plan.
Readings that the centre has already are the same readings in another epoch: it counts them once.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from enum import Enum, auto

from edge.errors import MessageError
from edge.forward.sealing import seal_after
from edge.forward.shed_rules import weight_of
from edge.messages.batch import Batch, parse_batch
from edge.messages.envelope import Opened, open_envelope
from edge.messages.signing import Signer, Verifier
from edge.messages.topics import BACKLOG
from edge.quality.slots import slots_between
from edge.reading.plan import Plan, PlanTask
from edge.store.asides import AsideNote, Leaf, Salvaged
from edge.store.outbox import Outbox
from edge.store.sealed import Sealing

_LOG = logging.getLogger(__name__)


class Recovered(Enum):
    """What came of one call."""

    NOTHING = auto()
    BATCH = auto()
    FILE = auto()  # nothing more can be read of one


class Recoverer:
    """Takes over one batch a call, or names what is gone."""

    def __init__(self, outbox: Outbox, signer: Signer, gateway: str) -> None:
        self._outbox = outbox
        self._recovery = outbox.recovery()
        self._signer = signer
        self._gateway = gateway
        self.has_holes = True  # nobody has looked yet
        self.is_due = True

    def look(self) -> None:
        """Look again whether something is to be named: the store has changed."""
        self.has_holes = bool(self._recovery.holes())

    def recover(self) -> Recovered:
        """Take over the next batch, or name what is lost. Durable on return. Raises StoreError, with nothing changed.

        Holes come first: what still waits in the journal can be told from what is gone only before it is sealed.
        """
        if self.has_holes:
            self._name()
            return Recovered.NOTHING
        note = self._recovery.note()
        if note is None:
            self.is_due = False
            return Recovered.NOTHING
        leaf = self._recovery.next(note)
        if leaf is None:
            self._finish(note)
            return Recovered.FILE
        return self._take_over(note, leaf)

    def _name(self) -> None:
        named = self._recovery.name_losses(_slots)
        self.has_holes = False  # without a plan they wait for the next look
        if named:
            _LOG.error("%d slots are named as lost: what was stored of them could not be read", named)

    def _take_over(self, note: AsideNote, leaf: Leaf) -> Recovered:
        try:
            opened = open_envelope(leaf.envelope or b"", self._own_key)
            batch = parse_batch(opened.raw)
            sealed = self._sealed(opened, batch)
        except MessageError as exc:
            _LOG.warning("a batch of %s cannot be taken over: %s", note.name, exc.fact())
            self._recovery.pass_over(note, leaf)
            return Recovered.NOTHING
        polled = max((record.stamp.at for record in batch.records), default=batch.sealed_at)
        self._recovery.take_over(note, leaf, Salvaged(opened.header.epoch, opened.header.seq, polled), sealed)
        self.look()
        return Recovered.BATCH

    def _sealed(self, opened: Opened, batch: Batch) -> tuple[Sealing, int, int]:
        head = self._outbox.head()
        envelope = seal_after(head, self._gateway, opened.raw, self._signer)
        return Sealing(envelope, head.epoch, head.next_seq), weight_of(batch), BACKLOG

    def _finish(self, note: AsideNote) -> None:
        done = self._recovery.finish(note)
        self.look()
        _LOG.warning("%s: %d batches are taken over, %d cannot be read", done.name, done.batches, done.unread)

    def _own_key(self, gateway: str, kid: bytes) -> Verifier | None:
        return self._signer.verifier() if (gateway, kid) == (self._gateway, self._signer.kid) else None


def _slots(plan: Plan, task: PlanTask, after: datetime, until: datetime) -> Iterator[datetime]:
    return slots_between(task.schedule, plan.timezone, after, until)
