"""A second master on the wire: it reads meters by a timetable of its own, and does not listen before it talks."""

from collections.abc import Sequence

from edge.protocols.dlt645.control import READ, Version
from edge.protocols.dlt645.frame import PREAMBLE, encode_frame

_FORWARD = {"2007": "00010000", "1997": "9010"}


class SecondMaster:
    """Reads all its meters every `every_s` seconds, one each `step_s`, from the instant `begin` on.

    Instants are monotonic. What it is answered it does not look at.
    """

    def __init__(
        self,
        meters: Sequence[tuple[str, Version]],
        *,
        begin: float,
        every_s: float = 10.0,
        step_s: float = 0.5,
        wake: int = PREAMBLE,
    ) -> None:
        if not meters or every_s < len(meters) * step_s:
            raise ValueError(f"{len(meters)} meters every {every_s} s")
        self._meters = tuple(meters)
        self._begin = begin
        self._every_s = every_s
        self._step_s = step_s
        self._wake = wake
        self._asked = 0

    @property
    def next_at(self) -> float:
        """When it begins its next request."""
        round_, place = divmod(self._asked, len(self._meters))
        return self._begin + round_ * self._every_s + place * self._step_s

    def next_request(self) -> bytes:
        """Return the request that it begins at `next_at`, and go on to the one after."""
        address, version = self._meters[self._asked % len(self._meters)]
        self._asked += 1
        return encode_frame(address, READ[version], bytes.fromhex(_FORWARD[version])[::-1], self._wake)
