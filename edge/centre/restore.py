"""A ledger from a backup: what a backup says of itself, whether it may be restored, and the order of the steps.

A backup may be restored if the ledger in its place is empty or `is_replacing`, and if the backup is not older than what
gateways were told to forget. That mark is known from two places: the ledger that is to be replaced, if it can be read,
and the other backups beside this one, since each of them moved the mark. Where neither is left, nobody here knows; the
gateways will say what is gone (E-FWD-212).

What is restored is a backup itself: what it holds becomes durable, so that `durable` does not fall. The next start of
the centre is a new run, in whose receipts `stored` may fall: the gateways send again what is above.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from edge.centre.backup import ABOUT
from edge.centre.ledger import Ledger
from edge.centre.rows import parse_instant
from edge.errors import StoreError, translating

Numbers = Mapping[tuple[str, bytes], int]  # by (gateway, epoch): the highest of something
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup as its `backup.json` tells it. `layout` is 0 where an older program did not say."""

    folder: Path
    made_at: datetime
    stored: Numbers
    layout: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands in the place of the restored ledger.

    `marks`: up to which number gateways may have forgotten each epoch; None if that cannot be read. `words` say what
    is there, empty if nothing is.
    """

    words: str = ""
    marks: Numbers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did. `kept`: where the replaced file is. `lost`: what gateways have forgotten and it lacks.

    `is_mark_known`: False if nothing here tells what gateways were told to forget.
    """

    backup: Backup
    kept: Path | None
    lost: Sequence[str]
    is_mark_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the operator agreed to: to replace a ledger that is not empty; to lose what gateways have forgotten."""

    is_replacing: bool = False
    is_losing: bool = False


class Place(Protocol):
    """Where a ledger is put back; from `__enter__` to `__exit__` no centre runs there."""

    copy: str  # the name of its kind of copy

    def __enter__(self) -> Self:
        """Be alone there. Raises StoreError E-CEN-305 if a centre runs."""

    def __exit__(self, *_: object) -> None:
        """Let others have it."""

    def look(self, policy: str) -> Standing:
        """Return what is there; `policy` is the centre's, for what gateways may have forgotten."""

    def put(self, copy: Path) -> Path | None:
        """Put a copy there, all of it or nothing; return where the replaced file is, if it is a file.

        Durable. Raises StoreError E-CEN-318, and then what was there is there.
        """

    def open(self) -> Ledger:
        """Open what was put there."""

    @property
    def layout(self) -> int:
        """The newest layout that this program knows."""


def read_backup(folder: Path) -> Backup:
    """Return what a backup says of itself. Raises StoreError E-CEN-314 for what is none."""
    with translating({OSError: StoreError, ValueError: StoreError}, "E-CEN-314", path=folder):
        document = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    try:
        stored = {(str(one["gateway"]), bytes.fromhex(one["epoch"])): int(one["stored"]) for one in document["epochs"]}
        made_at = parse_instant(document["made_at"])
        return Backup(folder=folder, made_at=made_at, stored=stored, layout=int(document.get("layout", 0)))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise StoreError("E-CEN-314", path=folder / ABOUT, detail=f"it does not say {exc}") from exc


def restore(backup: Backup, place: Place, policy: str, consent: Consent) -> Restored:
    """Put a backup into its place and return what was done.

    Durable. Raises StoreError: E-CEN-305 in use, E-CEN-313 not empty, E-CEN-314 no backup that fits, E-CEN-315 older
    than the mark, E-CEN-318 not possible; what was there is there then.
    """
    copy = _copy_in(backup, place)
    with place:
        standing = place.look(policy)
        if standing.words and not consent.is_replacing:
            raise StoreError("E-CEN-313", path=place, detail=standing.words)
        sources = list(_marks(backup, standing, policy))
        lost = [line for words, marks in sources for line in _lacking(backup, marks, words)]
        if lost and not consent.is_losing:
            raise StoreError("E-CEN-315", path=backup.folder, detail=_some(lost))
        kept = place.put(copy)
    with place.open() as ledger:
        _demand_same(backup, ledger)
        ledger.mark_durable([state for name in ledger.gateways() for state in ledger.epochs(name)])
    return Restored(backup=backup, kept=kept, lost=lost, is_mark_known=bool(sources) or policy == "none")


def _copy_in(backup: Backup, place: Place) -> Path:
    copy = backup.folder / place.copy
    if not copy.is_file():
        found = ", ".join(sorted(path.name for path in backup.folder.iterdir() if path.name != ABOUT)) or "-"
        raise StoreError("E-CEN-314", path=backup.folder, detail=f"{place.copy} is wanted, it has {found}")
    if backup.layout > place.layout:
        raise StoreError("E-CEN-304", path=copy, found=backup.layout, known=place.layout)
    return copy


def _marks(backup: Backup, standing: Standing, policy: str) -> Iterator[tuple[str, Numbers]]:
    """Yield what is known of what gateways may have forgotten, each with where it is known from."""
    if policy == "none":
        return
    if standing.words and standing.marks is not None:
        yield "the ledger there", standing.marks
    for path in sorted(backup.folder.resolve().parent.glob(f"*/{ABOUT}")):
        if path.parent == backup.folder.resolve():
            continue
        try:
            other = read_backup(path.parent)
        except StoreError:
            continue
        yield f"backup {path.parent.name}", other.stored


def _lacking(backup: Backup, marks: Numbers, words: str) -> Iterator[str]:
    for (gateway, epoch), mark in sorted(marks.items()):
        has = backup.stored.get((gateway, epoch), 0)
        if mark > has:
            yield f"{gateway} epoch {epoch.hex()}: {mark} by {words}, the backup has {has}"


def _some(lines: Sequence[str]) -> str:
    more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return "; ".join(lines[:_NAMED]) + more


def _demand_same(backup: Backup, ledger: Ledger) -> None:
    """Raise StoreError E-CEN-318 unless the ledger holds what the backup said."""
    for (gateway, epoch), stored in backup.stored.items():
        state = ledger.epoch(gateway, epoch)
        if state is None or state.stored != stored:
            found = "nothing" if state is None else state.stored
            detail = f"{gateway} should be stored up to {stored}, and is up to {found}"
            raise StoreError("E-CEN-318", path=backup.folder, detail=detail)
