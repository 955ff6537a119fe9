"""The daemon: it wires the rooms, owns the threads, and hands values over between them.

One thread polls each bus, one forwards; the main thread serves the control sockets, writes the meter register and
feeds the watchdog. `only` chooses a half: `poll` opens serial ports and the store, and no key; `forward` opens the
network, the keys and the store, and no serial port. The two halves meet only in the store.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from edge import __version__
from edge.app.heap import give_back_heap, share_one_heap
from edge.app.reload import Reload, SettingsFile
from edge.app.threads import LONGEST_WAIT_S, Worker, WorkerThread
from edge.clock import BUILT_AT, Clock, ClockTrust, SystemClock
from edge.config.force import in_force_after
from edge.config.settings import Settings
from edge.control.jobs import Job, ReloadJob, SettingsJob, StatusJob
from edge.control.server import ControlServer, Reply
from edge.errors import EdgeError, IdentityError, StoreError, entry_of
from edge.health.causes import troubles_of
from edge.health.model import Health
from edge.notify import Notifier
from edge.store.database import look_at_database
from edge.store.saved_time import saved_time

if TYPE_CHECKING:
    from edge.health.metrics import View

log = logging.getLogger(__name__)

Half = Literal["poll", "forward"]

STORE_FILE = "edge.db"
_TELL_EVERY_S = 10.0
_STUCK_S = 25.0  # under the unit's WatchdogSec: a worker that did not step for so long is stuck


class Watch(Protocol):
    """Something that is looked at now and then by the main thread."""

    def tend(self) -> None:
        """Look if it is time."""


class HalfOfApp(Protocol):
    """One half of the daemon as the main thread sees it."""

    name: Half

    def workers(self) -> list[tuple[str, Worker]]:
        """Return the named workers, one thread each."""

    def start_job(self, job: Job, reply: Reply, nudge: Callable[[str], None]) -> None:
        """Start a job of the control socket; `nudge` wakes a worker by its name."""

    def tend(self) -> None:
        """Do the main thread's share of the work."""

    def status(self) -> dict[str, object]:
        """Return what `edge status` shows of this half."""

    def use_settings(self, settings: Settings) -> None:
        """Go on with other settings; what only a start can take is as it was."""

    def bus_of(self) -> Mapping[str, str]:
        """Return the bus of each meter that this half knows."""


def make_clock(settings: Settings) -> SystemClock:
    """Return the machine's clock, with the trust that the settings state, and the time that the store saved last."""
    word = settings.gateway.clock
    return SystemClock(assumed=None if word == "auto" else ClockTrust(word), saved_at=_saved_at(settings))


def _saved_at(settings: Settings) -> datetime:
    """Return the time that was known last; a store that cannot be read yet has none."""
    try:
        with look_at_database(settings.state_dir / STORE_FILE, max_mib=settings.store.max_mib) as database:
            return saved_time(database) or BUILT_AT
    except StoreError:
        return BUILT_AT


