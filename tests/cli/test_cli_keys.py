"""`edge keys new` and `edge keys show`: what they print, where they write, and what they never show."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.cli.keys import keys
from edge.errors import IdentityError


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(keys, [str(one) for one in arguments])


def test_new_makes_a_key_and_shows_its_public_side_only(tmp_path: Path) -> None:
    """Two files; the fingerprint is the SHA-256 of the public key; nothing of the private one is printed."""
    result = _run("new", "--out", tmp_path / "gw.key", "--json")
    shown = json.loads(result.stdout)
    public = load_pem_public_key((tmp_path / "gw.pub").read_bytes()).public_bytes_raw()
    fingerprint = hashlib.sha256(public).hexdigest()
    assert {
        "key": str(tmp_path / "gw.key"),
        "public": str(tmp_path / "gw.pub"),
        "kid": fingerprint[:16],
        "fingerprint": fingerprint,
    } == shown
    plain = _run("show", tmp_path / "gw.key").output + _run("new", "--out", tmp_path / "two.key").output
    body = (tmp_path / "gw.key").read_text().splitlines()[1]
    seed = base64.b64decode(body)[-32:]
    for secret in (body[-40:], seed.hex(), "PRIVATE"):
        assert secret not in plain + result.output


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        ([], "batch.key"),
        (["--config", "etc/edge.toml"], "etc/batch.key"),
        (["--out", "etc"], "etc/batch.key"),
        (["--out", "etc/gw.key", "--config", "other/edge.toml"], "etc/gw.key"),
        (["--out", "gw.pub"], "gw.pub"),
        (["--out", "gw"], "gw"),
    ],
)
def test_new_writes_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], made: str
) -> None:
    """A file, a folder, beside the settings, or here; the public key never takes the private one's place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    result = _run("new", *arguments)
    assert (0, "") == (result.exit_code, result.output if result.exit_code else "")
    assert "PRIVATE KEY" in Path(made).read_text()
    others = [path for path in tmp_path.rglob("*") if path.is_file() and path != tmp_path / made]
    assert [True] == ["PUBLIC KEY" in path.read_text() for path in others]


@pytest.mark.parametrize("name", ["batch.key", "batch.pub"])
def test_show_tells_the_same_of_either_file(tmp_path: Path, name: str) -> None:
    """Id, fingerprint and public key, from the private or the public file."""
    made = json.loads(_run("new", "--out", tmp_path, "--json").stdout)
    shown = json.loads(_run("show", tmp_path / name, "--json").stdout)
    expected = {"kid": made["kid"], "fingerprint": made["fingerprint"]}
    assert {**expected, "public_pem": (tmp_path / "batch.pub").read_text()} == shown
    plain = _run("show", tmp_path / name).stdout
    assert [True, True] == [made["kid"] in plain, (tmp_path / "batch.pub").read_text() in plain]


def test_errors_are_identity_errors_with_exit_code_9(tmp_path: Path) -> None:
    """A second key, a missing folder, a key open to others: not allowed, each with its code."""
    assert 0 == _run("new", "--out", tmp_path).exit_code
    second = _run("new", "--out", tmp_path)
    nowhere = _run("new", "--out", tmp_path / "none" / "gw.key")
    (tmp_path / "batch.key").chmod(0o644)
    open_to_all = _run("show", tmp_path / "batch.key")
    found = [second.exception, nowhere.exception, open_to_all.exception]
    assert [("E-KEY-101", 9), ("E-KEY-106", 9), ("E-KEY-103", 9)] == [
        (error.code, error.exit_code) for error in found if isinstance(error, IdentityError)
    ]


def test_new_uses_the_closed_folder_of_an_installed_box(tmp_path: Path) -> None:
    """Beside the settings, in `keys` if it is there: the half that polls cannot look into it."""
    settings = tmp_path / "edge.toml"
    assert tmp_path / "batch.key" == Path(json.loads(_run("new", "--config", settings, "--json").stdout)["key"])
    (tmp_path / "keys").mkdir()
    made = json.loads(_run("new", "--config", settings, "--json").stdout)
    assert (str(tmp_path / "keys" / "batch.key"), str(tmp_path / "keys" / "batch.pub")) == (made["key"], made["public"])
