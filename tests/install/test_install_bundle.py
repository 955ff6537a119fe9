"""The archive: everything inside and hashed, the same bytes from the same sources, every requirement by its hash."""

import hashlib
import os
import re
import tarfile
from pathlib import Path

import pytest

from edge.identity.keys import load_verifier, make_key, save_public
from scripts import bundle

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def without_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand one file in for all wheels: fetching them needs a network, and is what `make bundle` shows."""

    def one(wheels: Path, *_: object) -> None:
        wheels.mkdir(exist_ok=True)
        (wheels / "stand-in.whl").write_bytes(b"wheel")
        if os.geteuid() == 0:
            os.chown(wheels / "stand-in.whl", 12345, 12345)  # whoever builds it, the archive does not say

    monkeypatch.setattr(bundle, "_fetch_wheels", one)
    monkeypatch.setattr(bundle, "_build_own_wheel", one)


@pytest.mark.usefixtures("without_wheels")
def test_the_same_sources_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two archives, built one after the other, are equal, and differ from that of another processor."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    archives = [bundle.build(arch, tmp_path / name, None) for arch, name in (("aarch64", "a"), ("aarch64", "b"))]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    assert 1700000000 == int.from_bytes(archives[0].read_bytes()[4:8], "little")  # the time in the head of a gzip file
    assert archives[0].read_bytes() != bundle.build("x86_64", tmp_path / "a", None).read_bytes()


@pytest.mark.usefixtures("without_wheels")
def test_everything_is_inside_hashed_and_of_nobody(tmp_path: Path) -> None:
    """Installer, units, settings, documents, texts, wheels: all under one folder, each with its hash, owned by root."""
    archive = bundle.build("aarch64", tmp_path, None)
    name = f"edge-{bundle.version()}-aarch64"
    assert f"{name}.tar.gz" == archive.name
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar.getmembers()}
        files = {path: tar.extractfile(path).read() for path, member in members.items() if member.isfile()}  # type: ignore[union-attr]
    assert all(path.split("/")[0] == name for path in members)
    assert {(0, 0)} == {(member.uid, member.gid) for member in members.values()}
    inside = {path.removeprefix(f"{name}/") for path in files}
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "systemd").rglob("*") if path.is_file()}
    wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "config").rglob("*") if path.is_file()}
    wanted |= {path.name for path in (ROOT / "install").iterdir()} | {"requirements.txt", "docs/docs/operations.md"}
    assert set() == wanted - inside
    sums = files[f"{name}/SHA256SUMS"].decode()
    listed = dict(reversed(line.split("  ")) for line in sums.splitlines())
    assert inside - {"SHA256SUMS"} == set(listed)
    assert listed == {path: hashlib.sha256(files[f"{name}/{path}"]).hexdigest() for path in listed}
    facts = dict(line.split("=", 1) for line in files[f"{name}/RELEASE"].decode().splitlines())
    assert (bundle.version(), "aarch64", "3.11 3.13") == (facts["version"], facts["arch"], facts["pythons"])


def test_a_release_key_signs_the_list_of_hashes(tmp_path: Path) -> None:
    """64 bytes over SHA256SUMS; the public half confirms them, and no other bytes."""
    folder, key = tmp_path / "archive", tmp_path / "release.key"
    save_public(tmp_path / "release.pub", make_key(key))
    bundle.lay_out(folder, "x86_64")
    bundle.seal(folder, key)
    signature, sums = (folder / "SHA256SUMS.sig").read_bytes(), (folder / "SHA256SUMS").read_bytes()
    assert 64 == len(signature)
    verifier = load_verifier(tmp_path / "release.pub")
    verifier.verify(signature, sums)
    with pytest.raises(Exception, match="E-MSG"):
        verifier.verify(signature, sums + b"\n")


@pytest.mark.parametrize("name", ["requirements/run.txt", "requirements/bundle.txt"])
def test_every_pinned_requirement_goes_into_the_archive(name: str) -> None:
    """Each line with a version is one, with all its hashes and without its marker."""
    text = (ROOT / name).read_text(encoding="utf-8")
    specs = dict(bundle._specs(name))
    assert re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE) == [title.split()[0] for title in specs]
    assert text.count("--hash=") == sum(spec.count("--hash=") for spec in specs.values())
    assert not any(";" in spec for spec in specs.values())


def test_a_requirement_without_a_ready_wheel_is_named(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """`--check` ends with code 1 and says which one, for which Python; else it counts them."""
    monkeypatch.setattr(
        bundle, "_download", lambda text, *rest: "none" if text.startswith("cffi==") and rest[2] == "3.13" else ""
    )
    assert 1 == bundle.main(["--check", "--arch", "aarch64"])
    assert re.search(r"aarch64: no ready wheel of cffi [\d.]+ for CPython 3.13\n", capsys.readouterr().err)
    monkeypatch.setattr(bundle, "_download", lambda *_: "")
    assert 0 == bundle.main(["--check", "--arch", "aarch64"])
    count = sum(len(dict(bundle._specs(name))) for name in bundle._REQUIREMENTS)
    assert f"aarch64: {count} of {count} pinned requirements have a ready wheel" in capsys.readouterr().out
