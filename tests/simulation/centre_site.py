"""The centre: the real worker, rules and receipts on a real ledger, which can be killed, cut off and restored.

Its backups are those of `edge centre backup`: a second connection to the ledger, a copy in a folder, and the mark that
moves `durable` where the policy is `backup`. Any copy may be restored that is not older than the newest marked one.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import apsw

from edge.centre.backup import back_up
from edge.centre.durable import BackupWatch
from edge.centre.ledger import EpochState
from edge.centre.ledger_sqlite import COPY, SqliteLedger
from edge.centre.receipts import ReceiptDesk
from edge.centre.worker import CentreWorker
from edge.clock import ClockTrust
from edge.errors import EdgeError, StoreError
from edge.messages.receipt import RUN_BYTES
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from tests.simulation.actors import Actor
from tests.simulation.clocks import BoxClock
from tests.simulation.disk import Disk, Life

TENANT = "hz"
_RESTART_S = 7.0


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the ledger in its folder, and what it calls stored."""

    folder: Path
    states: Sequence[EpochState]

    @property
    def content(self) -> bytes:
        """The bytes of the ledger."""
        return (self.folder / COPY).read_bytes()


class _Unmarked:
    """A ledger whose backups leave their mark later, as where the program dies, or waits, between copy and mark."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def mark_durable(self, states) -> None:
        pass


class Keys:
    """Who is enrolled: a public key each."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}

    def verifier_of(self, gateway, kid):
        """Return the key with this id, if it is trusted for this gateway."""
        public = self.keys.get(gateway)
        verifier = Ed25519Verifier(public) if public is not None else None
        return verifier if verifier is not None and verifier.kid == kid else None

    def knows(self, gateway):
        """Return True if the gateway is enrolled."""
        return gateway in self.keys


class Centre:
    """The other end; `actors` is empty while it is down."""

    def __init__(self, *, now, random, disks, folder, broker, faults, policy) -> None:
        self.now, self.random, self.broker, self.faults = now, random, broker, faults
        self.folder: Path = folder
        self.policy: str = policy
        self.signer = Ed25519Signer(random.randbytes(32))
        self.keys = Keys()
        self.clock = BoxClock(now)
        self.life = Life(random, is_dead=True)
        self.disk = Disk(folder, random, faults, self.life, whose="centre ")
        self.actors: list[Actor] = []
        self.start_at: float | None = None
        self.backups: list[Backup] = []
        self._numbers = count(1)
        self.url = "mqtt://c"
        self._link = None
        self._ledger: SqliteLedger | None = None
        folder.mkdir()
        disks[str(folder)] = self.disk

    @property
    def path(self) -> Path:
        """The ledger's file."""
        return self.folder / "ledger.db"

    @property
    def is_up(self) -> bool:
        """True while it runs."""
        return bool(self.actors) and not self.life.is_dead

    def start(self) -> None:
        """Start it; if its disk does not let it, it is started again a little later."""
        self.start_at = None
        self.life = self.disk.life = Life(self.random)
        try:
            self._ledger = SqliteLedger(self.path)
        except (StoreError, apsw.Error):
            self.faults["centre: start failed"] += 1
            self.die()
            self.start_at = self.now.at + _RESTART_S
            return
        run = self.random.randbytes(RUN_BYTES)
        watch = BackupWatch(self._ledger) if self.policy == "backup" else None
        desk = ReceiptDesk(ledger=self._ledger, signer=self.signer, run=run, policy=self.policy, watch=watch)
        self._link = self.broker.link("centre", self.url, life=self.life, will=None, is_clean=False)
        self.worker = CentreWorker(
            link=self._link,
            ledger=self._ledger,
            keys=self.keys,
            desk=desk,
            clock=self.clock,
            tenant=TENANT,
            tell=lambda _: None,
        )
        self.actors = [Actor("centre", self._step, at=self.now.at, inbox=lambda: self._link.arrives_at)]

    def die(self) -> None:
        """End the process without a word."""
        self.life.is_dead = True
        self.actors = []
        if self._link is not None:
            self.broker.drop(self._link, is_told=False)
        if self._ledger is not None:
            with contextlib.suppress(StoreError, apsw.Error):
                self._ledger.close()
        self._ledger = self._link = None

    def cut_power(self) -> None:
        """Take the power away."""
        self.die()
        self.disk.cut_power()

    def back_up(self, *, marks: bool | None = None) -> None:
        """Make a backup beside the running centre; its mark comes at once, or only with `mark_backup`."""
        if not self.is_up or self._ledger is None:
            return
        is_marked = self.random.random() < 0.7 if marks is None else marks
        target = self.folder.parent / "backups" / str(next(self._numbers))
        try:
            with SqliteLedger(self.path) as beside:
                made = back_up(beside if is_marked else _Unmarked(beside), target, self.now.utc())
        except (EdgeError, apsw.Error):
            self.faults["backup failed"] += 1
            whole = list(target.glob("[!.]*")) if target.is_dir() else []
            if not (is_marked and whole):
                return
            (made,) = whole  # perhaps its mark was written
        self.faults["backup made"] += 1
        with SqliteLedger(made / COPY) as copy:
            states = [state for gateway in copy.gateways() for state in copy.epochs(gateway)]
        self.backups.append(Backup(made, states))
        if is_marked:
            self.backups = self.backups[-1:]

    def mark_backup(self) -> None:
        """Let the newest backup leave its mark: no older one may be restored from then on."""
        if not self.backups or not self.is_up:
            return
        with contextlib.suppress(EdgeError, apsw.Error), SqliteLedger(self.path) as beside:
            beside.mark_durable(self.backups[-1].states)
            self.backups = self.backups[-1:]

    def restore(self) -> bool:
        """Put a backup in the place of the ledger, any that is not older than what was called durable."""
        if self.policy != "backup" or not self.backups:
            return False
        self.die()
        for path in self.folder.glob("ledger.db*"):
            path.unlink()
        self.path.write_bytes(self.random.choice(self.backups).content)
        self.disk.forget()
        self.disk.deleted.clear()
        return True

    def step_clock(self, offset_s: float) -> None:
        """Let its wall clock be off."""
        self.clock.step_to(offset_s, ClockTrust.SYNCHRONISED)

    def _step(self) -> float:
        self._link.waits_until = 0.0
        wake = self.clock.at_of(self.worker.step(self.clock.monotonic()))
        return max(wake, self._link.waits_until)
