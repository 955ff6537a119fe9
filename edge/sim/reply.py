"""What a simulated meter is about to send, before it is bytes: the place where faults take hold."""

from collections import Counter
from dataclasses import dataclass

from edge.protocols.dlt645.frame import WAKE, encode_frame

_CHECKSUM = -2  # its place from the end of a frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. Delays count from the end of the request.

    `delay_s` shrinks when the wire runs fast, `late_s` does not; `delay_bytes` is a delay in byte times of the wire.
    """

    address: str
    control: int
    data: bytes
    preamble: int = 4
    delay_s: float = 0.03
    delay_bytes: int = 0
    late_s: float = 0.0
    gap_s: float = 0.0
    before: bytes = b""
    after: bytes = b""
    cut: int = 0
    is_sum_bad: bool = False
    flips: tuple[tuple[float, int], ...] = ()

    def encode(self) -> bytes:
        """Return the bytes as they go on the wire, damage included.

        `cut`: bytes missing at the frame's end. `flips`: where (0.0 the first byte, 1.0 behind the last), which bit.
        """
        frame = bytearray(encode_frame(self.address, self.control, self.data, preamble=0))
        if self.is_sum_bad:
            frame[_CHECKSUM] ^= 0x55
        if self.cut:
            del frame[-self.cut :]
        raw = bytearray(self.before + bytes((WAKE,)) * self.preamble + frame + self.after)
        for place, bit in self.flips:
            raw[int(place * len(raw))] ^= 1 << bit
        return bytes(raw)

    def odd(self, size: int) -> frozenset[int]:
        """Return the places, among `size` bytes sent, where the flips spoil parity: an odd number of bits."""
        hits = Counter(int(place * size) for place, _ in self.flips)
        return frozenset(at for at, count in hits.items() if count % 2)
