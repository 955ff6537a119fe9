"""What the half that polls lets the other half know of its buses and meters: one small fact in the store.

It is written when it changes, and once an hour; older than two hours it is as good as none: nobody polls.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from edge.store.instants import from_us, to_us
from edge.store.meta import load_fact, mark_fact
from edge.store.rows import Rows

_FACT = "poll_state"
_STALE = timedelta(hours=2)
_FIELDS = 5


@dataclass(frozen=True, slots=True)
class PollState:
    """How polling goes. `buses`: name, and how many of a hundred exchanges went well lately. `codes`: root causes."""

    buses: tuple[tuple[str, int], ...] = ()
    failing: int = 0
    meters: int = 0
    codes: tuple[str, ...] = ()


def mark_poll_state(rows: Rows, state: PollState, at: datetime) -> None:
    """Put the state in place of what stood there. Needs a transaction."""
    mark_fact(
        rows, _FACT, [to_us(at), [list(bus) for bus in state.buses], state.failing, state.meters, list(state.codes)]
    )


def load_poll_state(rows: Rows, now: datetime) -> PollState | None:
    """Return the state that was noted last; None if there is none, or nobody has polled for long."""
    fact: Any = load_fact(rows, _FACT)
    if not isinstance(fact, list) or len(fact) != _FIELDS:
        return None
    at_us, buses, failing, meters, codes = fact
    if abs(now - from_us(at_us)) > _STALE:
        return None
    return PollState(tuple((name, percent) for name, percent in buses), failing, meters, tuple(codes))
