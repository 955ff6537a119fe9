"""The numbers that stand for words in our messages. A number is never given a second meaning; new ones are added.

The same tables stand in `docs/batch.cddl`.
"""

from collections.abc import Mapping
from typing import TypeVar

from edge.errors import MessageError
from edge.reading.record import SlotState, Source
from edge.reading.verdict import SlotReason

Word = TypeVar("Word")

TRUSTS: Mapping[int, str] = {0: "synchronised", 1: "rtc", 2: "floor", 3: "none"}

SOURCES: Mapping[int, Source] = {0: Source.LIVE, 1: Source.FREEZE, 2: Source.LOAD_RECORD, 3: Source.RE_READ}

# An expected slot has no record yet: it does not travel.
STATES: Mapping[int, SlotState] = {
    0: SlotState.READ,
    1: SlotState.MISSING_OPEN,
    2: SlotState.REFILLED,
    3: SlotState.MISSING_FINAL,
}

# 0 is kept for "no reason".
REASONS: Mapping[int, SlotReason] = {
    1: SlotReason.SILENCE,
    2: SlotReason.GARBAGE,
    3: SlotReason.BAD_CHECKSUM,
    4: SlotReason.WRONG_ADDRESS,
    5: SlotReason.REFUSED,
    6: SlotReason.COLLISION,
    7: SlotReason.LATE,
    8: SlotReason.MALFORMED,
    9: SlotReason.FOREIGN_MASTER,
    10: SlotReason.PORT_GONE,
    11: SlotReason.GATEWAY_DOWN,
    12: SlotReason.OVERRUN,
    13: SlotReason.UNKNOWN_ITEM,
    14: SlotReason.NOT_KEPT,
    15: SlotReason.NOT_FROZEN,
    16: SlotReason.SHED,
}


def number_of(table: Mapping[int, Word], word: Word, what: str) -> int:
    """Return the number of a word. Raises MessageError E-MSG-104 for a word that the table does not have."""
    for number, known in table.items():
        if known == word:
            return number
    raise MessageError("E-MSG-104", detail=f"{what}: {word!r} has no number")
