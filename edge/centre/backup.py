"""A backup of the ledger: a whole copy in a folder of its own, and only then the mark that makes it count.

Order: copy, read back which epochs it holds, sync, give the folder its name, sync that, and at last the mark in the
ledger. A cut before the end leaves the mark where it was; the gateways keep what they have.
"""

import json
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge.centre.disk import make_path, sync_path
from edge.centre.ledger import EpochState, Ledger
from edge.centre.rows import instant_text
from edge.errors import StoreError, translating

ABOUT = "backup.json"


def back_up(ledger: Ledger, target: Path, at: datetime) -> Path:
    """Write a backup into a new folder under `target`, named by the instant, and return it.

    Durable: the copy and the mark are, on return. Raises StoreError E-CEN-307, and then no mark was written; E-CEN-319
    if the copy is whole, but whether the mark was written is not known.
    """
    name = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    done, part = target / name, target / f".{name}.part"
    if done.exists():
        raise StoreError("E-CEN-307", path=done, detail="it exists already")
    with translating({OSError: StoreError}, "E-CEN-307", path=done):
        make_path(target)
        part.mkdir(mode=0o700)
        try:
            states = ledger.copy_to(part)
            _write_about(part / ABOUT, at, ledger.layout, states)
            sync_path(part)
            part.rename(done)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        sync_path(target)
    try:
        ledger.mark_durable(states)
    except StoreError as exc:
        raise StoreError("E-CEN-319", path=done, detail=f"[{exc.code}] {exc.fact()}") from exc
    return done


def _write_about(path: Path, at: datetime, layout: int, states: Sequence[EpochState]) -> None:
    """Write what the copy holds, for whoever has to choose one to restore."""
    epochs = [{"gateway": one.gateway, "epoch": one.epoch.hex(), "stored": one.stored} for one in states]
    with path.open("w", encoding="utf-8") as file:
        json.dump({"made_at": instant_text(at), "layout": layout, "epochs": epochs}, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
