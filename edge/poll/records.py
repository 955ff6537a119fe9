"""The records that a bus makes: of a poll that has ended, and of a slot that nobody asked for."""

from edge.clock import Clock
from edge.poll.meter_poll import MeterPoll
from edge.poll.rounds import Round, Unasked
from edge.reading.record import PollRecord, SlotState, Stamp

_FRAME_KEPT = 600


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
        raw=tuple(outcome.raw[:_FRAME_KEPT] for outcome in poll.failures if outcome.raw),
    )


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
