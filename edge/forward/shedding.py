"""When the store nears its bound, batches give way to smaller, signed replacements, one a call.

A replacement has the number, the epoch and the `prev` of its original and names the original's hash: the chain goes on
over that, at the centre too. One of a replacement names the first original. What is given up is decided by
`shed_rules.py`, in which order by the store. A replacement that would save little is not made, and a batch that our
own key does not open stays as it is and is reported.

Batches of which nothing more can go are merged (`merging.py`): many of them before an unsent reading is given up, for
that loses nothing; a few when nothing else is left. And if then nothing can be merged, what they still say is told by
fewer losses. If nothing else is left for long, no receipt makes room: then batches under way are no longer left alone,
and one that another key signed is signed anew.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace

from edge.errors import ForwardError, MessageError
from edge.forward.merging import Merge, Merger
from edge.forward.outbox import Key
from edge.forward.shed_rules import bare_batch, losses_instead, reduced_batch, values_in, weight_of
from edge.messages.batch import build_batch, parse_batch
from edge.messages.envelope import open_envelope, seal_envelope
from edge.messages.signing import Signer, Verifier
from edge.reading.loss import Loss
from edge.store.outbox import Outbox
from edge.store.shedding import Candidate, Replacement, ShedTotals, Step

# Of the original's bytes; for less, no reading is given up. Where a batch of few meters is hardly larger than its name
# and signature, giving up several old ones for the room of one new one would lose more than it keeps.
_LEAST_GAIN = {Step.ARCHIVED: 1 / 8, Step.REDUCED: 1 / 8, Step.DROPPED: 1 / 3}
_REST_S = 30.0  # nothing is left to give up: so long until it is asked again
_PATIENCE_S = 300.0  # and so long until batches under way are no longer left alone
_MANY = 32  # so many are merged before an unsent reading goes

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Given:
    """What was given up of a batch: the step, and how many readings went.

    `moved`: batches that are no longer what is under way. `batches`: how many it was.
    """

    step: Step
    readings: int
    moved: tuple[Key, ...] = ()
    batches: int = 1


class Shedder:
    """Gives up, while the store is pressed for room. `trouble`: why a batch that has its turn stays as it is."""

    def __init__(self, outbox: Outbox, signer: Signer, gateway: str, percent: int) -> None:
        self._shedding = outbox.shedding()
        self._signer = signer
        self._gateway = gateway
        self._percent = percent
        self._merger = Merger(outbox, signer, gateway)
        self._rest_until_s = 0.0
        self._stuck_s: float | None = None  # since then nothing is left to give up
        self.is_pressed = False
        self.trouble: ForwardError | None = None

    def look(self) -> None:
        """Ask the store how much room is left."""
        room = self._shedding.room()
        self.is_pressed = room.used * 100 > room.limit * self._percent
        if not self.is_pressed:
            self.trouble = None
            self._stuck_s = None

    def due_s(self) -> float | None:
        """Return when `shed` is worth calling (in the past: now); None while there is room."""
        return self._rest_until_s if self.is_pressed else None

    def hold(self, until_s: float) -> None:
        """Leave it alone until then."""
        self._rest_until_s = until_s

    def shed(self, now_s: float, under_way: Collection[Key]) -> Given | None:
        """Give up what the next batch can spare and return it; None if nothing was given up in this call.

        Durable: on the disk on return. Raises StoreError, with nothing changed. Batches under way are left alone.
        """
        candidate = self._shedding.next(under_way)
        given = self._shed_or_merge(candidate, under_way)
        if given is not None:
            self._stuck_s = None
        if given is not None or candidate is not None:
            return given
        self._stuck_s = now_s if self._stuck_s is None else self._stuck_s
        if now_s - self._stuck_s >= _PATIENCE_S:
            candidate = self._shedding.next(())
            given = self._shed_or_merge(candidate, ())
            if given is not None or candidate is not None:
                return given
            if (given := self._merged(self._merger.adopt(()))) is not None:
                return given
        self.hold(now_s + _REST_S)
        return None

    def totals(self) -> ShedTotals:
        """Return what this store has given up since it began."""
        return self._shedding.totals()

    def loss(self) -> ForwardError | None:
        """Return what the operator must hear: readings are given up, or were and the centre does not know it yet."""
        waiting, totals = self._shedding.unsettled(), self._shedding.totals()
        if not waiting:
            return None
        counts = {"reduced": totals.reduced, "dropped": totals.dropped, "readings": totals.readings}
        return ForwardError("E-FWD-214", waiting=waiting, **counts)

    def _shed_or_merge(self, candidate: Candidate | None, under_way: Collection[Key]) -> Given | None:
        """Give up what the next batch can spare, or merge some; None if neither makes room in this call."""
        loses = candidate is None or candidate.step in (Step.REDUCED, Step.DROPPED)
        if loses and (given := self._merged(self._merger.merge(under_way, _MANY))) is not None:
            return given
        if candidate is not None:
            return self._shed(candidate)
        return self._merged(self._merger.merge(under_way, 2) or self._merger.span(under_way))

    def _shed(self, candidate: Candidate) -> Given | None:
        """Give up what a batch can spare; None if it stays as it is."""
        if candidate.step is Step.QUARANTINED:
            return self._give_up(candidate)
        replacement = self._replacement(candidate)
        if replacement is None:
            self._shedding.pass_over(candidate)
            return None
        self._shedding.replace(candidate, replacement)
        sealed = candidate.sealed
        _LOG.info("batch %s/%d: %s, %d readings", sealed.epoch.hex(), sealed.seq, candidate.step, replacement.lost)
        self.look()
        return Given(candidate.step, replacement.lost, ((sealed.epoch, sealed.seq),))

    def _merged(self, merge: Merge | None) -> Given | None:
        self.trouble = self._merger.trouble or self.trouble
        if merge is None:
            return None
        _LOG.info("%d batches are merged, %d readings", len(merge.keys), merge.readings)
        self.look()
        return Given(Step.MERGED, merge.readings, merge.keys, len(merge.keys))

    def _give_up(self, candidate: Candidate) -> Given:
        """Let go of a rejected batch; what it says of slots is said by losses. One that we cannot read says nothing."""
        losses: tuple[Loss, ...] = ()
        lost = 0
        try:
            batch = parse_batch(open_envelope(candidate.sealed.envelope, self._own_key).raw)
        except MessageError as exc:
            _LOG.warning("a rejected batch that is given up cannot be read: %s", exc.fact())
        else:
            losses, lost = losses_instead(batch), values_in(batch)
        self._shedding.give_up(candidate, losses, lost)
        self.look()
        return Given(candidate.step, lost)

    def _replacement(self, candidate: Candidate) -> Replacement | None:
        """Return what takes the batch's place; None if it stays as it is."""
        original = candidate.sealed.envelope
        try:
            opened = open_envelope(original, self._own_key)
            batch = parse_batch(opened.raw)
            less = reduced_batch(batch) if candidate.step is Step.REDUCED else bare_batch(batch)
            raw = build_batch(less)
            mark = opened.header.replaces or opened.sha256
            envelope = seal_envelope(replace(opened.header, raw_length=len(raw), replaces=mark), raw, self._signer)
        except MessageError as exc:
            sealed = candidate.sealed
            self.trouble = ForwardError("E-FWD-215", epoch=sealed.epoch.hex(), seq=sealed.seq, detail=exc.fact())
            return None
        if len(envelope) > len(original) * (1 - _LEAST_GAIN[candidate.step]):
            return None
        return Replacement(envelope, weight_of(less), values_in(batch) - values_in(less))

    def _own_key(self, gateway: str, kid: bytes) -> Verifier | None:
        return self._signer.verifier() if (gateway, kid) == (self._gateway, self._signer.kid) else None
