"""The seam to the wire: what every link can do, and how a line is set. Four verbs and a close, nothing else.

Rules for every link, held by `tests/contract/test_contract_link.py`:
1. `read` comes back as soon as any byte is there; b"" after the time-out is silence.
2. A port that vanished, or was closed, raises LinkError from `use`, `read`, `write` and `drop_input`.
3. `close` may be called twice and never raises.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

Parity = Literal["even", "odd", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """How a line is set; it belongs to the job, not to the port. Default: DL/T 645 over RS-485 (2400 Bd, 8E1)."""

    baud: int = 2400
    parity: Parity = "even"
    data_bits: Literal[7, 8] = 8
    stop_bits: Literal[1, 2] = 1

    @property
    def byte_time_s(self) -> float:
        """How long one byte lasts: start bit, data, parity if any, stop."""
        return (1 + self.data_bits + (self.parity != "none") + self.stop_bits) / self.baud


class Link(Protocol):
    """A way to the wire of one bus."""

    @property
    def port(self) -> str:
        """The port as the settings name it."""

    def use(self, line: LineSettings) -> None:
        """Set the line; costs nothing if it is set so already. A link that has no line of its own keeps quiet."""

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Return what is there, at most `limit` bytes, waiting at most `timeout_s` for the first; b"" is silence."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand over all bytes, which may then still be on the way. Raises LinkError if it takes over `timeout_s`."""

    def drop_input(self) -> None:
        """Forget what was received and not read."""

    def close(self) -> None:
        """Give the port back."""
