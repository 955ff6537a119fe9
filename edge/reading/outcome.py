"""Outcomes of an exchange with a meter: values, not errors. One class a verdict (design section 10).

Each carries the bytes that were seen and how long the meter took; `verdict` and `detail` say the rest.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from edge.reading.verdict import Verdict

Value = Decimal | str


@dataclass(frozen=True, slots=True)
class Item:
    """One data item as it stood on the wire.

    `key` is a quantity key of `quantities.csv`, or `di:` with the identifier where no key exists.
    `value` is exact: a Decimal with the meter's own digits, text for what is no number, None where the meter
    marked it as absent. `unit` is the unit on the wire (kW where the quantity's own unit may be W).
    """

    key: str
    identifier: str
    value: Value | None
    unit: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of asking a meter. `raw`: all bytes received; `response_ms`: request's end to first byte.

    `raw` is not shown: confirmations and echoes may hold a password.
    """

    verdict: ClassVar[Verdict]
    raw: bytes = field(default=b"", repr=False)
    response_ms: int | None = None

    @property
    def detail(self) -> str:
        """What the verdict alone does not say, in a few words of English; empty if there is nothing to add."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Outcome):
    """The meter answered; `address` is the one that it gave, `items` what it sent, in wire order.

    `size`: the bytes of all values, as they stood behind the identifier.
    """

    verdict = Verdict.OK
    address: str
    items: tuple[Item, ...]
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(Outcome):
    """The meter confirmed an order; `data` is what the confirmation carried, without the 33H offset."""

    verdict = Verdict.OK
    address: str
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Outcome):
    """An order that nobody answers went out: whether it was heard is only seen by reading."""

    verdict = Verdict.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Outcome):
    """No byte came back before the deadline."""

    verdict = Verdict.SILENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage(Outcome):
    """Bytes came back, but nothing that starts like a frame."""

    verdict = Verdict.GARBAGE

    @property
    def detail(self) -> str:
        """How many bytes."""
        return f"{len(self.raw)} bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadChecksum(Outcome):
    """A frame came back damaged: its checksum, end or length does not hold."""

    verdict = Verdict.BAD_CHECKSUM


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAddress(Outcome):
    """A sound frame came back from somebody else."""

    verdict = Verdict.WRONG_ADDRESS
    address: str

    @property
    def detail(self) -> str:
        """Who answered."""
        return self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Outcome):
    """The meter answered that it will not: `code` is its error byte as hex, `reasons` the bits in words."""

    verdict = Verdict.REFUSED
    address: str = ""
    code: str
    reasons: tuple[str, ...] = ()
    is_lasting: bool = False  # the meter does not have it: asking again soon is of no use

    @property
    def detail(self) -> str:
        """The reasons, then the raw code."""
        return f"{', '.join(self.reasons) or 'unknown reason'} (ERR {self.code})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision(Outcome):
    """Two answers lay over each other, or came one after the other, to one question."""

    verdict = Verdict.COLLISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Late(Outcome):
    """Only the answer to an earlier question came."""

    verdict = Verdict.LATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed(Outcome):
    """A sound frame from the right meter whose content cannot be right."""

    verdict = Verdict.MALFORMED
    reason: str

    @property
    def detail(self) -> str:
        """What cannot be right."""
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignMaster(Outcome):
    """Requests that we did not send were on the wire."""

    verdict = Verdict.FOREIGN_MASTER


@dataclass(frozen=True, slots=True, kw_only=True)
class PortGone(Outcome):
    """The port or socket vanished during the exchange."""

    verdict = Verdict.PORT_GONE
