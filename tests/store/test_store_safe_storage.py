"""The storage under the register: readable after a cut at any step."""

import json
import os
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store import safe_storage
from edge.store.safe_storage import SafeStorage, decode_document, encode_document

OLD, NEW = {"meters": {"1": {"address": "000000000001"}}}, {"meters": {"1": {"address": "000000000002"}}}


class PowerCutError(Exception):
    """The power failed."""


@pytest.fixture
def path(tmp_path):
    """Return the path of a register that holds OLD, and a backup that holds what was before."""
    SafeStorage(tmp_path / "r.json").write({"meters": {}})
    SafeStorage(tmp_path / "r.json").write(OLD)
    return tmp_path / "r.json"


def test_what_is_written_is_read(path):
    """Both ways, and nothing yet is None."""
    assert (OLD, None) == (SafeStorage(path).read(), SafeStorage(path.with_name("other.json")).read())


def test_the_old_file_is_kept_as_backup(path):
    """The backup holds what the file held before."""
    SafeStorage(path).write(NEW)
    assert (NEW, OLD) == (SafeStorage(path).read(), decode_document(path.with_name("r.json.bak").read_bytes()))


def test_the_steps_are_in_the_order_that_survives(path, monkeypatch):
    """The text is synced before it is renamed, the old file linked before it is replaced, the folder synced last."""
    steps = []

    def recorded(name):
        original = getattr(os, name)

        def call(*arguments):
            what = Path(f"/proc/self/fd/{arguments[0]}").readlink() if name == "fsync" else Path(arguments[-1])
            steps.append((name, what.name))
            return original(*arguments)

        monkeypatch.setattr(safe_storage.os, name, call)

    for name in ("fsync", "link", "replace"):
        recorded(name)
    SafeStorage(path).write(NEW)
    assert [
        ("fsync", "r.json.new"),
        ("link", "r.json.bak.new"),
        ("replace", "r.json.bak"),
        ("replace", "r.json"),
        ("fsync", path.parent.name),
    ] == steps


@pytest.mark.parametrize(("name", "calls"), [("fsync", 1), ("fsync", 2), ("link", 1), ("replace", 1), ("replace", 2)])
def test_a_cut_before_any_step_leaves_old_or_new(path, monkeypatch, name, calls):
    """Whatever step the power fails at, the register reads as it was before or after, and can be written again."""
    original, left = getattr(os, name), [calls]

    def cut(*arguments):
        left[0] -= 1
        if left[0] == 0:
            raise PowerCutError
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(safe_storage.os, name, cut)
        with pytest.raises(PowerCutError):
            SafeStorage(path).write(NEW)
    assert SafeStorage(path).read() in (OLD, NEW)
    SafeStorage(path).write(NEW)
    assert NEW == SafeStorage(path).read()


def test_a_file_cut_at_any_byte_gives_way_to_its_backup(path):
    """Every prefix of the file is recognised as damaged; the backup is read and the reason told."""
    SafeStorage(path).write(NEW)
    whole = path.read_bytes()
    for length in range(len(whole) - 1):  # the last byte is a newline
        path.write_bytes(whole[:length])
        storage = SafeStorage(path)
        assert OLD == storage.read()
        assert storage.recovered
    path.unlink()
    assert OLD == SafeStorage(path).read()


def test_an_edited_value_is_noticed(path):
    """Valid JSON with another value under the old checksum is damaged."""
    path.write_bytes(path.read_bytes().replace(b"000000000001", b"000000000009"))
    storage = SafeStorage(path)
    assert ({"meters": {}}, "the checksum does not hold") == (storage.read(), storage.recovered)


def test_a_damaged_file_never_becomes_the_backup(path):
    """Writing after a fall-back keeps the good backup and puts the damaged file aside."""
    path.write_bytes(b"damaged")
    SafeStorage(path).write(NEW)
    assert (NEW, {"meters": {}}, b"damaged") == (
        SafeStorage(path).read(),
        decode_document(path.with_name("r.json.bak").read_bytes()),
        path.with_name("r.json.bad").read_bytes(),
    )


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"data": 1}', b"[" * 100_000, b"\xff\xfe"])
def test_both_damaged_is_an_error_with_a_next_act(path, content):
    """Nothing is guessed: the error says what to do, and the files stay."""
    path.write_bytes(content)
    path.with_name("r.json.bak").write_bytes(b"too")
    with pytest.raises(StoreError) as caught:
        SafeStorage(path).read()
    assert ("E-STO-206", content) == (caught.value.code, path.read_bytes())
    assert "import" in caught.value.advice()


def test_a_folder_that_is_gone_is_our_error(tmp_path):
    """The system's refusal comes with our code."""
    with pytest.raises(StoreError) as caught:
        SafeStorage(tmp_path / "gone" / "r.json").write(NEW)
    assert "E-STO-210" == caught.value.code


def test_a_person_can_read_the_file():
    """It is JSON, and Chinese stays Chinese."""
    content = encode_document({"meters": {"1": {"name": "一号楼"}}})
    assert "一号楼" == json.loads(content)["data"]["meters"]["1"]["name"]
    assert "一号楼" in content.decode()
