"""A worker's thread: it steps the worker until told to stop."""

import logging
import threading
from dataclasses import dataclass, field
from typing import Protocol

from edge.clock import Clock
from edge.errors import EdgeError

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 0.5


class Worker(Protocol):
    """What a thread drives."""

    @property
    def progress_s(self) -> float:
        """The monotonic time of the last sign of life inside a step."""

    def step(self) -> float:
        """Do the next piece of work; return the monotonic time of the next one."""

    def stop(self) -> None:
        """Finish what is begun and give everything back."""


@dataclass(slots=True)
class WorkerThread:
    """A thread that steps a worker until it is told to stop. A defect ends it, and with it the daemon."""

    name: str
    worker: Worker
    clock: Clock
    stopping: threading.Event
    stepped_s: float = 0.0
    failed: bool = False
    nudged: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def beat(self) -> float:
        """The monotonic time at which this worker was last seen to move."""
        return max(self.stepped_s, self.worker.progress_s)

    def start(self) -> None:
        """Start stepping."""
        self.stepped_s = self.clock.monotonic()
        self.thread = threading.Thread(target=self._run, name=self.name)
        self.thread.start()

    def _run(self) -> None:
        try:
            while not self.stopping.is_set():
                wake = self.worker.step()
                self.stepped_s = now = self.clock.monotonic()
                if wake > now:
                    self.nudged.wait(min(wake - now, LONGEST_WAIT_S))
                self.nudged.clear()
        except Exception:
            self.failed = True
            log.exception("defect in %s: please send this text to the makers", self.name)
            self.stopping.set()
        finally:
            self._stop_worker()

    def _stop_worker(self) -> None:
        try:
            self.worker.stop()
        except EdgeError as exc:
            self.failed = True
            log.error("%s: %s", self.name, exc)  # noqa: TRY400 - it says itself what to do
