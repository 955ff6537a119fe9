"""The birth that a connection begins with: where this gateway's epochs stand, from the store, and how it is."""

from dataclasses import dataclass, replace

from edge.clock import Clock
from edge.forward.settings import ForwardSettings
from edge.health.causes import troubles_of
from edge.health.model import Health
from edge.messages.birth import MAX_OLDER, Birth, Standing
from edge.messages.box_state import BoxState
from edge.messages.envelope import MAX_SEQ
from edge.store.outbox import Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFacts:
    """What is told of the box and its settings; None where nobody knows."""

    settings_hash: str | None = None
    disk_free: int | None = None
    certificate_days: int | None = None


def birth_of(settings: ForwardSettings, outbox: Outbox, clock: Clock, state: BoxState | None = None) -> Birth:
    """Return the birth as things stand now. Of an epoch that ended with its store no number can be sent any more.

    `state`: how this gateway is, as `state_of` says it; the oldest reading is added here.
    """
    head, counts = outbox.head(), outbox.counts()
    ended = [Standing(one.epoch, MAX_SEQ, MAX_SEQ) for one in reversed(outbox.recovery().ended())]
    current, *older = outbox.standings(MAX_OLDER - len(ended))
    return Birth(
        gateway=settings.gateway,
        boot_id=clock.boot_id,
        epoch=head.epoch,
        oldest_seq=current.oldest_seq,
        next_seq=head.next_seq,
        head=head.prev,
        version=settings.version,
        buffered=counts.waiting + counts.unsent_readings,
        sent_at=clock.utc_now(),
        trust=clock.trust().value,
        older=(*(Standing(one.epoch, one.oldest_seq, one.next_seq) for one in older), *ended),
        state=replace(state, oldest_at=counts.oldest_unsent_at) if state is not None else None,
    )


def state_of(outbox: Outbox, clock: Clock, health: Health, box: BoxFacts) -> BoxState:
    """Return how this gateway is: its health, what the other half says in the store, and its box."""
    snapshot, poll = health.snapshot(), outbox.poll_state(clock.utc_now())
    offset_s = snapshot["gauges"].get("clock_offset_s")
    codes = {one.code for one in troubles_of(snapshot["conditions"])} | set(poll.codes if poll else ())
    return BoxState(
        settings=box.settings_hash,
        offset_s=None if offset_s is None else round(offset_s),
        buses=poll.buses if poll else (),
        failing=poll.failing if poll else None,
        meters=poll.meters if poll else None,
        disk_free=box.disk_free,
        certificate_days=box.certificate_days,
        codes=tuple(sorted(codes)),
    )
