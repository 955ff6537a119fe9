"""The half that forwards: network, keys and the store; no serial port, and the meter register is never opened."""

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from edge import __version__
from edge.app.aside_watch import AsideWatch
from edge.app.certificate import certificate_validity
from edge.app.daemon import STORE_FILE, Half, Watch
from edge.app.delivery_watch import DeliveryWatch
from edge.app.file_watch import FileWatch
from edge.app.forward_jobs import ForwardJobs
from edge.app.room_watch import RoomWatch
from edge.app.site_facts import disk_free
from edge.app.threads import Worker
from edge.clock import Clock
from edge.config.settings import Settings
from edge.control.jobs import CarriedReceiptJob, Job, SealJob
from edge.control.server import Reply
from edge.errors import ControlError, StoreError
from edge.forward.greeting import BoxFacts
from edge.forward.pace import Pace
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

_AGAIN_S = 5.0

MakeWorker = Callable[[Settings], ForwardWorker]


@contextmanager
def open_forward(
    settings: Settings,
    base_dir: Path,
    clock: Clock,
    health: Health,
    handed: Path | None = None,
    *,
    settings_hash: Callable[[], str] = str,
) -> Iterator["ForwardHalf"]:
    """Open the forwarding half: keys, the store, and the worker. `handed`: the service manager's copies of keys.

    `settings_hash`: of the file in force; empty where there is none.
    """
    signer = load_signer(find_file(base_dir / settings.identity.batch_key, handed))
    centre = load_verifier(find_file(base_dir / settings.centre.key, handed))
    path, max_mib = settings.state_dir / STORE_FILE, settings.store.max_mib

    with (
        open_database(path, max_mib=max_mib, clock=clock) as database,
        open_database(path, max_mib=max_mib, check=False, clock=clock) as own,
    ):
        if (notice := database.notice()) is not None:
            _LOG.error("%s", notice)

        def box(settings: Settings) -> BoxFacts:
            validity = certificate_validity(settings, base_dir, handed)
            return BoxFacts(
                settings_hash=settings_hash() or None,
                disk_free=disk_free(settings),
                certificate_days=validity.days_left(clock.utc_now()) if validity is not None else None,
            )

        def make_worker(settings: Settings) -> ForwardWorker:
            return ForwardWorker(
                forward_settings(settings, __version__),
                outbox=Outbox(database, clock),
                signer=signer,
                centre=centre,
                clock=clock,
                make_link=lambda url, will: MqttLink(link_options(settings, base_dir, url, will, handed), clock),
                rng=random.Random(),
                health=health,
                box=partial(box, settings),
            )

        outbox = Outbox(own, clock)
        watches = (
            RoomWatch(path, own.room, clock, health),
            AsideWatch(path, partial(load_asides, own), clock, health),
            FileWatch(path, own.is_there, clock),
        )
        half = ForwardHalf(settings, clock, make_worker, outbox, watches)
        half.watches.append(DeliveryWatch(outbox.counts, clock, health, has_broker=lambda: half.has_broker))
        yield half


class _Stepped:
    """The forwarder as a thread drives it. Other settings mean another worker: what is under way is in the store."""

    def __init__(self, settings: Settings, make_worker: MakeWorker, clock: Clock) -> None:
        self._make_worker = make_worker
        self._worker = make_worker(settings)
        self._clock = clock
        self.jobs = ForwardJobs()
        self._following: Settings | None = None
        self._change_at_s = 0.0

    @property
    def pace(self) -> Pace:
        """How fast batches go."""
        return self._worker.pace

    def use_settings(self, settings: Settings) -> None:
        """Go on with other settings at the next step; from any thread."""
        self._following = settings

    @property
    def progress_s(self) -> float:
        """Zero: no step of the forwarder is long enough to need signs of life within."""
        return 0.0

    def step(self) -> float:
        """Do one network turn or one seal; what a command asks for goes first."""
        if (following := self._following) is not None and self._clock.monotonic() >= self._change_at_s:
            self._change_worker(following)
        if self.jobs.step(self._worker):
            return self._clock.monotonic()
        return self._worker.step(self._clock.monotonic())

    def _change_worker(self, following: Settings) -> None:
        """Go on with another worker. While the store cannot be read the old one goes on, and it is tried again."""
        try:
            worker = self._make_worker(following)
        except StoreError as exc:
            self._change_at_s = self._clock.monotonic() + _AGAIN_S
            _LOG.warning("the changed settings wait for the store: %s", exc)
            return
        if self._following is following:
            self._following = None
        self._worker.stop()
        self._worker = worker

    def stop(self) -> None:
        """Say goodbye to the broker."""
        self._worker.stop()


class ForwardHalf:
    """One worker; the main thread answers `status` from a connection of its own to the store."""

    name: Half = "forward"

    def __init__(
        self, settings: Settings, clock: Clock, make_worker: MakeWorker, outbox: Outbox, watches: Sequence[Watch]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._worker = _Stepped(settings, make_worker, clock)
        self._outbox = outbox
        self.watches = list(watches)

    @property
    def has_broker(self) -> bool:
        """True if the settings in force name one."""
        return self._settings.mqtt is not None

    def workers(self) -> list[tuple[str, Worker]]:
        """Return the forwarder."""
        return [("forward", self._worker)]

    def start_job(self, job: Job, reply: Reply, nudge: Callable[[str], None]) -> None:
        """Hand over what the worker can do; refuse the rest: this half has no bus and no register."""
        if not isinstance(job, SealJob | CarriedReceiptJob):
            raise ControlError("E-CTL-114", job=type(job).__name__)
        self._worker.jobs.add(job, reply)
        nudge("forward")

    def use_settings(self, settings: Settings) -> None:
        """Go on with other settings; the connection is left and made anew only for what concerns it."""
        old, self._settings = self._settings, settings
        if (forward_settings(old, "") != forward_settings(settings, "")) or old.mqtt != settings.mqtt:
            self._worker.use_settings(settings)

    def bus_of(self) -> Mapping[str, str]:
        """Return nothing: the register is the other half's."""
        return {}

    def tend(self) -> None:
        """Look at the store, from outside; all else is done in the worker."""
        for watch in self.watches:
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
            "pace": asdict(self._worker.pace.rates(self._clock.monotonic())),
        }
