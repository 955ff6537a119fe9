"""From pieces of bytes on a wire to lines of a transcript: frames, and what is none. Pure.

Pieces come as a port reads them. A frame is a line; what stands before it, or is left when the direction changes or
the wire falls silent, is a line of its own. FEH before a frame belongs to it. Both directions may come as one where
somebody only listens: a frame's own control byte says who sent it.
"""

from dataclasses import dataclass

from edge.protocols.dlt645.frame import WAKE, Frame, FrameReader, NeedData

PAUSE_S = 0.5  # DL/T 645-2007: bytes further apart do not belong together
_MOST_PENDING = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `frame` is None for bytes that are no sound frame. `direction`: tx (ours) or rx (heard)."""

    at: float
    direction: str
    raw: bytes
    frame: Frame | None = None


class Transcript:
    """Takes bytes of both directions in their order, gives lines."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._direction = ""
        self._began_at = 0.0
        self._last_at = 0.0

    def take(self, at: float, direction: str, data: bytes) -> list[Line]:
        """Take bytes; return the lines that are complete now."""
        lines = self.pass_time(at)
        if direction != self._direction:
            lines += self.flush()
        if not self._pending:
            self._began_at = at
        self._direction, self._last_at = direction, at
        self._pending += data
        lines += self._frames(at)
        return lines + self.flush() if len(self._pending) > _MOST_PENDING else lines

    def pass_time(self, now: float) -> list[Line]:
        """Return what is left over if nothing belongs to it any more."""
        return self.flush() if self._pending and now - self._last_at > PAUSE_S else []

    def flush(self) -> list[Line]:
        """Return what is left over as a line; FEH alone is none."""
        rest = bytes(self._pending)
        self._pending.clear()
        return [Line(self._began_at, self._direction, rest)] if rest.strip(bytes((WAKE,))) else []

    def _frames(self, at: float) -> list[Line]:
        lines = []
        while (frame := _first_frame(bytes(self._pending))) is not None:
            start = self._pending.find(frame.raw)
            before = bytes(self._pending[: start - frame.preamble])
            if before.strip(bytes((WAKE,))):
                lines.append(Line(self._began_at, self._direction, before))
            lines.append(
                Line(self._began_at, self._direction, bytes(self._pending[len(before) : start + len(frame.raw)]), frame)
            )
            del self._pending[: start + len(frame.raw)]
            self._began_at = at
        return lines


def _first_frame(data: bytes) -> Frame | None:
    reader = FrameReader()
    reader.receive(data)
    reader.give_up()
    while (event := reader.next_event()) is not NeedData.NEED_DATA:
        if isinstance(event, Frame):
            return event
    return None
