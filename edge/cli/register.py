"""The meter register from the command line: read here, changed here or by the daemon that holds it."""

import os
from dataclasses import dataclass
from pathlib import Path

from edge.cli.common import (
    DEFAULT_CONFIG,
    check_state_dir,
    daemon_error,
    language,
    make_state_dir,
    socket_path,
    tell,
)
from edge.config.settings import Settings
from edge.errors import ControlError, StoreError
from edge.poll.learned import learned_of
from edge.poll.plan import PolledMeter
from edge.store.meter import Meter
from edge.store.register import REGISTER_FILE, MeterRegister, RegisterLock, apply_change
from edge.store.register_change import RegisterChange, change_document

_IN_USE = "E-STO-207"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the register lies, and the buses of the settings; None where no settings were read."""

    state_dir: Path
    buses: tuple[str, ...] | None

    @property
    def register(self) -> Path:
        """The register's file."""
        return self.state_dir / REGISTER_FILE

    @property
    def socket(self) -> Path:
        """Where the polling half of the daemon is asked."""
        return socket_path(self.state_dir, "poll")

    def bus_or_only(self, bus: str) -> str:
        """Return the bus that was named; where none was, the only one that there is."""
        return bus or (self.buses[0] if self.buses is not None and len(self.buses) == 1 else "")


def find_place(config_path: Path | None, state_dir: Path | None) -> Place:
    """Return where the register lies: in the directory given, or where the settings say."""
    if state_dir is not None and config_path is None:
        return Place(state_dir, None)
    from edge.config.load import load_settings

    settings = load_settings(config_path or DEFAULT_CONFIG)
    return Place(state_dir or settings.state_dir, tuple(bus.name for bus in settings.bus))


def load_meters(place: Place) -> tuple[Meter, ...]:
    """Return the meters of the register; a register that had to be taken from its copy is told."""
    if not os.access(place.register, os.R_OK):
        check_state_dir(place.state_dir)  # no meters, or no way to see them?
    with MeterRegister(place.register) as register:
        found = register.meters()
        if (fault := register.recovered()) is not None:
            remark = StoreError("E-STO-209", path=place.register, detail=fault)
            tell(f"  [{remark.code}] {remark.fact(language())}")
    return found


def find_register(settings: Settings) -> Place | None:
    """Return where the register of a gateway lies, None if there is none yet. Raises PermissionError."""
    place = Place(settings.state_dir, tuple(bus.name for bus in settings.bus))
    return place if place.register.exists() else None


def polled_meters(settings: Settings) -> dict[str, PolledMeter]:
    """Return the meters of the register on the buses of the settings, by address."""
    buses = {bus.name: bus for bus in settings.bus}
    place = Place(Path(settings.state_dir), tuple(buses))
    return {
        meter.address: PolledMeter(
            address=meter.address,
            bus=meter.bus,
            protocol=meter.protocol or buses[meter.bus].protocol,
            tags=meter.tags,
            learned=learned_of(meter.learned),
        )
        for meter in (load_meters(place) if place.register.exists() else ())
        if meter.bus in buses
    }


def change_register(place: Place, change: RegisterChange) -> None:
    """Do a change: here if nobody holds the register, else by the daemon that does."""
    if change.is_empty:
        return
    make_state_dir(place.state_dir)
    try:
        with RegisterLock(place.state_dir, "edge meters"), MeterRegister(place.register) as register:
            apply_change(register, change)
    except StoreError as exc:
        if exc.code != _IN_USE or not place.socket.exists():
            raise
        _ask_daemon(place, change, exc)


def _ask_daemon(place: Place, change: RegisterChange, in_use: StoreError) -> None:
    from edge.control.client import ask

    try:
        replies = list(ask(place.socket, {"job": "register", **change_document(change)}))
    except ControlError:
        raise in_use from None
    if "error" in replies[-1]:
        raise daemon_error(replies[-1]["error"])
