"""Time: what the wall clock says, how far it can be trusted, and the monotonic clock that drives every deadline.

The wall clock only stamps; it never drives a deadline. Tests and the simulation use `ManualClock`.
"""

import ctypes
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class ClockTrust(StrEnum):
    """How far the wall clock can be trusted, best first."""

    SYNCHRONISED = "synchronised"
    RTC = "rtc"
    FLOOR = "floor"
    NONE = "none"

    @property
    def is_good(self) -> bool:
        """True if slots may be stamped and sealed with this time."""
        return self in (ClockTrust.SYNCHRONISED, ClockTrust.RTC)


class Clock(Protocol):
    """Where time comes from."""

    @property
    def boot_id(self) -> str:
        """The kernel's id of this boot, 32 hex digits."""

    def monotonic(self) -> float:
        """Return seconds since boot; never steps."""

    def utc_now(self) -> datetime:
        """Return the wall clock as an aware UTC instant, never below the floor."""

    def trust(self) -> ClockTrust:
        """Return how far `utc_now` can be trusted at this moment."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


BUILT_AT = datetime(2026, 11, 1, tzinfo=UTC)  # the program is no older: its time is at least this

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_RTC = Path("/sys/class/rtc/rtc0")
# Touched at each successful synchronisation; systemd-timesyncd.service(8).
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
_STA_UNSYNC = 0x40
_TIME_ERROR = 5
_REFUSED = -1


def _read_boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")
    except OSError:
        return "0" * 32


def _is_disciplined() -> bool:
    """Return what the kernel says of its own clock (adjtimex, read only): kept by timesyncd, chrony or another.

    The service's sandbox refuses that call, reading included (ProtectClock=): then timesyncd's own mark is asked.
    """
    timex = (ctypes.c_char * 256)()
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    if state == _REFUSED:
        return _TIMESYNC.exists()
    # struct timex: modes (int, padded), offset, freq, maxerror, esterror (long each), then status (int).
    status = ctypes.c_int.from_buffer(timex, ctypes.sizeof(ctypes.c_long) * 5).value
    return state != _TIME_ERROR and not status & _STA_UNSYNC


@dataclass(slots=True)
class ManualClock:
    """A clock that is moved by hand: sleeping advances it, nothing else does."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    monotonic_s: float = 1000.0
    trusted: ClockTrust = ClockTrust.SYNCHRONISED
    boot_id: str = "0" * 32

    def monotonic(self) -> float:
        """Return the seconds set so far."""
        return self.monotonic_s

    def utc_now(self) -> datetime:
        """Return the instant set so far."""
        return self.now

    def trust(self) -> ClockTrust:
        """Return the trust that was set."""
        return self.trusted

    def sleep(self, seconds: float) -> None:
        """Advance both clocks."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Advance both clocks by so many seconds."""
        self.monotonic_s += seconds
        self.now += timedelta(seconds=seconds)

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, as a time server does."""
        self.now += timedelta(seconds=seconds)


@dataclass(slots=True)
class SystemClock:
    """The machine's clocks. `assumed` is a person's word on the wall clock where the kernel cannot say.

    `floor`: no time before it is believed; `saved_at`: nor one before this, unless the kernel or a person says better.
    """

    assumed: ClockTrust | None = None
    floor: datetime = BUILT_AT
    saved_at: datetime = BUILT_AT
    boot_id: str = field(default_factory=_read_boot_id)
    _started_s: float = field(default_factory=lambda: time.clock_gettime(time.CLOCK_BOOTTIME))

    def monotonic(self) -> float:
        """Return seconds since boot, suspend included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def utc_now(self) -> datetime:
        """Return the wall clock, never below the floor; a clock below it runs on from the floor."""
        now, since_start = datetime.now(UTC), timedelta(seconds=self.monotonic() - self._started_s)
        least = self.floor + since_start
        if now < self.saved_at + since_start and not self._is_believed():
            least = max(least, self.saved_at + since_start)
        return max(now, least)

    def trust(self) -> ClockTrust:
        """Return the assumed trust, or what the kernel says: disciplined, kept by a clock chip, past the floor."""
        if self.assumed is not None:
            return self.assumed
        if self._is_believed():
            return ClockTrust.SYNCHRONISED
        if datetime.now(UTC) < max(self.floor, self.saved_at):
            return ClockTrust.NONE
        return ClockTrust.RTC if _RTC.exists() else ClockTrust.FLOOR

    def _is_believed(self) -> bool:
        return _is_disciplined() if self.assumed is None else self.assumed.is_good

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(max(0.0, seconds))
