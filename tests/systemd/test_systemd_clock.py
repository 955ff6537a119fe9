"""Inside the service's sandbox the kernel refuses to be asked about its clock: timesyncd's mark is asked instead."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from edge import clock
from edge.clock import ClockTrust, SystemClock


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_refused_kernel_call_falls_back_on_timesyncd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_marked: bool
) -> None:
    """With the mark the clock is synchronised; without it, it is not."""
    mark = tmp_path / "synchronized"
    if is_marked:
        mark.touch()
    monkeypatch.setattr(clock, "_TIMESYNC", mark)
    monkeypatch.setattr(clock.ctypes, "CDLL", lambda _: SimpleNamespace(adjtimex=lambda _: -1))
    assert is_marked == (SystemClock().trust() is ClockTrust.SYNCHRONISED)
