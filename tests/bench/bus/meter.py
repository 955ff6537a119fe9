"""A meter of the timed bus: what it answers to a frame, when, and how it misbehaves. Its chance has a seed."""

import random
from dataclasses import dataclass, field

from tests.bench.bus.frames import frame_bytes
from tests.bench.bus.items import ADDRESS, ITEMS, TOTALS, members_of, number_of

_READ, _READ_ADDRESS = 0x11, 0x13
_OK, _REFUSED = 0x80, 0xC0
_NO_SUCH_DATA = 0x02
_LATE_S = (0.65, 1.2)
_SLOW_S = (0.005, 0.1)
_MOST_WAKE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How a meter misbehaves. Shares are of its answers; at most one of these faults falls on an answer."""

    dead: bool = False
    refuse_blocks: bool = False
    knows_totals: bool = True
    needs_wake: int = 0  # FEH that a request must begin with
    any_wake: bool = False  # 0 to 8 FEH before an answer, else always 4
    late: float = 0.0  # the answer comes 0.65 s to 1.2 s too late
    bits: float = 0.0  # one byte of the frame is another
    lost: float = 0.0  # no answer
    slow: float = 0.0  # 5 ms to 100 ms between bytes
    stranger: float = 0.0  # the answer bears another meter's address


SHARES = ("late", "bits", "lost", "slow", "stranger")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a meter puts on the wire: bytes, delay after the request, quiet between bytes, and what it tells."""

    meter: str
    identifier: str
    raw: bytes
    delay_s: float
    gap_s: float = 0.0
    values: dict = field(default_factory=dict)
    fault: str = ""


class TimedMeter:
    """One meter: `number` makes its values, `delay_s` is what it takes to answer."""

    def __init__(self, address, number, *, delay_s, faults=None, stranger="", seed=1):
        self.address = address
        self.count = 0
        self._number = number
        self._delay_s = delay_s
        self._faults = faults or Faults()
        self._stranger = stranger
        self._random = random.Random(f"{seed}/{address}")

    def answer(self, request):
        """Return the answer to a sound request, or None if this meter does not feel asked."""
        if self._faults.dead or request.wake < self._faults.needs_wake or not self._is_asked(request):
            return None
        if request.control == _READ_ADDRESS:
            body = bytes.fromhex(self.address)[::-1]
            return self._with_fault(ADDRESS, _READ_ADDRESS | _OK, body, {})
        if request.control == _READ and len(request.data) == 4:
            return self._read(request.data[::-1].hex().upper())
        return self._with_fault("", request.control | _REFUSED, bytes((1,)), {})

    def _is_asked(self, request):
        """Whether an address is ours; AA at its high end stands for any two digits, and is for reads only."""
        low = request.address.lstrip("A")
        if request.control == _READ_ADDRESS:
            return not low
        return self.address.endswith(low) and len(low) % 2 == 0

    def _read(self, identifier):
        wire = bytes.fromhex(identifier)[::-1]
        if identifier == ADDRESS:
            return self._with_fault(identifier, _READ | _OK, wire + bytes.fromhex(self.address)[::-1], {})
        members = members_of(identifier)
        if not members or self._refuses(identifier):
            return self._with_fault(identifier, _READ | _REFUSED, bytes((_NO_SUCH_DATA,)), {})
        self.count += 1
        numbers = {member: number_of(member, self._number, self.count) for member in members}
        body = b"".join(ITEMS[member].encode(number) for member, number in numbers.items())
        values = {ITEMS[member].key: str(ITEMS[member].value(number)) for member, number in numbers.items()}
        return self._with_fault(identifier, _READ | _OK, wire + body, values)

    def _refuses(self, identifier):
        is_block = "FF" in identifier
        return (is_block and self._faults.refuse_blocks) or (identifier == TOTALS and not self._faults.knows_totals)

    def _with_fault(self, identifier, control, data, values):
        """Return the answer, or what a fault makes of it: no values are told where the frame cannot be ours."""
        fault = self._fault()
        chance = self._random
        wake = chance.randint(0, _MOST_WAKE) if self._faults.any_wake else 4
        raw = frame_bytes(self._stranger if fault == "stranger" else self.address, control, data, wake)
        if fault == "bits":
            at = chance.randrange(wake, len(raw))
            raw = raw[:at] + bytes((raw[at] ^ chance.randint(1, 255),)) + raw[at + 1 :]
        return Answer(
            meter=self.address,
            identifier=identifier,
            raw=b"" if fault == "lost" else raw,
            delay_s=self._delay_s + (chance.uniform(*_LATE_S) if fault == "late" else 0.0),
            gap_s=chance.uniform(*_SLOW_S) if fault == "slow" else 0.0,
            values={} if fault in ("bits", "lost", "stranger") else values,
            fault=fault,
        )

    def _fault(self):
        drawn = self._random.random()
        for name in SHARES:
            share = getattr(self._faults, name)
            if share and drawn < share:
                return name if name != "stranger" or self._stranger else ""
            drawn -= share
        return ""
