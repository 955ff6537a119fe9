"""Where `edge trace` and `edge bus` get what goes over a bus: the daemon, a port that is only listened to, or a file.

Each source yields events, and None where time passes and nothing happens.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.bus.link import Link
from edge.bus.trace import TraceEvent
from edge.cli import direct
from edge.cli.common import say, tell
from edge.cli.on_bus import BusChoice
from edge.clock import Clock
from edge.errors import UsageError
from edge.poll.trace_job import SCHEMA, event_document, trace_header

_LISTEN_S = 0.1
_CHUNK = 512
_KIND = "edge-trace"


@dataclass(frozen=True, slots=True)
class Source:
    """A header, and the events that follow it. `is_listening`: nothing of it is ours. `now`: the monotonic time."""

    header: Mapping[str, Any]
    events: Iterator[TraceEvent | None]
    is_listening: bool
    now: Callable[[], float] | None = None

    def wall(self, at: float) -> datetime:
        """Return the local time of a monotonic instant."""
        began = datetime.fromisoformat(str(self.header["time"]))
        return (began + timedelta(seconds=at - float(self.header["at"]))).astimezone()

    @property
    def byte_s(self) -> float:
        """How long a byte lasts on this bus."""
        return 11 / int(self.header["baud"])


def source_of(choice: BusChoice, last: int, seconds: float | None) -> Source:
    """Return the running daemon's events, the last ones first; without a daemon those of the port, heard only."""
    path = choice.daemon()
    if path is not None:
        documents = direct.ask_daemon(path, {"job": "trace", "bus": choice.name or "", "last": last})
        header = next(documents)["result"]
        return Source(_mapping(header)["header"], _from_daemon(documents, seconds), is_listening=False)
    bus = choice.bus()
    link, clock = direct.open_bus(bus)
    return Source(trace_header(bus, clock), _from_port(link, clock, seconds), is_listening=True, now=clock.monotonic)


def source_of_file(file: Path) -> Source:
    """Return the events of a saved trace, without a last line that was cut off. Raises UsageError for another file."""
    lines = _lines_of(file)
    read = 0
    try:
        header = _header(json.loads(lines[0]))
        events: list[TraceEvent] = []
        source = Source(header, iter(events), is_listening=False)
        for line in lines[1:]:
            read += 1
            event = _event(json.loads(line))
            source.wall(event.at_monotonic)
            events.append(event)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as exc:
        raise UsageError("E-CLI-113", file=file, detail=f"{file.name}:{read + 1}") from exc
    return replace(source, events=iter(events), is_listening=not any(event.direction == "tx" for event in events))


def _lines_of(file: Path) -> list[str]:
    """Return the whole lines of a file. Raises UsageError if it has none, or is no text."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    except (ValueError, OSError) as exc:
        raise UsageError("E-CLI-113", file=file, detail=getattr(exc, "strerror", None) or "UTF-8") from exc
    if len(lines) > 1 and not lines[-1].endswith("\n"):
        tell(say(f"{file}: the last line was cut off and is left out", f"{file}：最后一行不完整，已略过"))
        del lines[-1]
    if not lines:
        raise UsageError("E-CLI-113", file=file, detail="0 B")
    return lines


def _header(header: Any) -> Mapping[str, Any]:
    """Return the first line of a trace. Raises ValueError, KeyError or TypeError for anything else."""
    if (header["kind"], header["schema"]) != (_KIND, SCHEMA) or not header["baud"] > 0:
        raise ValueError("kind, schema, baud")
    datetime.fromisoformat(header["time"])
    float(header["at"])
    return _mapping(header)


def saved_line(event: TraceEvent) -> str:
    """Return an event as a line of a file."""
    return json.dumps(event_document(event)) + "\n"


def _from_daemon(documents: Iterator[dict[str, object]], seconds: float | None) -> Iterator[TraceEvent | None]:
    until: float | None = None
    for document in documents:
        result, progress = document.get("result"), document.get("progress")
        if isinstance(result, dict):
            yield _event(result)
        elif isinstance(progress, dict):
            at = float(progress["at"])
            until = at + seconds if until is None and seconds is not None else until
            yield None
            if until is not None and at >= until:
                return


def _from_port(link: Link, clock: Clock, seconds: float | None) -> Iterator[TraceEvent | None]:
    until = None if seconds is None else clock.monotonic() + seconds
    with closing(link):
        while until is None or clock.monotonic() < until:
            data = link.read(_CHUNK, _LISTEN_S)
            yield TraceEvent(clock.monotonic(), "rx", data) if data else None


def _event(document: Mapping[str, Any]) -> TraceEvent:
    direction = document["direction"]
    if direction not in ("tx", "rx"):
        raise ValueError(f"direction {direction!r}")
    return TraceEvent(float(document["at"]), direction, bytes.fromhex(document["hex"]))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def utc_text(at: datetime) -> str:
    """Return an instant for programs."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
