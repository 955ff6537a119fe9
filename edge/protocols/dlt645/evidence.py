"""What the wire brought beside the answer, and the verdict on it: the same for every exchange of DL/T 645.

What counts, in this order: two answers over each other; an answer to an earlier question; somebody else's answer;
somebody else's request, with the answer to it; a series that broke off; a damaged frame; bytes that are no frame;
nothing. Our own echo is no evidence of anything.

Two meters at once: two different sound answers (the exchange sees those); or a damaged answer with more bytes than its
own header announces, or with two headers from the asked address. Noise flips bits, but adds no bytes.
"""

import re
from collections.abc import Callable
from typing import Protocol

from edge.protocols.dlt645.control import FUNCTION, NO_DATA, REPLY, refusal_reasons
from edge.protocols.dlt645.frame import OVERHEAD, Frame, decode_address
from edge.reading.outcome import (
    BadChecksum,
    Collision,
    ForeignMaster,
    Garbage,
    Late,
    Malformed,
    Outcome,
    Refused,
    Silence,
    WrongAddress,
)

_HEAD = re.compile(rb"(?=\x68(.{6})\x68(.)(.))", re.DOTALL)


class Asked(Protocol):
    """Whom a request asks."""

    @property
    def address(self) -> str:
        """The address in the request."""

    @property
    def is_wildcard(self) -> bool:
        """Whether more than one meter may feel asked."""

    def takes(self, address: str) -> bool:
        """Return whether an answer from this address may be the answer."""


class Evidence:
    """What came in since a request. `sent` is that request without its preamble, `late_from` who may answer late.

    `rival`: another master asked the same meter, or everybody: an answer may be meant for that question.
    """

    def __init__(self, asked: Asked, late_from: frozenset[str] = frozenset()) -> None:
        self.asked = asked
        self.late_from = late_from
        self.sent = b""
        self.raw = bytearray()
        self.late = False
        self.stranger = ""
        self.foreign = False
        self.rival = False
        self.bad = False
        self._asked_by_others: set[str] = set()

    def again(self) -> "Evidence":
        """Return empty evidence for the next request to the same meter; until it is sent, the last one may echo."""
        fresh = Evidence(self.asked, self.late_from)
        fresh.sent = self.sent
        return fresh

    def admits(self, frame: Frame) -> bool:
        """Return whether a sound frame comes from whom we asked; keep what any other one is evidence of."""
        if frame.raw == self.sent:
            return False
        if not frame.is_response:
            self.foreign = True
            self._asked_by_others.add(frame.address)
            self.rival = self.rival or "A" in frame.address or self.asked.takes(frame.address)
            return False
        if self.asked.takes(frame.address):
            return True
        if frame.address in self.late_from:
            self.late = True
        if frame.address not in self._asked_by_others:
            self.stranger = self.stranger or frame.address
        return False

    def verdict(self, raw: bytes, function: int, *, broke_off: bool = False) -> Outcome:
        """Return what the evidence says, now that no more is to come.

        `raw`: all bytes of the exchange; `function`: of the answer waited for; `broke_off`: parts of one came.
        """
        heard = self._without_echo()
        damaged = self.bad or self._holds_asked_address(heard)
        checks: tuple[tuple[bool, Callable[[], Outcome]], ...] = (
            (damaged and self._is_overlaid(heard, REPLY | function), lambda: Collision(raw=raw)),
            (self.late, lambda: Late(raw=raw)),
            (bool(self.stranger), lambda: WrongAddress(raw=raw, address=self.stranger)),
            (self.foreign, lambda: ForeignMaster(raw=raw)),
            (broke_off and not heard, lambda: Malformed(raw=raw, reason="the answer broke off")),
            (damaged, lambda: BadChecksum(raw=raw)),
            (bool(heard), lambda: Garbage(raw=raw)),
        )
        return next((make() for holds, make in checks if holds), Silence(raw=raw))

    def _without_echo(self) -> bytes:
        """Return the bytes since the request, without our own request and without FEH before or after it."""
        raw = bytes(self.raw)
        if not self.sent:
            return raw.lstrip(b"\xfe")
        before, found, after = raw.partition(self.sent)
        return (before.rstrip(b"\xfe") + after if found else raw).lstrip(b"\xfe")

    def _holds_asked_address(self, heard: bytes) -> bool:
        """Return whether the asked address stands in the bytes: then speed and parity are right, damaged or not."""
        return not self.asked.is_wildcard and bytes.fromhex(self.asked.address)[::-1] in heard

    def _is_overlaid(self, heard: bytes, answer: int) -> bool:
        heads = [
            match
            for match in _HEAD.finditer(heard)
            if match[2][0] & (REPLY | FUNCTION) == answer and self.asked.takes(decode_address(match[1]))
        ]
        if len(heads) > 1:
            return True
        return bool(heads) and len(heard) > OVERHEAD + heads[0][3][0]


def refused(version: str, frame: Frame, raw: bytes) -> Refused:
    """Return the refusal that a frame states: the error byte as hex, high byte first, and the bits of its low byte."""
    err = frame.data[:1]
    reasons = refusal_reasons(version, err[0]) if err else ()
    has_no_such_data = bool(err) and err[0] & NO_DATA != 0
    return Refused(
        raw=raw,
        address=frame.address,
        code=frame.data[::-1].hex().upper(),
        reasons=reasons,
        is_lasting=has_no_such_data,
    )
