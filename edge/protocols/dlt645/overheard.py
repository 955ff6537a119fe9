"""What is on the wire besides our own exchanges: requests that we did not send come from a second master.

After such a request the wire belongs to that master until its meter has answered, or until the time in which a meter
must begin to answer is over. Our own request heard back (an echo) is known by its bytes: once for each time it was
sent; older ones than the last are over when an answer is heard. The same bytes later are somebody else's question.
A meter may answer the other later than that, when we have asked it too: the first answer that fits the other's question
is the other's, for it was asked first. Ours comes behind it.
Source: DL/T 645-2007, response delay of at most 500 ms.
"""

from collections import deque
from dataclasses import dataclass

from edge.protocols.dlt645.frame import WAKE, Frame, FrameReader, NeedData

_ANSWER_BY_S = 0.55
_OWED_S = 10.0  # a question that old is answered no more
_IDENTIFIER = 4  # bytes of the data that name what is asked for; 1997: the two that there are
_BELONGS_TOGETHER_S = 0.5
_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class _Owed:
    """A question of another master that nobody has answered yet."""

    request: Frame
    heard_s: float

    def fits(self, answer: Frame) -> bool:
        """Return whether this may be its answer. A refusal names no identifier: it fits any question."""
        request = self.request
        if "A" not in request.address and answer.address != request.address:
            return False
        asked = request.data[:_IDENTIFIER]
        return answer.function == request.function and (answer.is_abnormal or answer.data.startswith(asked))


class Overheard:
    """Listens to everything that is received. Implements `Listener`."""

    def __init__(self) -> None:
        self.foreign = 0
        self.last_foreign_s: float | None = None
        self.busy_until_s = 0.0
        self._reader = FrameReader()
        self._heard_s = 0.0
        self._sent: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._owed: deque[_Owed] = deque(maxlen=_REMEMBERED)
        self._theirs: dict[str, float] = {}

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

    def was_answered(self, address: str, since_s: float) -> bool:
        """Return whether what this meter said since then was the answer to another master's question."""
        return self._theirs.get(address, since_s) > since_s

    def _judge(self, frame: Frame, now_s: float) -> None:
        if frame.is_response:
            self._give_theirs(frame, now_s)
            self.busy_until_s = min(self.busy_until_s, now_s)
            while len(self._sent) > 1:  # the last one may be on its way still, if this is a late answer
                self._sent.popleft()
        elif frame.raw in self._sent:
            self._sent.remove(frame.raw)
        else:
            self.foreign += 1
            self.last_foreign_s = now_s
            self.busy_until_s = now_s + _ANSWER_BY_S
            self._owed.append(_Owed(frame, now_s))

    def _give_theirs(self, answer: Frame, now_s: float) -> None:
        """Note an answer that may be meant for another master; its question is over."""
        owed = [one for one in self._owed if now_s - one.heard_s < _OWED_S]
        first = next((one for one in owed if one.fits(answer)), None)
        if first is not None:
            owed.remove(first)
            self._theirs = {address: at for address, at in self._theirs.items() if now_s - at < _OWED_S}
            self._theirs[answer.address] = now_s
        self._owed = deque(owed, maxlen=_REMEMBERED)
