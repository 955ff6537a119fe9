"""Shortened addresses and what an answer to one tells, also when several meters answered at once. Pure.

A pattern has 12 places: known low digits, AAH above. It is gone down one address byte (two digits) at a time.

Answers that begin at the same moment lie over each other bit by bit, and on RS-485 a 0 usually wins. If start bytes,
control, length and end then still stand where they should, what stands between is the AND of the answers: a meter can
be among them only if its own byte has every 1 of the byte heard. Drivers that fight do not always AND so cleanly: the
rule orders candidates, it excludes nobody.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.protocols.dlt645.addresses import BROADCAST
from edge.protocols.dlt645.control import Version
from edge.protocols.dlt645.frame import END, OVERHEAD, START, Frame, FrameReader, NeedData
from edge.protocols.dlt645.question import Question
from edge.protocols.dlt645.read import ReadExchange
from edge.protocols.exchange import Exchange, Timing

NOBODY = "999999999998"  # an address that is not given to meters: whoever answers it answers for everybody
_DIGITS = 12
_HEADER = 10
# Control and length byte of the plain answers to our probes: whether they end with the address.
_SHAPES = {(0x93, 6): True, (0x91, 8): False, (0x91, 10): True, (0x81, 6): False}
_REGISTER = {"2007": "00010000", "1997": "9010"}  # forward active energy: every meter has it, no two show the same


@dataclass(frozen=True, slots=True)
class Overlap:
    """The AND of several answers: six address bytes as on the wire, lowest first.

    `shifted`: the AND of the same bytes with 33H added, where the answers carry their address as data too.
    """

    address: bytes
    shifted: bytes | None = None

    def allows(self, pattern: str) -> bool:
        """Return whether a meter whose low digits are those of the pattern can be among these answers."""
        known = bytes.fromhex(known_digits(pattern))[::-1]
        shifted = self.shifted or bytes(len(self.address))
        return all(
            byte & heard == heard and (byte + 0x33) & plus == plus
            for byte, heard, plus in zip(known, self.address, shifted, strict=False)
        )


def who_has(version: Version, pattern: str, timing: Timing, late_from: frozenset[str] = frozenset()) -> Exchange:
    """Return an exchange that reads the main energy register of whoever the pattern names.

    Two meters hardly ever show the same energy: unlike their addresses, their answers do not hide behind each other.
    `late_from`: meters that may still answer an earlier question.
    Time: with wildcards it lasts to the deadline, for a second meter may answer after the first.
    """
    question = Question(version=version, address=pattern, identifier=_REGISTER[version], is_search=True)
    return ReadExchange(question, timing, late_from=late_from)


def known_digits(pattern: str) -> str:
    """Return the known low digits of a pattern."""
    return "" if pattern == BROADCAST else pattern.lstrip("A")


def is_whole(pattern: str) -> bool:
    """Return whether a pattern is one whole address."""
    return len(known_digits(pattern)) == _DIGITS


def narrower(pattern: str) -> Iterator[str]:
    """Yield the hundred patterns that know one address byte more."""
    known = known_digits(pattern)
    return (f"{byte:02d}{known}".rjust(_DIGITS, "A") for byte in range(100))


def answers_in(raw: bytes) -> tuple[Frame, ...]:
    """Return the sound answers among the bytes heard, also one whose first 68H an adapter lost."""
    frames = [frame for frame in _frames(raw) if frame.is_response]
    if not frames:
        frames = [frame for frame in _frames(bytes((START,)) + raw) if frame.is_response]
    return tuple(frames)


def addresses_in(raw: bytes) -> tuple[str, ...]:
    """Return the addresses of the sound answers among the bytes heard; never AAH, nor what is no address."""
    return tuple(dict.fromkeys(frame.address for frame in answers_in(raw) if frame.address.isdecimal()))


def overlap_in(raw: bytes) -> Overlap | None:
    """Return what several answers over each other have in common, None if the bytes are not that clean."""
    for start in (at for at, byte in enumerate(raw) if byte == START):
        if (found := _overlap_at(raw[start:])) is not None:
            return found
    return _overlap_at(bytes((START,)) + raw)


def _frames(raw: bytes) -> Iterator[Frame]:
    reader = FrameReader()
    reader.receive(raw)
    reader.give_up()
    while (event := reader.next_event()) is not NeedData.NEED_DATA:
        if isinstance(event, Frame):
            yield event


def _overlap_at(raw: bytes) -> Overlap | None:
    has_address = _SHAPES.get((raw[8], raw[9])) if len(raw) >= _HEADER else None
    if has_address is None or raw[7] != START:
        return None
    size, address = OVERHEAD + raw[9], raw[1:7]
    if len(raw) < size or raw[size - 1] != END or not address.hex().isdecimal():
        return None
    return Overlap(address, raw[size - 8 : size - 2] if has_address else None)
