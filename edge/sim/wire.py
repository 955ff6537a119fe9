"""One simulated RS-485 wire: what a master sends reaches all meters, what they send reaches the master, byte by byte.

1. A byte lasts 11 bits at its sender's speed; a meter begins when the request has ended and its delay is over.
2. A meter understands only who talks at its own speed and parity, and only a request that nobody talks into.
3. Senders that talk at once, or at another speed than the master's port, are heard bit by bit (`bits.py`).
4. A second master may be on the wire; our master hears its requests and the answers to them.
5. The master's adapter: with `echo` it hears its own request, without it nothing while it sends; it may hand over
   bytes late, or lose the first byte after it has sent.
6. `fast`: everything goes a hundred times faster, except an answer that is meant to come after the deadline.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil

from edge.bus.link import LineSettings
from edge.bus.memory_link import Arrival
from edge.clock import Clock
from edge.protocols.dlt645.frame import Frame, FrameReader, NeedData
from edge.sim.bits import Stream, hear, is_same_line
from edge.sim.meter import SimMeter
from edge.sim.reply import Reply
from edge.sim.second_master import SecondMaster

_FASTER = 100
_QUIET_S = 0.5  # bytes of a request further apart than this do not belong together (DL/T 645-2007)
_REMEMBERED_S = 60.0
_TIDY_AT = 64
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """The master's end. `echo`: hears itself; `latency_s`: hands over bytes only at multiples of this.

    `checks_parity`: gives 00H for a byte whose parity is wrong, as a serial port does that is told to.
    """

    echo: bool = False
    latency_s: float = 0.0
    loses_first: bool = False
    checks_parity: bool = False


@dataclass(frozen=True, slots=True)
class _Span:
    start: float
    end: float


@dataclass(slots=True)
class _Foreign:
    """A request of the second master that is on the wire."""

    stream: Stream
    is_clean: bool


class SimWire:
    """Meters on a wire. Implements `edge.bus.memory_link.Wire` and `TalkingWire`."""

    def __init__(
        self,
        meters: Sequence[SimMeter],
        clock: Clock,
        *,
        line: LineSettings | None = None,
        fast: bool = False,
        echo: bool = False,
        adapter: Adapter | None = None,
        second_master: SecondMaster | None = None,
    ) -> None:
        self.meters = tuple(meters)
        self.line = line or LineSettings()
        self.is_fast = fast
        self.second_master = second_master
        self._clock = clock
        self._adapter = adapter or Adapter(echo=echo)
        self._pace = float(_FASTER) if fast else 1.0
        self._reader = FrameReader()
        self._port_line = self.line
        self._sent_until = _NEVER
        self._quiet_s = float("inf")
        self._foreign: _Foreign | None = None
        self._on_air: list[_Span] = []
        self._has_turned = False
        for meter in self.meters:
            meter.attach(self.line, clock.utc_now())

    @property
    def byte_time_s(self) -> float:
        """How long one byte lasts at the wire's own speed."""
        return self.line.byte_time_s / self._pace

    def transmit(self, data: bytes, at: float, line: LineSettings | None = None) -> list[Arrival]:
        """Take bytes of the master whose first begins at `at`; return what the master will hear, by time.

        Bytes handed over while earlier ones are still on the wire follow behind them.
        """
        own = Stream(max(at, self._sent_until), data, line or self.line, self._pace)
        said = self._let_others_talk(own.start)
        self._begin_request(own, at)
        span = self._take_air(own)
        if self._foreign is not None and self._foreign.stream.end > own.start:
            self._foreign.is_clean = False
        self._sent_until = own.end
        said += self._let_others_talk(own.end)
        if self._is_clean(span, own.byte_s):
            said += self._answers_to(own)
        said += self._let_others_talk(max((each.end for each in said), default=own.end))
        return self._heard(said, own)

    def speaks_at(self) -> float | None:
        """Return when the second master next begins, or has ended, a request."""
        if self._foreign is not None:
            return self._foreign.stream.end
        return None if self.second_master is None else self.second_master.next_at

    def unasked(self, until: float) -> list[Arrival]:
        """Return what is heard of the second master, and of the answers to it, because of what begins up to `until`."""
        return self._heard(self._let_others_talk(until))

    # The master's request.

    def _begin_request(self, own: Stream, at: float) -> None:
        """Start reading anew where these bytes do not belong to the ones before; note how quiet it was."""
        if not is_same_line(own.line, self._port_line) or at > self._sent_until + _QUIET_S:
            self._reader = FrameReader()
        if at > self._sent_until:
            self._quiet_s = self._quiet_before(own.start)
        self._port_line = own.line

    def _answers_to(self, own: Stream) -> list[Stream]:
        self._reader.receive(own.data)
        answers: list[Stream] = []
        while (event := self._reader.next_event()) is not NeedData.NEED_DATA:
            if isinstance(event, Frame):
                answers += self._replies(event, own, self._quiet_s)
        return answers

    # What is on the wire.

    def _replies(self, request: Frame, asked: Stream, quiet_s: float) -> list[Stream]:
        wall = self._clock.utc_now() + timedelta(seconds=asked.end - self._clock.monotonic())
        streams = []
        for meter in self.meters:
            line = meter.line
            if is_same_line(line, asked.line):
                reply = meter.reply(request, wall, asked.end, quiet_s * self._pace)
                if reply is not None:
                    streams.append(self._stream_of(reply, asked.end, line))
        for stream in streams:
            self._take_air(stream)
        return streams

    def _stream_of(self, reply: Reply, end: float, line: LineSettings) -> Stream:
        byte_s = line.byte_time_s / self._pace
        start = end + reply.late_s + reply.delay_s / self._pace + reply.delay_bytes * byte_s
        data = reply.encode()
        return Stream(start, data, line, self._pace, reply.gap_s / self._pace, reply.odd(len(data)))

    def _take_air(self, stream: Stream) -> _Span:
        if len(self._on_air) > _TIDY_AT:
            self._on_air = [span for span in self._on_air if span.end > stream.start - _REMEMBERED_S]
        span = _Span(stream.start, stream.end)
        self._on_air.append(span)
        return span

    def _is_clean(self, request: _Span, byte_s: float) -> bool:
        """Return whether nobody else talks into a request."""
        start, end = request.start + byte_s / 2, request.end - byte_s / 2
        return not any(other is not request and other.start < end and other.end > start for other in self._on_air)

    def _quiet_before(self, start: float) -> float:
        """Return for how long nobody had talked when a request began."""
        return start - max((span.end for span in self._on_air if span.end <= start), default=_NEVER)

    # The second master.

    def _let_others_talk(self, until: float) -> list[Stream]:
        """Return what the second master says, and is answered, because of what begins or ends up to `until`."""
        said: list[Stream] = []
        while (at := self.speaks_at()) is not None and at <= until:
            said += self._begin_foreign(at) if self._foreign is None else self._end_foreign(self._foreign)
        return said

    def _begin_foreign(self, at: float) -> list[Stream]:
        if self.second_master is None:
            return []
        stream = Stream(at, self.second_master.next_request(), self.line, self._pace)
        self._foreign = _Foreign(stream, self._is_clean(self._take_air(stream), stream.byte_s))
        return [stream]

    def _end_foreign(self, foreign: _Foreign) -> list[Stream]:
        self._foreign = None
        reader = FrameReader()
        reader.receive(foreign.stream.data)
        frame = reader.next_event()
        quiet_s = self._quiet_before(foreign.stream.start)
        return self._replies(frame, foreign.stream, quiet_s) if foreign.is_clean and isinstance(frame, Frame) else []

    # The master's end.

    def _heard(self, streams: Iterable[Stream], own: Stream | None = None) -> list[Arrival]:
        """Return what comes out of the adapter."""
        adapter = self._adapter
        on_wire = [*streams]
        if own is not None and adapter.echo:
            on_wire.append(own)
        heard = hear(on_wire, self._port_line, self._pace, checks=adapter.checks_parity)
        if own is not None and not adapter.echo:
            begin, end = own.start, own.end + own.byte_s / 2
            heard = [each for each in heard if not begin < each.at < end]
        if own is not None and adapter.loses_first:
            self._has_turned = True
        heard = self._without_first(heard, own)
        if not adapter.latency_s:
            return heard
        return [replace(each, at=ceil(each.at / adapter.latency_s) * adapter.latency_s) for each in heard]

    def _without_first(self, heard: list[Arrival], own: Stream | None) -> list[Arrival]:
        """Return the bytes without the first one after the master has sent, for an adapter that loses it."""
        sent_until = _NEVER if own is None else own.end + own.byte_s / 2
        after = next((n for n, each in enumerate(heard) if each.at > sent_until), None)
        if not self._has_turned or after is None:
            return heard
        self._has_turned = False
        return heard[:after] + heard[after + 1 :]
