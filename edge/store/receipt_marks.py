"""Which receipts were applied last, of those that the broker brought and of those that were carried here.

Each way has its own (run, n): a receipt that was carried must not make an old one of the broker's run believable
again. The runs that were left are remembered, the latest of them, each with its last n: only what is newer than that
comes back. `newest_at` is when the centre issued the newest of all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from edge.store.instants import from_us, to_us
from edge.store.meta import load_fact, mark_fact
from edge.store.rows import Rows

_LEFT = "receipt_runs_left"
_MOST_LEFT = 64
_BROUGHT, _CARRIED, _NEWEST, _CARRIED_AT = "receipt", "receipt_carried", "receipt_newest", "receipt_carried_at"


@dataclass(frozen=True, slots=True)
class ReceiptMarks:
    """What was applied last: (run, n) of each way, and instants of issue. `left`: n of the runs before."""

    brought: tuple[bytes, int] | None
    carried: tuple[bytes, int] | None
    carried_at: datetime | None
    newest_at: datetime | None
    left: Mapping[bytes, int] = field(default_factory=dict)


def load_marks(rows: Rows) -> ReceiptMarks:
    """Return the marks; what cannot be trusted counts as none."""
    brought, carried, left = _pair(rows, _BROUGHT), _pair(rows, _CARRIED), dict(_left(rows))
    return ReceiptMarks(brought, carried, _at(rows, _CARRIED_AT), _at(rows, _NEWEST), left)


def mark_applied(rows: Rows, run: bytes, n: int, issued_at: datetime | None, *, is_carried: bool) -> bool:
    """Remember a receipt; False, and nothing, if it is no newer than the last of its run. Needs a transaction."""
    name = _CARRIED if is_carried else _BROUGHT
    last = _pair(rows, name)
    if last is not None and last[0] == run and n <= last[1]:
        return False
    mark_fact(rows, name, [run, n])
    if last is not None and last[0] != run:
        left = [one for one in _left(rows) if one[0] not in (run, last[0])]
        mark_fact(rows, _LEFT, [list(one) for one in [*left, last][-_MOST_LEFT:]])
    if issued_at is not None:
        newest = _at(rows, _NEWEST)
        mark_fact(rows, _NEWEST, to_us(max(issued_at, newest or issued_at)))
        if is_carried:
            mark_fact(rows, _CARRIED_AT, to_us(issued_at))
    return True


def _pair(rows: Rows, name: str) -> tuple[bytes, int] | None:
    fact = load_fact(rows, name)
    return (fact[0], fact[1]) if fact else None


def _left(rows: Rows) -> list[tuple[bytes, int]]:
    return [(one[0], one[1]) for one in load_fact(rows, _LEFT) or []]


def _at(rows: Rows, name: str) -> datetime | None:
    fact = load_fact(rows, name)
    return None if fact is None else from_us(fact)
