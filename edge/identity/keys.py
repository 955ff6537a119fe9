"""Key files: made once, on the machine that uses them; private keys readable by their owner alone.

Private: PEM, PKCS 8, not encrypted, mode 0600. Public: PEM, SubjectPublicKeyInfo. Nothing here prints or returns the
bytes of a private key; a signer is all that leaves.
"""

import os
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from edge.errors import IdentityError
from edge.identity.files import rights_of_others
from edge.messages.signing import Ed25519Signer, Ed25519Verifier

MAX_FILE = 16 * 1024
PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644
_PRIVATE_MARK = b"PRIVATE KEY-----"


def make_key(path: Path) -> Ed25519Signer:
    """Make a new key file and return its signer.

    Durable. Written aside and linked into place: the path never holds half a key, and a key that is there already is
    not overwritten. Raises IdentityError: E-KEY-101 it is there, E-KEY-106 it cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        aside = _write_aside(path, pem, PRIVATE_MODE)
        try:
            os.link(aside, path)  # unlike a rename, fails if the path is there
        finally:
            aside.unlink()
        _sync_folder(path.parent)
    except FileExistsError as exc:
        raise IdentityError("E-KEY-101", path=path) from exc
    except OSError as exc:
        raise IdentityError("E-KEY-106", path=path, detail=exc.strerror or str(exc)) from exc
    return Ed25519Signer(key.private_bytes_raw())


def load_signer(path: Path) -> Ed25519Signer:
    """Return the signer of a private key file.

    Raises IdentityError: E-KEY-102 cannot be read, E-KEY-104 no plain file, E-KEY-107 belongs to another user (root's
    is taken: a service's credentials are), E-KEY-103 readable by others, E-KEY-105 no such key. A symbolic link is
    followed; what counts is the file at its end.
    """
    try:
        pem = _read_private(path)
    except OSError as exc:
        raise IdentityError("E-KEY-102", path=path, detail=exc.strerror or str(exc)) from exc
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise IdentityError("E-KEY-105", path=path) from None  # the cause might quote the file
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError("E-KEY-105", path=path)
    return Ed25519Signer(key.private_bytes_raw())


def public_pem(public: bytes) -> str:
    """Return a raw public key as PEM."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def save_public(path: Path, signer: Ed25519Signer) -> None:
    """Write the public key of a signer; what was there is replaced. Durable. Raises IdentityError E-KEY-106."""
    try:
        _write_aside(path, public_pem(signer.public).encode("ascii"), PUBLIC_MODE).replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        raise IdentityError("E-KEY-106", path=path, detail=exc.strerror or str(exc)) from exc


def load_verifier(path: Path) -> Ed25519Verifier:
    """Return the verifier of a public key file.

    Raises IdentityError: E-KEY-201 cannot be read, E-KEY-203 holds a private key, E-KEY-202 no such key.
    """
    try:
        with path.open("rb") as file:
            pem = file.read(MAX_FILE)
    except OSError as exc:
        raise IdentityError("E-KEY-201", path=path, detail=exc.strerror or str(exc)) from exc
    if _PRIVATE_MARK in pem:
        raise IdentityError("E-KEY-203", path=path)
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise IdentityError("E-KEY-202", path=path) from exc
    if not isinstance(key, Ed25519PublicKey):
        raise IdentityError("E-KEY-202", path=path)
    return Ed25519Verifier(key.public_bytes_raw())


def _read_private(path: Path) -> bytes:
    """Return the file's bytes; its kind, owner and mode are asked of the opened file, not of its name."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not block
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise IdentityError("E-KEY-104", path=path)
        if found.st_uid not in (0, os.geteuid()):
            raise IdentityError("E-KEY-107", path=path, owner=found.st_uid)
        if rights_of_others(found):
            raise IdentityError("E-KEY-103", path=path, mode=f"{stat.S_IMODE(found.st_mode):04o}")
        return os.read(handle, MAX_FILE)
    finally:
        os.close(handle)


def _write_aside(path: Path, content: bytes, mode: int) -> Path:
    """Return a new, synced file beside the path. It is made with mode 0600 and under a name that did not exist."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        aside.unlink()
        raise
    return aside


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
