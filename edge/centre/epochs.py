"""The order in which a gateway opened its epochs, and made its plans. Pure."""

from collections.abc import Iterable, Sequence

from edge.centre.ledger import EpochState
from edge.centre.rows import parse_plan
from edge.reading.plan import Plan


def in_order(epochs: Sequence[EpochState]) -> list[EpochState]:
    """Return epochs in the order of their opening: each behind the one that it follows.

    `epochs` stand in the order in which they were first heard; that is the order of their opening unless a backlog
    comes late, which the predecessor tells.
    """
    waiting = list(reversed(epochs))
    newest_first: list[EpochState] = []
    while waiting:
        followed = {state.predecessor for state in waiting}
        last = next((state for state in waiting if state.epoch not in followed), waiting[0])
        newest_first.append(last)
        waiting.remove(last)
    return newest_first[::-1]


def in_order_of_epochs(rows: Iterable[tuple[bytes, str]], epochs: Sequence[EpochState]) -> list[Plan]:
    """Return the plans of rows (epoch, document), which stand by number, in the order of their epochs."""
    place = {state.epoch: number for number, state in enumerate(in_order(epochs))}
    return [parse_plan(document) for _, document in sorted(rows, key=lambda row: place.get(row[0], len(place)))]
