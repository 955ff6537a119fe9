"""Each reading once: which poll counts for a slot when several arrive.

Pure. Polls of one slot (gateway, task, slot, meter) may arrive more than once: refilled after a miss, sent again in a
new epoch, or out of order. The rules, in order:

1. The first poll of a slot counts.
2. Values take the place of a miss; a miss takes the place of one that is not more final.
3. A miss never takes the place of values, nor an open miss that of a final one: it is kept as history.
4. Equal values again are ignored.
5. Values that agree on what both have, and add to it, count together with them; a flag of rule 7 stays.
6. Values that differ, where the time of one reading was known and that of the other was not: the dated one counts, for
   the other may be of another slot; it is kept as history.
7. Else values that differ are kept beside the first ones, and both are flagged: which is right is not for this code to
   say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from edge.reading.record import SlotState

_RANK = {SlotState.EXPECTED: 0, SlotState.MISSING_OPEN: 1, SlotState.MISSING_FINAL: 2}


@dataclass(frozen=True, slots=True)
class PollFace:
    """What of a poll decides: `values` are exact texts by key, `units` and `faults` by key too.

    `is_dated`: the gateway knew the time when it read; `is_flagged`: other values came for the slot.
    """

    state: SlotState
    values: Mapping[str, str | None]
    units: Mapping[str, str]
    faults: Mapping[str, str]
    reason: str | None = None
    is_dated: bool = True
    is_flagged: bool = False

    @property
    def is_miss(self) -> bool:
        """True if the slot brought nothing."""
        return self.state in _RANK


class Once(Enum):
    """What to do with a poll."""

    COUNT = auto()  # nothing was there
    SUPERSEDE = auto()  # it counts now, the one before is history
    HISTORY = auto()  # keep it, it does not count
    IGNORE = auto()  # it says nothing new
    CONFLICT = auto()  # keep it, flag both


@dataclass(frozen=True, slots=True)
class Ruling:
    """What to do, and the poll as it is to be kept."""

    once: Once
    face: PollFace


def settle(standing: PollFace | None, new: PollFace) -> Ruling:
    """Return what becomes of a new poll, given the one that counts so far."""
    if standing is None:
        return Ruling(Once.COUNT, new)
    if new.is_miss:
        return Ruling(_settle_miss(standing, new), new)
    if standing.is_miss:
        return Ruling(Once.SUPERSEDE, new)
    if any(new.values[key] != standing.values[key] for key in new.values.keys() & standing.values.keys()):
        return Ruling(_settle_difference(standing, new), new)
    if new.values.keys() <= standing.values.keys() and new.faults.keys() <= _known(standing):
        return Ruling(Once.IGNORE, new)
    return Ruling(Once.SUPERSEDE, _joined(standing, new))


def _settle_difference(standing: PollFace, new: PollFace) -> Once:
    if standing.is_dated == new.is_dated:
        return Once.CONFLICT
    return Once.SUPERSEDE if new.is_dated else Once.HISTORY


def _settle_miss(standing: PollFace, new: PollFace) -> Once:
    if (standing.state, standing.reason) == (new.state, new.reason):
        return Once.IGNORE
    if standing.is_miss and _RANK[standing.state] <= _RANK[new.state]:
        return Once.SUPERSEDE
    return Once.HISTORY


def _known(face: PollFace) -> frozenset[str]:
    return frozenset(face.values) | frozenset(face.faults)


def _joined(standing: PollFace, new: PollFace) -> PollFace:
    values = {**standing.values, **new.values}
    faults = {key: why for key, why in {**standing.faults, **new.faults}.items() if key not in values}
    units = {**standing.units, **new.units}
    return replace(new, values=values, units=units, faults=faults, is_flagged=standing.is_flagged)
