"""What the ledger says of the numbers and epochs in hand, fetched in blocks and kept in step while a sitting lasts.

A sitting is one transaction: nobody else writes meanwhile, so what was fetched stays true.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from edge.centre.ledger import BatchKey, EpochState, Ledger, Link
from edge.messages.envelope import MAX_SEQ
from edge.reading.chain import GENESIS

_BLOCK = 64  # numbers that are asked for together


class Sheet:
    """The links and epochs of one sitting."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._links: dict[BatchKey, Link | None] = {}
        self._epochs: dict[tuple[str, bytes], EpochState] = {}

    def link(self, key: BatchKey) -> Link | None:
        """Return how the envelope that is held under a number hangs in its chain; None if none is, or can be."""
        if not 1 <= key.seq <= MAX_SEQ:
            return None
        if key not in self._links:
            self._fetch(key)
        return self._links[key]

    def put(self, key: BatchKey, link: Link) -> None:
        """Note what is held from now on."""
        self._links[key] = link

    def epoch(self, gateway: str, epoch: bytes, at: datetime) -> EpochState:
        """Return how far an epoch has come; one that is not known yet has just been heard."""
        found = self._epochs.get((gateway, epoch)) or self._ledger.epoch(gateway, epoch)
        return found or EpochState(gateway=gateway, epoch=epoch, head=GENESIS, heard_at=at)

    def note(self, state: EpochState) -> None:
        """Note what changed of an epoch; `save` writes it."""
        self._epochs[state.gateway, state.epoch] = state

    def reopened(self, state: EpochState, oldest: int) -> EpochState:
        """Return the epoch of which all from `oldest` on can come: `stored` is before it, until `save` moves it."""
        stored = min(state.stored, oldest - 1)
        link = self.link(BatchKey(state.gateway, state.epoch, stored))
        if link is None:
            return replace(state, oldest=oldest, stored=0, head=GENESIS)
        return replace(state, oldest=oldest, stored=stored, head=link.mark)

    def save(self) -> None:
        """Move `stored` of every noted epoch over all that is held without a gap, and write them."""
        self._ledger.save_epochs([self._advanced(state) for state in self._epochs.values()])

    def _fetch(self, key: BatchKey) -> None:
        first, last = max(key.seq - 1, 1), min(key.seq + _BLOCK, MAX_SEQ + 1)
        unknown = [one for one in _numbers(key, range(first, last)) if one not in self._links]
        self._links.update(dict.fromkeys(unknown))
        self._links.update(self._ledger.links(unknown))

    def _advanced(self, state: EpochState) -> EpochState:
        """Return the epoch with `stored` moved over everything that is held without a gap."""
        key, stored, head = BatchKey(state.gateway, state.epoch, 0), state.stored, state.head
        while True:
            link = self.link(replace(key, seq=stored + 1))
            if link is not None:
                stored, head = stored + 1, link.mark
                continue
            after = self._after_gap(replace(state, stored=stored)) if stored + 1 < state.oldest else None
            first = None if after is None else self.link(replace(key, seq=after))
            if after is None or first is None:
                return replace(state, stored=stored, head=head)
            stored, head = after - 1, first.prev

    def _after_gap(self, state: EpochState) -> int | None:
        """Return the number behind the next gap, if all of the gap is gone for good."""
        gaps = self._ledger.missing(state, 1)
        return gaps[0][1] + 1 if gaps and gaps[0][1] < state.oldest else None


def _numbers(key: BatchKey, seqs: Iterable[int]) -> Iterable[BatchKey]:
    return (BatchKey(key.gateway, key.epoch, seq) for seq in seqs)
