"""Key files: made once, for their owner alone, and refused when they are not."""

import base64
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edge.errors import IdentityError
from edge.identity import keys
from edge.identity.keys import load_signer, load_verifier, make_key, save_public


def _put(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_a_new_key_is_for_its_owner_alone_and_stays_the_same(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask; loading gives the key that was made; two folders get two keys."""
    (tmp_path / "other").mkdir()
    old = os.umask(0)
    try:
        signer = make_key(tmp_path / "batch.key")
    finally:
        os.umask(old)
    found = (tmp_path / "batch.key").stat()
    assert (0o600, os.geteuid()) == (stat.S_IMODE(found.st_mode), found.st_uid)
    assert signer.kid == load_signer(tmp_path / "batch.key").kid
    assert signer.kid != make_key(tmp_path / "other" / "batch.key").kid


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """The second attempt is refused, the first key still works, and nothing else is left in the folder."""
    signer = make_key(tmp_path / "batch.key")
    with pytest.raises(IdentityError) as caught:
        make_key(tmp_path / "batch.key")
    assert ("E-KEY-101", signer.kid) == (caught.value.code, load_signer(tmp_path / "batch.key").kid)
    assert ["batch.key"] == os.listdir(tmp_path)  # noqa: PTH208 - names alone


def test_a_dangling_link_is_not_followed_by_a_new_key(tmp_path: Path) -> None:
    """A key is not written to where a link points."""
    (tmp_path / "batch.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IdentityError) as caught:
        make_key(tmp_path / "batch.key")
    assert ("E-KEY-101", False) == (caught.value.code, (tmp_path / "elsewhere").exists())


@pytest.mark.parametrize("broken", ["fsync", "fchmod", "link"])
def test_a_failing_disk_leaves_neither_half_a_key_nor_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Each step that fails gives E-KEY-106; the folder is as it was before."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys.os, broken, fail)
    with pytest.raises(IdentityError) as caught:
        make_key(tmp_path / "batch.key")
    assert ("E-KEY-106", []) == (caught.value.code, list(tmp_path.iterdir()))


def test_a_key_is_synced_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File synced, then linked into place, then the folder synced: a power cut leaves a whole key or none."""
    steps = []
    for name in ("fsync", "link"):
        real = getattr(os, name)
        monkeypatch.setattr(keys.os, name, lambda *args, _name=name, _real=real: (steps.append(_name), _real(*args))[1])
    make_key(tmp_path / "batch.key")
    assert ["fsync", "link", "fsync"] == steps


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601, 0o620])
def test_a_key_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """Any right of group or others: E-KEY-103, which names the mode and the remedy."""
    make_key(tmp_path / "batch.key")
    (tmp_path / "batch.key").chmod(mode)
    with pytest.raises(IdentityError) as caught:
        load_signer(tmp_path / "batch.key")
    assert "E-KEY-103" == caught.value.code
    assert f"0{mode:o}" in caught.value.fact()
    assert "chmod 600" in caught.value.advice()
    assert "chmod 600" in caught.value.advice("zh")


def test_behind_a_link_the_file_counts(tmp_path: Path) -> None:
    """A link to a private file is taken, a link to an open one is refused."""
    make_key(tmp_path / "batch.key")
    (tmp_path / "link").symlink_to(tmp_path / "batch.key")
    assert load_signer(tmp_path / "batch.key").kid == load_signer(tmp_path / "link").kid
    (tmp_path / "batch.key").chmod(0o644)
    with pytest.raises(IdentityError) as caught:
        load_signer(tmp_path / "link")
    assert "E-KEY-103" == caught.value.code


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns the file could exchange it."""
    make_key(tmp_path / "batch.key")
    owner = os.geteuid()
    if owner == 0:
        os.chown(tmp_path / "batch.key", 12345, -1)
    else:
        monkeypatch.setattr(keys.os, "geteuid", lambda: owner + 1)
    with pytest.raises(IdentityError) as caught:
        load_signer(tmp_path / "batch.key")
    assert "E-KEY-107" == caught.value.code


@pytest.mark.parametrize(
    ("code", "content"),
    [
        ("E-KEY-105", b""),
        ("E-KEY-105", b"not a key"),
        ("E-KEY-105", bytes(100_000)),
        ("E-KEY-105", _pem(ec.generate_private_key(ec.SECP256R1()))),
        ("E-KEY-105", _pem(Ed25519PrivateKey.generate(), b"password")),
        ("E-KEY-105", _pem(Ed25519PrivateKey.generate()).replace(b"MC4C", b"MC5C")),
        (
            "E-KEY-105",
            Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        ),
    ],
)
def test_another_file_in_place_of_a_key_is_refused(tmp_path: Path, code: str, content: bytes) -> None:
    """Empty, noise, another algorithm, with a password, damaged, a public key."""
    with pytest.raises(IdentityError) as caught:
        load_signer(_put(tmp_path / "batch.key", content))
    assert code == caught.value.code


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Missing, a folder, a pipe (which must not block)."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    codes = []
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe"):
        with pytest.raises(IdentityError) as caught:
            load_signer(path)
        codes.append(caught.value.code)
    assert ["E-KEY-102", "E-KEY-104", "E-KEY-104"] == codes


def test_the_public_side_goes_through_a_file(tmp_path: Path) -> None:
    """What the signer signs, the verifier of its public file verifies; the file can be written again."""
    signer = make_key(tmp_path / "batch.key")
    for _ in range(2):
        save_public(tmp_path / "batch.pub", signer)
    load_verifier(tmp_path / "batch.pub").verify(signer.sign(b"data"), b"data")
    assert 0o644 == stat.S_IMODE((tmp_path / "batch.pub").stat().st_mode)


def test_other_files_are_no_public_key(tmp_path: Path) -> None:
    """Missing, noise, another algorithm; a private key is named as what it is."""
    signer_file = tmp_path / "batch.key"
    make_key(signer_file)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    noise = _put(tmp_path / "noise", b"noise")
    curve = _put(tmp_path / "curve", other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    codes = []
    for path in (tmp_path / "none", noise, curve, signer_file):
        with pytest.raises(IdentityError) as caught:
            load_verifier(path)
        codes.append(caught.value.code)
    assert ["E-KEY-201", "E-KEY-202", "E-KEY-202", "E-KEY-203"] == codes


def test_no_error_and_no_public_file_holds_the_secret(tmp_path: Path) -> None:
    """Seed, hex, base64 and PEM body of the private key appear in no text that leaves."""
    signer = make_key(tmp_path / "batch.key")
    save_public(tmp_path / "batch.pub", signer)
    body = (tmp_path / "batch.key").read_text().splitlines()[1]
    seed = base64.b64decode(body)[-32:]
    texts = [(tmp_path / "batch.pub").read_text(), repr(signer)]
    (tmp_path / "batch.key").write_text((tmp_path / "batch.key").read_text().replace("MC4C", "MC5C"))
    with pytest.raises(IdentityError) as caught:
        load_signer(tmp_path / "batch.key")
    texts += [str(caught.value), caught.value.cause(), caught.value.advice(), repr(caught.value.__cause__)]
    for secret in (seed.hex(), base64.b64encode(seed).decode(), body[-40:]):
        assert not [text for text in texts if secret in text]
