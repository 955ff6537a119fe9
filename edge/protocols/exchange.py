"""The exchange contract: one question to one meter, from the first byte sent to an outcome, without any port or clock.

Every protocol implements `Exchange` and `Driver`; `edge.bus.runner.run_exchange` drives an exchange over a link.
An exchange may need several requests (follow-up frames): `receive` then says SEND and `request` gives the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from edge.reading.outcome import Item, Outcome


class Progress(Enum):
    """What the runner does next."""

    WAIT = auto()  # read on, until the deadline
    SEND = auto()  # send what `request` gives now
    DONE = auto()  # take `outcome`


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How to talk to a meter. Times in seconds, counted from the computed end of the request."""

    reply_s: float = 0.6  # to the first byte of the answer
    gap_s: float = 0.5  # between two bytes of an answer (DL/T 645-2007: at most 500 ms)
    wake: int = 4  # bytes that wake the meter before a request (DL/T 645: FEH); other protocols have none


@dataclass(frozen=True, slots=True)
class Request:
    """One read request of a plan: the protocol's identifier, and the keys whose values it brings.

    `argument`: bytes that follow the identifier (DL/T 645-2007 load records: block count, begin).
    """

    identifier: str
    keys: tuple[str, ...]
    argument: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerms:
    """What a plan of requests depends on beside the keys: what the meter refuses and has, and what the wire costs.

    `avoid`: identifiers that are not worth asking for. `with_unlisted`: blocks that stand in no table may be used;
    whoever allows that proves their content (`Driver.judge`). `tariffs`: how many the meter has, None if not known.
    `sizes`: value bytes of blocks, where they are odd.
    `byte_s`: one byte on the wire. `turn_s`: quiet and response delay, which every request costs beside its bytes.
    """

    avoid: frozenset[str] = frozenset()
    with_unlisted: bool = False
    tariffs: int | None = None
    sizes: frozenset[tuple[str, int]] = frozenset()
    byte_s: float = 11 / 2400
    turn_s: float = 0.06
    wake: int = 4


ANY_METER = PlanTerms()


class Proof(Enum):
    """What the content of an answer says of a block that stands in no table."""

    HOLDS = auto()  # it can only be what the block is taken for
    OPEN = auto()  # it may be; single reads have to show it
    BROKEN = auto()  # it is something else


class Exchange(Protocol):
    """One question to one meter."""

    @property
    def timing(self) -> Timing:
        """How long to wait for the answer to the request that `request` gave last."""

    @property
    def longest_reply(self) -> int:
        """The most bytes that a sound answer can have, preamble included."""

    @property
    def missing(self) -> int:
        """The least number of further bytes that could bring something new: until then nobody need look."""

    def request(self) -> bytes:
        """Return the bytes to send now."""

    def receive(self, data: bytes) -> Progress:
        """Take bytes off the wire, in any pieces. Never raises for what a meter sends."""

    def give_up(self) -> Outcome:
        """Return the outcome at the deadline: what was seen says which."""

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, once `receive` said DONE."""


class Listener(Protocol):
    """Hears everything that is received on a bus, to know whether somebody else asks there too."""

    foreign: int  # requests heard that we did not send
    last_foreign_s: float | None  # monotonic
    busy_until_s: float  # the wire belongs to the other master until then

    def sent(self, data: bytes) -> None:
        """Note what we sent: it may come back as an echo."""

    def hear(self, data: bytes, now_s: float) -> None:
        """Take bytes off the wire."""

    def was_answered(self, address: str, since_s: float) -> bool:
        """Return whether what this meter said since then was the answer to another master's question."""


class Driver(Protocol):
    """A protocol as the poller knows it."""

    @property
    def name(self) -> str:
        """The name in the settings, as in "dlt645-2007"."""

    def requests_for(
        self, keys: Sequence[str], terms: PlanTerms = ANY_METER
    ) -> tuple[tuple[Request, ...], tuple[str, ...]]:
        """Return the requests that bring these keys in the least wire time, and the keys that nobody can read.

        Each key is brought by one request.
        """

    def is_unlisted(self, identifier: str) -> bool:
        """Return True for a block that stands in no table: its content has to be proven for each meter."""

    def expected_size(self, identifier: str, terms: PlanTerms = ANY_METER) -> int:
        """Return the value bytes that the plan expects of an answer."""

    def judge(self, identifier: str, items: Sequence[Item]) -> Proof:
        """Return what the values of an unlisted block say by themselves."""

    def tariffs_in(self, identifier: str, items: Sequence[Item]) -> int | None:
        """Return how many tariffs an answer shows that the meter has; None if it is no block of tariffs."""

    def read(self, address: str, request: Request, timing: Timing, late_from: frozenset[str] = frozenset()) -> Exchange:
        """Return an exchange that reads the request's identifier. `late_from`: meters that may still answer late."""

    def find(self, pattern: str, timing: Timing) -> Exchange:
        """Return an exchange that asks who is there: `pattern` is an address, or low digits after A for wildcards."""
