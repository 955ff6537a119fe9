"""The measurements still run: each part brings its rows, with a figure in each."""

import pytest

from tests.bench import centre, decode, path


@pytest.mark.parametrize("part", [decode, path, centre])
def test_a_measurement_brings_its_rows(part, monkeypatch):
    """A short run; what it measures is not looked at, speed is shown by `make bench`."""
    monkeypatch.setattr(decode, "_ROUNDS", 1)
    monkeypatch.setattr(decode, "_SECONDS", 0.01)
    monkeypatch.setattr(path, "_MINUTES", 1)
    monkeypatch.setattr(centre, "_ROUNDS", 2)
    monkeypatch.setattr(centre, "_METERS", 8)
    monkeypatch.setattr(centre, "_RUNS", 1)
    rows = list(part.rows())
    assert len(rows) >= 4
    assert all(row.what and row.figure for row in rows)
