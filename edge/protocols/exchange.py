"""The exchange contract: one question to one meter, from the first byte sent to an outcome, without any port or clock.

Every protocol implements `Exchange` and `Driver`; `edge.bus.runner.run_exchange` drives an exchange over a link.
An exchange may need several requests (follow-up frames): `receive` then says SEND and `request` gives the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from edge.reading.outcome import Outcome


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


class Exchange(Protocol):
    """One question to one meter."""

    @property
    def timing(self) -> Timing:
        """How long to wait for the answer to the request that `request` gave last."""

    @property
    def longest_reply(self) -> int:
        """The most bytes that a sound answer can have, preamble included."""

    def request(self) -> bytes:
        """Return the bytes to send now."""

    def receive(self, data: bytes) -> Progress:
        """Take bytes off the wire, in any pieces. Never raises for what a meter sends."""

    def give_up(self) -> Outcome:
        """Return the outcome at the deadline: what was seen says which."""

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, once `receive` said DONE."""


class Driver(Protocol):
    """A protocol as the poller knows it."""

    @property
    def name(self) -> str:
        """The name in the settings, as in "dlt645-2007"."""

    def requests_for(
        self, keys: Sequence[str], avoid: frozenset[str] = frozenset()
    ) -> tuple[tuple[Request, ...], tuple[str, ...]]:
        """Return the requests that bring these keys, and the keys that this protocol cannot read.

        Blocks are used where they bring two or more of the keys; `avoid` names identifiers that the meter refused.
        """

    def read(self, address: str, request: Request, timing: Timing, late_from: frozenset[str] = frozenset()) -> Exchange:
        """Return an exchange that reads the request's identifier. `late_from`: meters that may still answer late."""

    def find(self, pattern: str, timing: Timing) -> Exchange:
        """Return an exchange that asks who is there: `pattern` is an address, or low digits after A for wildcards."""
