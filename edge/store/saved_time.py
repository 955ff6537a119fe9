"""The time that was known last: below it no clock is believed after a power cut.

It rides on the commits of the poller, at most one in ten minutes, and only where the machine's clock was synchronised:
a clock that was ahead, or a person's word on one, leaves no trace here. A later synchronised time takes its place even
if it is earlier, so that a wrong time server does no lasting harm.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from edge.reading.record import PollRecord
from edge.store.instants import from_us, to_us
from edge.store.meta import load_fact, mark_fact
from edge.store.rows import Rows

_SAVED = "time_saved"
_EVERY = timedelta(minutes=10)
_SYNCHRONISED = "synchronised"


def note_time(rows: Rows, records: Sequence[PollRecord], noted: datetime | None) -> datetime | None:
    """Save the time of the newest record if it was synchronised; return the time saved last. Needs a transaction.

    `noted`: what this returned before; within ten minutes of it nothing is read or written.
    """
    at = records[-1].stamp.at if records and records[-1].stamp.trust == _SYNCHRONISED else None
    if at is None or (noted is not None and abs(at - noted) < _EVERY):
        return noted
    saved = saved_time(rows)
    if saved is not None and abs(at - saved) < _EVERY:
        return saved
    mark_fact(rows, _SAVED, to_us(at))
    return at


def saved_time(rows: Rows) -> datetime | None:
    """Return the time that was saved last; None if there is none."""
    fact = load_fact(rows, _SAVED)
    return from_us(fact) if type(fact) is int else None
