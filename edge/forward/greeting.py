"""The birth that a connection begins with: where this gateway's epochs stand, from the store."""

from edge.clock import Clock
from edge.forward.settings import ForwardSettings
from edge.messages.birth import MAX_OLDER, Birth, Standing
from edge.messages.envelope import MAX_SEQ
from edge.store.outbox import Outbox


def birth_of(settings: ForwardSettings, outbox: Outbox, clock: Clock) -> Birth:
    """Return the birth as things stand now. Of an epoch that ended with its store no number can be sent any more."""
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
    )
