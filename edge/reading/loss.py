"""A loss: slots whose readings were stored and then could not be kept. It is reported, signed, never silent."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class LossReason(StrEnum):
    """Why stored readings are gone."""

    DAMAGED = "damaged"  # the storage gave back other bytes than were written


@dataclass(frozen=True, slots=True)
class Loss:
    """`count` slots of (task, meter) from `first_at` to `last_at`. Task and meter are empty where nobody can tell."""

    task: str
    meter: str
    first_at: datetime
    last_at: datetime
    count: int
    reason: str
