"""Which numbers were left because the batches under them were merged into later ones.

The mark `durable` of their epoch passes over them, so that the birth names them as not to come. The centre never called
them durable: what it did call so is told from here.
"""

from dataclasses import dataclass

from edge.store.epochs import Epoch
from edge.store.meta import load_fact, mark_fact
from edge.store.rows import Rows

_MERGED = "merged_numbers"
_MOST = 64


@dataclass(frozen=True, slots=True)
class Merged:
    """Numbers of an epoch, from `first` to `last`, under which nothing is sent any more."""

    epoch: bytes
    first: int
    last: int


def merged_numbers(rows: Rows) -> list[Merged]:
    """Return the latest such spans, the newest last."""
    return [Merged(*cells) for cells in load_fact(rows, _MERGED) or []]


def note_merged(rows: Rows, merged: Merged) -> None:
    """Note a span; one that follows another makes that longer. Needs a writing transaction."""
    known = merged_numbers(rows)
    for one in known:
        if (one.epoch, one.last + 1) == (merged.epoch, merged.first):
            known.remove(one)
            merged = Merged(one.epoch, one.first, merged.last)
            break
    mark_fact(rows, _MERGED, [[one.epoch, one.first, one.last] for one in [*known, merged][-_MOST:]])


def confirmed_durable(rows: Rows, epoch: Epoch) -> int:
    """Return the highest number of an epoch that the centre is known to have called durable."""
    own = (one for one in merged_numbers(rows) if (one.epoch, one.last) == (epoch.epoch, epoch.durable))
    return next((one.first - 1 for one in own), epoch.durable)
