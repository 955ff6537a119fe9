"""What the forwarder says of itself: its claims in the health model, each with a line in the log when it changes."""

import logging

from edge.errors import EdgeError
from edge.health.model import Health

CLAIMS = (
    "batches_accepted",
    "batches_whole",
    "broker_reachable",
    "broker_encrypted",
    "centre_confirms",
    "centre_is_one",
    "centre_keeps",
    "clock_agrees",
    "clock_trusted",
    "delivery_current",
    "id_is_ours",
    "numbers_are_ours",
    "plan_fits",
    "readings_kept",
    "receipts_sound",
    "resealing_works",
    "sealing_works",
    "shedding_works",
    "store_works",
)

_LOG = logging.getLogger(__name__)


class Claims:
    """The claims of one forwarder; until somebody has looked, all are unknown."""

    def __init__(self, health: Health) -> None:
        self._health = health
        for claim in CLAIMS:
            health.unknown(claim)

    def settle(self, claim: str, trouble: EdgeError | None, good: str = "") -> bool:
        """Note that a claim fails for `trouble`, or that it holds; return True if that is news.

        News of trouble is logged; `good` is what is logged when the claim begins to hold.
        """
        is_news = self._health.holds(claim) if trouble is None else self._health.fails(claim, trouble)
        if is_news and trouble is not None:
            _LOG.warning("%s", trouble)
        elif is_news and good:
            _LOG.info(good)
        return is_news
