"""Notes in the store how polling goes, for the half that tells the centre: at most every five minutes.

Written only when it has changed, or after an hour: each write is a commit of its own, and wears the card.
"""

import logging
from collections.abc import Callable, Mapping

from edge.clock import Clock
from edge.errors import StoreError
from edge.health.causes import troubles_of
from edge.health.model import Health
from edge.store.poll_state import PollState

_LOG = logging.getLogger(__name__)
_EVERY_S, _AT_LEAST_S = 300.0, 3600.0
_OK = "ok"


class PollStateWatch:
    """`bus_of`: the bus of each meter; `note`: writes a state to the store."""

    def __init__(
        self, bus_of: Callable[[], Mapping[str, str]], note: Callable[[PollState], None], clock: Clock, health: Health
    ) -> None:
        self._bus_of = bus_of
        self._note = note
        self._clock = clock
        self._health = health
        self._look_s = clock.monotonic() + _EVERY_S
        self._written_s = -_AT_LEAST_S
        self._written: PollState | None = None
        self._counted: dict[str, int] = {}

    def tend(self) -> None:
        """Look if it is time; a store that does not take it is somebody else's condition."""
        now_s = self._clock.monotonic()
        if now_s < self._look_s:
            return
        self._look_s = now_s + _EVERY_S
        state = self._state()
        if state == self._written and now_s - self._written_s < _AT_LEAST_S:
            return
        try:
            self._note(state)
        except StoreError as exc:
            _LOG.debug("%s", exc)
            return
        self._written, self._written_s = state, now_s

    def _state(self) -> PollState:
        snapshot, bus_of = self._health.snapshot(), self._bus_of()
        conditions = snapshot["conditions"]

        def fails(claim: str) -> bool:
            return claim in conditions and conditions[claim]["answer"] == "no"

        failing = sum(fails(f"meter {address}") or fails(f"bus {bus} answers") for address, bus in bus_of.items())
        roots = sorted({one.code for one in troubles_of(conditions)})
        return PollState(self._buses(snapshot["counters"]), failing, len(bus_of), tuple(roots))

    def _buses(self, counters: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
        """Return of each bus how many of a hundred exchanges went well since the last look; none: left out."""
        lately = {
            name: count - self._counted.get(name, 0)
            for name, count in counters.items()
            if name.startswith("exchanges.")
        }
        self._counted = {name: counters[name] for name in lately}
        totals: dict[str, list[int]] = {}
        for name, count in lately.items():
            _, bus, verdict = name.split(".")
            total = totals.setdefault(bus, [0, 0])
            total[0] += count if verdict == _OK else 0
            total[1] += count
        return tuple((bus, 100 * well // count) for bus, (well, count) in sorted(totals.items()) if count)
