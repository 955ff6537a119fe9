"""What a receiver makes of bytes on a wire, bit by bit: several senders at once, or one at another speed.

On the wire a byte is a start bit (0), eight data bits with the lowest first, a parity bit if there is one, and stop
bits (1). Where senders talk at once a 0 wins. The receiver takes a falling edge for a start bit, looks at the middle of
each bit by its own speed, and gives the byte on whether parity is right or not, as serial ports do that are not told to
check it. One that `checks` gives 00H for a byte with wrong parity or with a stop bit that is 0, as the kernel does with
INPCK. Where the stop bit is 0 the receiver waits for the next falling edge.

A sender that talks alone, at the receiver's own speed, is heard as it was sent: no bit is looked at.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.bus.link import LineSettings
from edge.bus.memory_link import Arrival

_SAME = 1 / 16  # of a bit: edges this close are one


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes of one sender, one after the other, from the instant `start` on.

    `pace`: how many times faster than the line's speed they go; `pause_s`: idle time between two bytes; `odd`: places
    of bytes whose parity bit does not fit them, because a data bit was hit on the way.
    """

    start: float
    data: bytes
    line: LineSettings
    pace: float = 1.0
    pause_s: float = 0.0
    odd: frozenset[int] = frozenset()

    @property
    def byte_s(self) -> float:
        """How long a byte lasts."""
        return self.line.byte_time_s / self.pace

    @property
    def end(self) -> float:
        """When the last byte is over."""
        return self.start + len(self.data) * (self.byte_s + self.pause_s) - self.pause_s


def hear(streams: Iterable[Stream], line: LineSettings, pace: float = 1.0, *, checks: bool = False) -> list[Arrival]:
    """Return what a receiver set to `line` hears of all streams, a byte each, by the instant at which it is whole."""
    heard: list[Arrival] = []
    for together in _groups(streams, line.byte_time_s / pace):
        alone = together[0]
        if len(together) == 1 and is_same_line(alone.line, line):
            heard += _as_sent(alone, checks=checks and line.parity != "none")
        else:
            heard += _sampled(together, line, pace, checks=checks)
    return heard


def is_same_line(one: LineSettings, other: LineSettings) -> bool:
    """Return whether bytes sent with one setting are understood with the other; stop bits do not matter."""
    return (one.baud, one.parity, one.data_bits) == (other.baud, other.parity, other.data_bits)


def _groups(streams: Iterable[Stream], byte_s: float) -> list[list[Stream]]:
    """Return the streams by start, those together that overlap, or follow within the byte that may be misread."""
    groups: list[list[Stream]] = []
    until = float("-inf")
    for stream in sorted((each for each in streams if each.data), key=lambda each: each.start):
        if groups and stream.start < until + byte_s:
            groups[-1].append(stream)
        else:
            groups.append([stream])
        until = max(until, stream.end)
    return groups


def _as_sent(stream: Stream, *, checks: bool) -> list[Arrival]:
    step = stream.byte_s + stream.pause_s
    first = stream.start + stream.byte_s
    data = stream.data
    if checks and stream.odd:
        data = bytes(0 if at in stream.odd else byte for at, byte in enumerate(data))
    return [Arrival(first + at * step, data[at : at + 1]) for at in range(len(data))]


def _sampled(streams: Sequence[Stream], line: LineSettings, pace: float, *, checks: bool) -> list[Arrival]:
    """Return the bytes that a receiver finds by looking at the wire in the middle of each bit."""
    byte_s = line.byte_time_s / pace
    bits = round(line.byte_time_s * line.baud)
    bit_s = byte_s / bits
    starts, ends = _lows(streams)
    heard: list[Arrival] = []
    at = 0
    while at < len(starts):
        edge = starts[at]
        levels = [_is_high(starts, ends, edge + (bit + 0.5) * bit_s) for bit in range(bits)]
        if levels[0]:
            at += 1  # shorter than half a bit: no start bit
            continue
        byte = sum(levels[1 + bit] << bit for bit in range(line.data_bits))
        if checks and not _is_right(levels, line):
            byte = 0
        heard.append(Arrival(edge + byte_s, bytes((byte,))))
        at = bisect_right(starts, edge + (bits - 0.5) * bit_s)
    return heard


def _is_right(levels: Sequence[bool], line: LineSettings) -> bool:
    """Return whether parity and stop bit of a byte are right; `levels` begin with the start bit."""
    if not levels[-1]:
        return False
    ones = sum(levels[1 : 2 + line.data_bits])
    return line.parity == "none" or ones % 2 == (line.parity == "odd")


def _is_high(starts: list[float], ends: list[float], at: float) -> bool:
    place = bisect_right(starts, at) - 1
    return place < 0 or at >= ends[place]


def _lows(streams: Sequence[Stream]) -> tuple[list[float], list[float]]:
    """Return when the wire is at 0: begins and ends, by time, none touching the next."""
    lows = sorted(low for stream in streams for low in _lows_of(stream))
    starts: list[float] = []
    ends: list[float] = []
    slack = min(stream.byte_s for stream in streams) / 11 * _SAME
    for start, end in lows:
        if starts and start <= ends[-1] + slack:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends


def _lows_of(stream: Stream) -> Iterable[tuple[float, float]]:
    """Yield the 0 bits of a stream: from when to when."""
    bit_s = 1 / stream.line.baud / stream.pace
    step = stream.byte_s + stream.pause_s
    for number, byte in enumerate(stream.data):
        begin = stream.start + number * step
        for place, bit in enumerate(_bits_of(byte, stream.line, is_odd=number in stream.odd)):
            if not bit:
                yield begin + place * bit_s, begin + (place + 1) * bit_s


def _bits_of(byte: int, line: LineSettings, *, is_odd: bool) -> list[int]:
    """Return start bit, data bits and parity of a byte, turned round if `is_odd`; its stop bits are as an idle wire."""
    bits = [0, *(byte >> place & 1 for place in range(line.data_bits))]
    ones = sum(bits)
    if line.parity != "none":
        bits.append((ones + (line.parity == "odd") + is_odd) & 1)
    return bits
