"""A meter that holds truths and answers as DL/T 645 says, 2007 or 1997.

What it answers: reads of single items and of blocks, of load records, freezes and events, follow-up frames where an
answer is longer than a frame takes, the address (2007), shortened addressing by AAH, orders (`orders.py`). Broadcasts
get no answer in 2007. An item it does not know, and any order that needs a password it was not given, it refuses.
Everybody else's frames it ignores.
Source: DL/T 645-2007 (frames, functions, error byte); 1997 from published libraries and captures.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from edge.bus.link import LineSettings
from edge.protocols.dlt645.control import ABNORMAL, MORE, READ, READ_ADDRESS, READ_FOLLOW_UP, REPLY, Version
from edge.protocols.dlt645.frame import Frame, encode_address
from edge.sim.contents import Contents
from edge.sim.faults import Fault, traits_of
from edge.sim.memory import Memory
from edge.sim.orders import FREEZE, NO_DATA, TIME_SYNC, WRITE_ADDRESS, Orders
from edge.sim.reply import Reply
from edge.sim.spans import Outages
from edge.sim.state import State
from edge.sim.truth import Nameplate, Values

ANY = "A" * 12
BROADCAST = "9" * 12

_RE_READ_1997 = 0x03
_IDENTIFIER_SIZE = {"2007": 4, "1997": 2}
_TO_ALL = {"2007": {TIME_SYNC, FREEZE}, "1997": {TIME_SYNC, READ["1997"], WRITE_ADDRESS["1997"]}}
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
    `password`: level and three bytes as on the wire; with it, orders are taken. `utc_offset`: the meter's local time.
    `faults`: what is wrong with it, and its traits. `answered` remembers what was answered, the last hundred thousand;
    `on_answer` is told each. `outages` may be changed at any time.
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
        self.version = version
        self.faults = faults
        self.traits = traits = traits_of(faults)
        self.plate = Nameplate(
            address=address, phases=phases, tariffs=tariffs, model=f"SIM-{phases}", load_every_min=traits.load_every_min
        )
        self.answered: deque[Answered] = deque(maxlen=_REMEMBERED)
        self.on_answer: Callable[[Answered], None] | None = None
        self.state = _state(address, password or traits.password, baud=traits.baud, has_key=traits.is_key_pressed)
        self._contents = Contents(
            version,
            self.plate,
            seed=seed,
            state=self.state,
            traits=traits,
            utc_offset=utc_offset,
            truths=truths or {},
        )
        self._orders = Orders(version, state=self.state, traits=traits, contents=self._contents)
        self._reply_delay_s = reply_delay_ms / 1000
        self._preamble = preamble
        self._frame_data = frame_data
        self._wire_line = LineSettings()
        self._is_attached = False
        self._random = Random(f"{seed}/{address}/faults")
        self._rest: _Rest | None = None
        self._last: tuple[int, bytes] | None = None
        self._answering: Answered | None = None

    @property
    def address(self) -> str:
        """The address that it has now."""
        return self.state.address

    @property
    def line(self) -> LineSettings:
        """How it talks now."""
        wire = self._wire_line
        if self.state.baud is None and self.traits.parity is None:
            return wire
        return replace(wire, baud=self.state.baud or wire.baud, parity=self.traits.parity or wire.parity)

    @property
    def outages(self) -> Outages:
        """When it is off the wire, without power, without records, without voltage."""
        return self._contents.outages

    @property
    def memory(self) -> Memory:
        """Its load records and freezes."""
        return self._contents.memory

    def attach(self, line: LineSettings, begin: datetime) -> None:
        """Put the meter on a wire: it talks as the wire does unless it was told otherwise; its stretches begin."""
        self._wire_line = line
        if not self._is_attached:
            self.outages.begin(self.traits, begin)
        self._is_attached = True

    def truth(self, di: str, at: datetime) -> Values | None:
        """Return the values of an identifier at an instant (aware), as a read would bring them; None if unknown."""
        return self._contents.values(di, at)

    def local_time(self, at: datetime) -> datetime:
        """Return what the meter's own clock shows at an instant, without a zone."""
        return self._contents.local_time(at)

    def reply(self, request: Frame, at: datetime, at_monotonic: float, quiet_s: float = float("inf")) -> Reply | None:
        """Return the answer to a frame on the wire, faults included; None if the meter keeps silent.

        `quiet_s`: for how long the wire was quiet before the request.
        """
        if request.is_response or not self._is_asked(request):
            return None
        if self.outages.is_silent(at) or not self._hears(request.preamble, quiet_s):
            return None
        self._answering = None
        answer = self._answer(request, at, at_monotonic)
        if answer is None or (self.version == "2007" and request.address == BROADCAST):
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
        wanted, function, version = request.address, request.function, self.version
        if wanted == self.address:
            return True
        if wanted == BROADCAST:
            return function in _TO_ALL[version]
        may_shorten = function in (READ[version], READ_FOLLOW_UP[version])
        is_to_any = version == "2007" and wanted == ANY and function in (READ_ADDRESS, WRITE_ADDRESS["2007"])
        return (may_shorten or is_to_any) and self.address.endswith(wanted.lstrip("A"))

    def _answer(self, request: Frame, at: datetime, at_monotonic: float) -> tuple[int, bytes] | None:
        """Return control byte and data of the answer, None for silence."""
        version, function = self.version, request.function
        if version == "1997" and function == _RE_READ_1997 and self._last:
            return self._last[0] & ~0x1F | _RE_READ_1997, self._last[1]
        answer: tuple[int, bytes] | None
        if function == READ[version]:
            answer = self._read(request.data, at, at_monotonic)
        elif function == READ_FOLLOW_UP[version]:
            answer = self._follow_up(request.data)
        elif version == "2007" and function == READ_ADDRESS:
            answer = REPLY | READ_ADDRESS, encode_address(self.address)
        else:
            answer = self._orders.obey(function, request.data, self.local_time(at))
        self._last = answer
        return answer

    def _read(self, data: bytes, at: datetime, at_monotonic: float) -> tuple[int, bytes]:
        size = _IDENTIFIER_SIZE[self.version]
        di, argument = data[:size][::-1].hex().upper(), data[size:]
        found = self._contents.content(di, argument, at)
        if found is None:
            return _refuse(READ[self.version])
        values, content = found
        self._answering = Answered(self.address, at, at_monotonic, di, values)
        return self._first_part(data[:size], content)

    def _first_part(self, identifier: bytes, content: bytes) -> tuple[int, bytes]:
        """Return the first part of an answer; what does not fit into a frame waits to be asked for."""
        function = READ[self.version]
        room = self._frame_data - len(identifier)
        first, rest = content[:room], content[room:]
        if not rest:
            self._rest = None
            return REPLY | function, identifier + first
        room -= self.version == "2007"  # the sequence number's place
        self._rest = _Rest(identifier, [rest[i : i + room] for i in range(0, len(rest), room)])
        return REPLY | MORE | function, identifier + first

    def _follow_up(self, data: bytes) -> tuple[int, bytes]:
        """Return a further part: the one of the number asked for (2007), or the next (1997)."""
        function, size, rest = READ_FOLLOW_UP[self.version], _IDENTIFIER_SIZE[self.version], self._rest
        if rest is None or data[:size] != rest.identifier:
            return _refuse(function)
        number = data[size] if self.version == "2007" and len(data) > size else rest.last + 1
        if not 1 <= number <= len(rest.parts):
            return _refuse(function)
        rest.last = number
        tail = bytes((number,)) if self.version == "2007" else b""
        more = MORE if number < len(rest.parts) else 0
        return REPLY | more | function, rest.identifier + rest.parts[number - 1] + tail


def _state(address: str, password: bytes | None, *, baud: int | None, has_key: bool) -> State:
    """Return a new meter's state; its programming key is of use only with a password."""
    passwords = {} if password is None else {password[0]: password[1:]}
    return State(address=address, baud=baud, passwords=passwords, is_key_pressed=has_key and password is not None)


def _refuse(function: int) -> tuple[int, bytes]:
    return REPLY | ABNORMAL | function, bytes((NO_DATA,))
