"""Frames of DL/T 645: bytes <-> Frame, and a reader that finds frames in whatever a wire delivers.

Layout (both versions): 68H, six address bytes (lowest first), 68H, control, L, L data bytes, checksum, 16H.
The layout is a compiled Construct struct; checksum and the 33H offset of the data stay outside of it, because they
are one pass each over bytes and need no field.

Rules of the reader, in order: skip FEH; at a 68H demand a 68H seven bytes on, then L, then 16H at the place that L
names, then the checksum. On any failure go on one byte behind that first 68H: a false start never hides a frame that
stands behind it. The end is found by L only: 16H and 68H are legal everywhere inside a frame.
Source: DL/T 645-2007, frame format; DL/T 645-1997 has the same frame.
"""

from dataclasses import dataclass
from enum import Enum, auto

from construct import Byte, Bytes, Struct, this

START = 0x68
END = 0x16
WAKE = 0xFE
OVERHEAD = 12  # bytes of a frame beside its data
MAX_DATA = 255
MAX_FRAME = OVERHEAD + MAX_DATA
PREAMBLE = 4  # FEH bytes that the standard advises a master to send first

_BUFFER_LIMIT = 64 * 1024
_HEADER = 10  # up to and with L
_OFFSET = 0x33
_PLUS = bytes((value + _OFFSET) & 0xFF for value in range(256))
_MINUS = bytes((value - _OFFSET) & 0xFF for value in range(256))
_LAYOUT = Struct(
    "start" / Byte,
    "address" / Bytes(6),
    "second_start" / Byte,
    "control" / Byte,
    "length" / Byte,
    "data" / Bytes(this.length),
    "checksum" / Byte,
    "end" / Byte,
).compile()


class NeedData(Enum):
    """The reader has no whole frame; feed it more, until the deadline."""

    NEED_DATA = auto()


@dataclass(frozen=True, slots=True)
class Frame:
    """One sound frame. `address`: 12 digits, high byte first; `data`: offset removed; `raw`: first 68H to 16H."""

    address: str
    control: int
    data: bytes
    raw: bytes
    preamble: int = 0

    @property
    def is_response(self) -> bool:
        """Whether a meter sent it."""
        return bool(self.control & 0x80)

    @property
    def is_abnormal(self) -> bool:
        """Whether a meter refuses with it."""
        return self.control & 0xC0 == 0xC0  # noqa: PLR2004 -- bits 7 and 6

    @property
    def has_more(self) -> bool:
        """Whether follow-up frames wait in the meter."""
        return bool(self.control & 0x20)

    @property
    def function(self) -> int:
        """The function code, bits 4..0."""
        return self.control & 0x1F


@dataclass(frozen=True, slots=True)
class BadFrame:
    """What looked like a frame and is none: `reason` is "checksum", "end", "truncated" or "no_start"."""

    raw: bytes
    reason: str
    detail: str


