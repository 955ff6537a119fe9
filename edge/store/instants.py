"""Instants as whole microseconds since 1970 UTC: exact, ordered, and small in a column."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(instant: datetime) -> int:
    """Return microseconds since 1970 UTC. Raises ValueError for an instant without a zone."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return (instant - _EPOCH) // _MICROSECOND


def from_us(number: int) -> datetime:
    """Return the aware UTC instant. Raises ValueError for a number outside of the calendar."""
    try:
        return _EPOCH + number * _MICROSECOND
    except OverflowError as exc:
        raise ValueError(f"{number} us is outside of the calendar") from exc
