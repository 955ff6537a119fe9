"""What `edge doctor` looks at on the machine: clock, disk, flash, power, memory, versions."""

import platform
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from edge import __version__
from edge.app.daemon import make_clock
from edge.clock import ClockTrust
from edge.config.settings import Settings
from edge.errors import EdgeError
from edge.health.check import Check, found
from edge.health.machine import (
    Places,
    look_at_clock,
    look_at_disk,
    look_at_flash,
    look_at_memory,
    look_at_power,
    look_at_time_service,
)
from edge.store.database import sqlite_version

UNITS = ("edge.service", "edge-poll.service", "edge-forward.service")
Halves = Mapping[str, dict[str, Any] | None]


def look_at_machine(settings: Settings, halves: Halves, places: Places) -> Iterator[Check]:
    """Yield what the machine shows; `halves`: what the running daemon says of itself."""
    clock = make_clock(settings)
    word = settings.gateway.clock
    forward = halves.get("forward") or {}
    offset_s = forward.get("health", {}).get("gauges", {}).get("clock_offset_s")
    yield look_at_power(places)
    yield look_at_clock(clock, offset_s)
    yield look_at_time_service(places, None if word == "auto" else ClockTrust(word))
    place = settings.state_dir
    while not place.exists() and place != place.parent:
        place = place.parent
    yield from look_at_disk(place, places)
    yield look_at_flash(places)
    yield from look_at_memory(places, UNITS)
    yield look_at_versions(halves)


def look_at_versions(halves: Halves) -> Check:
    """Look what everything is a version of, and whether the daemon that runs is the program that is installed."""
    error: EdgeError | None = None
    for half, document in halves.items():
        if document is not None and document["version"] != __version__:
            error = EdgeError("E-HLT-151", half=half, running=document["version"], installed=__version__)
    return found(
        "versions_agree",
        error,
        edge=__version__,
        python=platform.python_version(),
        sqlite=sqlite_version(),
        openssl=ssl.OPENSSL_VERSION,
        kernel=platform.release(),
        machine=platform.machine(),
    )
