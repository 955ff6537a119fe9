"""Batches that come on a stick: the same rules as from the broker, and a receipt for the way back.

Rules, in order, for each gateway's folder on the stick:
1. The gateway is enrolled here, and the manifest, if there is one, is of this gateway and this tenant; else the
   folder is not read.
2. The birth first, as a connection begins with it; one that does not hold is told, the batches are taken without it.
3. The files of the manifest, in its order. What is not what was written is told and passed over: the gateway keeps
   it until a receipt covers it. A file under another name is taken by its content.
4. Without a sound manifest every file with a batch's ending is taken: who wrote it, its signature says.
5. Whatever was read goes through `accept.py`, as if the broker had brought it on this gateway's topic.
6. The receipt, from the ledger as it stands then.

No file is changed but the receipt. One bad file never stops the next one.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from edge.carry import folder as files
from edge.carry.layout import (
    BIRTH_NAME,
    MANIFEST_NAME,
    MOST_FILES,
    MOST_MANIFEST_BYTES,
    RECEIPT_NAME,
    SUFFIX,
    Carried,
    Manifest,
    decode_manifest,
)
from edge.centre.accept import Fate, Taken, Uplink, accept, accept_birth
from edge.centre.keyring import Keyring
from edge.centre.ledger import Ledger
from edge.centre.receipts import ReceiptDesk
from edge.clock import Clock
from edge.errors import CarryError, ControlError, EdgeError, MessageError
from edge.messages.birth import MAX_BIRTH, Birth, open_birth
from edge.messages.cose import MAX_MESSAGE

_PER_TRANSACTION = 32
_ALARMS = {Fate.FORK: "E-CEN-201", Fate.REFUSED: "E-CEN-202", Fate.REJECTED: "E-CEN-203"}
_OWN = {MANIFEST_NAME, BIRTH_NAME, RECEIPT_NAME}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a file, or with the folder as a whole, by its path in the folder."""

    file: str
    error: EdgeError


@dataclass(slots=True)
class Received:
    """What came of one gateway's folder. `fates` in batches; `receipt`: where it was written."""

    gateway: str
    folder: Path
    fates: Counter[Fate] = field(default_factory=Counter)
    readings: int = 0
    left: int = 0
    renamed: list[CarryError] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    receipt: Path | None = None

    def note(self, file: str, taken: Taken) -> None:
        """Count what became of a batch, and say so if it needs somebody."""
        self.fates[taken.fate] += 1
        self.readings += taken.counts.readings
        if taken.fate in _ALARMS:
            values = {"gateway": taken.gateway, "seq": taken.seq, "reason": taken.reason}
            self.troubles.append(Trouble(file, ControlError(_ALARMS[taken.fate], **values)))


class Reception:
    """Takes sticks in for one centre. `desk` writes the receipts; each reception is a run of its own."""

    def __init__(self, ledger: Ledger, keys: Keyring, desk: ReceiptDesk, clock: Clock, tenant: str) -> None:
        self._ledger = ledger
        self._keys = keys
        self._desk = desk
        self._clock = clock
        self._tenant = tenant

    def receive(self, stick: Path) -> list[Received]:
        """Take in each gateway's folder of a stick and return what came of them.

        Durable: on return all that was accepted is in the ledger, the receipts are on the stick. Raises CarryError:
        E-CAR-103 no such folder, E-CAR-303 nothing of any gateway; StoreError if the ledger does not obey.
        """
        found = files.find_folders(stick)
        if not found:
            raise CarryError("E-CAR-303", path=stick)
        return [self._receive(Received(gateway, folder)) for gateway, folder in found]

    def _receive(self, one: Received) -> Received:
        if not self._keys.knows(one.gateway):
            return _refused(one, CarryError("E-CAR-301", gateway=one.gateway, path=one.folder))
        manifest = _manifest_in(one)
        if manifest is not None and manifest.gateway != one.gateway:
            values = {"path": one.folder, "found": manifest.gateway, "wanted": one.gateway}
            return _refused(one, CarryError("E-CAR-105", **values))
        if manifest is not None and manifest.tenant != self._tenant:
            values = {"path": one.folder, "found": manifest.tenant, "wanted": self._tenant}
            return _refused(one, CarryError("E-CAR-302", **values))
        one.left = manifest.left if manifest is not None else 0
        self._take_birth(one)
        contents = _listed(one, manifest) if manifest is not None else _unlisted(one)
        while page := list(islice(contents, _PER_TRANSACTION)):
            self._take(one, page)
        self._answer(one)
        return one

    def _take_birth(self, one: Received) -> None:
        path = one.folder / BIRTH_NAME
        if not path.exists():
            return  # exported where nobody could sign; the centre knows this gateway, or asks for what is missing
        try:
            birth = self._birth_in(path, one.gateway)
        except (MessageError, CarryError) as exc:
            one.troubles.append(Trouble(BIRTH_NAME, CarryError("E-CAR-209", path=path, detail=exc.fact())))
            return
        accept_birth(self._ledger, birth, self._clock.utc_now())

    def _birth_in(self, path: Path, gateway: str) -> Birth:
        birth = open_birth(files.read_file(path, MAX_BIRTH), self._keys.verifier_of)
        if birth.gateway != gateway:
            raise CarryError("E-CAR-105", path=path, found=birth.gateway, wanted=gateway)
        return birth

    def _take(self, one: Received, page: list[tuple[str, bytes]]) -> None:
        at = self._clock.utc_now()
        uplinks = [Uplink(one.gateway, content, at) for _, content in page]
        for (file, _), taken in zip(page, accept(self._ledger, uplinks, self._keys), strict=True):
            one.note(file, taken)

    def _answer(self, one: Received) -> None:
        path = one.folder / RECEIPT_NAME
        try:
            files.write_file(path, self._desk.write(one.gateway, self._clock.utc_now()))
            files.sync_folder(one.folder)
        except CarryError as exc:
            one.troubles.append(Trouble(RECEIPT_NAME, CarryError("E-CAR-304", path=path, detail=exc.fact())))
            return
        one.receipt = path


