"""Working on a bus from the command line: through the running daemon if there is one, else on the port itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edge.bus.link import LineSettings, Link
from edge.bus.open import open_link
from edge.bus.runner import run_exchange
from edge.cli.common import DEFAULT_CONFIG, daemon_error, socket_path
from edge.clock import Clock, SystemClock
from edge.config.settings import Bus, Settings
from edge.config.table import build_table, raw_of
from edge.control.client import ask, is_served
from edge.errors import EdgeError, UsageError
from edge.poll.jobs import Asker, Way
from edge.poll.plan import PolledMeter, line_of
from edge.protocols.exchange import Exchange
from edge.reading.outcome import Outcome


@dataclass(slots=True)
class CollectingWay:
    """A way back within one process: keeps documents until they are taken."""

    documents: list[dict[str, object]] = field(default_factory=list)
    is_closed: bool = False

    def put(self, document: Mapping[str, object]) -> None:
        """Keep a document."""
        self.documents.append(dict(document))

    def end(self, document: Mapping[str, object] | None = None) -> None:
        """Keep the last document."""
        self.documents.append({"done": True, **(document or {})})

    def fail(self, error: EdgeError) -> None:
        """Raise the error where the command waits."""
        raise error

    def take(self) -> Iterator[dict[str, object]]:
        """Take what was kept."""
        taken, self.documents = self.documents, []
        yield from taken


@dataclass(slots=True)
class DirectBus:
    """One bus opened by the command itself, exclusively. `meters`: those of the register, by address."""

    bus: Bus
    clock: Clock
    link: Link
    meters: Mapping[str, PolledMeter] = field(default_factory=dict)

    def exchange(self, exchange: Exchange, line: LineSettings | None = None) -> Outcome:
        """Run one exchange; `line`: with the port set like this, None: as the bus is set."""
        line = line or LineSettings(baud=self.bus.baud, parity=self.bus.parity)
        return run_exchange(self.link, exchange, self.clock, line, gap_s=self.bus.gap_ms / 1000)

    def line_of(self, address: str) -> LineSettings | None:
        """Return how the port is set for a meter of the register; None: as the bus is set."""
        meter = self.meters.get(address)
        return None if meter is None or meter.bus != self.bus.name else line_of(self.bus, meter.learned)


class SteppedJob(Protocol):
    """A job that does one exchange a step."""

    def step(self, worker: Asker) -> bool:
        """Do one exchange; False when done."""


def load_settings_if_any(config_path: Path | None) -> Settings | None:
    """Return the settings of --config, or of the default place if there are any; None without."""
    from edge.cli.settings_file import load_settings

    if config_path is not None:
        return load_settings(config_path)
    return load_settings(DEFAULT_CONFIG) if DEFAULT_CONFIG.exists() else None


def choose_bus(settings: Settings | None, name: str | None, given: Mapping[str, object]) -> Bus:
    """Return the bus to use: a port given on the command line, or the named (or only) one of the settings."""
    values = {key: value for key, value in given.items() if value is not None}
    if "port" in values:
        try:
            return build_table(Bus, {"name": "cli", **values})
        except ValueError:
            raise UsageError("E-BUS-108", port=values["port"] or '""') from None
    buses = settings.bus if settings else ()
    chosen = [bus for bus in buses if name is None or bus.name == name]
    if not buses:
        raise UsageError("E-CLI-101")
    if not chosen:
        raise UsageError("E-CTL-113", bus=name, known=", ".join(bus.name for bus in buses))
    if len(chosen) > 1:
        raise UsageError("E-CLI-102", known=", ".join(bus.name for bus in buses))
    return build_table(Bus, {**raw_of(chosen[0]), **values})


def run_directly(
    bus: Bus, make_job: Callable[[Clock, Way], "SteppedJob"], meters: Mapping[str, PolledMeter] | None = None
) -> Iterator[dict[str, object]]:
    """Yield the documents of a job run on the port itself; `meters`: those whose own speed is to be kept to."""
    clock = SystemClock()
    way = CollectingWay()
    job = make_job(clock, way)
    direct = DirectBus(bus, clock, open_link(bus.port, clock), meters or {})
    try:
        while job.step(direct):
            yield from way.take()
        yield from way.take()
    finally:
        direct.link.close()


def daemon_socket(settings: Settings | None, given_port: str | None) -> Path | None:
    """Return the socket of the running poller; None if a port was given or no daemon runs."""
    if settings is None or given_port is not None:
        return None
    path = socket_path(settings.state_dir, "poll")
    return path if is_served(path) else None


def refuse_line_options(options: Mapping[str, object]) -> None:
    """Raise UsageError if an option of the line was given (option -> value): the daemon reads with its own settings."""
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise UsageError("E-CLI-109", options=" ".join(given))


def open_bus(bus: Bus) -> tuple[Link, Clock]:
    """Return the open port of a bus, set as the bus is, and the clock that goes with it. Raises LinkError."""
    clock = SystemClock()
    link = open_link(bus.port, clock)
    try:
        link.use(LineSettings(baud=bus.baud, parity=bus.parity))
    except BaseException:
        link.close()
        raise
    return link, clock


def ask_daemon(path: Path, job: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield the daemon's documents; an error document becomes an error."""
    for document in ask(path, job):
        if "error" in document:
            raise daemon_error(document["error"])
        yield document
