"""From a job of the control socket that concerns one bus to the run that does it."""

from collections.abc import Sequence
from dataclasses import replace

from edge.bus.trace import TraceEvent, TraceRing
from edge.clock import Clock
from edge.config.settings import Bus
from edge.control.jobs import DetectJob, DiagnoseJob, ScanJob, TraceJob
from edge.errors import ControlError
from edge.poll.damage_hours import HourOfAnswers
from edge.poll.detect import Combination, DetectRun
from edge.poll.diagnose import DiagnoseRun
from edge.poll.jobs import Way
from edge.poll.scan import ScanOrder
from edge.poll.scan_state import Candidate, state_of
from edge.poll.trace_job import TraceFollower


def scan_order(job: ScanJob, known: tuple[Candidate, ...]) -> ScanOrder:
    """Return what a scan job orders. Raises ControlError for a state that is none."""
    try:
        kept = None if job.state is None else state_of(job.state)
    except ValueError as exc:
        raise ControlError("E-CTL-103", field="state") from exc
    return ScanOrder(addresses=job.addresses, known=known, only_known=job.only_known, is_quick=job.is_quick, kept=kept)


def detect_run(job: DetectJob, bus: Bus, way: Way) -> DetectRun:
    """Return the run of a detect job."""
    current = Combination(bus.baud, bus.parity, bus.protocol)
    return DetectRun.over(way, current=current, reply_ms=bus.reply_ms, meter=job.meter, is_all=job.is_all)


def follow_trace(job: TraceJob, bus: Bus, ring: TraceRing, clock: Clock, way: Way) -> TraceFollower:
    """Return a follower of a bus that has told the last events and hears of all further ones."""
    follower = TraceFollower(way, clock)
    follower.begin(bus, _last(ring.events(), job.last))
    ring.follow(follower.take)
    return follower


def _last(events: Sequence[TraceEvent], count: int) -> Sequence[TraceEvent]:
    """Return the last events, and those before them that they go on from: half a frame would be called a bad one."""
    start = max(0, len(events) - count)
    while count and start > 0 and events[start].direction == "rx":
        start -= 1
    return events[start:] if count else ()


def diagnose_run(
    job: DiagnoseJob,
    bus: Bus,
    known: tuple[Candidate, ...],
    way: Way,
    hours: tuple[HourOfAnswers, ...] | None = None,
) -> DiagnoseRun:
    """Return the run of a diagnosis: of one meter, or of all that are known. `hours`: what was counted of the bus."""
    meters = known
    if job.meter:
        own = next((one for one in known if one.pattern == job.meter), Candidate(job.meter, protocol=bus.protocol))
        meters = (replace(own, protocol=job.protocol or own.protocol),)
    current = Combination(bus.baud, bus.parity, bus.protocol)
    return DiagnoseRun(way, current, meters, bus.reply_ms, bus.port, hours)