def _refused(one: Received, error: CarryError) -> Received:
    one.troubles.append(Trouble("", error))
    return one


def _manifest_in(one: Received) -> Manifest | None:
    """Return the manifest; None, and it is told, if there is no sound one."""
    path = one.folder / MANIFEST_NAME
    try:
        return decode_manifest(files.read_file(path, MOST_MANIFEST_BYTES))
    except CarryError as exc:
        detail = str(exc.values.get("detail", exc.fact()))
        one.troubles.append(Trouble(MANIFEST_NAME, CarryError("E-CAR-208", path=path, detail=detail)))
        return None


def _listed(one: Received, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    """Yield the sound files of the manifest; tell what is damaged, missing, renamed, or nobody's."""
    here = frozenset(files.list_files(one.folder))
    strangers = _strangers(one, here - {listed.name for listed in manifest.files} - _OWN)
    for listed in manifest.files:
        name = listed.name
        if name not in here:
            if listed.sha256 not in strangers:
                one.troubles.append(Trouble(name, CarryError("E-CAR-205", path=name)))
                continue
            name = strangers.pop(listed.sha256)
            one.renamed.append(CarryError("E-CAR-207", path=name, name=listed.name))
        content = _sound(one, listed, name)
        if content is not None:
            yield listed.name, content
    for name in strangers.values():
        one.troubles.append(Trouble(name, CarryError("E-CAR-206", path=name)))


def _strangers(one: Received, names: frozenset[str]) -> dict[str, str]:
    """Return the files that the manifest does not name, by their hash; what cannot be read, or is twice, is told."""
    found: dict[str, str] = {}
    for name in sorted(names):
        content = _read(one, name)
        if content is None:
            continue
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 in found:
            one.troubles.append(Trouble(name, CarryError("E-CAR-206", path=name)))
        else:
            found[sha256] = name
    return found


def _unlisted(one: Received) -> Iterator[tuple[str, bytes]]:
    """Yield every file that may be a batch, by name."""
    names = [name for name in files.list_files(one.folder) if name not in _OWN]
    for name in names[:MOST_FILES]:
        if not name.endswith(SUFFIX):
            one.troubles.append(Trouble(name, CarryError("E-CAR-206", path=name)))
        elif (content := _read(one, name)) is not None:
            yield name, content


def _sound(one: Received, listed: Carried, name: str) -> bytes | None:
    content = _read(one, name)
    if content is None:
        return None
    if len(content) != listed.size:
        detail = f"{len(content)} bytes, {listed.size} were written"
    elif hashlib.sha256(content).hexdigest() != listed.sha256:
        detail = "its SHA-256 is another one"
    else:
        return content
    one.troubles.append(Trouble(name, CarryError("E-CAR-204", path=name, detail=detail)))
    return None


def _read(one: Received, name: str) -> bytes | None:
    """Return a file's bytes; None, and it is told, if it cannot be read."""
    try:
        return files.read_file(one.folder / name, MAX_MESSAGE)
    except CarryError as exc:
        one.troubles.append(Trouble(name, exc))
        return None
