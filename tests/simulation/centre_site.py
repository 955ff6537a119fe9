"""The centre: the real worker, rules and receipts on a real ledger, which can be killed, cut off and restored.

`marks` is what its newest backup is known to hold; with the policy `backup` a receipt calls only that durable.
"""

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import apsw

from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.receipts import ReceiptDesk
from edge.centre.worker import CentreWorker
from edge.clock import ClockTrust
from edge.errors import StoreError
from edge.messages.receipt import RUN_BYTES
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from tests.simulation.actors import Actor
from tests.simulation.clocks import BoxClock
from tests.simulation.disk import Disk, Life

TENANT = "hz"
_RESTART_S = 7.0


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the ledger, and how far it goes: (gateway, epoch) -> stored."""

    content: bytes
    stored: dict


class MarkedDesk(ReceiptDesk):
    """A desk that calls durable what a backup holds."""

    marks: dict

    def _epoch(self, state):
        told = super()._epoch(state)
        durable = min(told.stored, self.marks.get((state.gateway, state.epoch), 0))
        return replace(told, durable=durable) if self.policy == "backup" else told


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
        self.disk = Disk(folder, random, faults, self.life)
        self.actors: list[Actor] = []
        self.start_at: float | None = None
        self.marks: dict = {}
        self.backups: list[Backup] = []
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
        desk = MarkedDesk(
            ledger=self._ledger, signer=self.signer, run=self.random.randbytes(RUN_BYTES), policy=self.policy
        )
        desk.marks = self.marks
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

    def back_up(self) -> None:
        """Copy the ledger; with the policy `backup` the copy is soon known to be there, or a little later."""
        if not self.is_up or self._ledger is None:
            return
        stored = {
            (state.gateway, state.epoch): state.stored
            for gateway in self._ledger.gateways()
            for state in self._ledger.epochs(gateway)
        }
        with contextlib.closing(apsw.Connection(str(self.path))) as copy:
            self.backups.append(Backup(copy.serialize("main"), stored))
        if self.random.random() < 0.7:
            self.mark_backup()

    def mark_backup(self) -> None:
        """Let it be known that the newest backup is safe: no older one may be restored from then on."""
        if self.backups:
            self.backups = self.backups[-1:]
            self.marks.update(self.backups[0].stored)
            if self.is_up:
                for gateway, _ in self.marks:
                    self.worker.desk.want(gateway)

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
