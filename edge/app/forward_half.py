"""The half that forwards: network, keys and the store; no serial port, and the meter register is never opened."""

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from edge import __version__
from edge.app.aside_watch import AsideWatch
from edge.app.daemon import STORE_FILE, Half, Watch
from edge.app.file_watch import FileWatch
from edge.app.forward_jobs import ForwardJobs
from edge.app.room_watch import RoomWatch
from edge.app.threads import Worker
from edge.clock import Clock
from edge.config.settings import Settings
from edge.control.jobs import CarriedReceiptJob, Job, SealJob
from edge.control.server import Reply
from edge.errors import ControlError
from edge.forward.broker_link import BrokerLink
from edge.forward.settings import forward_settings, link_options
from edge.forward.worker import ForwardWorker
from edge.health.model import Health
from edge.identity.files import find_file
from edge.identity.keys import load_signer, load_verifier
from edge.mqtt.link import MqttLink
from edge.store.asides import load_asides
from edge.store.database import open_database
from edge.store.outbox import Outbox

_LOG = logging.getLogger(__name__)


@contextmanager
def open_forward(
    settings: Settings, base_dir: Path, clock: Clock, health: Health, handed: Path | None = None
) -> Iterator["ForwardHalf"]:
    """Open the forwarding half: keys, the store, and the worker. `handed`: the service manager's copies of keys."""
    signer = load_signer(find_file(base_dir / settings.identity.batch_key, handed))
    centre = load_verifier(find_file(base_dir / settings.centre.key, handed))
    path, max_mib = settings.state_dir / STORE_FILE, settings.store.max_mib

    def make_link(url: str, will: tuple[str, bytes, int, bool]) -> BrokerLink:
        return MqttLink(link_options(settings, base_dir, url, will, handed), clock)

    with (
        open_database(path, max_mib=max_mib, clock=clock) as database,
        open_database(path, max_mib=max_mib, check=False, clock=clock) as own,
    ):
        if (notice := database.notice()) is not None:
            _LOG.error("%s", notice)
        worker = ForwardWorker(
            forward_settings(settings, __version__),
            outbox=Outbox(database, clock),
            signer=signer,
            centre=centre,
            clock=clock,
            make_link=make_link,
            rng=random.Random(),
            health=health,
        )
        watches = (
            RoomWatch(path, own.room, clock, health),
            AsideWatch(path, partial(load_asides, own), clock, health),
            FileWatch(path, own.is_there, clock),
        )
        yield ForwardHalf(settings, clock, worker, Outbox(own, clock), watches)


class _Stepped:
    """The forwarder as a thread drives it."""

    def __init__(self, worker: ForwardWorker, clock: Clock, jobs: ForwardJobs) -> None:
        self._worker = worker
        self._clock = clock
        self._jobs = jobs

    @property
    def progress_s(self) -> float:
        """Zero: no step of the forwarder is long enough to need signs of life within."""
        return 0.0

    def step(self) -> float:
        """Do one network turn or one seal; what a command asks for goes first."""
        if self._jobs.step():
            return self._clock.monotonic()
        return self._worker.step(self._clock.monotonic())

    def stop(self) -> None:
        """Say goodbye to the broker."""
        self._worker.stop()


class ForwardHalf:
    """One worker; the main thread answers `status` from a connection of its own to the store."""

    name: Half = "forward"

    def __init__(
        self, settings: Settings, clock: Clock, worker: ForwardWorker, outbox: Outbox, watches: Sequence[Watch]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._pace = worker.pace
        self._jobs = ForwardJobs(worker)
        self._worker = _Stepped(worker, clock, self._jobs)
        self._outbox = outbox
        self._watches = watches

    def workers(self) -> list[tuple[str, Worker]]:
        """Return the forwarder."""
        return [("forward", self._worker)]

    def start_job(self, job: Job, reply: Reply, nudge: Callable[[str], None]) -> None:
        """Hand over what the worker can do; refuse the rest: this half has no bus and no register."""
        if not isinstance(job, SealJob | CarriedReceiptJob):
            raise ControlError("E-CTL-114", job=type(job).__name__)
        self._jobs.add(job, reply)
        nudge("forward")

    def tend(self) -> None:
        """Look at the store, from outside; all else is done in the worker."""
        for watch in self._watches:
            watch.tend()

    def status(self) -> dict[str, object]:
        """Return what waits, what is unsent, and what the last receipt covers."""
        counts, head, shed = self._outbox.counts(), self._outbox.head(), self._outbox.shedding().totals()
        oldest = counts.oldest_unsent_at
        return {
            "brokers": list(self._settings.mqtt.endpoints) if self._settings.mqtt else [],
            "epoch": head.epoch.hex(),
            "next_seq": head.next_seq,
            "waiting_readings": counts.waiting,
            "unsent_batches": counts.unsent,
            "archived_batches": counts.archived,
            "quarantined_batches": counts.quarantined,
            "damaged_rows": counts.damaged,
            "shed": asdict(shed),
            "oldest_unsent": oldest.isoformat(timespec="seconds") if oldest else None,
            "store_bytes": counts.size_bytes,
            "store_limit_bytes": counts.limit_bytes,
            "pace": asdict(self._pace.rates(self._clock.monotonic())),
        }
