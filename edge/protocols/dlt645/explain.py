"""A frame in words: what `edge explain` knows about some bytes, without any printing.

A frame that is broken, or sound with content that cannot be right, gives a problem with a stable code and the offset
in the bytes given. An identifier that no table knows is no problem.
"""

from dataclasses import dataclass

from edge.protocols.dlt645.bodies import Body, read_body, read_refusal
from edge.protocols.dlt645.control import ABNORMAL, MORE, REPLY, Function, function_of, version_of
from edge.protocols.dlt645.facts import Fact
from edge.protocols.dlt645.formats import FieldError
from edge.protocols.dlt645.frame import START, WAKE, decode_address, parse_flat, remove_offset
from edge.protocols.dlt645.search import Found, Problem, find_frame, second_start_problem

DATA_AT = 10  # offset of the data within a frame
_LONGEST_2007 = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """A meter's refusal: the error byte as hex, its bits in words."""

    code: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that can be said of the bytes. `start`, `frame`: where the frame is; `frame` is cut off if it is broken."""

    data: bytes
    start: int
    frame: bytes
    protocol: str | None = None
    direction: str | None = None
    address: str | None = None
    control: str | None = None
    function: str | None = None
    function_text: str = ""
    more: bool = False
    di: str | None = None
    facts: tuple[Fact, ...] = ()
    refusal: Refusal | None = None
    problem: Problem | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether the frame is sound and its content can be right."""
        return self.problem is None

    @property
    def items(self) -> tuple[Fact, ...]:
        """The values in wire order, without what is only shown (identifier, error byte)."""
        return tuple(fact for fact in self.facts if fact.is_item)


def explain_bytes(data: bytes, version: str | None = None, lang: str = "en") -> Explanation:
    """Return what the bytes say. `version`: "1997" or "2007"; without it the control byte decides."""
    found = find_frame(data)
    if found.problem is not None:
        return _explain_broken(data, found, version, lang)
    address, control, plain = parse_flat(found.raw)
    version = version or version_of(control)
    function = function_of(version, control)
    body = Body(version, control, plain, lang)
    refusal, problem = None, None
    try:
        if control & REPLY and control & ABNORMAL:
            refusal = Refusal(*read_refusal(body, function))
        else:
            read_body(body, function)
    except FieldError as fault:
        problem = _content_problem(data, found, fault)
    return Explanation(
        data=data,
        start=found.start,
        frame=found.raw,
        protocol=f"dlt645-{version}",
        direction="response" if control & REPLY else "request",
        address=decode_address(address),
        control=f"{control:02X}",
        function=function.name if function else None,
        function_text=_function_text(function, lang),
        more=bool(control & MORE),
        di=body.di,
        facts=tuple(body.facts),
        refusal=refusal,
        problem=problem,
        notes=_notes(data, found, lang),
    )


def _function_text(function: Function | None, lang: str) -> str:
    if function is None:
        return ""
    return function.zh if lang == "zh" else function.en


def _content_problem(data: bytes, found: Found, fault: FieldError) -> Problem:
    """Return the problem of a sound frame's content; a 68H too many right before the frame explains it better."""
    before = found.start - 1
    if before >= 0 and data[before] == START:
        return second_start_problem(data, before)
    return Problem(fault.reason, found.start + DATA_AT + fault.at, fault.text, fault.zh)


def _explain_broken(data: bytes, found: Found, version: str | None, lang: str) -> Explanation:
    """Return what the head of a broken frame still says."""
    raw = found.raw
    has_head = len(raw) >= DATA_AT and raw[7] == START
    control = raw[8] if has_head else None
    if control is not None:
        version = version or version_of(control)
    function = None if control is None or version is None else function_of(version, control)
    return Explanation(
        data=data,
        start=found.start,
        frame=raw,
        protocol=f"dlt645-{version}" if version else None,
        direction=None if control is None else "response" if control & REPLY else "request",
        address=decode_address(raw[1:7]) if has_head else None,
        control=None if control is None else f"{control:02X}",
        function=function.name if function else None,
        function_text=_function_text(function, lang),
        more=bool(control and control & MORE),
        problem=found.problem,
    )


def _notes(data: bytes, found: Found, lang: str) -> tuple[str, ...]:
    """Return what stood around the frame, in words."""
    before = len(data[: found.start].rstrip(bytes((WAKE,))))
    after = len(data) - found.start - len(found.raw)
    notes = []
    if before:
        notes.append(f"帧前有 {before} 个多余字节" if lang == "zh" else f"{before} bytes of noise before the frame")
    if after:
        notes.append(
            f"帧后还有 {after} 字节未解释" if lang == "zh" else f"{after} bytes after the frame are not explained"
        )
    if found.raw[9] > _LONGEST_2007:
        notes.append("L 大于 200" if lang == "zh" else "L is above 200, the most that the standard allows")
    return tuple(notes)


def plain_data(explanation: Explanation) -> bytes:
    """Return the data bytes that are there, each minus 33H."""
    frame = explanation.frame
    if len(frame) <= DATA_AT or frame[7] != START:
        return b""
    return remove_offset(frame[DATA_AT : DATA_AT + frame[9]])
