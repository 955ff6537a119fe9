"""The parts of a site, each a real process or a family of them, as something that can be started and killed.

A kill is SIGKILL and nothing else: no part hears of it. What a part does when it is started again is its own affair.
"""

import contextlib
import getpass
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.conftest import Mosquitto
from tests.flow.processes import FlowSite
from tests.postgres_server import PostgresServer

_PERSISTENCE = "persistence true\npersistence_location {folder}/\nautosave_interval 1\n"


class Part(Protocol):
    """What can be killed and started again."""

    def start(self) -> None:
        """Start it."""

    def kill(self) -> None:
        """Kill it and wait until it is gone."""

    def ended(self) -> int | None:
        """Return the exit code of one that ended by itself; None while it runs."""


@dataclass(slots=True)
class Program:
    """A command of ours."""

    site: FlowSite
    name: str
    words: tuple[object, ...]

    def start(self) -> None:
        self.site.start(self.name, *self.words)

    def kill(self) -> None:
        self.site.kill(self.name)

    def ended(self) -> int | None:
        return self.site.processes[self.name].poll()


@dataclass(slots=True)
class Broker:
    """A mosquitto that keeps its queue on the disk, a second behind; `forget` takes that away while it is dead."""

    server: Mosquitto
    folder: Path

    @classmethod
    def made(cls, folder: Path, port: int) -> "Broker":
        """Return one that is not started, with its settings in a new folder."""
        folder.mkdir()
        settings = folder / "mosquitto.conf"
        plain = f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n"
        settings.write_text(plain + _PERSISTENCE.format(folder=folder), encoding="utf-8")
        return cls(Mosquitto(port, settings), folder)

    def start(self) -> None:
        self.server.start()

    def kill(self) -> None:
        self.server.stop()

    def forget(self) -> bool:
        """Take sessions, queues and retained messages away; return True if there were any."""
        kept = self.folder / "mosquitto.db"
        had = kept.exists()
        kept.unlink(missing_ok=True)
        return had

    def ended(self) -> int | None:
        return self.server._process.poll()


@dataclass(slots=True)
class Database:
    """A PostgreSQL of which no process is left when it is killed, as after a power cut of its machine."""

    server: PostgresServer

    def start(self) -> None:
        self.server.start()

    def kill(self) -> None:
        main = self.server._process.pid
        os.kill(main, signal.SIGSTOP)  # it makes no more children
        family = [main, *children_of(main)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.kill()
        while any(map(_lives, family)):
            time.sleep(0.01)

    def ended(self) -> int | None:
        return self.server._process.poll()


def children_of(parent: int) -> list[int]:
    """Return the processes that a process started."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _stat(path)[1:2] == [str(parent)]]


def _lives(pid: int) -> bool:
    """Return True as long as a process holds anything: a zombie holds nothing."""
    return _stat(Path(f"/proc/{pid}"))[:1] not in ([], ["Z"])


def _stat(path: Path) -> list[str]:
    """Return state and parent of a process; nothing if it is gone. Its name, in brackets, may hold anything."""
    try:
        return (path / "stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()[:2]
    except OSError:
        return []
