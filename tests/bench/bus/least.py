"""The least time that the wire allows, counted in bytes: request, response delay, answer, and nothing in between.

A character has 11 bits (8E1). A transaction is a request of 12 bytes + 4 of identifier, an answer of the same + its
data, and the preambles. No quiet between transactions: whoever keeps one, or sends fewer FEH, moves the mark itself.
"""

from dataclasses import dataclass

from tests.bench.bus.frames import EMPTY_FRAME
from tests.bench.bus.items import WORKLOAD, size_of

BITS = 11
DELAY_S = 0.020
BLOCK_PLAN = ("0001FF00", "00020000", "0201FF00", "0202FF00", "02FF0000", "02800002")
_IDENTIFIER = 4
_ADDRESS = 6


@dataclass(frozen=True, slots=True)
class Line:
    """How the wire is used: its speed, the preambles of both sides, the meters' delay."""

    baud: int
    wake_out: int = 4
    wake_back: int = 4
    delay_s: float = DELAY_S

    @property
    def byte_s(self):
        """Return how long a byte lasts."""
        return BITS / self.baud


def transaction_s(line, identifier):
    """Return how long one read lasts, from the first bit of the request to the last of the answer."""
    out = line.wake_out + EMPTY_FRAME + _IDENTIFIER
    back = line.wake_back + EMPTY_FRAME + _IDENTIFIER + size_of(identifier)
    return (out + back) * line.byte_s + line.delay_s


def round_s(line, identifiers, meters):
    """Return how long a round over so many meters lasts."""
    return meters * sum(transaction_s(line, identifier) for identifier in identifiers)


def single_s(line, meters=8):
    """Return the least time of a round with one identifier a request."""
    return round_s(line, WORKLOAD, meters)


def blocks_s(line, meters=8):
    """Return the least time of a round with the best block plan."""
    return round_s(line, BLOCK_PLAN, meters)


def finding_s(line, meters):
    """Return the least time to find so many meters: one read of the address a meter, and every probe a hit.

    A probe by shortened addressing reads 04000401H: 16 bytes and the preamble out, 22 and the preamble back.
    """
    size = line.wake_out + line.wake_back + 2 * (EMPTY_FRAME + _IDENTIFIER) + _ADDRESS
    return meters * (size * line.byte_s + line.delay_s)
