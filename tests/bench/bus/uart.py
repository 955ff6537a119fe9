"""Several senders on one pair of wires, bit by bit, and what one receiver makes of it.

A sender that sends a 0 wins over one that sends a 1 or nothing. The receiver waits for a falling edge, samples each
bit in its middle, and takes eight data bits, low first, whatever parity and stop bit say: as a port set to pass
damaged bytes on. Even parity; 11 bits a character.
"""

TICKS = 16  # a bit
_BITS = 11
_ZEROS = bytes(TICKS)


def levels(byte):
    """Return the 11 levels of a character: start, data low bit first, even parity, stop."""
    data = [byte >> n & 1 for n in range(8)]
    return [0, *data, sum(data) & 1, 1]


def overlay(sent, byte_s):
    """Return what is heard as (end, byte), from senders as (start, bytes); times in seconds."""
    tick_s = byte_s / (_BITS * TICKS)
    base = min(start for start, _ in sent)
    longest = max(start - base + len(data) * byte_s for start, data in sent)
    line = bytearray(b"\x01" * (int(longest / tick_s) + 3 * _BITS * TICKS))
    for start, data in sent:
        _draw(line, round((start - base) / tick_s), data)
    return [(base + tick * tick_s, byte) for tick, byte in _received(line)]


def _draw(line, at, data):
    for byte in data:
        for level in levels(byte):
            if not level:
                line[at : at + TICKS] = _ZEROS
            at += TICKS


def _received(line):
    """Yield (tick at which the character ends, byte)."""
    at = 0
    last = len(line) - _BITS * TICKS
    while 0 <= (edge := line.find(0, at)) < last:
        middle = edge + TICKS // 2
        if line[middle]:
            at = line.find(1, edge)
            continue
        byte = sum(line[middle + (n + 1) * TICKS] << n for n in range(8))
        yield edge + _BITS * TICKS, byte
        at = middle + (_BITS - 1) * TICKS
        if not line[at]:  # no stop bit: the next edge counts only after the line was up again
            at = line.find(1, at)