class FrameError(ValueError):
    """The bytes are not exactly one sound frame; `reason` as in BadFrame."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def parse_flat(raw: bytes) -> tuple[bytes, int, bytes]:
    """Return (address bytes as on the wire, control, data without the offset) of exactly one frame, first 68H to 16H.

    Raises FrameError with the reason.
    """
    size = len(raw)
    if size < OVERHEAD or size != OVERHEAD + raw[9]:
        raise FrameError("truncated", _length_text(raw))
    parsed = _LAYOUT.parse(raw)  # a dict: its items are read by key, attribute access costs twice the parsing
    if parsed["start"] != START or parsed["second_start"] != START:
        raise FrameError("no_start", "68H missing at offset 0 or 7")
    if parsed["end"] != END:
        raise FrameError("end", f"16H expected at offset {size - 1}, found {parsed['end']:02X}H")
    checksum, expected = parsed["checksum"], sum(raw[:-2]) & 0xFF
    if checksum != expected:
        raise FrameError("checksum", f"checksum is {checksum:02X}H, the sum is {expected:02X}H")
    return parsed["address"], parsed["control"], parsed["data"].translate(_MINUS)


def encode_frame(address: str, control: int, data: bytes = b"", preamble: int = PREAMBLE) -> bytes:
    """Return a frame with `preamble` FEH bytes before it; the 33H offset is added to `data` here.

    Raises ValueError for an address that is not 12 hex digits, or more than 255 data bytes.
    """
    if len(data) > MAX_DATA:
        raise ValueError(f"{len(data)} data bytes")
    values = {
        "start": START,
        "address": encode_address(address),
        "second_start": START,
        "control": control,
        "length": len(data),
        "data": data.translate(_PLUS),
        "checksum": 0,
        "end": END,
    }
    body: bytes = _LAYOUT.build(values)[:-2]
    return bytes((WAKE,)) * preamble + body + bytes((sum(body) & 0xFF, END))


def encode_address(address: str) -> bytes:
    """Return the six address bytes as on the wire, lowest first. `A` pairs are wildcards.

    Raises ValueError for anything but 12 hex digits.
    """
    if len(address) != 12 or not address.isalnum() or not address.isascii():  # noqa: PLR2004 -- digits of an address
        raise ValueError(f"address {address!r} has not 12 digits")
    return bytes.fromhex(address)[::-1]


def decode_address(raw: bytes) -> str:
    """Return the printed address, 12 digits, of six address bytes as on the wire."""
    return raw[::-1].hex().upper()


def remove_offset(data: bytes) -> bytes:
    """Return data bytes as they are meant: each minus 33H."""
    return data.translate(_MINUS)


class FrameReader:
    """Finds frames in a stream of bytes that comes in any pieces. See the module's rules.

    `noise` counts the bytes that belonged to no frame and no start of one (FEH not counted);
    `dropped` those that were thrown away unseen because more than 64 KiB came without being asked for.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._preamble = 0
        self._gave_up = False
        self.noise = 0
        self.dropped = 0

    def receive(self, data: bytes) -> None:
        """Take bytes off the wire."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data
        self._gave_up = False
        excess = len(self._buffer) - _BUFFER_LIMIT
        if excess > 0:
            del self._buffer[:excess]
            self._preamble = 0
            self.dropped += excess

    def give_up(self) -> None:
        """Free an unfinished start: nothing more will come. `next_event` then goes on until NEED_DATA."""
        self._gave_up = True

    @property
    def missing(self) -> int:
        """The least number of further bytes that could complete the frame that has begun; 1 if none has."""
        if not self._find_start():
            return 1
        have = len(self._buffer) - self._at
        return max(1, (self._size_here() if have >= _HEADER else OVERHEAD) - have)

    def next_event(self) -> Frame | BadFrame | NeedData:
        """Return the next frame, what looked like one, or NEED_DATA."""
        while self._find_start():
            size = self._size_here()
            if size == 0:
                self._step_over(is_noise=True)
            elif self._at + size <= len(self._buffer):
                return self._take(bytes(self._buffer[self._at : self._at + size]))
            elif not self._gave_up:
                return NeedData.NEED_DATA
            elif (bad := self._free_start()) is not None:
                return bad
        self._gave_up = False
        return NeedData.NEED_DATA

    def _find_start(self) -> bool:
        """Move to the next 68H, counting the FEH right before it; return whether there is one."""
        buffer = self._buffer
        found = buffer.find(START, self._at)
        stop = len(buffer) if found < 0 else found
        skipped = buffer[self._at : stop]
        wake = len(skipped) - len(skipped.rstrip(b"\xfe"))
        self._preamble = wake + (self._preamble if wake == len(skipped) else 0)
        self.noise += len(skipped) - skipped.count(WAKE)
        self._at = stop
        return found >= 0

    def _size_here(self) -> int:
        """Return the size that the header here announces; more than is there if it is not whole; 0 if it is none."""
        buffer, at = self._buffer, self._at
        have = len(buffer) - at
        if have > 7 and buffer[at + 7] != START:  # noqa: PLR2004 -- the place of the second 68H
            return 0
        return OVERHEAD + buffer[at + 9] if have >= _HEADER else have + 1

    def _take(self, raw: bytes) -> Frame | BadFrame:
        if raw[-1] != END:  # before the sum: a flood of 68H stays cheap
            self._step_over(is_noise=False)
            return BadFrame(raw, "end", f"16H expected at offset {len(raw) - 1}, found {raw[-1]:02X}H")
        try:
            address, control, data = parse_flat(raw)
        except FrameError as fault:
            self._step_over(is_noise=False)
            return BadFrame(raw, fault.reason, fault.detail)
        frame = Frame(decode_address(address), control, data, raw, self._preamble)
        self._at += len(raw)
        self._preamble = 0
        return frame

    def _free_start(self) -> BadFrame | None:
        """Return the unfinished frame here if both its 68H stand; else count its first byte as noise."""
        rest = bytes(self._buffer[self._at :])
        has_header = len(rest) > 7  # noqa: PLR2004 -- the second 68H is there, `_size_here` has seen it
        self._step_over(is_noise=not has_header)
        return BadFrame(rest, "truncated", _length_text(rest)) if has_header else None

    def _step_over(self, *, is_noise: bool) -> None:
        self._at += 1
        self._preamble = 0
        self.noise += is_noise


def _length_text(raw: bytes) -> str:
    if len(raw) < _HEADER:
        return f"{len(raw)} bytes, a frame has at least {OVERHEAD}"
    return f"L announces {OVERHEAD + raw[9]} bytes, {len(raw)} are there"
