"""DL/T 645-2007 frames in a hand of their own, so that a defect of the product's codec cannot hide behind itself.

A frame: 68H, six address bytes low first, 68H, control, length, data + 33H each, sum, 16H; FEH before it wakes.
"""

from dataclasses import dataclass

WAKE = 0xFE
EMPTY_FRAME = 12
_HEAD = 10
_TAIL = 2
_QUIET_S = 0.5  # the standard's longest gap between two bytes of a frame


@dataclass(frozen=True, slots=True)
class Request:
    """A sound frame of a master. `end`: when its last byte was over; `wake`: how many FEH stood right before it."""

    address: str
    control: int
    data: bytes
    wake: int
    start: float
    end: float


def frame_bytes(address, control, data=b"", wake=4):
    """Return a frame with its preamble; `address` has its highest digits first."""
    body = bytes((0x68,)) + bytes.fromhex(address)[::-1] + bytes((0x68, control, len(data)))
    body += bytes((one + 0x33) & 0xFF for one in data)
    return bytes((WAKE,)) * wake + body + bytes((sum(body) & 0xFF, 0x16))


class RequestReader:
    """Finds sound frames in timed bytes. Half a second of quiet ends whatever was begun."""

    def __init__(self):
        self._bytes = bytearray()
        self._spans = []

    def take(self, byte, start, end):
        """Take one byte that is on the wire from `start` to `end`; return the request that it completes, or None."""
        if self._spans and start - self._spans[-1][1] > _QUIET_S:
            self._drop(len(self._bytes))
        self._bytes.append(byte)
        self._spans.append((start, end))
        return self._next()

    def _next(self):
        at = 0
        while (at := self._bytes.find(0x68, at)) >= 0:
            size = self._size_at(at)
            if size is None:
                return None
            if size and at + size > len(self._bytes):
                return None
            if size and self._is_sound(at, size):
                return self._cut(at, size)
            at += 1
        return None

    def _size_at(self, at):
        """Return the size of a frame that begins here, 0 if none does, None if more bytes are needed to tell."""
        if len(self._bytes) > at + 7 and self._bytes[at + 7] != 0x68:
            return 0
        if len(self._bytes) < at + _HEAD:
            return None
        return _HEAD + self._bytes[at + _HEAD - 1] + _TAIL

    def _is_sound(self, at, size):
        raw = self._bytes[at : at + size]
        return raw[-1] == 0x16 and sum(raw[:-2]) & 0xFF == raw[-2]

    def _cut(self, at, size):
        raw = bytes(self._bytes[at : at + size])
        before = self._bytes[:at]
        found = Request(
            address=raw[6:0:-1].hex().upper(),
            control=raw[8],
            data=bytes((one - 0x33) & 0xFF for one in raw[_HEAD:-_TAIL]),
            wake=len(before) - len(before.rstrip(bytes((WAKE,)))),
            start=self._spans[0][0],
            end=self._spans[at + size - 1][1],
        )
        self._drop(at + size)
        return found

    def _drop(self, count):
        del self._bytes[:count]
        del self._spans[:count]
