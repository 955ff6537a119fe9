"""What `edge backlog` asks and does: by the daemon where one forwards, else by itself."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge import __version__
from edge.app.daemon import STORE_FILE, make_clock
from edge.cli.common import daemon_error, socket_path
from edge.config.settings import Settings
from edge.control.client import ask, is_served
from edge.errors import CarryError, ControlError, EdgeError, StoreError
from edge.forward.alone import apply_alone, seal_alone
from edge.forward.carrying import Exported, Label, export_backlog, read_receipt
from edge.forward.pace import Rates, seconds_left
from edge.store.database import look_at_database
from edge.store.outbox import Outbox, Quarantined

_SILENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What has not reached the centre. `rates`: None where no daemon forwards; `seconds_left`: None for no estimate."""

    is_running: bool
    unsent_batches: int
    unsent_readings: int
    waiting_readings: int
    oldest_at: datetime | None
    store_bytes: int
    store_limit_bytes: int
    quarantine: tuple[Quarantined, ...]
    rates: Rates | None
    seconds_left: float | None

    @property
    def rejected(self) -> list[Quarantined]:
        """What the centre rejected; what moved to another epoch since is not among them."""
        return [one for one in self.quarantine if not one.is_moved]

    def document(self) -> dict[str, Any]:
        """Return it as `--json` shows it."""
        rates = self.rates
        pace = rates and {"span_s": round(rates.seconds), "released": rates.released, "sealed": rates.sealed}
        left = self.seconds_left
        return {
            "running": self.is_running,
            "unsent_batches": self.unsent_batches,
            "unsent_readings": self.unsent_readings,
            "waiting_readings": self.waiting_readings,
            "oldest": self.oldest_at.isoformat(timespec="seconds") if self.oldest_at else None,
            "store_bytes": self.store_bytes,
            "store_limit_bytes": self.store_limit_bytes,
            "estimate_s": None if left is None else round(left),
            "pace": pace,
            "quarantine": [{"epoch": one.epoch.hex(), "seq": one.seq, "reason": one.reason} for one in self.rejected],
            "moved_batches": len(self.quarantine) - len(self.rejected),
        }


class BacklogStore:
    """The backlog of the gateway that these settings describe. File names in them are relative to `folder`."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.gateway = settings.gateway.id
        self._settings = settings
        self._folder = folder
        self._clock = make_clock(settings)
        self._path = settings.state_dir / STORE_FILE
        self._socket = socket_path(settings.state_dir, "forward")
        if not self._path.exists():
            if is_served(self._socket):
                raise StoreError("E-STO-123", path=self._path)
            raise CarryError("E-CAR-106", path=self._path)

    def look(self) -> Backlog:
        """Return how things stand."""
        status = self._ask({"job": "status"}) if is_served(self._socket) else None
        with self._outbox() as outbox:
            counts, quarantine = outbox.counts(), tuple(outbox.quarantine())
        rates = Rates(**status["pace"]) if status and "pace" in status else None
        batches = counts.unsent + math.ceil(counts.waiting / self._settings.batch.max_readings)
        return Backlog(
            is_running=status is not None,
            unsent_batches=counts.unsent,
            unsent_readings=counts.unsent_readings,
            waiting_readings=counts.waiting,
            oldest_at=counts.oldest_unsent_at,
            store_bytes=counts.size_bytes,
            store_limit_bytes=self._settings.store.max_mib << 20,
            quarantine=quarantine,
            rates=rates,
            seconds_left=seconds_left(batches, rates) if rates else None,
        )

    def export(self, stick: Path) -> tuple[Exported, list[EdgeError]]:
        """Seal what waits, write all that no receipt covers to a stick; return what lies there, and what does not."""
        birth, trouble = self._seal()
        with self._outbox() as outbox:
            left = outbox.waiting().readings
            label = Label(
                gateway=self.gateway,
                tenant=self._settings.gateway.tenant,
                version=__version__,
                made_at=self._clock.utc_now(),
                left=left,
            )
            exported = export_backlog(outbox, stick, label, birth)
        return exported, list(_troubles(left, birth, trouble))

    def import_receipt(self, stick: Path) -> dict[str, Any]:
        """Apply the receipt that a stick brought; return what it did, in batches. Raises what it is refused for."""
        data = read_receipt(stick, self.gateway)
        if is_served(self._socket):
            return self._ask({"job": "receipt", "receipt": data.hex()})
        done = apply_alone(data, self._settings, self._folder, self._path, self._clock)
        new_epoch = done.new_epoch.hex() if done.new_epoch else None
        return {"stored": done.stored, "rejected": done.rejected, "fallen": done.fallen, "new_epoch": new_epoch}

    def _seal(self) -> tuple[bytes | None, EdgeError | None]:
        if not is_served(self._socket):
            alone = seal_alone(self._settings, self._folder, self._path, self._clock, __version__)
            return alone.birth, alone.trouble
        birth = bytes.fromhex(self._ask({"job": "seal"})["birth"])
        conditions = self._ask({"job": "status"})["health"]["conditions"]
        for claim in ("sealing_works", "clock_trusted"):
            condition = conditions.get(claim, {})
            if condition.get("answer") == "no":
                return birth, daemon_error(condition)
        return birth, None

    def _ask(self, job: Mapping[str, object]) -> dict[str, Any]:
        """Return the result of a job of the daemon. Raises its error as our own."""
        for document in ask(self._socket, job, silence_s=_SILENCE_S):
            if "error" in document:
                raise daemon_error(document["error"])
            if isinstance(result := document.get("result"), dict):
                return result
        raise ControlError("E-CTL-111", path=self._socket, detail="no result")

    @contextmanager
    def _outbox(self) -> Iterator[Outbox]:
        with look_at_database(self._path, max_mib=self._settings.store.max_mib) as database:
            yield Outbox(database, self._clock)


def _troubles(left: int, birth: bytes | None, trouble: EdgeError | None) -> Iterator[EdgeError]:
    if birth is None:
        yield CarryError("E-CAR-402", detail=str(trouble))
    if left:
        yield CarryError("E-CAR-401", count=left, detail=str(trouble) if trouble else "they came meanwhile")
