"""Files of a stick: bounded reading, whole writing, whatever lies there."""

import errno
import os

import pytest

from edge.carry.folder import find_folders, folder_of, list_files, read_file, remove_aside, sync_folder, write_file
from edge.errors import CarryError


def code_of(work, *arguments):
    with pytest.raises(CarryError) as caught:
        work(*arguments)
    return caught.value.code


def test_reading_is_bounded_and_takes_plain_files_only(tmp_path):
    """A file to the limit is read; one byte more, a link, a folder, a pipe and nothing at all are each told apart."""
    (tmp_path / "a").write_bytes(b"x" * 10)
    assert b"x" * 10 == read_file(tmp_path / "a", 10)
    assert "E-CAR-202" == code_of(read_file, tmp_path / "a", 9)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        assert "E-CAR-203" == code_of(read_file, tmp_path / name, 10)
    assert "E-CAR-201" == code_of(read_file, tmp_path / "none", 10)


def test_a_device_without_end_is_not_read(tmp_path):
    """A link to /dev/zero is a link; the device itself is no plain file."""
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert "E-CAR-203" == code_of(read_file, tmp_path / "zero", 10)


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    """The stick becomes full at the sync: the old content stays, nothing lies beside it, and the error says full."""
    write_file(tmp_path / "sub" / "00000001.cos", b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert "E-CAR-102" == code_of(write_file, tmp_path / "sub" / "00000001.cos", b"new")
    assert [tmp_path / "sub" / "00000001.cos"] == list((tmp_path / "sub").iterdir())
    assert b"old" == (tmp_path / "sub" / "00000001.cos").read_bytes()


def test_writing_follows_no_link(tmp_path):
    """Whoever filled the stick cannot make root write elsewhere: by the folder, by the file, by the file beside it."""
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "passwd"
    target.write_bytes(b"root")
    stick = tmp_path / "stick"
    (stick / "edge-gw-2").mkdir(parents=True)
    (stick / "edge-gw-1").symlink_to(tmp_path / "elsewhere")
    assert "E-CAR-203" == code_of(folder_of, stick, "gw-1")
    (stick / "edge-gw-2" / "e").symlink_to(tmp_path / "elsewhere")
    assert "E-CAR-203" == code_of(write_file, stick / "edge-gw-2" / "e" / "00000001.cos", b"x")
    for name in ("receipt.new", "receipt.cos"):
        (stick / "edge-gw-2" / name).symlink_to(target)
    write_file(stick / "edge-gw-2" / "receipt.cos", b"new")
    assert (b"root", b"new") == (target.read_bytes(), read_file(stick / "edge-gw-2" / "receipt.cos", 10))
    assert [target] == list((tmp_path / "elsewhere").iterdir())


def test_what_an_interrupted_writing_left_is_no_file(tmp_path):
    """It is not listed, and it is removed."""
    (tmp_path / "e").mkdir()
    for name in ("manifest.new", "e/00000001.new"):
        (tmp_path / name).write_bytes(b"half")
    assert [] == list_files(tmp_path)
    remove_aside(tmp_path)
    assert [] == list((tmp_path / "e").iterdir())


def test_a_stick_that_fails_is_told(tmp_path):
    """A path through a file, and a folder that is none."""
    (tmp_path / "file").write_bytes(b"")
    assert "E-CAR-101" == code_of(write_file, tmp_path / "file" / "x.cos", b"")
    assert "E-CAR-101" == code_of(sync_folder, tmp_path / "file")
    assert "E-CAR-103" == code_of(find_folders, tmp_path / "none")


def test_gateways_are_found_by_the_names_of_their_folders(tmp_path):
    """On the stick, or as the folder itself; a link to one is none."""
    for name in ("edge-gw-2", "edge-gw-1", "photos"):
        (tmp_path / name).mkdir()
    (tmp_path / "edge-gw-3").symlink_to(tmp_path / "edge-gw-1")
    assert ["gw-1", "gw-2"] == [gateway for gateway, _ in find_folders(tmp_path)]
    assert [("gw-2", tmp_path / "edge-gw-2")] == find_folders(tmp_path / "edge-gw-2")


def test_the_place_of_another_gateway_is_never_taken(tmp_path):
    """Neither its folder, nor a name that differs in case only: FAT holds them for one."""
    (tmp_path / "edge-GW-1").mkdir()
    assert tmp_path / "edge-gw-2" == folder_of(tmp_path, "gw-2")
    assert "E-CAR-105" == code_of(folder_of, tmp_path, "gw-1")
    assert "E-CAR-105" == code_of(folder_of, tmp_path / "edge-GW-1", "gw-2")
