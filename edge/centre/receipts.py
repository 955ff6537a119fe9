"""Receipts: what is signed, and when one is due.

Receipts of a gateway are coalesced: the first after a quiet time goes out at once, the next not before `MIN_GAP_S` is
over. A receipt names at most four epochs: those heard last, the newest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from edge.centre.durable import Watch
from edge.centre.epochs import in_order
from edge.centre.ledger import EpochState, Ledger
from edge.messages.receipt import MAX_EPOCHS, EpochReceipt, Receipt, sign_receipt
from edge.messages.signing import Signer

MIN_GAP_S = 0.3
_LISTED = 64  # gaps, and rejected numbers, that a receipt names: a whole one stays under 32 KiB


@dataclass(slots=True, kw_only=True)
class ReceiptDesk:
    """Writes receipts for one run of the centre. `run`: random per start; `policy`: as in the centre's settings.

    `watch` moves `durable` where the policy is neither "commit" nor "none".
    """

    ledger: Ledger
    signer: Signer
    run: bytes
    policy: str
    watch: Watch | None = None
    n: int = 0
    _wanted: set[str] = field(default_factory=set)
    _last_at: dict[str, float] = field(default_factory=dict)

    def want(self, gateway: str) -> None:
        """Note that a gateway is to have a receipt."""
        self._wanted.add(gateway)

    def look(self, now: float) -> None:
        """Note whose `durable` has risen: they are to have a receipt."""
        if self.watch is not None:
            self._wanted.update(self.watch.look(now))

    def next_at(self) -> float | None:
        """Return when the next receipt is due, in monotonic seconds; None if none is wanted."""
        return min((self._due_at(gateway) for gateway in self._wanted), default=None)

    def due(self, now: float) -> list[str]:
        """Return the gateways whose receipts are due."""
        return sorted(gateway for gateway in self._wanted if self._due_at(gateway) <= now)

    def sent(self, gateway: str, now: float) -> None:
        """Note that a gateway's receipt went out."""
        self._wanted.discard(gateway)
        self._last_at[gateway] = now

    def write(self, gateway: str, at: datetime) -> bytes:
        """Return the next signed receipt for a gateway, as the ledger stands now."""
        self.n += 1
        epochs = tuple(self._epoch(state) for state in newest_first(self.ledger.epochs(gateway)))
        return sign_receipt(Receipt(gateway, self.run, self.n, at, self.policy, epochs), self.signer)

    def _due_at(self, gateway: str) -> float:
        return self._last_at.get(gateway, float("-inf")) + MIN_GAP_S

    def _epoch(self, state: EpochState) -> EpochReceipt:
        return EpochReceipt(
            epoch=state.epoch,
            stored=state.stored,
            durable=self._durable(state),
            head=state.head,
            missing=self.ledger.missing(state, _LISTED),
            rejected=self.ledger.rejected(state.gateway, state.epoch, _LISTED),
        )

    def _durable(self, state: EpochState) -> int:
        if self.policy == "commit":
            return state.stored
        return 0 if self.policy == "none" else min(state.durable, state.stored)


def newest_first(epochs: Sequence[EpochState]) -> list[EpochState]:
    """Return the epochs that a receipt names: the four heard last, each before the one that it follows."""
    latest = sorted(epochs, key=lambda state: state.heard_at)[-MAX_EPOCHS:]
    return in_order([state for state in epochs if state in latest])[::-1]
