"""What no receipt covers, onto a stick: for sites that no network reaches.

Rules, in order:
1. The envelopes that the broker would get, to the byte, and the birth. A plan travels inside its batch: as long as no
   receipt covers that, it is among them.
2. Nothing is marked as sent. Only a receipt releases a batch, whichever way either of them came.
3. Room is asked for before anything is changed. The old manifest goes first, the new one comes last: a stick without
   one was not finished. What is there already, to the byte, stays; so an export that was interrupted goes on.
4. What a receipt has covered since the last export is removed, and so is anything left half written. Nothing else on
   the stick is touched, and the centre's receipt stays.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.carry import folder as files
from edge.carry.layout import (
    BIRTH_NAME,
    MANIFEST_NAME,
    MOST_FILES,
    RECEIPT_NAME,
    Carried,
    Manifest,
    encode_manifest,
    envelope_name,
    is_envelope_name,
)
from edge.errors import CarryError
from edge.messages.cose import MAX_MESSAGE
from edge.messages.receipt import MAX_RECEIPT
from edge.store.outbox import Outbox
from edge.store.sealed import Sealed

_PAGE = 32
_ENTRY_BYTES = 192  # what a file costs in the manifest and in its folder, generously


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What the manifest says beside the files. `left`: readings that wait and could not be sealed."""

    gateway: str
    tenant: str
    version: str
    made_at: datetime
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What lies on the stick now, in batches. `kept`: they were there already. `beyond`: did not fit the layout."""

    folder: Path
    batches: int
    kept: int
    removed: int
    size_bytes: int
    beyond: int
    has_birth: bool


def export_backlog(outbox: Outbox, stick: Path, label: Label, birth: bytes | None) -> Exported:
    """Write every batch that no receipt covers to a stick, and return what lies there.

    Durable: on the stick on return. Raises CarryError: E-CAR-104 no room, with nothing changed; E-CAR-102 it became
    full, E-CAR-101 it fails, with whole files only and no manifest; E-CAR-105 the place is another gateway's.
    """
    folder = files.folder_of(stick, label.gateway)
    wanted = [_carried(sealed) for sealed in _unstored(outbox)]
    beyond, wanted = len(wanted[MOST_FILES:]), wanted[:MOST_FILES]
    here = _files_in(folder)
    kept = {one.name for one in wanted if one.name in here and _is_whole(folder, one)}
    stale = [name for name in here if is_envelope_name(name) and name not in {one.name for one in wanted}]
    _demand_room(stick, folder, [one.size for one in wanted if one.name not in kept], stale)
    _clear(folder, stale)
    written = set(_write_new(outbox, folder, {one.name for one in wanted} - kept))
    if birth is not None:
        files.write_file(folder / BIRTH_NAME, birth)
    listed = tuple(one for one in wanted if one.name in kept | written)
    _finish(stick, folder, _manifest(label, listed))
    return Exported(
        folder=folder,
        batches=len(listed),
        kept=len(kept),
        removed=len(stale),
        size_bytes=sum(one.size for one in listed),
        beyond=beyond,
        has_birth=birth is not None,
    )


def read_receipt(stick: Path, gateway: str) -> bytes:
    """Return the receipt that the centre wrote for this gateway.

    Raises CarryError: E-CAR-108 the stick is another gateway's, E-CAR-107 there is none, or what reading it brings.
    """
    folder = files.folder_of(stick, gateway)
    if not files.is_own_folder(folder):
        others = ", ".join(name for name, _ in files.find_folders(stick)) or "-"
        raise CarryError("E-CAR-108", path=stick, found=others[:200], wanted=gateway)
    path = folder / RECEIPT_NAME
    if RECEIPT_NAME not in files.list_files(folder):
        raise CarryError("E-CAR-107", path=path, gateway=gateway)
    return files.read_file(path, MAX_RECEIPT)


def _unstored(outbox: Outbox) -> Iterator[Sealed]:
    """Yield what no receipt covers, page by page: the store is asked shortly, and memory stays bounded."""
    after: tuple[bytes, int] | None = None
    while page := outbox.unstored(after, _PAGE):
        yield from page
        after = (page[-1].epoch, page[-1].seq)


def _carried(sealed: Sealed) -> Carried:
    """Return what the manifest says of a batch: of its bytes, which may be those of a replacement."""
    name, sha256 = envelope_name(sealed.epoch, sealed.seq), hashlib.sha256(sealed.envelope)
    return Carried(name, len(sealed.envelope), sha256.hexdigest())


def _files_in(folder: Path) -> set[str]:
    return set(files.list_files(folder)) if files.is_own_folder(folder) else set()


def _is_whole(folder: Path, one: Carried) -> bool:
    try:
        content = files.read_file(folder / one.name, MAX_MESSAGE)
    except CarryError:
        return False
    return (len(content), hashlib.sha256(content).hexdigest()) == (one.size, one.sha256)


def _demand_room(stick: Path, folder: Path, sizes: Iterable[int], stale: Iterable[str]) -> None:
    """Raise CarryError E-CAR-104 if what is to be written finds no room; what will be removed counts as free."""
    block = files.block_bytes(stick)
    blocks = [-(-(size or 1) // block) for size in sizes]
    needed = (sum(blocks) + 8) * block + _ENTRY_BYTES * len(blocks)
    free = files.free_bytes(stick)
    freed = sum(-(-(folder / name).lstat().st_size // block) * block for name in stale)
    if needed > free + freed:
        raise CarryError("E-CAR-104", path=stick, free=free, needed=needed)


def _clear(folder: Path, stale: Iterable[str]) -> None:
    for name in (MANIFEST_NAME, BIRTH_NAME, *stale):
        files.remove_file(folder / name)
    files.remove_aside(folder)


def _write_new(outbox: Outbox, folder: Path, names: set[str]) -> Iterator[str]:
    """Write what is still unsent of these and yield its name: meanwhile a receipt may have released some."""
    for sealed in _unstored(outbox):
        name = envelope_name(sealed.epoch, sealed.seq)
        if name in names:
            files.write_file(folder / name, sealed.envelope)
            yield name


def _finish(stick: Path, folder: Path, manifest: Manifest) -> None:
    inner = {(folder / one.name).parent for one in manifest.files}
    for place in sorted(inner):
        files.sync_folder(place)
    files.write_file(folder / MANIFEST_NAME, encode_manifest(manifest))
    files.sync_folder(folder)
    files.sync_folder(stick)


def _manifest(label: Label, listed: tuple[Carried, ...]) -> Manifest:
    return Manifest(
        gateway=label.gateway,
        tenant=label.tenant,
        version=label.version,
        made_at=label.made_at,
        left=label.left,
        files=listed,
    )
