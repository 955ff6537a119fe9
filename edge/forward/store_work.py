"""The forwarder's work in the store, one piece a call: what is lost is named, what waits is sealed, room is made.

The order: first a batch whose bytes are damaged is replaced; then holes, for only while the rest still waits can it be
told what is gone; then batches that must move to the current epoch; then what waits; then, if the store is pressed for
room, what can be given up; and only with room to spare what a store that was set aside still holds: it is safe there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from edge.clock import Clock
from edge.errors import ForwardError
from edge.forward.claims import Claims
from edge.forward.mending import Mender
from edge.forward.outbox import Key
from edge.forward.recovery import Recovered, Recoverer
from edge.forward.resealing import Resealer
from edge.forward.sealing import Sealer
from edge.forward.settings import ForwardSettings
from edge.forward.shedding import Shedder
from edge.forward.telling import tell_sealing, tell_shedding
from edge.health.model import Health
from edge.messages.signing import Signer
from edge.store.outbox import Outbox
from edge.store.sealed import Sealed
from edge.store.shedding import Step

_SEAL_PAUSE_S = 60.0
_MEND_PAUSE_S = 60.0
_LOOKED_INTO = timedelta(days=1)


class Work(Enum):
    """The pieces of work."""

    MEND = auto()
    NAME = auto()
    RESEAL = auto()
    SEAL = auto()
    SHED = auto()
    RECOVER = auto()


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: a batch that was sealed, some that moved, or others that are to be looked for in the store.

    `is_birth_due`: the centre is to be told where the epochs stand.
    """

    sealed: Sealed | None = None
    moved: tuple[Key, ...] = ()
    is_more: bool = False
    is_birth_due: bool = False


_NOTHING = Done()


