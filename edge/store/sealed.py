"""A sealed batch as it comes back from the store, checked to be what was put there."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.errors import StoreError
from edge.store.instants import from_us

# For tables `outbox` and `envelope`, joined.
SEALED_COLUMNS = "epoch, seq, lane, sha256, replacement, sealed_us, envelope.bytes"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A batch in the outbox, to the byte as it was sealed; or the smaller one that took its place.

    `sha256` is what the next envelope names: the hash of the batch as it was sealed first.
    """

    epoch: bytes
    seq: int
    lane: int
    sha256: bytes
    envelope: bytes
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class Sealing:
    """A finished envelope and the epoch and number that stand in it."""

    envelope: bytes
    epoch: bytes
    seq: int


def is_sound(envelope: bytes | None, sha256: bytes, replacement: bytes) -> bool:
    """Return True if these are the bytes that were put there: the original's, or its replacement's."""
    return envelope is not None and hashlib.sha256(envelope).digest() == (replacement or sha256)


def sealed_of(row: tuple[Any, ...], path: Path) -> Sealed:
    """Return the batch of a row of `SEALED_COLUMNS`. Raises StoreError if its bytes are others."""
    _, seq, _, sha256, replacement, _, envelope = row
    if not is_sound(envelope, sha256, replacement):
        raise StoreError("E-STO-105", path=path, detail=f"the bytes of batch {seq} are not those that were sealed")
    return found_of(row, path)


def found_of(row: tuple[Any, ...], _path: Path) -> Sealed:
    """Return the batch of a row of `SEALED_COLUMNS` as it is found, unchecked."""
    epoch, seq, lane, sha256, _, sealed_us, envelope = row
    return Sealed(epoch, seq, lane, sha256, envelope, from_us(sealed_us))