class App:
    """The daemon, or one half of it.

    `handed`: where the service manager put its copies of keys; None without one. `file`: what the settings came from;
    without it they are never read again.
    """

    def __init__(
        self,
        settings: Settings,
        base_dir: Path,
        *,
        only: Half | None,
        clock: Clock,
        notifier: Notifier,
        handed: Path | None = None,
        file: SettingsFile | None = None,
    ) -> None:
        self.settings = settings
        self.base_dir = base_dir
        self.only = only
        self.clock = clock
        self.notifier = notifier
        self.handed = handed
        self.health = Health(clock)
        self.stopping = threading.Event()
        self.reload = Reload(settings, file, clock, self.health, self._use)
        self._open_halves: list[HalfOfApp] = []
        self._told_s = 0.0

    def run(self) -> int:
        """Run until `stopping` is set; return the exit code. Raises EdgeError for what keeps it from starting."""
        share_one_heap()
        with ExitStack() as stack:
            halves = self._open_halves = [stack.enter_context(half) for half in self._halves()]
            stack.callback(self.reload.close)
            threads = [
                WorkerThread(name, worker, self.clock, self.stopping)
                for half in halves
                for name, worker in half.workers()
            ]
            servers = [self._serve(half, threads, stack) for half in halves]
            watches: list[Watch] = list(self._metrics(stack))
            give_back_heap()
            for thread in threads:
                thread.start()
            stack.callback(self._join, threads)
            self.reload.began()
            self.notifier.ready(f"edge {__version__}: {', '.join(half.name for half in halves)}")
            self._tend([*halves, *watches], servers, threads)
            self.notifier.stopping()
        return 1 if any(thread.failed for thread in threads) else 0

    def _halves(self) -> Iterator[AbstractContextManager[HalfOfApp]]:
        self.settings.state_dir.mkdir(parents=True, exist_ok=True)
        # The forwarder first: a missing key stops the start before the poller puts a plan in force.
        if self.settings.mqtt is None and self.only != "poll":
            log.warning("no [mqtt] in the settings: batches are sealed here and wait for edge backlog --export")
        if self.only != "poll" and self._can_forward():
            from edge.app.forward_half import open_forward  # here, so that a half never loads the other's libraries

            yield open_forward(
                self.settings,
                self.base_dir,
                self.clock,
                self.health,
                self.handed,
                settings_hash=lambda: self.reload.digest,
            )
        if self.only in (None, "poll"):
            from edge.app.poll_half import open_poll

            yield open_poll(self.settings, self.clock, self.health)

    def _can_forward(self) -> bool:
        """Return False where nobody asks for forwarding and the keys for it are not there: then polling goes alone."""
        if self.only == "forward" or self.settings.mqtt is not None:
            return True
        from edge.identity.files import find_file
        from edge.identity.keys import load_signer, load_verifier

        try:
            load_signer(find_file(self.base_dir / self.settings.identity.batch_key, self.handed))
            load_verifier(find_file(self.base_dir / self.settings.centre.key, self.handed))
        except IdentityError as exc:
            self.health.fails("sealing_works", exc)
            log.warning("nothing is sealed: %s", exc)
            return False
        return True

    def _serve(self, half: HalfOfApp, threads: list[WorkerThread], stack: ExitStack) -> ControlServer:
        def nudge(name: str) -> None:
            for thread in threads:
                if thread.name == name:
                    thread.nudged.set()

        def start(job: Job, reply: Reply) -> None:
            match job:
                case StatusJob():
                    reply.end({"result": self._status(half)})
                case ReloadJob():
                    self.reload.ask(reply)
                case SettingsJob():
                    reply.end({"result": self.reload.in_force()})
                case _:
                    half.start_job(job, reply, nudge)

        server = ControlServer(
            self.settings.state_dir / f"{half.name}.sock", start, lambda: {item.key for item in self.settings.item}
        )
        stack.callback(server.close)
        return server

    def _use(self, settings: Settings) -> Settings:
        """Let every half go on with what a running daemon can take of other settings; return those in force now."""
        taken = in_force_after(self.settings, settings)
        if self.only is None and len(self._open_halves) == 1:  # the keys for sending are opened at a start
            taken = replace(taken, mqtt=self.settings.mqtt)
        if taken != self.settings:
            for half in self._open_halves:
                half.use_settings(taken)
        self.settings = taken
        return taken

    def _status(self, half: HalfOfApp) -> dict[str, object]:
        return {
            "version": __version__,
            "gateway": self.settings.gateway.id,
            "time": self.clock.utc_now().isoformat(timespec="seconds"),
            "clock": self.clock.trust().value,
            **self.reload.status(),
            **half.status(),
            "health": self.health.snapshot(),
        }

    def _metrics(self, stack: ExitStack) -> Iterator[Watch]:
        """Serve metrics, where the settings say so: only then is anything of it loaded."""
        wanted = self.settings.metrics
        if wanted is None:
            return
        from edge.app.metrics_port import MetricsPort, listen_of

        listen = listen_of(wanted.listen, self.only, self.settings.state_dir)
        port = MetricsPort(listen, self._view, self.health, with_meters=wanted.meters)
        stack.callback(port.close)
        yield port

    def _view(self) -> "View":
        from edge.app.site_facts import disk_free
        from edge.health.metrics import View

        statuses: dict[str, Mapping[str, object]] = {one.name: self._status(one) for one in self._open_halves}
        return View(
            version=__version__,
            health=self.health.snapshot(),
            halves=statuses,
            bus_of={address: bus for half in self._open_halves for address, bus in half.bus_of().items()},
            settings_hash=self.reload.digest,
            disk_free=disk_free(self.settings),
            certificate_end=self._certificate_end(),
        )

    def _certificate_end(self) -> float | None:
        if self.only == "poll":
            return None
        from edge.app.certificate import certificate_validity  # here: the half that polls loads nothing of keys

        validity = certificate_validity(self.settings, self.base_dir, self.handed)
        return validity.end.timestamp() if validity is not None else None

    def _tend(self, watches: Sequence[Watch], servers: list[ControlServer], threads: list[WorkerThread]) -> None:
        while not self.stopping.is_set():
            for server in servers:
                server.step(LONGEST_WAIT_S / len(servers))
            for watch in watches:
                watch.tend()
            self.reload.tend()
            self._feed(threads)

    def _feed(self, threads: list[WorkerThread]) -> None:
        """Feed the watchdog unless a worker is stuck; what `systemctl status` shows is the first root cause."""
        now, is_stuck = self.clock.monotonic(), False
        for thread in threads:
            claim, still_s = f"worker {thread.name}", now - thread.beat
            if still_s < _STUCK_S:
                self.health.holds(claim)
                continue
            is_stuck = True
            stuck = EdgeError("E-HLT-191", worker=thread.name, seconds=round(still_s))
            if self.health.fails(claim, stuck):
                log.error("%s", stuck)
        if not is_stuck:
            self.notifier.alive(self._status_line(now))

    def _status_line(self, now_s: float) -> str:
        """Return the first root cause every few seconds; else nothing: the line that was told stays."""
        if now_s < self._told_s:
            return ""
        self._told_s = now_s + _TELL_EVERY_S
        troubles = troubles_of(self.health.snapshot()["conditions"])
        if not troubles:
            return f"edge {__version__}: nothing is wrong"
        fact = entry_of(troubles[0].code).fact("en", troubles[0].values)
        return f"edge {__version__}: [{troubles[0].code}] {fact}"

    def _join(self, threads: list[WorkerThread]) -> None:
        self.stopping.set()
        for thread in threads:
            thread.nudged.set()
        for thread in threads:
            if thread.thread is not None:
                thread.thread.join()
