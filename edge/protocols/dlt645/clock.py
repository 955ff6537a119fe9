"""Reading a meter's clock: two identifiers, and midnight may pass between them."""

from collections.abc import Callable
from dataclasses import replace

from edge.protocols.dlt645.read import ReadExchange
from edge.protocols.exchange import Progress, Timing
from edge.reading.outcome import Answer, BadChecksum, Item, Malformed, Outcome, Silence


class ClockExchange:
    """Date, time, and the date again, so that midnight between the two does not give a time of the wrong day.

    Implements `Exchange`; the answer has one item, `clock`, as YYMMDDhhmmss. A date that changed in between is judged
    malformed: this read brings no clock.
    """

    def __init__(self, make: Callable[[str], ReadExchange], identifiers: tuple[str, str]) -> None:
        date, time = identifiers
        self._left = [make(date), make(time), make(date)]
        self._identifier = "+".join(identifiers)
        self._texts: list[str] = []
        self._outcome: Outcome | None = None

    @property
    def timing(self) -> Timing:
        """How long to wait for an answer."""
        return self._left[0].timing

    @property
    def longest_reply(self) -> int:
        """The most bytes of one answer frame."""
        return self._left[0].longest_reply

    @property
    def missing(self) -> int:
        """The least number of further bytes that could complete a frame."""
        return self._left[0].missing

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, once there is one."""
        return self._outcome

    def request(self) -> bytes:
        """Return the request to send now."""
        return self._left[0].request()

    def receive(self, data: bytes) -> Progress:
        """Take bytes off the wire."""
        if self._outcome is not None:
            return Progress.DONE
        progress = self._left[0].receive(data)
        outcome = self._left[0].outcome
        return progress if outcome is None else self._step(outcome)

    def give_up(self) -> Outcome:
        """Return the verdict at the deadline; a part that is found behind damage only now makes no clock."""
        if self._outcome is None:
            outcome = self._left[0].give_up()
            if self._step(outcome) is Progress.SEND:
                self._outcome = BadChecksum(raw=outcome.raw)
        return self._outcome or Silence()

    def _step(self, outcome: Outcome) -> Progress:
        if not isinstance(outcome, Answer):
            self._outcome = outcome
            return Progress.DONE
        self._texts.append(str(outcome.items[0].value or ""))
        if len(self._left) > 1:
            del self._left[0]
            return Progress.SEND
        date, time, date_again = self._texts
        if date != date_again or not date or not time:
            self._outcome = Malformed(raw=outcome.raw, reason="the clock passed midnight, or has no time")
        else:
            item = Item("clock", self._identifier, date + time, "", "clock")
            self._outcome = replace(outcome, items=(item,))
        return Progress.DONE
