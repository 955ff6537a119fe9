"""Carries one exchange over a link: quiet, request, answer, and again while the exchange asks for more.

Deadlines, all by the monotonic clock (a port's `flush` tells nothing, so the end of a request is computed):
1. quiet: `gap_s` without a byte before the first request; a wire that never falls silent is waited for at most 2 s.
   While the wire belongs to another master (`listener`) nothing is sent: after 10 s that is the outcome ForeignMaster.
   So is an answer that the meter owed that master: it may be of an instant before we asked.
2. first byte: end of request + `timing.reply_s`.
3. after each chunk: at least `timing.gap_s` more, but never beyond the time of the longest sound answer.
4. whole exchange: no further request after 30 s, however many follow-up frames a meter announces.
What a meter does is an outcome, never an exception; a vanished port is the outcome PortGone.
After a time-out nothing is kept here: the next call hears what arrived late, drops it, and waits for quiet.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Literal

from edge.bus.link import LineSettings, Link
from edge.bus.trace import TraceEvent
from edge.clock import Clock
from edge.errors import LinkError
from edge.protocols.exchange import Exchange, Listener, Progress
from edge.reading.outcome import Answer, Confirmed, ForeignMaster, Outcome, PortGone, Refused

Tap = Callable[[TraceEvent], None]

_CHUNK = 512
_MOST_DRAINED = 128  # chunks: as much as anybody buffers
_QUIET_BOUND_S = 2.0
_FOREIGN_BOUND_S = 10.0
_WRITE_MARGIN_S = 1.0
_AWAKE_FOR = 2  # the last bytes of a frame are waited for, not slept for
_LONGEST_S = 30.0  # the longest record of the standard (1026 bytes) takes 22 s at 600 Bd


def run_exchange(
    link: Link,
    exchange: Exchange,
    clock: Clock,
    line: LineSettings,
    *,
    gap_s: float,
    quiet_since_s: float = inf,
    tap: Tap | None = None,
    listener: Listener | None = None,
) -> Outcome:
    """Return what came of the exchange, with `response_ms` and `raw` filled in.

    `tap` sees every byte, both ways; `listener` knows of other masters. `quiet_since_s`: when the last byte was heard,
    if the caller knows that none came since.
    Time: waits up to `gap_s`, the transmission, and the exchange's timing, for each of its requests.
    """
    run = _Run(link, exchange, clock, line, tap=tap, listener=listener)
    try:
        link.use(line)
        outcome = run.ask() if run.await_quiet(gap_s, quiet_since_s) else ForeignMaster()
    except LinkError:
        outcome = PortGone()
    return replace(outcome, raw=bytes(run.raw), response_ms=run.response_ms)


class _Run:
    """The bytes and instants of one exchange."""

    def __init__(
        self,
        link: Link,
        exchange: Exchange,
        clock: Clock,
        line: LineSettings,
        *,
        tap: Tap | None,
        listener: Listener | None,
    ) -> None:
        self._link = link
        self._exchange = exchange
        self._clock = clock
        self._byte_s = line.byte_time_s
        self._tap = tap
        self._listener = listener
        self.raw = bytearray()
        self.response_ms: int | None = None

    def await_quiet(self, gap_s: float, quiet_since_s: float) -> bool:
        """Hear what is there, then wait until the wire was silent for `gap_s`; False if another master keeps it."""
        began = now = self._clock.monotonic()
        for _ in range(_MOST_DRAINED):
            if not self._read(0):
                break
            quiet_since_s = now
        else:
            self._link.drop_input()
        wait_s = gap_s - max(0.0, now - quiet_since_s)
        while (wait_s := max(wait_s, self._busy_until_s - now)) > 0:
            heard = self._read(wait_s)
            now = self._clock.monotonic()
            if not heard:
                break
            if now - began > (_FOREIGN_BOUND_S if self._busy_until_s > began else _QUIET_BOUND_S):
                break
            wait_s = gap_s
        return self._busy_until_s <= now

    @property
    def _busy_until_s(self) -> float:
        return self._listener.busy_until_s if self._listener is not None else 0.0

    def ask(self) -> Outcome:
        """Send requests and take answers until the exchange knows its outcome."""
        began_s = self._clock.monotonic()
        outcome = self._ask(began_s + _LONGEST_S)
        if isinstance(outcome, Answer | Refused | Confirmed) and self._listener is not None:
            return ForeignMaster() if self._listener.was_answered(outcome.address, began_s) else outcome
        return outcome

    def _ask(self, longest: float) -> Outcome:
        while True:
            progress = self._take_answer(*self._send())
            if progress is Progress.WAIT or self._clock.monotonic() > longest:
                return self._exchange.give_up()
            if progress is Progress.DONE:
                outcome = self._exchange.outcome
                return self._exchange.give_up() if outcome is None else outcome

    def _send(self) -> tuple[bytes, float]:
        """Write the request; return it and the computed end of its transmission."""
        request = self._exchange.request()
        started = self._clock.monotonic()
        duration_s = len(request) * self._byte_s
        self._show(started, "tx", request)
        if self._listener is not None:
            self._listener.sent(request)
        self._link.write(request, duration_s + _WRITE_MARGIN_S)
        return request, started + duration_s

    def _take_answer(self, request: bytes, sent_at: float) -> Progress:
        """Feed the exchange until it says SEND or DONE; WAIT means that the deadline came."""
        chunks: list[tuple[float, bytes]] = []
        try:
            return self._listen(sent_at, chunks)
        finally:
            self.raw += b"".join(data for _, data in chunks)
            if self.response_ms is None:
                self.response_ms = _response_ms(request, sent_at, chunks)

    def _listen(self, sent_at: float, chunks: list[tuple[float, bytes]]) -> Progress:
        timing = self._exchange.timing
        first_by = sent_at + timing.reply_s
        bound = first_by + self._exchange.longest_reply * self._byte_s + timing.gap_s
        deadline = first_by
        while (left_s := deadline - self._clock.monotonic()) > 0:
            data = self._read(left_s)
            if not data:
                continue
            now = self._clock.monotonic()
            chunks.append((now, data))
            progress = self._exchange.receive(data)
            if progress is not Progress.WAIT:
                return progress
            deadline = min(bound, max(first_by, now + timing.gap_s))
            self._nap(timing.gap_s)
        return Progress.WAIT

    def _nap(self, gap_s: float) -> None:
        """Sleep while the bytes arrive without which nothing can be told: waking for each costs more than all else."""
        nap_s = (self._exchange.missing - _AWAKE_FOR) * self._byte_s
        if nap_s > 0:
            self._clock.sleep(min(nap_s, gap_s / 2))

    def _read(self, timeout_s: float) -> bytes:
        data = self._link.read(_CHUNK, timeout_s)
        if data:
            now = self._clock.monotonic()
            self._show(now, "rx", data)
            if self._listener is not None:
                self._listener.hear(data, now)
        return data

    def _show(self, at: float, direction: Literal["tx", "rx"], data: bytes) -> None:
        if self._tap is not None:
            self._tap(TraceEvent(at, direction, data))


def _response_ms(request: bytes, sent_at: float, chunks: list[tuple[float, bytes]]) -> int | None:
    """Return the time from the request's end to the first byte that is not its echo; None if none came."""
    heard = b"".join(data for _, data in chunks)
    echo = len(request) if heard.startswith(request) else 0
    count = 0
    for at, data in chunks:
        count += len(data)
        if count > echo:
            return max(0, round((at - sent_at) * 1000))
    return None
