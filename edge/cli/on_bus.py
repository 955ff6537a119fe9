"""What the verbs that work on a bus share: their options, and the way there (the daemon, or the port itself)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from edge.cli import direct
from edge.cli.common import config_option
from edge.cli.register import Place, polled_meters
from edge.clock import Clock
from edge.config.settings import Bus, Settings
from edge.errors import UsageError
from edge.poll.jobs import Way
from edge.poll.plan import PolledMeter
from edge.poll.scan_state import Candidate

BAUDS = [300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]
_Verb = TypeVar("_Verb", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class BusChoice:
    """The bus that a command line names: one of the settings, or a port with its line."""

    name: str | None
    port: str | None
    baud: int | None
    parity: str | None
    protocol: str | None
    config_path: Path | None
    settings: Settings | None

    def daemon(self) -> Path | None:
        """Return the socket of the daemon if one has this bus. Raises UsageError for options it cannot follow."""
        path = direct.daemon_socket(self.settings, self.port)
        if path is not None:
            direct.refuse_line_options({"--baud": self.baud, "--parity": self.parity})
        return path

    def bus(self) -> Bus:
        """Return the bus. Raises UsageError if none or several are meant."""
        given = {"port": self.port, "baud": self.baud, "parity": self.parity, "protocol": self.protocol}
        return direct.choose_bus(self.settings, self.name, given)

    def bus_of_settings(self) -> Bus:
        """Return the bus as the settings have it. Raises UsageError if none or several are meant."""
        return direct.choose_bus(self.settings, self.name, {})

    def place(self) -> Place | None:
        """Return where the register lies; None where no settings were read."""
        if self.settings is None:
            return None
        return Place(Path(self.settings.state_dir), tuple(bus.name for bus in self.settings.bus))

    def known(self) -> tuple[Candidate, ...]:
        """Return the meters of the register on this bus, in its order; none where no settings were read."""
        bus = None if self.settings is None else self.bus_of_settings()
        return tuple(
            Candidate(meter.address, protocol=meter.known_protocol)
            for meter in self._meters().values()
            if bus is not None and meter.bus == bus.name
        )

    def _meters(self) -> dict[str, PolledMeter]:
        return {} if self.settings is None else polled_meters(self.settings)

    def run(
        self, job: Mapping[str, object], make: Callable[[Bus, Clock, Way], direct.SteppedJob]
    ) -> Iterator[dict[str, object]]:
        """Yield the documents of a job: the daemon's, or those of the job that `make` gives, run on the port itself."""
        path = self.daemon()
        if path is not None:
            asked = {"bus": self.name or "", "protocol": self.protocol or "", **job}
            return direct.ask_daemon(path, asked)
        bus = self.bus()
        meters = {} if self.baud else self._meters()
        return direct.run_directly(bus, lambda clock, way: make(bus, clock, way), meters)


def bus_argument(verb: _Verb) -> _Verb:
    """Add BUS and the options of a port with its line, handed over as one `choice`."""
    line = (
        click.option("--baud", type=click.Choice([str(baud) for baud in BAUDS]), help="[default: the bus's, 2400]"),
        click.option("--parity", type=click.Choice(["even", "odd", "none"]), help="[default: the bus's, even]"),
        click.option("--protocol", type=click.Choice(["dlt645-2007", "dlt645-1997"]), help="[default: the bus's]"),
    )
    return _with_choice(verb, line)


def port_argument(verb: _Verb) -> _Verb:
    """Add BUS and --port, handed over as one `choice`: for what finds out the line by itself."""
    return _with_choice(verb, ())


def _with_choice(verb: _Verb, line: tuple[Callable[[Any], Any], ...]) -> _Verb:
    @wraps(verb)
    def with_choice(
        bus_name: str | None, port: str | None, config_path: Path | None, baud: str | None = None, **rest: Any
    ) -> Any:
        choice = BusChoice(
            name=bus_name,
            port=port,
            baud=int(baud) if baud else None,
            parity=rest.pop("parity", None),
            protocol=rest.pop("protocol", None),
            config_path=config_path,
            settings=None if port else direct.load_settings_if_any(config_path),
        )
        return verb(choice=choice, **rest)

    options = (
        click.argument("bus_name", metavar="[BUS]", required=False),
        click.option("--port", help="/dev/..., socket://host:port or rfc2217://host:port; needs no settings file"),
        *line,
        config_option,
    )
    made: Any = with_choice
    for option in reversed(options):
        made = option(made)
    return made  # type: ignore[no-any-return]


def need_settings(choice: BusChoice) -> Place:
    """Return where the register lies. Raises UsageError where a port was given instead of settings."""
    place = choice.place()
    if place is None:
        raise UsageError("E-CLI-110", option="--write")
    return place
