"""The serial ports of this machine: their stable names, chips, and whether they can be used.

1. Nothing is opened and nothing is changed: all of it is read from /dev, /sys and /proc, without root.
2. Read here and not through pyserial's list: that hides the built-in ports of ARM boards, offers ports without a chip,
   and fails when an adapter is pulled out meanwhile.
3. A name is recommended only if no other adapter can take it: two adapters that give the same serial number, or none,
   share one name in /dev/serial/by-id, which then leads to whichever came last.
"""

import grp
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from edge.bus.port_holders import Holder, OpenFiles, holders_of, look_at_processes, printable

_LOW_LATENCY = 0x2000  # Linux, include/uapi/linux/tty_flags.h: ASYNCB_LOW_LATENCY = 13
_NO_CHIP = 0  # Linux, include/uapi/linux/serial_core.h: PORT_UNKNOWN
_CORE_DRIVERS = ("port", "ctrl")  # of the kernel's serial core, since 6.5 between a port and its chip's driver
_BY_ID, _BY_PATH = "/serial/by-id/", "/serial/by-path/"
_FOR_GROUP = stat.S_IRGRP | stat.S_IWGRP
_UP = 6  # folders from a port up to its adapter
_PTY_MAJORS = range(136, 144)  # Linux, Documentation/admin-guide/devices.txt


class PortState(StrEnum):
    """What stands in the way of using a port; the worst is told."""

    FREE = "free"
    USED = "used"
    NO_PERMISSION = "no_permission"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the system shows its ports."""

    dev: Path = Path("/dev")
    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    locks: Path = Path("/run/lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usb:
    """What a USB adapter tells of itself; a text that it does not give is empty."""

    vendor: str
    product: str
    manufacturer: str
    name: str
    serial: str
    interface: str
    port_number: str

    @property
    def identity(self) -> tuple[str, ...]:
        """What the names in /dev/serial/by-id are made of."""
        return (self.vendor, self.product, self.serial, self.interface, self.port_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One serial port, as it was at the moment of looking."""

    device: str
    names: tuple[str, ...] = ()  # links that lead to it
    state: PortState = PortState.GONE
    usb: Usb | None = None
    driver: str = ""
    holders: tuple[Holder, ...] = ()
    is_sure: bool = True  # False: another user's process may hold it unseen
    is_permitted: bool = False
    group: str = ""  # that owns it; empty where it is gone
    is_for_group: bool = False  # the group may read and write
    latency_timer_ms: int | None = None
    is_low_latency: bool | None = None  # None: the driver does not tell
    has_twin: bool = False  # another adapter gives the same facts of itself
    is_pty: bool = False

    @property
    def stable_name(self) -> str:
        """The name that leads here after a restart too, by serial number, by socket, or by a person's own rule."""
        fit = [name for name in self.names if not (self.has_twin and _BY_ID in name)]
        return min(fit, key=lambda name: (_BY_ID not in name, _BY_PATH not in name, len(name), name), default="")

    @property
    def best_name(self) -> str:
        """What to write into the settings."""
        return self.stable_name or self.device


def look_at_ports(asked: Iterable[str] = (), places: Places | None = None) -> tuple[Port, ...]:
    """Return every serial port of this machine and those asked for, in the order of their devices.

    A device without a port behind it is left out unless it is asked for. Time: some milliseconds.
    """
    places = places or Places()
    files = look_at_processes(places.proc)
    names = _links(places.dev)
    wanted = {name: os.path.realpath(name) for name in asked}
    for name, device in wanted.items():
        if Path(name).is_symlink():
            names.setdefault(device, []).append(name)
    devices = {str(places.dev / one) for one in _chips(places.sys)}
    devices |= {*wanted.values(), *files.lost_paths(places.dev)}
    found = [_look_at(device, names.get(device, ()), files, places) for device in sorted(devices, key=_natural)]
    return _mark_twins(found)


def is_serial_port(path: str) -> bool:
    """Return True if the path leads to a terminal device, or to nothing: then it is a port that is gone."""
    try:
        found = Path(path).stat()
    except OSError:
        return True
    if not stat.S_ISCHR(found.st_mode):
        return False
    major, minor = os.major(found.st_rdev), os.minor(found.st_rdev)
    return major in _PTY_MAJORS or "/tty/" in os.path.realpath(f"/sys/dev/char/{major}:{minor}")


