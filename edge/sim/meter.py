"""A meter that holds truths and answers as DL/T 645 says, 2007 or 1997.

What it answers: reads of single items and of blocks, follow-up frames where an answer is longer than a frame takes,
the address (2007), shortened addressing by AAH. A broadcast sets its clock and gets no answer. An item it does not
know, and any order that needs a password it was not given, it refuses. Everybody else's frames it ignores.
Source: DL/T 645-2007 (frames, functions, error byte); 1997 from published libraries and captures.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from edge.bus.link import LineSettings
from edge.protocols.dlt645.control import ABNORMAL, MORE, READ, READ_ADDRESS, READ_FOLLOW_UP, REPLY, SPEEDS, Version
from edge.protocols.dlt645.frame import Frame, encode_address
from edge.protocols.dlt645.items import decode_data, encode_data
from edge.sim.faults import Fault, traits_of
from edge.sim.reply import Reply
from edge.sim.spans import Span, spans_from
from edge.sim.truth import Nameplate, Truth, Values

ANY = "A" * 12
BROADCAST = "9" * 12
NO_DATA = 0x02
NOT_AUTHORISED = 0x04
NO_SPEED_CHANGE = 0x08

_TIME_SYNC = 0x08
_WRITE = {"2007": 0x14, "1997": 0x04}
_WRITE_ADDRESS = {"2007": 0x15, "1997": 0x0A}
_CHANGE_SPEED = {"2007": 0x17, "1997": 0x0C}
_RE_READ_1997 = 0x03
_IDENTIFIER_SIZE = {"2007": 4, "1997": 2}
_WRITE_HEAD = {"2007": 12, "1997": 6}  # identifier, password, and in 2007 the operator
_LARGEST_SYNC = timedelta(minutes=5)
_BEIJING = timedelta(hours=8)
_REMEMBERED = 100_000
_SLACK_S = 1e-6  # sums of byte times are not exact


@dataclass(frozen=True, slots=True)
class Answered:
    """What a meter answered: the truth that a later stage has to find again."""

    meter: str
    at: datetime
    at_monotonic: float
    di: str
    values: Values


@dataclass(slots=True)
class _Rest:
    """Parts of a long answer that wait to be asked for; `last` is the one that went out last."""

    identifier: bytes
    parts: list[bytes]
    last: int = 0


class SimMeter:
    """One meter. The same seed gives the same values at the same instant.

    `truths`: values by identifier that stand for the computed ones. `frame_data`: most data bytes of an answer.
    `password`: level and three bytes as on the wire; with it, writes are taken. `utc_offset`: the meter's local time.
    `answered` remembers what was answered, the last hundred thousand; `on_answer` is told each.
    """

    def __init__(
        self,
        address: str,
        version: Version = "2007",
        *,
        truths: Mapping[str, Values] | None = None,
        phases: int = 3,
        tariffs: int = 4,
        seed: int = 1,
        reply_delay_ms: int = 30,
        preamble: int = 4,
        frame_data: int = 200,
        password: bytes | None = None,
        utc_offset: timedelta = _BEIJING,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        encode_address(address)
        self.address = address
        self.version = version
        self.plate = Nameplate(address=address, phases=phases, tariffs=tariffs, model=f"SIM-{phases}")
        self.faults = faults
        self.answered: deque[Answered] = deque(maxlen=_REMEMBERED)
        self.on_answer: Callable[[Answered], None] | None = None
        self.clock_error = timedelta()
        self._truth = Truth(self.plate, seed)
        self._truths = dict(truths or {})
        self._reply_delay_s = reply_delay_ms / 1000
        self._preamble = preamble
        self._frame_data = frame_data
        self.traits = traits_of(faults)
        self.line = LineSettings()
        self.unplugged: list[Span] = []
        self.without_power: list[Span] = []
        self.without_records: list[Span] = []
        self.without_voltage: list[Span] = []
        self._begin: datetime | None = None
        self._baud = self.traits.baud
        self._password = password or self.traits.password
        self._utc_offset = utc_offset
        self._random = Random(f"{seed}/{address}/faults")
        self._rest: _Rest | None = None
        self._last: tuple[int, bytes] | None = None
        self._synchronised_on: object = None
        self._answering: Answered | None = None

    def attach(self, line: LineSettings, begin: datetime) -> None:
        """Put the meter on a wire: it talks as the wire does unless it was told otherwise; its stretches begin."""
        self.line = replace(line, baud=self._baud or line.baud, parity=self.traits.parity or line.parity)
        if self._begin is None:
            self._begin = begin
            self.unplugged += spans_from(begin, self.traits.unplugged)
            self.without_power += spans_from(begin, self.traits.without_power)
            self.without_records += spans_from(begin, self.traits.without_records)
            self.without_voltage += spans_from(begin, self.traits.without_voltage)

    def truth(self, di: str, at: datetime) -> Values | None:
        """Return the values of an identifier at an instant (aware), as a read would bring them; None if unknown."""
        if di in self._truths:
            return self._truths[di]
        return self._truth.values(self.version, di, self.local_time(at))

    def local_time(self, at: datetime) -> datetime:
        """Return what the meter's own clock shows at an instant, without a zone."""
        return (at.astimezone(UTC) + self._utc_offset + self.clock_error).replace(tzinfo=None)

    def reply(self, request: Frame, at: datetime, at_monotonic: float, quiet_s: float = float("inf")) -> Reply | None:
        """Return the answer to a frame on the wire, faults included; None if the meter keeps silent.

        `quiet_s`: for how long the wire was quiet before the request.
        """
        if self._is_away(at) or not self._hears(request.preamble, quiet_s):
            return None
        if request.is_response or not self._is_asked(request):
            return None
        self._answering = None
        answer = self._answer(request, at, at_monotonic)
        if answer is None:
            return None
        control, data = answer
        reply: Reply | None = Reply(
            address=self.address,
            control=control,
            data=data,
            preamble=self._preamble,
            delay_s=self._reply_delay_s,
        )
        for fault in self.faults:
            reply = None if reply is None else fault.apply(reply, request, self._random)
        if reply is not None and (reply.control, reply.data) == answer:
            self._remember()
        return reply

    def _is_away(self, at: datetime) -> bool:
        return any(at in span for span in (*self.unplugged, *self.without_power))

    def _hears(self, preamble: int, quiet_s: float) -> bool:
        """Return whether a request wakes the meter, and comes late enough for it."""
        traits = self.traits
        wants = traits.wake if quiet_s >= traits.wake_after_s else 0
        return preamble >= wants and quiet_s >= traits.quiet_s - _SLACK_S

    def _remember(self) -> None:
        if self._answering is None:
            return
        self.answered.append(self._answering)
        if self.on_answer is not None:
            self.on_answer(self._answering)

    def _is_asked(self, request: Frame) -> bool:
        wanted, function = request.address, request.function
        if wanted == self.address:
            return True
        if wanted == BROADCAST:
            return function == _TIME_SYNC or (self.version == "1997" and function == READ["1997"])
        may_shorten = function in (READ[self.version], READ_FOLLOW_UP[self.version]) or (
            self.version == "2007" and function == READ_ADDRESS and wanted == ANY
        )
        low = wanted.lstrip("A")
        return may_shorten and self.address.endswith(low)

    def _answer(self, request: Frame, at: datetime, at_monotonic: float) -> tuple[int, bytes] | None:
        """Return control byte and data of the answer, None for silence."""
        version, function = self.version, request.function
        if function == _TIME_SYNC:
            self._synchronise(request.data, at)
            return None
        if function == _WRITE_ADDRESS[version]:
            return None  # needs the programming key, and says nothing without it
        if function == READ[version]:
            answer = self._read(request.data, at, at_monotonic)
        elif function == READ_FOLLOW_UP[version]:
            answer = self._follow_up(request.data)
        elif version == "2007" and function == READ_ADDRESS:
            answer = REPLY | READ_ADDRESS, encode_address(self.address)
        elif version == "1997" and function == _RE_READ_1997 and self._last:
            answer = self._last[0] & ~0x1F | _RE_READ_1997, self._last[1]
        elif function == _WRITE[version]:
            answer = self._write(request.data)
        elif version == "2007" and function == _CHANGE_SPEED[version]:
            answer = self._change_speed(request.data)
        else:
            answer = self._refuse(function, NO_SPEED_CHANGE if function == _CHANGE_SPEED[version] else NOT_AUTHORISED)
        self._last = answer
        return answer

    def _read(self, data: bytes, at: datetime, at_monotonic: float) -> tuple[int, bytes]:
        function = READ[self.version]
        di = data[::-1].hex().upper()
        known = len(data) == _IDENTIFIER_SIZE[self.version]  # load records are not kept
        values = self.truth(di, at) if known else None
        if values is None:
            return self._refuse(function, NO_DATA)
        self._answering = Answered(self.address, at, at_monotonic, di, values)
        content = encode_data(self.version, di, values)
        room = self._frame_data - len(data)
        first, rest = content[:room], content[room:]
        if not rest:
            self._rest = None
            return REPLY | function, data + first
        room -= self.version == "2007"  # the sequence number's place
        self._rest = _Rest(data, [rest[i : i + room] for i in range(0, len(rest), room)])
        return REPLY | MORE | function, data + first

    def _follow_up(self, data: bytes) -> tuple[int, bytes]:
        """Return a further part: the one of the number asked for (2007), or the next (1997)."""
        function, size, rest = READ_FOLLOW_UP[self.version], _IDENTIFIER_SIZE[self.version], self._rest
        if rest is None or data[:size] != rest.identifier:
            return self._refuse(function, NO_DATA)
        number = data[size] if self.version == "2007" and len(data) > size else rest.last + 1
        if not 1 <= number <= len(rest.parts):
            return self._refuse(function, NO_DATA)
        rest.last = number
        tail = bytes((number,)) if self.version == "2007" else b""
        more = MORE if number < len(rest.parts) else 0
        return REPLY | more | function, rest.identifier + rest.parts[number - 1] + tail

    def _write(self, data: bytes) -> tuple[int, bytes]:
        function, size, head = _WRITE[self.version], _IDENTIFIER_SIZE[self.version], _WRITE_HEAD[self.version]
        di = data[:size][::-1].hex().upper()
        if self._password is None or data[size : size + 4] != self._password:
            return self._refuse(function, NOT_AUTHORISED)
        try:
            items = decode_data(self.version, di, data[head:])
        except ValueError:
            return self._refuse(function, 1)
        self._truths[di] = tuple(item.value for item in items)
        return REPLY | function, b""

    def _change_speed(self, data: bytes) -> tuple[int, bytes]:
        """Return the confirmation; from then on the meter talks at the new speed."""
        baud = SPEEDS.get(data[0]) if len(data) == 1 else None
        if baud is None or not self.traits.changes_speed:
            return self._refuse(_CHANGE_SPEED["2007"], NO_SPEED_CHANGE)
        self._baud = baud
        self.line = replace(self.line, baud=baud)
        return REPLY | _CHANGE_SPEED["2007"], data

    def _refuse(self, function: int, err: int) -> tuple[int, bytes]:
        return REPLY | ABNORMAL | function, bytes((err,))

    def _synchronise(self, data: bytes, at: datetime) -> None:
        """Set the clock by a broadcast: at most five minutes, at most once a day."""
        try:
            given = datetime.strptime(data[::-1].hex(), "%y%m%d%H%M%S")  # noqa: DTZ007 - a meter's local time
        except ValueError:
            return
        shown = self.local_time(at)
        if abs(given - shown) <= _LARGEST_SYNC and self._synchronised_on != given.date():
            self.clock_error += given - shown
            self._synchronised_on = given.date()
