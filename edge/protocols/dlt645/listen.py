"""Listening without asking: an exchange that sends nothing, for whoever wants to know what is on a wire by itself."""

from edge.protocols.dlt645.frame import Frame, FrameReader, NeedData
from edge.protocols.exchange import Progress, Timing
from edge.reading.outcome import ForeignMaster, Garbage, Outcome, Silence


class ListenExchange:
    """Listens for some seconds. Implements `Exchange`.

    Silence: not a byte. ForeignMaster: sound frames, so somebody asks there. Garbage: bytes that are no frame.
    """

    def __init__(self, seconds: float) -> None:
        self._timing = Timing(reply_s=seconds, gap_s=0.0, wake=0)
        self._raw = bytearray()
        self._reader = FrameReader()
        self.frames: list[Frame] = []

    @property
    def timing(self) -> Timing:
        """How long it lasts."""
        return self._timing

    @property
    def missing(self) -> int:
        """One: everything that is heard counts."""
        return 1

    @property
    def longest_reply(self) -> int:
        """Nothing is answered."""
        return 0

    @property
    def outcome(self) -> Outcome | None:
        """Nothing ends it before its time."""
        return None

    def request(self) -> bytes:
        """Return nothing to send."""
        return b""

    def receive(self, data: bytes) -> Progress:
        """Take bytes off the wire."""
        self._raw += data
        self._reader.receive(data)
        self._take_frames()
        return Progress.WAIT

    def give_up(self) -> Outcome:
        """Return what was heard, now that the time is over."""
        self._reader.give_up()
        self._take_frames()
        raw = bytes(self._raw)
        if self.frames:
            return ForeignMaster(raw=raw)
        return Garbage(raw=raw) if raw.strip(b"\xfe") else Silence(raw=raw)

    def _take_frames(self) -> None:
        while (event := self._reader.next_event()) is not NeedData.NEED_DATA:
            if isinstance(event, Frame):
                self.frames.append(event)
