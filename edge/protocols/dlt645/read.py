"""Asking a meter: one question, its follow-up frames, and the verdict on whatever came back.

What counts, in this order: a sound answer to our question; a refusal; an answer whose content cannot be right; then
whatever else came (`evidence.py`).

An answer is ours if address, function, identifier and (2007, follow-up) sequence number are those we asked for. A
wildcard request takes any address that fits, and AAH echoed back; no address is ever learned from an echo of AAH.
A series of parts is not taken from a meter that still owes an answer to an earlier try: parts of two tries, with the
values of two instants, would be cut into each other.
"""

from edge.protocols.dlt645.control import READ_FOLLOW_UP
from edge.protocols.dlt645.evidence import Evidence, refused
from edge.protocols.dlt645.formats import FieldError
from edge.protocols.dlt645.frame import (
    OVERHEAD,
    PREAMBLE,
    BadFrame,
    Frame,
    FrameReader,
    NeedData,
    decode_address,
    encode_frame,
)
from edge.protocols.dlt645.items import data_sizes, decode_data
from edge.protocols.dlt645.question import Question, as_asked
from edge.protocols.exchange import Progress, Timing
from edge.reading.outcome import Answer, Collision, ForeignMaster, Item, Late, Malformed, Outcome

_MOST_READ_DATA = 200  # DL/T 645-2007: data bytes of a read answer
_MOST_PARTS = 255  # the sequence number has one byte
_MOST_BYTES = 64 * 1024
_MOST_REPEATS = 2  # of a follow-up request whose answer had another sequence number


