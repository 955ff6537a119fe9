"""The pair of wires: when each byte begins and ends, who talks over whom, what the master hears. Pure: time is given.

1. Bytes of the master begin when they are handed over, or when its earlier ones are over, whichever is later.
2. A request is complete when its last byte is over; a meter begins its delay after that.
3. Where the master's bytes and a meter's overlap, both are garbled: the meter's as heard, the master's as understood.
4. Meters that talk at once are laid over each other bit by bit (`uart.py`).
5. A byte is heard when its last bit is over, never before.
"""

import random
from dataclasses import dataclass, field

from tests.bench.bus.frames import RequestReader
from tests.bench.bus.uart import overlay

_ROUNDING_S = 1e-6


@dataclass(slots=True)
class OnWire:
    """A byte of a meter on its way to the master."""

    start: float
    end: float
    byte: int


@dataclass(slots=True)
class Told:
    """An answer in the log of truth: what a meter said from when to when. `is_sound`: nobody talked over it."""

    meter: str
    identifier: str
    asked_start: float
    asked_end: float
    start: float
    end: float
    values: dict
    fault: str
    is_sound: bool = True


@dataclass(slots=True)
class Asked:
    """A sound request in the log."""

    address: str
    identifier: str
    start: float
    end: float
    size: int
    wake: int


@dataclass(slots=True)
class TimedWire:
    """Meters on a wire of one speed. `requests` and `answers` are the log of truth."""

    meters: list
    byte_s: float
    seed: int = 1
    requests: list = field(default_factory=list)
    answers: list = field(default_factory=list)
    garbled: int = 0  # bytes of the master that met a meter's
    coming: list = field(default_factory=list)  # bytes of meters that were not heard yet, by time
    _until: float = 0.0
    _sent: list = field(default_factory=list)
    _reader: RequestReader = field(default_factory=RequestReader)
    _random: random.Random = field(init=False)

    def __post_init__(self):
        self._random = random.Random(self.seed)

    def take(self, data, at):
        """Take bytes that the master hands over at an instant; what it will hear is in `coming`."""
        spans = []
        for byte in data:
            start = max(at, self._until)
            self._until = start + self.byte_s
            spans.append((start, self._until, byte))
        self._sent = [span for span in self._sent if span[1] > at - 10] + spans
        understood = [(start, end, self._meet(start, end, byte)) for start, end, byte in spans]
        for start, end, byte in understood:
            request = self._reader.take(byte, start, end)
            if request is not None:
                self._ask(request)

    def hear(self, now):
        """Return the bytes that are over by now, with their ends, and forget them."""
        count = 0
        while count < len(self.coming) and self.coming[count].end <= now:
            count += 1
        heard, self.coming = self.coming[:count], self.coming[count:]
        return heard

    def _meet(self, start, end, byte):
        """Return the master's byte as the meters understand it; bytes of meters under way at that time are garbled."""
        met = [one for one in self.coming if _overlap(one, start, end)]
        if not met:
            return byte
        for one in met:
            one.byte = self._random.randrange(256)
            self._spoil(one)
        self.garbled += 1
        return self._random.randrange(256)

    def _spoil(self, byte):
        for told in self.answers[-16:]:
            if told.start - _ROUNDING_S <= byte.start < told.end - _ROUNDING_S:
                told.is_sound = False

    def _ask(self, request):
        identifier = request.data[:4][::-1].hex().upper()
        size = round((request.end - request.start) / self.byte_s)
        self.requests.append(Asked(request.address, identifier, request.start, request.end, size, request.wake))
        given = [answer for meter in self.meters if (answer := meter.answer(request)) is not None]
        told = [self._tell(answer, request) for answer in given]
        spoken = [(answer, one) for answer, one in zip(given, told, strict=True) if answer.raw]
        if len(spoken) > 1:
            for _, one in spoken:
                one.is_sound = False
            sent = [(one.start, answer.raw) for answer, one in spoken]
            self._add(OnWire(end - self.byte_s, end, byte) for end, byte in overlay(sent, self.byte_s))
        elif spoken:
            self._add(self._bytes_of(*spoken[0]))

    def _tell(self, answer, request):
        start = request.end + answer.delay_s
        step = self.byte_s + answer.gap_s
        end = start + len(answer.raw) * step - answer.gap_s if answer.raw else start
        told = Told(
            answer.meter, answer.identifier, request.start, request.end, start, end, answer.values, answer.fault
        )
        self.answers.append(told)
        return told

    def _bytes_of(self, answer, told):
        step = self.byte_s + answer.gap_s
        for n, byte in enumerate(answer.raw):
            yield OnWire(told.start + n * step, told.start + n * step + self.byte_s, byte)

    def _add(self, found):
        """Put bytes on their way; where they meet the master's, or those of an earlier answer, all are garbled."""
        before = list(self.coming)
        for one in found:
            met = [other for other in before if _overlap(other, one.start, one.end)]
            if met or any(_overlap(one, start, end) for start, end, _ in self._sent):
                for other in (one, *met):
                    other.byte = self._random.randrange(256)
                    self._spoil(other)
            self.coming.append(one)
        self.coming.sort(key=lambda one: one.end)


def _overlap(byte, start, end):
    """Whether a byte on the wire and a span of time have more in common than a rounding error."""
    return byte.start < end - _ROUNDING_S and byte.end > start + _ROUNDING_S
