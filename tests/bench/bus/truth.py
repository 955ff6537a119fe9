"""What a master took, held against what the meters said: each value must be of that meter, that item, that time."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal

_MARGIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Taken:
    """A value that a master took, and between which instants it must have been said."""

    meter: str
    key: str
    value: Decimal | None
    not_before: float
    not_after: float


def judge(taken, answers):
    """Return how many values are `right`, of the `wrong_meter`, of the `wrong_time`, or said by nobody (`wrong_value`).

    An answer that was spoiled on its way, or bore a false address, told nothing: no value may come of it.
    """
    said = defaultdict(list)
    for answer in answers:
        for key, value in answer.values.items():
            if answer.is_sound:
                said[key].append((answer.meter, Decimal(value), answer.end))
    return Counter(_verdict(one, said[one.key]) for one in taken)


def _verdict(one, said):
    same = [(meter, end) for meter, value, end in said if value == one.value]
    own = [end for meter, end in same if meter == one.meter]
    if any(_is_in_time(one, end) for end in own):
        return "right"
    if any(_is_in_time(one, end) for _, end in same):
        return "wrong_meter"
    return "wrong_time" if own else "wrong_value"


def _is_in_time(one, end):
    return one.not_before - _MARGIN_S <= end <= one.not_after + _MARGIN_S