class ReadExchange:
    """One read of one identifier from one meter (or from whoever feels asked). Implements `Exchange`."""

    def __init__(
        self,
        question: Question,
        timing: Timing,
        *,
        late_from: frozenset[str] = frozenset(),
    ) -> None:
        self._question = question
        self._timing = timing
        self._reader = FrameReader()
        self._raw = bytearray()
        self._seen = Evidence(question, late_from)
        self._parts: list[bytes] = []
        self._meter = question.address
        self._sequence = 0
        self._repeats = 0
        self._answer: Frame | None = None
        self._outcome: Outcome | None = None

    @property
    def timing(self) -> Timing:
        """How long to wait for an answer."""
        return self._timing

    @property
    def longest_reply(self) -> int:
        """The most bytes of one answer frame, with a preamble of four."""
        asked = self._question
        sizes = data_sizes(asked.version, asked.identifier, asked.extra) if asked.identifier else (0, 6)
        most = _MOST_READ_DATA if sizes is None else sizes[1] + len(asked.wire_identifier)
        return PREAMBLE + OVERHEAD + min(most, _MOST_READ_DATA)

    @property
    def missing(self) -> int:
        """The least number of further bytes that could complete a frame."""
        return self._reader.missing

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, once there is one."""
        return self._outcome

    def request(self) -> bytes:
        """Return the request to send now: the question, or the next follow-up."""
        asked = self._question
        if not self._sequence:
            control, data = asked.function, asked.wire_identifier + asked.argument
        else:
            tail = bytes((self._sequence,)) if asked.version == "2007" else b""
            control, data = READ_FOLLOW_UP[asked.version], asked.wire_identifier + tail
        request = encode_frame(self._meter, control, data, self._timing.wake)
        self._seen.sent = request[self._timing.wake :]
        return request

    def receive(self, data: bytes) -> Progress:
        """Take bytes off the wire."""
        if self._outcome is not None:
            return Progress.DONE
        room = _MOST_BYTES - len(self._raw)
        self._raw += data[: max(room, 0)]
        self._seen.raw += data[: max(room, 0)]
        self._reader.receive(data)
        if room <= 0:
            return self._finish(self._verdict())
        return self._run()

    def give_up(self) -> Outcome:
        """Return the verdict at the deadline."""
        if self._outcome is None:
            self._reader.give_up()
            progress = self._run()
            if self._outcome is None and self._answer is not None:
                progress = self._accept_found(self._answer)
            if progress is Progress.SEND:
                self._outcome = self._malformed("the answer goes on, but there is no time left to ask for the rest")
        return self._outcome or self._finish_with(self._verdict())

    def _accept_found(self, frame: Frame) -> Progress:
        """Take the one answer to a search, now that no second one is to come."""
        if self._seen.bad:
            return self._finish(Collision(raw=bytes(self._raw)))
        return self._accept(frame)

    def _run(self) -> Progress:
        while (event := self._reader.next_event()) is not NeedData.NEED_DATA:
            if isinstance(event, BadFrame):
                self._seen.bad = True
            elif isinstance(event, Frame):
                self._take(event)
        return self._progress()

    def _take(self, frame: Frame) -> None:
        """Sort one sound frame: our answer, or evidence of something else."""
        if not self._seen.admits(frame):
            return
        if not self._is_to_this_question(frame):
            self._seen.late = True
        elif self._answer is None:
            self._answer = frame
        elif self._answer.raw != frame.raw:
            self._finish(Collision(raw=bytes(self._raw)))

    @property
    def _function(self) -> int:
        return READ_FOLLOW_UP[self._question.version] if self._sequence else self._question.function

    def _is_to_this_question(self, frame: Frame) -> bool:
        if frame.function != self._function:
            return False
        # A refusal names no identifier; content too short for one is judged later.
        size = len(self._question.wire_identifier)
        return frame.is_abnormal or len(frame.data) < size or frame.data[:size] == self._question.wire_identifier

    def _progress(self) -> Progress:
        if self._outcome is not None:
            return Progress.DONE
        frame = self._answer
        if frame is None:
            return Progress.WAIT
        if self._seen.rival:
            return self._finish(ForeignMaster(raw=bytes(self._raw)))  # it may be the answer to the other's question
        if self._question.is_search and self._question.is_wildcard:
            return Progress.WAIT  # a second meter may still answer; the deadline decides
        return self._accept(frame)

    def _accept(self, frame: Frame) -> Progress:
        """Take a frame that answers the present question."""
        asked = self._question
        if frame.is_abnormal:
            return self._finish(refused(asked.version, frame, bytes(self._raw)))
        data = frame.data[len(asked.wire_identifier) :]
        if len(frame.data) < len(asked.wire_identifier):
            return self._finish(self._malformed(f"{len(frame.data)} data bytes, no identifier"))
        if self._sequence and asked.version == "2007":
            if not data or data[-1] != self._sequence:
                return self._ask_again()
            data = data[:-1]
        self._parts.append(data)
        if frame.has_more and asked.address in self._seen.late_from:
            return self._finish(Late(raw=bytes(self._raw)))
        if frame.has_more:
            return self._ask_rest(frame)
        return self._finish(self._decoded(frame))

    def _ask_rest(self, frame: Frame) -> Progress:
        if self._sequence >= _MOST_PARTS or sum(map(len, self._parts)) > _MOST_BYTES:
            return self._finish(self._malformed("the answer does not end"))
        self._meter = self._meter if "A" in frame.address else frame.address
        self._sequence += 1
        self._repeats = 0
        return self._next_question()

    def _ask_again(self) -> Progress:
        """Ask for the same part once more: the answer carried another sequence number."""
        self._repeats += 1
        if self._repeats > _MOST_REPEATS:
            return self._finish(self._malformed(f"follow-up frame without sequence number {self._sequence}"))
        return self._next_question()

    def _next_question(self) -> Progress:
        self._answer = None
        self._seen = self._seen.again()
        return Progress.SEND

    def _decoded(self, frame: Frame) -> Outcome:
        asked = self._question
        data = b"".join(self._parts)
        try:
            items = self._items(data)
        except FieldError as fault:
            return self._malformed(fault.text)
        address = _who_answers(frame.address, items) if asked.is_search else frame.address
        if not address:
            return self._malformed("the answer does not tell one address")
        return Answer(raw=bytes(self._raw), address=address, items=as_asked(asked, items), size=len(data))

    def _items(self, data: bytes) -> tuple[Item, ...]:
        asked = self._question
        if not asked.identifier:
            return _address_items(data)
        return decode_data(asked.version, asked.identifier, data, extra=asked.extra)

    def _malformed(self, reason: str) -> Malformed:
        return Malformed(raw=bytes(self._raw), reason=reason)

    def _verdict(self) -> Outcome:
        return self._seen.verdict(bytes(self._raw), self._function, broke_off=bool(self._parts))

    def _finish(self, outcome: Outcome) -> Progress:
        self._outcome = outcome
        return Progress.DONE

    def _finish_with(self, outcome: Outcome) -> Outcome:
        self._outcome = outcome
        return outcome


def _address_items(data: bytes) -> tuple[Item, ...]:
    if len(data) != 6:  # noqa: PLR2004 -- bytes of an address
        zh = f"地址应为 6 字节，实为 {len(data)} 字节"
        raise FieldError("length", f"{len(data)} bytes where an address has 6", zh=zh)
    return (Item("meter_address", "", decode_address(data), "", "meter address"),)


def _who_answers(under: str, items: tuple[Item, ...]) -> str:
    """Return the address of the meter that answers: the one it states, unless it answers under another; else empty."""
    stated = next((str(item.value) for item in items if item.key == "meter_address"), None)
    if stated is None:
        return "" if "A" in under else under
    return stated if stated.isdecimal() and ("A" in under or stated == under) else ""
