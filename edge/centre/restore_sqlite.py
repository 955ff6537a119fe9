"""The place of a ledger that is a file: looked at without changing it, and exchanged in one rename.

Order: copy beside, check, sync; close the old file to everybody and link it to a name that tells when; rename the copy
over it; sync the folder. A cut leaves the old ledger or the new one, each whole, and never none.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import apsw

from edge.centre.disk import sync_path
from edge.centre.ledger_schema import VERSION
from edge.centre.ledger_sqlite import COPY, SqliteLedger
from edge.centre.restore import Standing
from edge.centre.sqlite_file import lock_beside
from edge.errors import StoreError, translating

_HEADER = b"SQLite format 3\0"
_BESIDE = ("-wal", "-shm")


class FilePlace:
    """A file's place. `at` names what is replaced."""

    copy, layout = COPY, VERSION

    def __init__(self, path: Path, at: datetime) -> None:
        self._path = path
        self._at = at
        self._lock: int | None = None
        self._is_sound = False

    def __str__(self) -> str:
        return str(self._path)

    def __enter__(self) -> Self:
        """Be alone there. Raises StoreError E-CEN-305 if a centre runs."""
        self._lock = lock_beside(self._path)
        if self._lock is None:
            raise StoreError("E-CEN-305", path=self._path)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def look(self, policy: str) -> Standing:
        """Return what is there; a file that cannot be read is there too, and what it knew is not known."""
        if not self._path.exists() or self._path.stat().st_size == 0:
            return Standing()
        if not _begins_as_sqlite(self._path):  # opened, it would lose its journal
            return Standing(words="a file that is no database")
        try:
            with _opened(self._path) as db:
                version = _version(db)
                if not 1 <= version <= VERSION:
                    return Standing(words=f"a database of layout {version}, which this program does not read")
                durable = "durable" if version > 1 else "0"
                epochs: list[Any] = db.execute(f"SELECT gateway, epoch, stored, {durable} FROM epoch").fetchall()  # noqa: S608 - ours
                meters = db.execute("SELECT count(*) FROM meter").fetchall()[0][0]
        except apsw.Error as exc:
            return Standing(words=f"a file that cannot be read ({exc})")
        self._is_sound = True
        marks = {(name, epoch): stored if policy == "commit" else mark for name, epoch, stored, mark in epochs}
        gateways = len({name for name, *_ in epochs})
        words = f"{gateways} gateways, {meters} meters on the list" if gateways or meters else ""
        return Standing(words=words, marks=marks)

    def put(self, copy: Path) -> Path | None:
        """Put a copy there, all of it or nothing; return where the replaced file is.

        Durable. Raises StoreError E-CEN-318, and then what was there is there.
        """
        part = self._path.with_name(self._path.name + ".part")
        with translating({OSError: StoreError, apsw.Error: StoreError}, "E-CEN-318", path=copy.parent):
            try:
                shutil.copyfile(copy, part)
                part.chmod(0o600)
                _demand_sound(part, copy)
                sync_path(part)
                kept = self._set_aside()
                part.replace(self._path)
                sync_path(self._path.parent)
            finally:
                for path in (part, *(part.with_name(part.name + end) for end in _BESIDE)):
                    path.unlink(missing_ok=True)
        return kept

    def open(self) -> SqliteLedger:
        """Open what was put there."""
        return SqliteLedger(self._path, must_exist=True)

    def _set_aside(self) -> Path | None:
        """Give what is there a second name; it goes on under the first one until the copy takes that."""
        if not self._path.exists():
            return None
        if self._is_sound:
            with _opened(self._path) as db:  # all into one file; it fails if anybody else has it open
                db.execute("PRAGMA journal_mode = DELETE")
        kept = self._path.with_name(f"{self._path.name}.before-{self._at.astimezone(UTC):%Y%m%dT%H%M%SZ}")
        for end in _BESIDE:
            beside = self._path.with_name(self._path.name + end)
            if beside.exists():
                beside.replace(kept.with_name(kept.name + end))
        os.link(self._path, kept)
        return kept


def _begins_as_sqlite(path: Path) -> bool:
    with translating({OSError: StoreError}, "E-CEN-301", path=path), path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


@contextmanager
def _opened(path: Path) -> Iterator[apsw.Connection]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        yield db
    finally:
        db.close()


def _version(db: apsw.Connection) -> int:
    return int(str(db.execute("PRAGMA user_version").fetchall()[0][0]))


def _demand_sound(part: Path, copy: Path) -> None:
    with _opened(part) as db:
        found = _version(db)
        if found > VERSION:
            raise StoreError("E-CEN-304", path=copy, found=found, known=VERSION)
        said = db.execute("PRAGMA integrity_check(1)").fetchall()[0][0]
        if found == 0 or said != "ok":
            raise StoreError("E-CEN-318", path=copy.parent, detail=said if found else "the copy holds no ledger")
