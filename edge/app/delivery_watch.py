"""The watch over the backlog: a condition once the oldest reading has waited for more than an hour for its receipt."""

import logging
from collections.abc import Callable

from edge.clock import Clock
from edge.errors import StoreError
from edge.forward.telling import trouble_of_delivery
from edge.health.model import Health
from edge.store.outbox import Counts

_LOG = logging.getLogger(__name__)
_EVERY_S = 60.0
_CLAIM = "delivery_current"


class DeliveryWatch:
    """Looks once a minute. Without a broker nothing is late: a stick has no timetable."""

    def __init__(
        self, counts: Callable[[], Counts], clock: Clock, health: Health, *, has_broker: Callable[[], bool]
    ) -> None:
        self._counts = counts
        self._clock = clock
        self._health = health
        self._has_broker = has_broker
        self._look_s = clock.monotonic()

    def tend(self) -> None:
        """Look if it is time. A store that cannot be asked is somebody else's condition."""
        if not self._has_broker() or self._clock.monotonic() < self._look_s:
            return
        self._look_s = self._clock.monotonic() + _EVERY_S
        try:
            counts = self._counts()
        except StoreError as exc:
            _LOG.debug("%s", exc)
            return
        trouble = trouble_of_delivery(counts.oldest_unsent_at, counts.unsent, self._clock.utc_now())
        if trouble is None:
            self._health.holds(_CLAIM)
        elif self._health.fails(_CLAIM, trouble):
            _LOG.warning("%s", trouble)
