"""The rules of slots: what becomes of a record, by its state and by what is known of its slot (design section 4).

Records of a (task, meter) arrive in the order of their slots, except those that fill an open one. So a slot is NEW
(after the newest slot recorded), OPEN (missing, may still be filled) or SETTLED (anything else, closed for good).
"""

from enum import Enum, auto

from edge.reading.record import SlotState


class Known(Enum):
    """What the store knows of a slot."""

    NEW = auto()
    OPEN = auto()
    SETTLED = auto()


class Act(Enum):
    """What is done with the record."""

    KEEP = auto()  # store it as it is; the slot is settled
    KEEP_OPEN = auto()  # store it and remember the slot as open
    FILL = auto()  # store it as refilled and close the slot
    CLOSE = auto()  # store it as it is and close the slot
    REFUSE = auto()  # it is there already: nothing is doubled


_ACTS = {
    (Known.NEW, SlotState.READ): Act.KEEP,
    (Known.NEW, SlotState.REFILLED): Act.KEEP,
    (Known.NEW, SlotState.MISSING_OPEN): Act.KEEP_OPEN,
    (Known.NEW, SlotState.MISSING_FINAL): Act.KEEP,
    (Known.OPEN, SlotState.READ): Act.FILL,
    (Known.OPEN, SlotState.REFILLED): Act.FILL,
    (Known.OPEN, SlotState.MISSING_OPEN): Act.REFUSE,
    (Known.OPEN, SlotState.MISSING_FINAL): Act.CLOSE,
    (Known.SETTLED, SlotState.READ): Act.REFUSE,
    (Known.SETTLED, SlotState.REFILLED): Act.REFUSE,
    (Known.SETTLED, SlotState.MISSING_OPEN): Act.REFUSE,
    (Known.SETTLED, SlotState.MISSING_FINAL): Act.REFUSE,
}


def act_on(known: Known, state: SlotState) -> Act:
    """Return what is done. Raises ValueError for a record in a state that no poll can have (`expected`)."""
    try:
        return _ACTS[known, state]
    except KeyError:
        raise ValueError(f"a record cannot be {state}") from None