class StoreWork:
    """Everything that the forwarder changes in the store, but for what receipts say."""

    def __init__(
        self, settings: ForwardSettings, outbox: Outbox, signer: Signer, clock: Clock, *, health: Health, claims: Claims
    ) -> None:
        self._health = health
        self._outbox = outbox
        self._clock = clock
        self._claims = claims
        self._sealer = Sealer(outbox, signer, clock, settings.gateway, settings.seal)
        self._mender = Mender(outbox, signer, settings.gateway)
        self._resealer = Resealer(outbox, signer, settings.gateway)
        self._recoverer = Recoverer(outbox, signer, settings.gateway)
        self._shedder = Shedder(outbox, signer, settings.gateway, settings.shed_percent)
        self._held_s = dict.fromkeys(Work, 0.0)

    def look(self, now_s: float) -> None:
        """Ask the store what waits: somebody wrote."""
        self._sealer.look(now_s)
        self._recoverer.look()
        self.tell()

    def look_at_room(self) -> None:
        """Ask the store how much room is left."""
        self._shedder.look()
        self._sealer.is_pressed = self._shedder.is_pressed

    def tell(self) -> None:
        """Tell whether readings were given up, or are damaged, that the centre does not have."""
        tell_shedding(self._claims, self._shedder)
        self._claims.settle("batches_whole", self._mender.trouble())
        self._claims.settle("numbers_are_ours", self._mismatch())
        rejected = self._outbox.rejected()
        self._claims.settle("batches_accepted", ForwardError("E-FWD-206", count=rejected) if rejected else None)

    def begin_mending(self) -> None:
        """Look through the outbox for batches whose bytes are damaged."""
        self._mender.begin()

    def begin_resealing(self) -> None:
        """Look through the disputed epochs from their first batch on."""
        self._resealer.begin()

    def next_work(self, now_s: float) -> Work | None:
        """Return what is to be done now."""
        return next((work for work, due_s in self._due().items() if due_s <= now_s), None)

    def next_due_s(self) -> float | None:
        """Return when there is work; None if there is none in sight."""
        return min(self._due().values(), default=None)

    def hold(self, work: Work, until_s: float) -> None:
        """Leave one piece of work alone until then."""
        self._held_s[work] = until_s

    def do(self, work: Work, now_s: float, under_way: Collection[Key]) -> Done:
        """Do one piece of work. Durable on return. Raises StoreError, with nothing changed."""
        match work:
            case Work.MEND:
                return self._mend(now_s)
            case Work.NAME | Work.RECOVER:
                return self._recover(now_s)
            case Work.RESEAL:
                return self._reseal()
            case Work.SEAL:
                return self.seal(now_s)
            case Work.SHED:
                return self._shed(now_s, under_way)

    def seal_now(self, now_s: float) -> Done:
        """Seal one batch of what waits, though none is due. Raises StoreError."""
        self.look(now_s)
        done = self.seal(now_s)
        if done.sealed is None and self._recoverer.has_holes:
            self._recover(now_s)
            done = self.seal(now_s)
        return done

    def seal(self, now_s: float) -> Done:
        """Seal one batch of what waits. Raises StoreError."""
        try:
            sealed = self._sealer.seal(now_s)
        except ForwardError as exc:
            self._claims.settle("sealing_works", exc)
            self._sealer.hold(now_s + _SEAL_PAUSE_S)
            return _NOTHING
        tell_sealing(self._claims, self._sealer)
        if sealed is None:
            self._recoverer.look()  # what was damaged has become a hole
            return _NOTHING
        self._health.count("batches_sealed")
        return Done(sealed=sealed)

    def _mismatch(self) -> ForwardError | None:
        """Return what the operator must look into for a day: the centre held other content under our numbers."""
        found = self._outbox.mismatch()
        if found is None or self._clock.utc_now() - found[1] > _LOOKED_INTO:
            return None
        return ForwardError("E-FWD-204", epoch=found[0].hex())

    def _due(self) -> dict[Work, float]:
        """Return what there is to do, in its order, and when."""
        seal_s, shed_s = self._sealer.due_s(), self._shedder.due_s()
        found = {
            Work.MEND: 0.0 if self._mender.is_due else None,
            Work.NAME: 0.0 if self._recoverer.has_holes else None,
            Work.RESEAL: 0.0 if self._resealer.is_due else None,
            Work.SEAL: None if self._resealer.is_due else seal_s,
            Work.SHED: shed_s,
            Work.RECOVER: 0.0 if self._recoverer.is_due and shed_s is None else None,
        }
        return {work: max(due_s, self._held_s[work]) for work, due_s in found.items() if due_s is not None}

    def _mend(self, now_s: float) -> Done:
        """Look for a batch whose bytes are damaged, and put another in its place."""
        broken = self._mender.mend()
        if broken is None:
            if self._mender.is_due:
                return _NOTHING
            self.hold(Work.MEND, now_s + _MEND_PAUSE_S)
            return Done(is_more=True)
        self._health.count("batches_damaged")
        self._recoverer.look()
        self._sealer.look(now_s)  # the plans wait again
        self.tell()
        return Done(moved=((broken.epoch, broken.seq),), is_more=True)

    def _reseal(self) -> Done:
        """Move one batch of a disputed epoch into the current one."""
        old = self._resealer.reseal()
        if old is not None:
            self._health.count("batches_resealed")
            return Done(moved=((old.epoch, old.seq),), is_more=True)
        if not self._resealer.is_due or self._resealer.trouble is not None:
            self._claims.settle("resealing_works", self._resealer.trouble)
        return _NOTHING

    def _recover(self, now_s: float) -> Done:
        """Name what is lost, or take over one batch of a store that was set aside."""
        what = self._recoverer.recover()
        if what is not Recovered.BATCH:
            self._sealer.look(now_s)  # what was named is to be sealed
            return Done(is_birth_due=what is Recovered.FILE)
        self._health.count("batches_recovered")
        return Done(is_more=True)

    def _shed(self, now_s: float, under_way: Collection[Key]) -> Done:
        """Give up what one batch can spare; what is under way is left alone, its receipt makes room."""
        given = self._shedder.shed(now_s, under_way)
        if given is not None:
            self._sealer.look(now_s)  # losses may have taken the place of a batch
            self._health.count(f"batches_{given.step}", given.batches)
            self._health.count("readings_dropped", 0 if given.step is Step.ARCHIVED else given.readings)
        self._sealer.is_pressed = self._shedder.is_pressed
        self.tell()
        if given is None:
            return _NOTHING
        is_merged = given.step is Step.MERGED
        return Done(moved=given.moved if is_merged or under_way else (), is_more=is_merged, is_birth_due=is_merged)
