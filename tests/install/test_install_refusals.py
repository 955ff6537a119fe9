"""What the installer refuses, before it has changed anything: with code, cause and next act, in both languages."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import bundle
from tests.install.conftest import Archive

ROOT = Path(__file__).parent.parent.parent
ARM = "aarch64"


def python_that_says(archive: Archive, bits: str = "64", version: str = "3.11", libc: str = "glibc 2.36") -> str:
    """Make a Python that answers the installer's questions so; the comparison of versions it does as ever."""
    path = archive.programs / "python-of-the-test"
    path.write_text(
        f"""#!/bin/sh
case "$2" in
    *calcsize*) echo {bits} ;;
    *version_info*) echo {version} ;;
    *CS_GNU_LIBC*) echo '{libc}' ;;
    *tuple*) exec {sys.executable} "$@" ;;
    "") ;;
    *) echo "unexpected: $*" >&2; exit 70 ;;
esac
""",
        encoding="utf-8",
    )
    path.chmod(0o755)
    return str(path)


def refused(done: subprocess.CompletedProcess[str], code: str, *words: str) -> None:
    """Demand a refusal with its code, a cause, a next act, and these words."""
    assert 9 == done.returncode, done.stdout + done.stderr
    fact, cause, advice = done.stderr.splitlines()
    assert fact.startswith(f"error[{code}]: ")
    assert cause.startswith("  cause: ")
    assert advice.startswith("  next : ")
    assert [] == [word for word in words if word not in done.stderr]
    assert "{" not in done.stderr


def test_only_root(archive: Archive) -> None:
    """A user is told how to do it."""
    archive.says("id", "1000")
    for script in ("install.sh", "activate.sh", "uninstall.sh"):
        refused(archive.run(script), "E-INS-101", f"sudo sh {archive.folder}/{script}")


@pytest.mark.parametrize("machine", ["armv7l", "armv6l", "i686"])
def test_32_bit_is_refused_with_the_reason(archive: Archive, machine: str) -> None:
    """A 32-bit kernel."""
    archive.says("uname", machine)
    refused(archive.run("install.sh", PYTHON=python_that_says(archive)), "E-INS-103", machine, "2038", "64-bit image")


def test_a_32_bit_system_on_a_64_bit_kernel_is_refused(archive: Archive) -> None:
    """What a Raspberry Pi often has: the kernel says 64, the programs are 32."""
    refused(archive.run("install.sh", PYTHON=python_that_says(archive, bits="32")), "E-INS-103", "Python of 32 bit")


def test_the_archive_of_another_processor_is_refused(archive: Archive) -> None:
    """The right one is named."""
    archive.says("uname", ARM)
    refused(archive.run("install.sh", PYTHON=python_that_says(archive)), "E-INS-102", f"ends in {ARM}")


def test_a_python_without_packages_is_refused(archive: Archive) -> None:
    """Another version, and none at all."""
    done = archive.run("install.sh", PYTHON=python_that_says(archive, version="3.9"))
    refused(done, "E-INS-104", "Python here is 3.9", "3.11 3.13")
    refused(archive.run("install.sh", PYTHON="/nowhere/python3"), "E-INS-104", "/nowhere/python3: not found")


@pytest.mark.parametrize("libc", ["glibc 2.27", ""])
def test_another_c_library_is_refused(archive: Archive, libc: str) -> None:
    """An older glibc, or none that is glibc."""
    done = archive.run("install.sh", PYTHON=python_that_says(archive, libc=libc))
    refused(done, "E-INS-107", libc or "another one", "2.28")


def test_a_system_without_systemd_is_refused(archive: Archive) -> None:
    """The program that is missing is named; so the machine itself has passed."""
    (archive.programs / "systemd-tmpfiles").unlink()
    for program in ("sh", "sed", "grep", "sort", "find", "cmp", "sha256sum", "tr", "dirname", "cat"):
        (archive.programs / program).symlink_to(str(shutil.which(program)))
    archive.environment["PATH"] = str(archive.programs)
    refused(archive.run("install.sh", PYTHON=python_that_says(archive)), "E-INS-109", "systemd-tmpfiles")


