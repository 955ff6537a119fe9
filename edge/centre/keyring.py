"""The public keys of the gateways: `gateways/ID.pub`, one PEM file each, put there by `edge centre enrol`.

A file is read when its gateway is first heard, and again when it has changed: enrolling needs no restart.
"""

import re
from pathlib import Path
from typing import Protocol

from edge.errors import EdgeError
from edge.identity.keys import load_verifier
from edge.messages.signing import Verifier

NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Keyring(Protocol):
    """Which key is trusted for which gateway."""

    def verifier_of(self, gateway: str, kid: bytes) -> Verifier | None:
        """Return the key with this id, if it is trusted for this gateway."""

    def knows(self, gateway: str) -> bool:
        """Return True if the gateway is enrolled."""


class FolderKeyring:
    """A folder of public keys. A file that cannot be read counts as none; enrolling checks it first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int, int], Verifier | None]] = {}

    def verifier_of(self, gateway: str, kid: bytes) -> Verifier | None:
        """Return the key with this id, if it is trusted for this gateway."""
        verifier = self._load(gateway)
        return verifier if verifier is not None and verifier.kid == kid else None

    def knows(self, gateway: str) -> bool:
        """Return True if the gateway is enrolled."""
        return self._load(gateway) is not None

    def names(self) -> list[str]:
        """Return the enrolled gateways by name."""
        return sorted(path.stem for path in self._folder.glob("*.pub") if self.knows(path.stem))

    def path_of(self, gateway: str) -> Path:
        """Return where the key of a gateway is. The name was checked by then: it is part of a path."""
        return self._folder / f"{gateway}.pub"

    def _load(self, gateway: str) -> Verifier | None:
        if not NAME.fullmatch(gateway):
            return None
        try:
            found = self.path_of(gateway).stat()
        except OSError:
            self._read.pop(gateway, None)
            return None
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._read.get(gateway, (None, None))[0] != mark:
            self._read[gateway] = (mark, _verifier_in(self.path_of(gateway)))
        return self._read[gateway][1]


def _verifier_in(path: Path) -> Verifier | None:
    try:
        return load_verifier(path)
    except EdgeError:
        return None
