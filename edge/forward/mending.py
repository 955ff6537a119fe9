"""A batch whose bytes the disk has changed holds up no other: a signed one without a reading takes its number.

It names the original's hash as what it replaces, so the chain goes on, and a centre that has the original keeps that.
Which slots went with it nobody can read any more: those that the plans expected since the batch before it are named by
losses, as for a store that was set aside (`recovery.py`).
"""

import logging
from datetime import datetime, timedelta

from edge.errors import ForwardError, MessageError
from edge.messages.batch import Batch, build_batch, parse_batch
from edge.messages.envelope import Header, open_envelope, seal_envelope
from edge.messages.signing import Signer, Verifier
from edge.store.mending import Broken
from edge.store.outbox import Outbox

_UNKNOWN = timedelta(days=2)  # how far back what is lost may lie if the batch before it says nothing
_MOST = timedelta(days=35)

_LOG = logging.getLogger(__name__)


class Mender:
    """Looks through a page of the outbox a call, and mends at most one batch."""

    def __init__(self, outbox: Outbox, signer: Signer, gateway: str) -> None:
        self._mending = outbox.mending()
        self._signer = signer
        self._gateway = gateway
        self.is_due = False

    def begin(self) -> None:
        """Look through the outbox: a batch in it could not be read."""
        if not self.is_due:
            self._mending.begin()
            self.is_due = True

    def mend(self) -> Broken | None:
        """Mend the next batch and return what it was; None if none was found in this call.

        Durable: on the disk on return. Raises StoreError, with nothing changed.
        """
        broken = self._mending.next()
        if broken is None:
            self.is_due = not self._mending.is_over
            return None
        raw = build_batch(Batch((), None, (), broken.sealed_at))
        header = Header(
            gateway=self._gateway,
            epoch=broken.epoch,
            seq=broken.seq,
            prev=broken.prev,
            raw_length=len(raw),
            replaces=broken.sha256,
            predecessor=broken.predecessor,
        )
        self._mending.replace(broken, seal_envelope(header, raw, self._signer), self._since(broken))
        _LOG.error("batch %s/%d: its bytes were damaged, losses take its place", broken.epoch.hex(), broken.seq)
        return broken

    def trouble(self) -> ForwardError | None:
        """Return what the operator must hear: batches were damaged, and the centre does not know it yet."""
        count = self._mending.unsettled()
        return ForwardError("E-FWD-216", count=count) if count else None

    def _since(self, broken: Broken) -> datetime:
        """Return the newest poll of the batch before it: what is lost was polled after that."""
        since = broken.sealed_at - _UNKNOWN
        if broken.before is not None:
            try:
                before = parse_batch(open_envelope(broken.before, self._own_key).raw)
            except MessageError:
                return since
            since = max((record.stamp.at for record in before.records), default=since)
        return max(since, broken.sealed_at - _MOST)

    def _own_key(self, gateway: str, kid: bytes) -> Verifier | None:
        return self._signer.verifier() if (gateway, kid) == (self._gateway, self._signer.kid) else None