def test_a_changed_archive_is_refused(archive: Archive) -> None:
    """One byte more in a unit, a file that is gone, a file that is not listed."""
    unit = archive.folder / "systemd" / "edge-poll.service"
    text = unit.read_bytes()
    unit.write_bytes(text + b"#")
    refused(archive.run("install.sh"), "E-INS-105", "systemd/edge-poll.service")
    unit.unlink()
    refused(archive.run("install.sh"), "E-INS-105", "systemd/edge-poll.service")
    unit.write_bytes(text)
    (archive.folder / "wheels").mkdir()
    (archive.folder / "wheels" / "more.whl").touch()
    refused(archive.run("install.sh"), "E-INS-105", "not listed")


def test_the_signature_is_checked_by_the_key_that_is_given(archive: Archive, tmp_path: Path, release_key: Path) -> None:
    """The right key lets it go on (to the next check); another key, a changed list and no signature do not."""
    public = release_key.with_suffix(".pub")
    refused(archive.run("install.sh", "--key", str(public)), "E-INS-106", str(public))
    bundle.seal(archive.folder, release_key)
    archive.says("uname", ARM)
    refused(archive.run("install.sh", "--key", str(public)), "E-INS-102")
    sums = archive.folder / "SHA256SUMS"
    sums.write_bytes(sums.read_bytes() + b"\n")
    refused(archive.run("install.sh", "--key", str(public)), "E-INS-106")


def test_an_option_that_does_not_exist_is_refused(archive: Archive) -> None:
    """The options are named."""
    refused(archive.run("install.sh", "--force"), "E-INS-111", "--force", "--one-process")
    refused(archive.run("activate.sh", "both"), "E-INS-111", "both", "one-process")
    refused(archive.run("uninstall.sh", "--all"), "E-INS-111", "--all", "--purge-data")


def test_the_words_are_chinese_where_the_system_is(archive: Archive) -> None:
    """LANG decides."""
    archive.says("uname", "armv7l")
    done = archive.run("install.sh", EDGE_LANG="", LANG="zh_CN.UTF-8", PYTHON=python_that_says(archive))
    assert "error[E-INS-103]: 32 位系统（armv7l）无法运行 edge" in done.stderr
    assert "处理: " in done.stderr


def test_values_with_signs_of_the_shell_are_shown_as_they_are(archive: Archive) -> None:
    """A slash, an ampersand and a backslash in a value change nothing in the message."""
    refused(archive.run("install.sh", "--a/b&c\\d"), "E-INS-111", "no such option: --a/b&c\\d")


@pytest.mark.parametrize("code", ["E-INS-108", "E-INS-110"])
def test_messages_of_later_steps_are_there(archive: Archive, code: str) -> None:
    """What needs an installed system is provoked by `make boot`; its words are in the archive."""
    for lang in ("en", "zh"):
        lines = (archive.folder / f"messages.{lang}").read_text(encoding="utf-8").splitlines()
        assert 1 == len([line for line in lines if line.startswith(f"{code}\t") and line.count("\t") == 3])


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "install").glob("*.sh")))
def test_scripts_are_plain_shell(script: str) -> None:
    """The shell reads each script to its end, and shellcheck has nothing to say."""
    path = ROOT / "install" / script
    subprocess.run(["/bin/sh", "-n", str(path)], check=True)
    program = shutil.which("shellcheck")
    assert program is not None, "shellcheck is missing: install the Debian package shellcheck"
    done = subprocess.run([program, "-x", str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "" == done.stdout


def test_nothing_was_changed_by_a_refusal(archive: Archive) -> None:
    """The archive's folder is as it was, and nobody made /opt/edge."""
    before = {path: path.stat().st_mtime_ns for path in archive.folder.rglob("*")}
    was_there = os.path.lexists("/opt/edge")
    archive.says("uname", "armv7l")
    archive.run("install.sh", PYTHON=python_that_says(archive))
    assert before == {path: path.stat().st_mtime_ns for path in archive.folder.rglob("*")}
    assert was_there == os.path.lexists("/opt/edge")


@pytest.fixture
def release_key(tmp_path: Path) -> Path:
    """Return a release key of the test's own; its public half lies beside it."""
    from edge.identity.keys import make_key, save_public

    path = tmp_path / "release.key"
    save_public(path.with_suffix(".pub"), make_key(path))
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    return path