def _look_at(device: str, names: Sequence[str], files: OpenFiles, places: Places) -> Port:
    path, chip = Path(device), places.sys / "class" / "tty" / Path(device).name
    others = tuple(dict.fromkeys(name for name in names if name != device))
    holders = holders_of(path, files, places.proc, places.locks)
    try:
        mode = path.stat()
    except FileNotFoundError:
        return Port(device=device, names=others, holders=holders)
    except OSError:
        mode = None  # a folder on the way is closed to us
    is_permitted = mode is not None and os.access(path, os.R_OK | os.W_OK, effective_ids=True)
    timer = _number(places.sys / "bus" / "usb-serial" / "devices" / path.name / "latency_timer")
    flags = _number(chip / "flags")
    return Port(
        device=device,
        names=others,
        state=PortState.USED if holders else PortState.FREE if is_permitted else PortState.NO_PERMISSION,
        usb=_usb(chip / "device"),
        driver=_driver(chip / "device"),
        holders=holders,
        is_sure=bool(holders) or files.is_whole,
        is_permitted=is_permitted,
        group=_group(mode.st_gid) if mode else "",
        is_for_group=mode is not None and mode.st_mode & _FOR_GROUP == _FOR_GROUP,
        latency_timer_ms=timer,
        is_low_latency=timer <= 1 if timer is not None else None if flags is None else bool(flags & _LOW_LATENCY),
        is_pty=path.parent == Path("/dev/pts"),
    )


def _chips(sys: Path) -> Iterator[str]:
    """Yield the ttys with a chip behind them: no consoles, no places kept free for chips that are not there."""
    with suppress(OSError):
        for tty in sorted((sys / "class" / "tty").iterdir()):
            if (tty / "device").exists() and not _is_empty(tty):
                yield tty.name


def _is_empty(tty: Path) -> bool:
    kind = _number(tty / "type")
    if kind is not None:
        return kind == _NO_CHIP
    return _driver(tty / "device") == "serial8250"  # the placeholder's driver; older kernels hide the type


def _links(dev: Path) -> dict[str, list[str]]:
    """Return the links of /dev/serial, and those of a person's own udev rules in /dev, by where they lead."""
    found: dict[str, list[str]] = {}
    for folder in (dev / "serial" / "by-id", dev / "serial" / "by-path", dev):
        with suppress(OSError):
            for link in sorted(path for path in folder.iterdir() if path.is_symlink()):
                if not str(link.readlink()).startswith("/proc/"):  # /dev/stdin and its like
                    found.setdefault(os.path.realpath(link), []).append(str(link))
    return found


def _usb(device: Path) -> Usb | None:
    adapter = next((folder for folder in _upwards(device) if (folder / "idVendor").exists()), None)
    if adapter is None:
        return None
    interface = next((folder for folder in _upwards(device) if (folder / "bInterfaceNumber").exists()), adapter)
    return Usb(
        vendor=_text(adapter / "idVendor"),
        product=_text(adapter / "idProduct"),
        manufacturer=_text(adapter / "manufacturer"),
        name=_text(adapter / "product"),
        serial=_text(adapter / "serial"),
        interface=_text(interface / "bInterfaceNumber"),
        port_number=_text(device / "port_number"),
    )


def _driver(device: Path) -> str:
    drivers = (folder / "driver" for folder in _upwards(device))
    names = (Path(os.path.realpath(driver)).name for driver in drivers if driver.exists())
    return next((name for name in names if name not in _CORE_DRIVERS), "")


def _upwards(device: Path) -> list[Path]:
    if not device.exists():
        return []
    whole = Path(os.path.realpath(device))
    return [whole, *whole.parents][:_UP]


def _mark_twins(ports: Sequence[Port]) -> tuple[Port, ...]:
    count = Counter(port.usb.identity for port in ports if port.usb)
    return tuple(replace(port, has_twin=port.usb is not None and count[port.usb.identity] > 1) for port in ports)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _text(file: Path) -> str:
    try:
        return printable(file.read_text(encoding="utf-8", errors="replace").strip())
    except OSError:
        return ""


def _number(file: Path) -> int | None:
    try:
        return int(_text(file), 0)
    except ValueError:
        return None


def _natural(device: str) -> tuple[str, int]:
    name = device.rstrip("0123456789")
    return (name, int(device[len(name) :] or 0))
