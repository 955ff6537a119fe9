"""What changes from one layout of the settings to the next, as the models name it. `layouts.py` does it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Changed:
    """A key that the next layout calls `now`, or no longer has (empty).

    `table`: the names of the tables around it, none for the outermost; of a list of tables every entry is meant.
    `value` gives the value as the next layout has it; what it does not understand it gives back as it is.
    """

    table: tuple[str, ...]
    key: str
    now: str
    value: Callable[[Any], Any] = lambda given: given


Steps = Mapping[int, Sequence[Changed]]  # from each layout to the next
