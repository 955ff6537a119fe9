"""What is on the wire besides our own exchanges: requests that we did not send come from a second master.

After such a request the wire belongs to that master until its meter has answered, or until the time in which a meter
must begin to answer is over. Our own request heard back (an echo) is known by its bytes: once for each time it was
sent; older ones than the last are over when an answer is heard. The same bytes later are somebody else's question.
Source: DL/T 645-2007, response delay of at most 500 ms.
"""

from collections import deque

from edge.protocols.dlt645.frame import WAKE, Frame, FrameReader, NeedData

_ANSWER_BY_S = 0.55
_BELONGS_TOGETHER_S = 0.5
_REMEMBERED = 8


class Overheard:
    """Listens to everything that is received. Implements `Listener`."""

    def __init__(self) -> None:
        self.foreign = 0
        self.last_foreign_s: float | None = None
        self.busy_until_s = 0.0
        self._reader = FrameReader()
        self._heard_s = 0.0
        self._sent: deque[bytes] = deque(maxlen=_REMEMBERED)

    def sent(self, data: bytes) -> None:
        """Note what we sent: it may come back as an echo."""
        self._sent.append(data.lstrip(bytes((WAKE,))))

    def hear(self, data: bytes, now_s: float) -> None:
        """Take bytes off the wire, received at this monotonic instant."""
        if now_s - self._heard_s > _BELONGS_TOGETHER_S:
            self._reader = FrameReader()
        self._heard_s = now_s
        self._reader.receive(data)
        while (event := self._reader.next_event()) is not NeedData.NEED_DATA:
            if isinstance(event, Frame):
                self._judge(event, now_s)

    def _judge(self, frame: Frame, now_s: float) -> None:
        if frame.is_response:
            self.busy_until_s = min(self.busy_until_s, now_s)
            while len(self._sent) > 1:  # the last one may be on its way still, if this is a late answer
                self._sent.popleft()
        elif frame.raw in self._sent:
            self._sent.remove(frame.raw)
        else:
            self.foreign += 1
            self.last_foreign_s = now_s
            self.busy_until_s = now_s + _ANSWER_BY_S
