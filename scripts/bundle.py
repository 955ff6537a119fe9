"""Builds one archive for each architecture in dist/: everything that a box needs to install edge without a network.

    python -m scripts.bundle [--arch x86_64 --arch aarch64] [--key RELEASE.key] [--check]

Inside: wheels (ours, and each pinned requirement by its hash), units, the installer, settings to start from, documents,
and SHA256SUMS over all of it; with a key also SHA256SUMS.sig (Ed25519 over that file, 64 bytes). The same sources give
the same bytes. `--check` builds nothing: it says whether each pinned requirement has a ready wheel.
"""

import argparse
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from edge.errors.catalogue import CATALOGUE, Language
from edge.identity.keys import load_signer

ROOT = Path(__file__).parent.parent
ARCHITECTURES = ("x86_64", "aarch64")
PYTHONS = ("3.11", "3.13")  # of Debian 12 and 13, and of Raspberry Pi OS beside them
GLIBC = "2.28"
_MANYLINUX = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_24", "manylinux_2_17", "manylinux2014")
_REQUIREMENTS = ("requirements/run.txt", "requirements/bundle.txt")
_PARTS = ("install.sh", "activate.sh", "uninstall.sh", "lib.sh")
_DOCUMENTS = ("docs", "README.md", "README.zh-CN.md", "CHANGELOG.md", "LICENSE")
_SPEC = re.compile(r"^([a-z0-9-]+)==(\S+)[^\n]*?(\\(?:\n    --hash=\S+(?: \\)?)+)", re.MULTILINE)


class BundleError(Exception):
    """What keeps an archive from being built; its text says what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Build or check; return the exit code."""
    parser = argparse.ArgumentParser(description="Builds the archives that install edge.")
    parser.add_argument("--arch", action="append", choices=ARCHITECTURES)
    parser.add_argument("--key", type=Path, help="Ed25519 private key (PEM, mode 0600) that signs the archives")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--check", action="store_true", help="only look whether each requirement has a ready wheel")
    chosen = parser.parse_args(arguments)
    try:
        for arch in chosen.arch or ARCHITECTURES:
            if chosen.check:
                check_wheels(arch)
            else:
                print(build(arch, chosen.out, chosen.key))
    except BundleError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def build(arch: str, out: Path, key: Path | None) -> Path:
    """Build one archive; return its path."""
    name = f"edge-{version()}-{arch}"
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, name)
        lay_out(folder, arch)
        _fetch_wheels(folder / "wheels", arch)
        _build_own_wheel(folder / "wheels")
        seal(folder, key)
        out.mkdir(parents=True, exist_ok=True)
        return _pack(folder, out / f"{name}.tar.gz")


def lay_out(folder: Path, arch: str) -> None:
    """Put everything but the wheels into a folder."""
    folder.mkdir(parents=True)
    for part in _PARTS:
        shutil.copy(ROOT / "install" / part, folder)
    shutil.copytree(ROOT / "systemd", folder / "systemd")
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "docs").mkdir()
    for name in _DOCUMENTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / "docs" / name)
        else:
            shutil.copy(source, folder / "docs")
    for lang in ("en", "zh"):
        (folder / f"messages.{lang}").write_text("".join(_messages(lang)), encoding="utf-8")
    (folder / "requirements.txt").write_bytes((ROOT / "requirements" / "run.txt").read_bytes())
    facts = {"version": version(), "arch": arch, "pythons": " ".join(PYTHONS), "glibc": GLIBC, "source": _source()}
    (folder / "RELEASE").write_text("".join(f"{key}={value}\n" for key, value in facts.items()), encoding="utf-8")


def seal(folder: Path, key: Path | None) -> None:
    """Write the hashes of every file, and the signature over them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("SHA256SUMS"))
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in files)
    sums = "".join(lines).encode()
    (folder / "SHA256SUMS").write_bytes(sums)
    if key is not None:
        (folder / "SHA256SUMS.sig").write_bytes(load_signer(key).sign(sums))


def check_wheels(arch: str) -> None:
    """Say for each pinned requirement whether it has a ready wheel. Raises BundleError if one has none."""
    specs = [spec for name in _REQUIREMENTS for spec in _specs(name)]
    with tempfile.TemporaryDirectory() as work:
        missing = [
            f"{title} for CPython {python}"
            for title, text in specs
            for python in PYTHONS
            if _download(text, Path(work), arch, python)
        ]
    if missing:
        raise BundleError(f"{arch}: no ready wheel of {', '.join(missing)}")
    print(
        f"{arch}: {len(specs)} of {len(specs)} pinned requirements have a ready wheel for CPython {', '.join(PYTHONS)}"
    )


def version() -> str:
    """Return the version of this source tree."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return found


def _messages(lang: Language) -> Iterator[str]:
    """Give the installer's texts: a line a code, with fact, cause and next act, parted by tabs."""
    for code, entry in CATALOGUE.items():
        if code.startswith("E-INS-"):
            yield "\t".join((code, *(entry.zh if lang == "zh" else entry.en))) + "\n"


def _fetch_wheels(wheels: Path, arch: str) -> None:
    text = "".join(spec for name in _REQUIREMENTS for _, spec in _specs(name))
    for python in PYTHONS:
        if fault := _download(text, wheels, arch, python):
            raise BundleError(f"{fault}\n{arch}, CPython {python}: see above; `make check-arm` names what has no wheel")


def _specs(name: str) -> Iterator[tuple[str, str]]:
    """Give each requirement of a pinned file, without its marker: pip would judge that by the Python that runs it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for match in _SPEC.finditer(text):
        yield f"{match[1]} {match[2]}", f"{match[1]}=={match[2]} {match[3]}\n"


def _download(requirements: str, folder: Path, arch: str, python: str) -> str:
    """Fetch ready wheels by their hashes; return what pip says if it cannot."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write(requirements)
        listed.flush()
        platforms = [word for tag in _MANYLINUX for word in ("--platform", f"{tag}_{arch}")]
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        target = ["--implementation", "cp", "--python-version", python, *platforms, "--dest", str(folder)]
        command = [sys.executable, "-m", "pip", "download", *options, *target, "--requirement", listed.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def _build_own_wheel(wheels: Path) -> None:
    options = [
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(wheels),
    ]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(_source_time())}
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True, env=environment)


def _source() -> str:
    """Return which commit this tree is, `+` behind it if it was changed; empty without git."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _source_time() -> int:
    """Return the time that all files of an archive carry, in seconds: of the commit, or what the environment says."""
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(os.environ.get("SOURCE_DATE_EPOCH") or done.stdout.strip() or 0)


def _pack(folder: Path, archive: Path) -> Path:
    """Pack the folder: names sorted, one time, no owner. Written aside, then renamed."""
    when = _source_time()

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = when
        member.mode = 0o755 if member.isdir() or member.name.endswith(".sh") else 0o644
        return member

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in [folder, *sorted(folder.rglob("*"))]:
            tar.add(path, arcname=str(path.relative_to(folder.parent)), recursive=False, filter=plain)
    aside = archive.with_name(f"{archive.name}.new")
    aside.write_bytes(gzip.compress(packed.getvalue(), 6, mtime=when))
    return aside.replace(archive)


if __name__ == "__main__":
    sys.exit(main())
