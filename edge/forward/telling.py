"""What the forwarder tells of its work: counters, claims, and what the log has of it."""

import logging
from datetime import datetime, timedelta

from edge.errors import ForwardError
from edge.forward.claims import Claims
from edge.forward.receipts import Accepted, Behind
from edge.forward.sealing import Sealer
from edge.forward.shedding import Shedder
from edge.health.model import Health

LATE = timedelta(hours=1)

_LOG = logging.getLogger(__name__)


def tell_sealing(claims: Claims, sealer: Sealer) -> None:
    """Tell how sealing stands after a batch was sealed, or could not be for want of a clock."""
    claims.settle("sealing_works", None)
    claims.settle("plan_fits", sealer.plan_trouble)
    claims.settle("clock_trusted", ForwardError("E-FWD-208") if sealer.waits_for_time else None)


def tell_shedding(claims: Claims, shedder: Shedder) -> None:
    """Tell whether readings were given up that the centre does not have, and whether giving up works."""
    claims.settle("readings_kept", shedder.loss())
    claims.settle("shedding_works", shedder.trouble)


def tell_receipt(health: Health, claims: Claims, accepted: Accepted) -> None:
    """Tell what a receipt brought: batches released, fallen back, rejected; a new epoch; a centre that lost some."""
    health.count("batches_stored", accepted.stored)
    health.count("batches_fallen", accepted.fallen)
    if accepted.rejected:
        health.count("batches_rejected", accepted.rejected)
        _LOG.error("%s", ForwardError("E-FWD-206", count=accepted.rejected))
    if accepted.new_epoch is not None:
        health.count("epochs_opened")
        _LOG.warning("epoch %s begins", accepted.new_epoch.hex())  # the condition follows from the store
    if claims.settle("centre_keeps", next(map(_error_of, accepted.behind), None)):
        health.count("batches_lost_by_centre", sum(one.last - one.first + 1 for one in accepted.behind))


def trouble_of_delivery(oldest_at: datetime | None, batches: int, now: datetime) -> ForwardError | None:
    """Return what to say of the oldest reading that no receipt covers; None unless it waits for more than an hour."""
    if oldest_at is None or now - oldest_at <= LATE:
        return None
    minutes = int((now - oldest_at).total_seconds()) // 60
    return ForwardError("E-FWD-220", oldest=oldest_at.isoformat(timespec="seconds"), minutes=minutes, batches=batches)


def _error_of(lost: Behind) -> ForwardError:
    return ForwardError("E-FWD-212", epoch=lost.epoch.hex(), first=lost.first, last=lost.last)
