"""Batches of a disputed epoch get new envelopes: the same payload under a number of the current epoch.

The centre holds other content under the old numbers, so there they can never be stored. Readings that it has already
are the same readings in another epoch: it counts them once. An envelope that our own key does not open stays as it
is, still offered, and is reported.
"""

from edge.errors import ForwardError, MessageError
from edge.forward.sealing import seal_after
from edge.messages.envelope import open_envelope
from edge.messages.signing import Signer, Verifier
from edge.store.outbox import Outbox
from edge.store.sealed import Sealed, Sealing


class Resealer:
    """Moves one batch a call. `trouble`: why the last one that could not be moved stays."""

    def __init__(self, outbox: Outbox, signer: Signer, gateway: str) -> None:
        self._outbox = outbox
        self._signer = signer
        self._gateway = gateway
        self._after: tuple[bytes, int] | None = None
        self.is_due = True  # nobody has looked yet
        self.trouble: ForwardError | None = None

    def begin(self) -> None:
        """Look through the disputed epochs from their first batch on."""
        self._after = None
        self.is_due = True
        self.trouble = None

    def reseal(self) -> Sealed | None:
        """Move the next batch and return what it was; None if none is left, or if this one stays where it is.

        Durable: on the disk on return. Raises StoreError, with nothing changed.
        """
        old = self._outbox.disputed(self._after)
        if old is None:
            self.is_due = False
            return None
        head = self._outbox.head()
        try:
            raw = open_envelope(old.envelope, self._own_key).raw
            envelope = seal_after(head, self._gateway, raw, self._signer)
        except MessageError as exc:
            self.trouble = ForwardError("E-FWD-211", epoch=old.epoch.hex(), seq=old.seq, detail=exc.fact())
            self._after = (old.epoch, old.seq)
            return None
        self._outbox.reseal(old, Sealing(envelope, head.epoch, head.next_seq))
        self._after = (old.epoch, old.seq)
        return old

    def _own_key(self, gateway: str, kid: bytes) -> Verifier | None:
        return self._signer.verifier() if (gateway, kid) == (self._gateway, self._signer.kid) else None
