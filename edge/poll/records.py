"""The records that a bus makes: of a poll that has ended, and of a slot that nobody asked for.

A stamp is of the end of a poll. Where its time is not trusted, a flag says how long before that the meter was asked
first: a slot may have begun in between, once the time is known, and what was asked before belongs to the one before.
"""

from datetime import timedelta
from math import ceil

from edge.clock import Clock
from edge.poll.meter_poll import MeterPoll
from edge.poll.rounds import Round, Unasked
from edge.reading.record import PollRecord, SlotState, Stamp

_FRAME_KEPT = 600
_ASKED_MS = "asked_ms="


def stamp_of(clock: Clock) -> Stamp:
    """Return this moment by both clocks."""
    return Stamp(at=clock.utc_now(), trust=clock.trust().value, boot_id=clock.boot_id, boot_s=clock.monotonic())


def poll_record(one: Round, bus: str, poll: MeterPoll, stamp: Stamp) -> PollRecord:
    """Return the record of a poll for a round: read, or missing with the reason of the poll."""
    reason = poll.reason
    return PollRecord(
        task=one.task.name,
        slot_at=one.slot_at,
        meter=poll.address,
        bus=bus,
        stamp=stamp,
        state=SlotState.READ if reason is None else SlotState.MISSING_OPEN,
        reason=reason,
        values=poll.values if reason is None else {},
        units=poll.units if reason is None else {},
        faults=poll.faults if reason is None else {},
        response_ms=poll.response_ms,
        tries=poll.exchanges,
        flags=_asked_before(poll, stamp),
        raw=tuple(outcome.raw[:_FRAME_KEPT] for outcome in poll.failures if outcome.raw),
    )


def take_asked(flags: tuple[str, ...]) -> tuple[timedelta, tuple[str, ...]]:
    """Return how long before its stamp a poll began, nothing if no flag says it, and the other flags."""
    found = next((flag.removeprefix(_ASKED_MS) for flag in flags if flag.startswith(_ASKED_MS)), "0")
    return timedelta(milliseconds=int(found)), tuple(flag for flag in flags if not flag.startswith(_ASKED_MS))


def missing_record(one: Unasked, bus: str, stamp: Stamp) -> PollRecord:
    """Return the record of a slot that nobody asked for."""
    return PollRecord(
        task=one.task.name,
        slot_at=one.slot_at,
        meter=one.meter,
        bus=bus,
        stamp=stamp,
        state=SlotState.MISSING_OPEN,
        reason=one.reason,
        tries=0,
    )


def _asked_before(poll: MeterPoll, stamp: Stamp) -> tuple[str, ...]:
    """Return the flag for how long before its stamp a poll began, in whole milliseconds and never too short."""
    if stamp.is_dated or poll.asked_s is None:
        return ()
    return (f"{_ASKED_MS}{ceil((stamp.boot_s - poll.asked_s) * 1000)}",)
