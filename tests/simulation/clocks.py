"""Virtual time: one true time, and the clocks of machines that may be wrong about it.

`Now.at` is the time of whoever is stepped at this moment: blocking advances that one's own time and nobody else's; the
loop of the world puts it back before it steps the next one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.clock import ClockTrust

_BOOT_S = 10.0
_LEAST_S = 1e-6


@dataclass(slots=True)
class Now:
    """True seconds since the world began, and the instant of its begin."""

    begin: datetime
    at: float = 0.0

    def utc(self, at: float | None = None) -> datetime:
        """Return the true instant."""
        return self.begin + timedelta(seconds=self.at if at is None else at)


@dataclass(slots=True)
class TrueClock:
    """The clock of wires and meters: nobody steps it."""

    now: Now
    boot_id: str = "0" * 32

    def monotonic(self) -> float:
        return self.now.at

    def utc_now(self) -> datetime:
        return self.now.utc()

    def trust(self) -> ClockTrust:
        return ClockTrust.SYNCHRONISED

    def sleep(self, seconds: float) -> None:
        if seconds > 0.0:  # less than a microsecond would be lost in the rounding, and nobody sleeps so short
            self.now.at += max(_LEAST_S, seconds)


class BoxClock(TrueClock):
    """The clocks of a machine: the wall clock may be off, and stepped; the monotonic one counts from the boot.

    `offsets`: how far the wall clock was ahead of the truth since this boot, the newest last; `begun`: when each boot
    began; `known`: those in which the time was known at last.
    """

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.booted_at = now.at
        self.boots = 0
        self.trusted = ClockTrust.SYNCHRONISED
        self.offsets = [0.0]
        self.begun = {self.boot_id: now.at}
        self.known = {self.boot_id}

    def boot(self, offset_s: float, trusted: ClockTrust) -> None:
        """Begin a boot with a wall clock that is so far ahead of the truth."""
        self.boots += 1
        self.boot_id = f"{self.boots:032x}"
        self.begun[self.boot_id] = self.booted_at = self.now.at
        self.offsets = [offset_s]
        self.trusted = trusted

    def step_to(self, offset_s: float, trusted: ClockTrust) -> None:
        """Step the wall clock."""
        self.offsets.append(offset_s)
        self.trusted = trusted
        if trusted.is_good:
            self.known.add(self.boot_id)

    def monotonic(self) -> float:
        return self.now.at - self.booted_at + _BOOT_S

    def true_of(self, boot_id: str, boot_s: float) -> datetime:
        """Return the true instant of one by the monotonic clock of a boot."""
        return self.now.utc(self.begun[boot_id] + boot_s - _BOOT_S)

    def at_of(self, monotonic_s: float) -> float:
        """Return the true time of an instant of the monotonic clock, so much later that it has come by then."""
        return monotonic_s + self.booted_at - _BOOT_S + _LEAST_S

    def utc_now(self) -> datetime:
        return self.now.utc(self.now.at + self.offsets[-1])

    def trust(self) -> ClockTrust:
        return self.trusted
