"""Signing and verifying: the two contracts, and Ed25519 (RFC 8032) for both.

ES256 and SM2 have their place beside it: a signer knows its COSE algorithm number and the id of its key, nothing more.
A key's id (kid) is the first 8 bytes of the SHA-256 of the raw public key; its fingerprint is the whole SHA-256.
"""

from hashlib import sha256
from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.errors import MessageError

ALG_EDDSA = -8  # COSE algorithm "EdDSA", RFC 9053, 2.2
KID_BYTES = 8


class Signer(Protocol):
    """Holds a private key and never gives it away."""

    @property
    def alg(self) -> int:
        """The COSE number of the algorithm."""

    @property
    def kid(self) -> bytes:
        """The id of the key."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature over exactly these bytes."""

    def verifier(self) -> "Verifier":
        """Return the public side."""


class Verifier(Protocol):
    """Holds a public key."""

    @property
    def alg(self) -> int:
        """The COSE number of the algorithm."""

    @property
    def kid(self) -> bytes:
        """The id of the key."""

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return if the signature holds. Raises MessageError E-MSG-206 if it does not."""


def fingerprint_of(public: bytes) -> str:
    """Return the SHA-256 of a raw public key, as 64 hex digits; its first 16 are the kid."""
    return sha256(public).hexdigest()


def kid_of(public: bytes) -> bytes:
    """Return the id of a raw public key."""
    return sha256(public).digest()[:KID_BYTES]


class Ed25519Signer:
    """Signs with an Ed25519 key, given as its 32 secret bytes. Cannot be printed, copied into a pickle, or exported."""

    __slots__ = ("_key", "kid", "public")

    alg = ALG_EDDSA

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()
        self.kid = kid_of(self.public)

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of the signature; the same for the same data."""
        return self._key.sign(data)

    def verifier(self) -> "Ed25519Verifier":
        """Return the public side."""
        return Ed25519Verifier(self.public)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer stays in its process")

    def __repr__(self) -> str:
        return f"Ed25519Signer(kid={self.kid.hex()})"


class Ed25519Verifier:
    """Verifies with an Ed25519 key, given as its 32 public bytes."""

    __slots__ = ("_key", "kid", "public")

    alg = ALG_EDDSA

    def __init__(self, public: bytes) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(public)
        self.public = public
        self.kid = kid_of(public)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return if the signature holds. Raises MessageError E-MSG-206 if it does not."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature as exc:
            raise MessageError("E-MSG-206", kid=self.kid.hex()) from exc

    def __repr__(self) -> str:
        return f"Ed25519Verifier(kid={self.kid.hex()})"
