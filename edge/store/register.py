"""The register: which meters are there, and what was learned about each. The only file that knows TinyDB.

One writer: the poller, or a command while no daemon runs; `RegisterLock` sees to it. Every change is one write of
the whole small file, all or nothing. It never holds readings, numbers of batches, or anything that must change
together with a batch.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tinydb import TinyDB

from edge.errors import StoreError, UsageError
from edge.store.locks import open_lock_file
from edge.store.meter import Meter, check_address, meter_document, meter_of
from edge.store.register_change import RegisterChange
from edge.store.safe_storage import SafeStorage, code_of

REGISTER_FILE = "register.json"
LOCK_FILE = "register.lock"
SCHEMA = 1
_METERS = "meters"
_ABOUT = "about"


class MeterRegister:
    """The meters by address, in the order in which they were added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = TinyDB(path, storage=SafeStorage)

    def is_there(self) -> bool:
        """Return False if neither the register nor its backup copy is on the disk."""
        return self.path.exists() or self.path.with_name(f"{self.path.name}.bak").exists()

    def version(self) -> tuple[int, int, int]:
        """Return a value that changes when the register was written, by whomever: ask often, load when it differs."""
        try:
            state = self.path.stat()
        except OSError:
            return (0, 0, 0)
        return (state.st_ino, state.st_mtime_ns, state.st_size)

    def recovered(self) -> str | None:
        """Return what was wrong with the file if the last reading took the backup; None if all was well."""
        storage = self._db.storage
        return storage.recovered if isinstance(storage, SafeStorage) else None

    def meters(self) -> tuple[Meter, ...]:
        """Return all meters. Raises StoreError if the register cannot be read or is of a newer version."""
        return tuple(self._load().values())

    def get(self, address: str) -> Meter | None:
        """Return a meter, or None if it is not in the register."""
        return self._load().get(address)

    def add(self, meter: Meter) -> None:
        """Add a meter. Durable on return. Raises UsageError if its address is there already."""
        self.apply(RegisterChange(add=(meter,)))

    def remove(self, address: str) -> Meter:
        """Remove a meter and return it. Durable on return. Raises UsageError if it is not there."""
        check_address(address)
        meter = self.get(address)
        self.apply(RegisterChange(remove=(address,)))
        if meter is None:
            raise UsageError("E-STO-205", address=address)
        return meter

    def learn(self, address: str, **facts: Any) -> Meter:
        """Remember facts about a meter and return it; None forgets a fact. Writes only if something is new."""
        meter = self.get(address)
        if meter is None:
            raise UsageError("E-STO-205", address=address)
        learned = {name: fact for name, fact in {**meter.learned, **facts}.items() if fact is not None}
        if learned == dict(meter.learned):
            return meter
        wiser = replace(meter, learned=MappingProxyType(learned))
        self.apply(RegisterChange(replace=(wiser,)))
        return wiser

    def learn_all(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        """Put facts in the place of what was known of several meters, in one write; meters not there are left out.

        Durable on return. Writes only if something is new. Raises StoreError.
        """
        meters = self._load()
        wiser = tuple(
            replace(meters[address], learned=MappingProxyType(dict(known)))
            for address, known in facts.items()
            if address in meters and dict(meters[address].learned) != dict(known)
        )
        if wiser:
            self.apply(RegisterChange(replace=wiser))

    def apply(self, change: RegisterChange) -> None:
        """Do a change, all of it or nothing, in one write. Durable on return. Raises UsageError, StoreError."""
        meters = self._load()
        for address in change.remove:
            if meters.pop(address, None) is None:
                raise UsageError("E-STO-205", address=address)
        for meter in change.replace:
            if meter.address not in meters:
                raise UsageError("E-STO-205", address=meter.address)
            meters[meter.address] = meter
        for meter in change.add:
            if meter.address in meters:
                raise UsageError("E-STO-204", address=meter.address)
            meters[meter.address] = meter
        self._save(meters.values())

    def close(self) -> None:
        """Close the register; nothing waits to be written."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> dict[str, Meter]:
        try:
            self._refuse_newer()
            return {document["address"]: meter_of(document) for document in self._db.table(_METERS).all()}
        except (UsageError, KeyError, ValueError, TypeError, AttributeError) as exc:
            raise StoreError("E-STO-206", path=self.path, detail=str(exc)) from exc

    def _refuse_newer(self) -> None:
        about = self._db.table(_ABOUT).all()
        version = about[0]["schema"] if about else SCHEMA
        if version > SCHEMA:
            raise StoreError("E-STO-208", path=self.path, version=version, known=SCHEMA)

    def _save(self, meters: Iterable[Meter]) -> None:
        """Write all tables at once: TinyDB's own changes are a write each, and a cut between two would show."""
        rows: Mapping[str, Any] = {str(number): meter_document(meter) for number, meter in enumerate(meters, 1)}
        self._db.storage.write({_ABOUT: {"1": {"schema": SCHEMA}}, _METERS: dict(rows)})
        self._db.clear_cache()


class RegisterLock:
    """The right to write the register of a state directory, held by one process at a time.

    Entering raises StoreError, at once, if somebody else holds it, with what is known of them. The kernel lets go
    when the holder dies.
    """

    def __init__(self, state_dir: Path, holder: str = "edge") -> None:
        self._path = state_dir / LOCK_FILE
        self._holder = holder
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            descriptor = open_lock_file(self._path)
        except OSError as exc:
            raise StoreError(code_of(exc), path=self._path, detail=str(exc)) from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(OSError):  # the lock is what counts: on a full disk it has no name
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{self._holder}, process {os.getpid()}".encode(), 0)
        except BlockingIOError as exc:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace") or "another process"
            os.close(descriptor)
            raise StoreError("E-STO-207", holder=holder) from exc
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def apply_change(register: MeterRegister, change: RegisterChange) -> None:
    """Do a change to a register; see `MeterRegister.apply`."""
    register.apply(change)
