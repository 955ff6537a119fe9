"""Giving the time to the meters of a bus: read their clocks, send one broadcast if the rules allow, read them again.

Success is only seen by reading: nobody answers a broadcast. A clock is read in seconds and in several frames: offsets
are right to about a second, and so is the time that is given. Only a synchronised clock gives the time: a clock chip
alone may have drifted as far as the meters.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from edge.clock import Clock, ClockTrust
from edge.errors import EdgeError, LinkError
from edge.poll.jobs import Asker, Way
from edge.poll.plan import PolledMeter
from edge.protocols.drivers import driver
from edge.protocols.exchange import Exchange, Timing
from edge.protocols.own_orders import time_sync
from edge.quality.time_sync import DEFAULT_RULES, Hindrance, SyncRules, may_broadcast, result_of
from edge.reading.outcome import Answer, Outcome, Sent
from edge.reading.verdict import Verdict

_CLOCK = "clock"
_CLOCK_FORMAT = "%y%m%d%H%M%S"
_TRIES = 2
_BROADCAST_S = 22 * 11 / 2400  # a meter takes the time when the frame has ended; at other speeds next to nothing
_HALF_S = timedelta(seconds=0.5)


@dataclass(slots=True)
class _Clock:
    """What is known of one meter's clock: offsets, and the verdict of its last reading."""

    before: timedelta | None = None
    after: timedelta | None = None
    verdict: Verdict = Verdict.SILENCE


@dataclass(slots=True, kw_only=True)
class TimeSyncRun:
    """A bus job: one exchange a step. It ends with a document for all meters.

    `last_on`: local day of the last broadcast on this bus; `on_sent` is told the day of this one. `zone`: the meters'.
    """

    meters: Sequence[PolledMeter]
    timing: Timing
    clock: Clock
    zone: ZoneInfo
    way: Way
    last_on: date | None = None
    on_sent: Callable[[date], None] = lambda _day: None
    rules: SyncRules = DEFAULT_RULES
    sent_at: datetime | None = None
    hindrance: Hindrance | None = None
    _known: dict[str, _Clock] = field(default_factory=dict)
    _waiting: deque[PolledMeter] = field(default_factory=deque)
    _tries: int = 0
    _has_decided: bool = False
    _told_at: datetime | None = None

    def __post_init__(self) -> None:
        self._known = {meter.address: _Clock() for meter in self.meters}
        self._waiting.extend(self.meters)

    def step(self, worker: Asker) -> bool:
        """Do one exchange; False when done."""
        if self.way.is_closed:
            return False
        try:
            return self._go_on(worker)
        except EdgeError as exc:
            self.way.fail(exc)
            return False

    def _go_on(self, worker: Asker) -> bool:
        if self._waiting:
            self._read_clock(worker)
        elif not self._has_decided:
            self._decide(worker)
        if self._waiting or not self._has_decided:
            return True
        self.way.end({"result": self._document()})
        return False

    def _read_clock(self, worker: Asker) -> None:
        meter = self._waiting[0]
        known = self._known[meter.address]
        protocol = driver(meter.known_protocol)
        (request,), _ = protocol.requests_for((_CLOCK,))
        began = self._local_now()
        outcome = self._run(worker, protocol.read(meter.address, request, self.timing))
        offset = _offset(outcome, began + (self._local_now() - began) / 2)
        known.verdict = outcome.verdict
        self._tries += 1
        if offset is None and self._tries < _TRIES:
            return
        if self._has_decided:
            known.after = offset
        else:
            known.before = offset
        self._waiting.popleft()
        self._tries = 0

    def _decide(self, worker: Asker) -> None:
        """Send the broadcast if nothing hinders it; then every clock that was read is read again."""
        self._has_decided = True
        offsets = [known.before for known in self._known.values() if known.before is not None]
        now, is_trusted = self._local_now(), self.clock.trust() is ClockTrust.SYNCHRONISED
        self.hindrance = may_broadcast(now, self.last_on, offsets, is_trusted=is_trusted, rules=self.rules)
        if self.hindrance is not None:
            return
        orders = (time_sync(meter.known_protocol, self._time_to_send, self.timing) for meter in self.meters)
        order = next(filter(None, orders), None)
        if order is None:
            return
        if not isinstance(self._run(worker, order), Sent):
            self.hindrance = Hindrance.FOREIGN_MASTER
            return
        self.sent_at = self._told_at
        self.on_sent(now.date())
        self._waiting.extend(meter for meter in self.meters if self._known[meter.address].before is not None)

    def _run(self, worker: Asker, exchange: Exchange) -> Outcome:
        outcome = worker.exchange(exchange)
        if outcome.verdict is Verdict.PORT_GONE:
            raise LinkError("E-BUS-104", port="of this bus", detail="it vanished while the clocks were set")
        return outcome

    def _time_to_send(self) -> datetime:
        """Return what the time will be when a frame that goes out now has ended."""
        self._told_at = (self._local_now() + timedelta(seconds=_BROADCAST_S) + _HALF_S).replace(microsecond=0)
        return self._told_at

    def _local_now(self) -> datetime:
        return self.clock.utc_now().astimezone(self.zone).replace(tzinfo=None)

    def _document(self) -> dict[str, object]:
        return {
            "sent": self.sent_at.isoformat() if self.sent_at else None,
            "hindrance": self.hindrance.value if self.hindrance else None,
            "meters": [self._meter_document(address, known) for address, known in self._known.items()],
        }

    def _meter_document(self, address: str, known: _Clock) -> dict[str, object]:
        result = result_of(known.before, known.after, was_sent=self.sent_at is not None, rules=self.rules)
        return {
            "meter": address,
            "offset_before_s": _seconds(known.before),
            "offset_after_s": _seconds(known.after),
            "result": result.value,
            "verdict": known.verdict.value,
        }


def _offset(outcome: Outcome, at: datetime) -> timedelta | None:
    """Return by how much the clock that an answer shows is ahead, None if it shows none."""
    if not isinstance(outcome, Answer):
        return None
    shown = next((str(item.value) for item in outcome.items if item.key == _CLOCK), "")
    try:
        return datetime.strptime(shown, _CLOCK_FORMAT) - at  # noqa: DTZ007 -- a meter's local time
    except ValueError:
        return None


def _seconds(offset: timedelta | None) -> int | None:
    return None if offset is None else round(offset.total_seconds())
