"""What lies on a stick that carries batches from a gateway to the centre: names, and the manifest. Pure.

A stick holds one folder for each gateway, `edge-GATEWAY`. In it, in the order in which they are written:

    EPOCH/00000001.cos   one sealed envelope, to the byte; EPOCH is 16 hex digits, the name is the batch's number
    birth.cos            the gateway's signed birth
    manifest.json         what was written, with size and SHA-256 of each file; its absence says: not finished
    receipt.cos          the centre's signed receipt, for the way back

Names are of lower case and those of batches short, so that each takes one entry of a FAT folder, and nothing depends
on case. The manifest is not signed: it finds what the stick has lost or changed; who may be believed, the envelopes
say.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.errors import CarryError

MANIFEST_NAME = "manifest.json"
BIRTH_NAME = "birth.cos"
RECEIPT_NAME = "receipt.cos"
ASIDE = ".new"
SUFFIX = ".cos"
MOST_FILES = 50_000  # a FAT folder has 65 534 entries
MOST_MANIFEST_BYTES = 16 << 20
SCHEMA = 1

_PREFIX = "edge-"
_FOLDER = re.compile(r"edge-([A-Za-z0-9_-]{1,32})")
_ENVELOPE = re.compile(r"[0-9a-f]{16}/[0-9]{8,19}\.cos")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_TEXT = 64
_MOST_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Carried:
    """One envelope on a stick: its path in the gateway's folder, its size in bytes, its hash in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a gateway wrote. `left`: readings that waited and could not be sealed, so are not on the stick."""

    gateway: str
    tenant: str
    version: str
    made_at: datetime
    left: int
    files: tuple[Carried, ...]


def folder_name(gateway: str) -> str:
    """Return the name of a gateway's folder."""
    return f"{_PREFIX}{gateway}"


def gateway_of(name: str) -> str | None:
    """Return the gateway whose folder has this name; None if it is no such folder."""
    found = _FOLDER.fullmatch(name)
    return found[1] if found else None


def envelope_name(epoch: bytes, seq: int) -> str:
    """Return the path of a batch in its gateway's folder."""
    return f"{epoch.hex()}/{seq:08d}{SUFFIX}"


def is_envelope_name(name: str) -> bool:
    """Return True for a path that `envelope_name` could have made."""
    return _ENVELOPE.fullmatch(name) is not None


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the file's bytes: JSON that a person can read, with the checksum of its data."""
    data = {
        "schema": SCHEMA,
        "gateway": manifest.gateway,
        "tenant": manifest.tenant,
        "version": manifest.version,
        "made_at": manifest.made_at.isoformat(timespec="seconds"),
        "left": manifest.left,
        "files": [[one.name, one.size, one.sha256] for one in manifest.files],
    }
    return json.dumps({"sha256": _checksum(data), "data": data}, indent=1).encode("ascii") + b"\n"


def decode_manifest(content: bytes) -> Manifest:
    """Return the manifest of a file's bytes. Raises CarryError E-CAR-208 for anything that is none, and nothing else.

    Order of checks: size, JSON, its checksum, the layout's number, then each field.
    """
    if len(content) > MOST_MANIFEST_BYTES:
        raise _bad("too long")
    try:
        document = json.loads(content)
        data = document["data"]
        if document["sha256"] != _checksum(data):
            raise _bad("its checksum does not hold")
        return _manifest_of(data)
    except (ValueError, TypeError, LookupError, RecursionError, AttributeError, OverflowError) as exc:
        raise _bad(f"{type(exc).__name__}: {exc}"[:200]) from exc


def _manifest_of(data: Mapping[str, Any]) -> Manifest:
    if data["schema"] != SCHEMA:
        raise _bad(f"layout {data['schema']!r:.20}, known is {SCHEMA}")
    made_at = datetime.fromisoformat(data["made_at"])
    files = tuple(_carried_of(*row) for row in data["files"])
    if made_at.tzinfo is None or len(files) > MOST_FILES or len({one.name for one in files}) != len(files):
        raise _bad("a time without a zone, too many files, or one twice")
    return Manifest(
        gateway=_text(data["gateway"]),
        tenant=_text(data["tenant"]),
        version=_text(data["version"]),
        made_at=made_at,
        left=_count(data["left"], 1 << 40),
        files=files,
    )


def _carried_of(name: str, size: int, sha256: str) -> Carried:
    if not is_envelope_name(name) or not _SHA256.fullmatch(sha256):
        raise _bad(f"a file that no gateway writes: {name!r:.60}")
    return Carried(name, _count(size, _MOST_BYTES), sha256)


def _text(value: object) -> str:
    if type(value) is not str or len(value) > _MOST_TEXT:
        raise _bad("a field that is no short text")
    return value


def _count(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise _bad("a number that cannot be")
    return value


def _bad(detail: str) -> CarryError:
    return CarryError("E-CAR-208", detail=detail)


def _checksum(data: object) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
