"""The ballast: laid, given up, and what for."""

import os

import pytest

from edge.errors import StoreError
from edge.store import ballast
from edge.store.ballast import BALLAST_BYTES, ballast_of, drop_ballast, lay_ballast
from tests.store.store_kit import seal


def test_the_ballast_lies_beside_an_open_store(database):
    """Opening lays it, of real bytes."""
    path = ballast_of(database.path)
    assert BALLAST_BYTES == path.stat().st_size
    assert path.stat().st_blocks * 512 >= BALLAST_BYTES


def test_no_ballast_where_room_is_short(tmp_path, monkeypatch):
    """A disk that is nearly full is not filled further."""
    monkeypatch.setattr(ballast, "_PLENTY", 1 << 40)
    assert (False, False) == (lay_ballast(tmp_path / "b"), (tmp_path / "b").exists())


def test_dropping_tells_whether_there_was_one(tmp_path):
    """Only the first drop makes room."""
    lay_ballast(tmp_path / "b", 100)
    assert [True, False] == [drop_ballast(tmp_path / "b"), drop_ballast(tmp_path / "b")]


def test_a_ballast_that_cannot_be_laid_is_no_error(tmp_path):
    """The store works without it."""
    assert not lay_ballast(tmp_path / "missing" / "b")


def test_a_full_disk_gives_up_the_ballast_once_and_goes_on(database, outbox, monkeypatch):
    """The first full write drops the ballast and is done again; without ballast it is an error."""
    begin, left = database.rows, [1, 0, 99]

    def rows(sql, *values):
        if sql == "COMMIT" and left[0] > 0:
            left[0] -= 1
            raise StoreError("E-STO-121", path=database.path, detail="disk full")
        return begin(sql, *values)

    monkeypatch.setattr(database, "rows", rows)
    assert 1 == seal(outbox).seq
    assert not ballast_of(database.path).exists()
    left[0] = 1
    with pytest.raises(StoreError):
        seal(outbox)
    assert 2 == outbox.head().next_seq


def test_a_cut_ballast_is_laid_anew(tmp_path):
    """Half a ballast, from a cut while it was laid, is no ballast."""
    (tmp_path / "b").write_bytes(b"half")
    assert lay_ballast(tmp_path / "b", 100)
    assert 100 == os.stat(tmp_path / "b").st_size  # noqa: PTH116


def test_a_store_that_reached_its_bound_keeps_the_ballast(database, outbox):
    """The disk has room: giving up the ballast would make none below the bound."""
    database.limit(database.size_bytes())
    with pytest.raises(StoreError) as caught:
        seal(outbox, content=bytes(1 << 18))
    assert ("E-STO-103", True) == (caught.value.code, ballast_of(database.path).exists())
