"""A made-up machine: its /dev, /sys, /proc and lock folder, with plain files for devices."""

from dataclasses import dataclass, field
from pathlib import Path

from edge.bus.ports import Places

FTDI = {"idVendor": "0403", "idProduct": "6001", "manufacturer": "FTDI", "product": "FT232R USB UART"}
CH340 = {"idVendor": "1a86", "idProduct": "7523", "product": "USB Serial"}


@dataclass
class PortTree:
    root: Path
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.places = Places(
            dev=self.root / "dev", sys=self.root / "sys", proc=self.root / "proc", locks=self.root / "lock"
        )
        for folder in (self.places.dev, self.places.sys / "class" / "tty", self.places.proc, self.places.locks):
            folder.mkdir(parents=True)

    def device(self, name: str) -> Path:
        """Make the device itself."""
        path = self.places.dev / name
        path.touch()
        return path

    def add_usb(self, name: str, facts: dict[str, str], *, socket: str, driver: str = "ch341-uart") -> Path:
        """Plug an adapter into a socket ("1-1") as its driver shows it; its port is `name`."""
        adapter = self.places.sys / "devices" / "usb1" / socket
        port = adapter / f"{socket}:1.0" / name
        self._write(adapter, facts)
        self._write(port.parent, {"bInterfaceNumber": "00"})
        self._write(port, {"port_number": "0"})
        self._link(port / "driver", self._driver(driver))
        self._link(self.places.sys / "class" / "tty" / name / "device", port)
        return self.device(name)

    def add_uart(self, name: str, *, kind: str | None, driver: str, flags: str = "0x10000040") -> Path:
        """Show a built-in port as the kernel's serial core does; kind "0" is a place without a chip."""
        chip = self.places.sys / "devices" / driver / "00:00"
        core = chip / "00:00:0" / "00:00:0.0"
        core.mkdir(parents=True, exist_ok=True)
        self._link(chip / "driver", self._driver(driver))
        self._link(core / "driver", self._driver("port"))
        tty = self.places.sys / "class" / "tty" / name
        self._link(tty / "device", core)
        self._write(tty, {"flags": flags} | ({"type": kind} if kind else {}))
        return self.device(name)

    def set_latency_timer(self, name: str, ms: int) -> None:
        """Give a port the timer that the driver of FTDI chips shows."""
        self._write(self.places.sys / "bus" / "usb-serial" / "devices" / name, {"latency_timer": str(ms)})

    def link(self, name: str, device: Path) -> Path:
        """Make a link below dev, as udev does."""
        self._link(self.places.dev / name, device)
        return self.places.dev / name

    def add_process(self, pid: int, program: str, *files: str) -> Path:
        """Start a process that has files open."""
        folder = self.places.proc / str(pid)
        self._write(folder, {"comm": program})
        for number, file in enumerate(files):
            self._link(folder / "fd" / str(number), Path(file))
            self._write(folder / "fdinfo", {str(number): "pos:\t0"})
        (folder / "fd").mkdir(exist_ok=True)
        return folder

    def contain(self) -> None:
        """Let the processes be those of a container."""
        self._link(self.places.proc / "self" / "ns" / "pid", Path("pid:[4026532001]"))

    def _driver(self, name: str) -> Path:
        folder = self.places.sys / "bus" / "drivers" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @staticmethod
    def _write(folder: Path, files: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(f"{text}\n", encoding="utf-8")

    @staticmethod
    def _link(link: Path, target: Path) -> None:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(target)
