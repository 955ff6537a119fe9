"""Finding a batch whose bytes are no longer those that were put there, and putting another in its place.

One such batch must not hold up the others. Its number, its `prev` and its hash stand in a table of their own; so a
signed replacement under the same number, without a reading, keeps the chain whole, at the centre too. The slots in it
become a hole (`holes.py`), and the plans that are kept go out once more, for one may have been in it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.errors import StoreError
from edge.store.epochs import find_epoch
from edge.store.holes import Hole, note_holes
from edge.store.instants import from_us
from edge.store.plans import send_plans_again
from edge.store.receipts import REJECTED
from edge.store.rows import Rows
from edge.store.sealed import is_sound
from edge.store.shedding import Level

_PAGE = 16  # envelopes that are hashed in one call


@dataclass(frozen=True, slots=True)
class Broken:
    """A batch whose bytes are gone, as its row tells: what a header says of it, and when it was sealed.

    `predecessor`: of its epoch, if it is the first in it. `before`: the bytes of the nearest batch before it that are
    still here; None if there is none.
    """

    n: int
    epoch: bytes
    seq: int
    prev: bytes
    sha256: bytes
    sealed_at: datetime
    predecessor: bytes | None
    before: bytes | None


class Mending:
    """The part of the outbox that looks for broken batches, a page a call."""

    def __init__(self, rows: Rows, write: Callable[[Callable[[], Any]], Any]) -> None:
        self._rows = rows
        self._write = write
        self._last = 0
        self.is_over = False

    def begin(self) -> None:
        """Look from the first batch on."""
        self._last = 0
        self.is_over = False

    def next(self) -> Broken | None:
        """Return the next broken batch that is not rejected; None if there is none in this page.

        `is_over`: all were looked at. Nothing is locked between two calls. Raises StoreError.
        """
        found = self._rows.rows(
            "SELECT outbox.n, sha256, replacement, envelope.bytes FROM outbox LEFT JOIN envelope USING (n) "
            "WHERE state <> ? AND outbox.n > ? ORDER BY outbox.n LIMIT ?",
            *(REJECTED, self._last, _PAGE),
        )
        for n, sha256, replacement, envelope in found:
            self._last = n
            if not is_sound(envelope, sha256, replacement):
                return self._broken(n)
        self.is_over = not found
        return None

    def replace(self, broken: Broken, envelope: bytes, since: datetime) -> None:
        """Put a replacement in; what was polled after `since` may be gone. All in one transaction, durable on return.

        Raises StoreError, with nothing changed, if the batch is no longer waiting.
        """
        self._write(lambda: self._replace(broken, envelope, since))

    def unsettled(self) -> int:
        """Return how many batches that were put in here no receipt covers yet."""
        return int(self._rows.rows("SELECT count(*) FROM outbox WHERE state = 0 AND shed = ?", int(Level.MENDED))[0][0])

    def _replace(self, broken: Broken, envelope: bytes, since: datetime) -> None:
        done = self._rows.change(
            "UPDATE outbox SET replacement = ?, readings = 0, shed = ? WHERE n = ? AND epoch = ? AND seq = ? "
            "AND state <> ?",
            *(hashlib.sha256(envelope).digest(), int(Level.MENDED), broken.n, broken.epoch, broken.seq, REJECTED),
        )
        if not done:
            raise StoreError("E-STO-109", seq=broken.seq, detail="the batch that was to be mended is settled by now")
        self._rows.change("DELETE FROM envelope WHERE n = ?", broken.n)
        self._rows.change("INSERT INTO envelope (n, bytes) VALUES (?, ?)", broken.n, envelope)
        note_holes(self._rows, [Hole(min(since, broken.sealed_at), broken.sealed_at)])
        send_plans_again(self._rows)

    def _broken(self, n: int) -> Broken:
        ((epoch, seq, prev, sha256, sealed_us),) = self._rows.rows(
            "SELECT epoch, seq, prev, sha256, sealed_us FROM outbox WHERE n = ?", n
        )
        own = find_epoch(self._rows, epoch)
        predecessor = own.predecessor if own is not None and seq == 1 else None
        before = self._rows.rows("SELECT bytes FROM envelope WHERE n < ? ORDER BY n DESC LIMIT 1", n)
        earlier = before[0][0] if before else None
        return Broken(n, epoch, seq, prev, sha256, from_us(sealed_us), predecessor, earlier)
