"""Giving an order: sent once, and the verdict on whatever came back. It never sends an order again.

What counts, in this order: the confirmation; a refusal; a confirmation that says something else than was ordered; then
whatever else came (`evidence.py`). An order that nobody answers is done when it is sent.
An order to whoever is on the line waits to the deadline: a second confirmation, even the same, is another meter.
"""

from collections.abc import Callable

from edge.protocols.dlt645.evidence import Evidence, refused
from edge.protocols.dlt645.frame import OVERHEAD, PREAMBLE, BadFrame, Frame, FrameReader, NeedData
from edge.protocols.dlt645.order import MOST_DATA, Order
from edge.protocols.exchange import Progress, Timing
from edge.reading.outcome import Collision, Confirmed, Malformed, Outcome, Sent

_MOST_ERROR = 2  # bytes of a refusal: the security dialogue has two
_MOST_BYTES = 4096


class OrderExchange:
    """One order and its confirmation. Implements `Exchange`; ends as Confirmed, Sent, or the verdict on the fault.

    `order` may be what makes it: it is made again when it is sent, as the time of day has to be.
    """

    def __init__(
        self, order: Order | Callable[[], Order], timing: Timing, *, late_from: frozenset[str] = frozenset()
    ) -> None:
        self._make: Callable[[], Order] = (lambda: order) if isinstance(order, Order) else order
        self._order = self._make()
        self._timing = timing if self._order.is_answered else Timing(reply_s=0.0, gap_s=0.0, wake=timing.wake)
        self._reader = FrameReader()
        self._seen = Evidence(self._order, late_from)
        self._answer: Frame | None = None
        self._outcome: Outcome | None = None

    @property
    def timing(self) -> Timing:
        """How long to wait for the confirmation; not at all where nobody sends one."""
        return self._timing

    @property
    def longest_reply(self) -> int:
        """The most bytes of the confirmation, with a preamble of four; none where nobody sends one."""
        if not self._order.is_answered:
            return 0
        most = MOST_DATA if self._order.is_open else max(len(self._order.echo), _MOST_ERROR)
        return PREAMBLE + OVERHEAD + most

    @property
    def missing(self) -> int:
        """The least number of further bytes that could complete a frame."""
        return self._reader.missing

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, once there is one."""
        return self._outcome

    def request(self) -> bytes:
        """Return the order's frame."""
        self._order = self._make()
        self._seen.sent = self._order.encode(0)
        return self._order.encode(self._timing.wake)

    def receive(self, data: bytes) -> Progress:
        """Take bytes off the wire."""
        if self._outcome is None and self._order.is_answered:
            room = _MOST_BYTES - len(self._seen.raw)
            self._seen.raw += data[: max(room, 0)]
            self._reader.receive(data)
            self._run()
            if self._answer is not None and not self._order.is_wildcard:
                self._judge(self._answer)
            elif room <= 0:
                self.give_up()
        return Progress.WAIT if self._outcome is None else Progress.DONE

    def give_up(self) -> Outcome:
        """Return the verdict at the deadline."""
        if self._outcome is None:
            self._reader.give_up()
            self._run()
        if self._outcome is None:
            self._conclude()
        return self._outcome or Sent(raw=self._raw)

    @property
    def _raw(self) -> bytes:
        return bytes(self._seen.raw)

    def _run(self) -> None:
        while (event := self._reader.next_event()) is not NeedData.NEED_DATA:
            if isinstance(event, BadFrame):
                self._seen.bad = True
            elif isinstance(event, Frame) and self._seen.admits(event):
                self._take(event)

    def _take(self, frame: Frame) -> None:
        """Take a frame from whom we asked: the confirmation, an older answer, or a second confirmation."""
        if not self._is_to_this_order(frame):
            self._seen.late = True
        elif self._answer is None:
            self._answer = frame
        elif self._order.is_wildcard or self._answer.raw != frame.raw:
            self._outcome = Collision(raw=self._raw)

    def _is_to_this_order(self, frame: Frame) -> bool:
        if frame.function != self._order.function:
            return False
        return frame.is_abnormal or not self._order.is_open or frame.data.startswith(self._order.echo)

    def _conclude(self) -> None:
        """Set the outcome, now that no more is to come."""
        if not self._order.is_answered:
            self._outcome = Sent(raw=self._raw)
        elif self._answer is None:
            self._outcome = self._seen.verdict(self._raw, self._order.function)
        elif self._seen.bad and self._order.is_wildcard:
            self._outcome = Collision(raw=self._raw)
        else:
            self._judge(self._answer)

    def _judge(self, frame: Frame) -> None:
        """Set the outcome of a frame that answers the order; a collision that was seen stays."""
        order = self._order
        if self._outcome is not None:
            return
        if frame.is_abnormal:
            self._outcome = refused(order.version, frame, self._raw)
        elif frame.has_more:
            self._outcome = Malformed(raw=self._raw, reason="the confirmation announces more")
        elif not order.is_open and frame.data != order.echo:
            self._outcome = Malformed(raw=self._raw, reason="the confirmation says something else than was ordered")
        else:
            self._outcome = Confirmed(raw=self._raw, address=frame.address, data=frame.data)
