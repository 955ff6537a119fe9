"""Batches of which nothing more can be given up alone become few, with later numbers, one merge a call.

A replacement is hardly smaller than its name and signature. Many of them say the same as one that names all slots.
A batch that our own key does not open stays as it is, and so does what is behind it in its epoch, and is reported; only
`adopt` signs what it says anew. What would save little is not merged, nor looked at again before something changed.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from edge.errors import ForwardError, MessageError
from edge.forward.outbox import Key
from edge.forward.sealing import seal_after
from edge.forward.shed_rules import merged_batches, spanned_batches, values_in, weight_of
from edge.messages.batch import Batch, build_batch, parse_batch
from edge.messages.envelope import envelope_hash, open_envelope, read_envelope
from edge.messages.signing import Signer, Verifier
from edge.messages.topics import BACKLOG
from edge.store.merging import Member, Part
from edge.store.outbox import Outbox
from edge.store.sealed import Sealed, Sealing

_MOST = 64  # batches that are merged at once
_LEAST_GAIN = 1 / 8

_LOG = logging.getLogger(__name__)

_Rule = Callable[[Sequence[Batch], datetime], list[Batch]]


@dataclass(frozen=True, slots=True)
class Merge:
    """What was merged: the batches that went, and how many readings with them."""

    keys: tuple[Key, ...]
    readings: int


class Merger:
    """Merges the oldest batches. `trouble`: why the one whose turn it is stays as it is."""

    def __init__(self, outbox: Outbox, signer: Signer, gateway: str) -> None:
        self._outbox = outbox
        self._merging = outbox.merging()
        self._signer = signer
        self._gateway = gateway
        self._vain: set[tuple[_Rule, int, Key, Key]] = set()
        self.trouble: ForwardError | None = None

    def merge(self, under_way: Collection[Key], least: int) -> Merge | None:
        """Merge the oldest batches, `least` or more, and keep all that they say; None if that cannot be done.

        Durable: on the disk on return. Raises StoreError, with nothing changed. Batches under way are left alone.
        """
        return self._merge(under_way, least, merged_batches)

    def span(self, under_way: Collection[Key]) -> Merge | None:
        """Merge the oldest batches into the least that names their slots; None if that gains nothing. As `merge`."""
        return self._merge(under_way, 2, spanned_batches)

    def adopt(self, under_way: Collection[Key]) -> Merge | None:
        """Merge the oldest batches up to one of another key, and sign what it says anew; None if there is none.

        The store vouches for its bytes: they have the hash that they had when they were sealed here. As `merge`.
        """
        for members in self._merging.runs(under_way, 1, _MOST):
            batches = self._read(members)
            if len(batches) == len(members):
                continue
            batch = self._vouched(members[len(batches)].sealed)
            if batch is None:
                continue
            batches.append(batch)
            if (merge := self._put(members, batches, 1, merged_batches, 0.0)) is not None:
                return merge
        return None

    def _merge(self, under_way: Collection[Key], least: int, rule: _Rule) -> Merge | None:
        self.trouble = None
        for members in self._merging.runs(under_way, least, _MOST):
            attempt = (rule, least, _key_of(members[0]), _key_of(members[-1]))
            if attempt in self._vain:
                continue
            merge = self._put(members, self._read(members), least, rule, _LEAST_GAIN)
            if merge is not None:
                return merge
            self._vain.add(attempt)
        return None

    def _put(
        self, members: Sequence[Member], batches: list[Batch], least: int, rule: _Rule, gain: float
    ) -> Merge | None:
        """Put what is in the first members in their place, of as many as fit; None if that gains too little."""
        while len(batches) >= least:
            members = members[: len(batches)]
            try:
                parts = self._parts(rule(batches, self._merging.now()))
            except MessageError:  # it is too large
                batches = batches[: len(batches) // 2]
                continue
            if gain and sum(map(_size_of, parts)) > sum(len(one.sealed.envelope) for one in members) * (1 - gain):
                return None
            lost = 0 if rule is merged_batches else _values_lost(members, batches)
            self._merging.replace(members, parts, BACKLOG, lost)
            self._vain.clear()
            return Merge(tuple(map(_key_of, members)), lost)
        return None

    def _read(self, members: Sequence[Member]) -> list[Batch]:
        """Return what is in the members, up to the first that our key does not open."""
        batches: list[Batch] = []
        for member in members:
            try:
                batches.append(parse_batch(open_envelope(member.sealed.envelope, self._own_key).raw))
            except MessageError as exc:
                sealed = member.sealed
                self.trouble = ForwardError("E-FWD-215", epoch=sealed.epoch.hex(), seq=sealed.seq, detail=exc.fact())
                break
        return batches

    def _vouched(self, sealed: Sealed) -> Batch | None:
        """Return what is in a batch of another key that this gateway sealed under its name and number, else None."""
        try:
            opened = read_envelope(sealed.envelope)
            batch = parse_batch(opened.raw)
        except MessageError as exc:
            _LOG.warning("batch %s/%d cannot be read: %s", sealed.epoch.hex(), sealed.seq, exc.fact())
            return None
        header = opened.header
        if (header.gateway, header.epoch, header.seq) != (self._gateway, sealed.epoch, sealed.seq):
            _LOG.warning("batch %s/%d says that it is another's", sealed.epoch.hex(), sealed.seq)
            return None
        return batch

    def _parts(self, batches: Sequence[Batch]) -> list[Part]:
        """Return the envelopes that follow the head, one after another. Raises MessageError if one is too large."""
        head, parts = self._outbox.head(), []
        for batch in batches:
            envelope = seal_after(head, self._gateway, build_batch(batch), self._signer)
            sealing = Sealing(envelope, head.epoch, head.next_seq)
            parts.append(Part(sealing, weight_of(batch), values_in(batch) > 0))
            head = replace(head, next_seq=head.next_seq + 1, prev=envelope_hash(envelope))
        return parts

    def _own_key(self, gateway: str, kid: bytes) -> Verifier | None:
        return self._signer.verifier() if (gateway, kid) == (self._gateway, self._signer.kid) else None


def _values_lost(members: Sequence[Member], batches: Sequence[Batch]) -> int:
    """Return how many values go that no centre has."""
    return sum(values_in(batch) for one, batch in zip(members, batches, strict=True) if not one.is_stored)


def _key_of(member: Member) -> Key:
    return member.sealed.epoch, member.sealed.seq


def _size_of(part: Part) -> int:
    return len(part.sealing.envelope)
