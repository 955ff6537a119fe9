"""The measurements still run: each part brings its rows, with a figure in each."""

import pytest

from tests.bench import centre, decode, path, table


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


def test_a_part_measured_alone_leaves_the_other_rows(tmp_path, monkeypatch):
    """Its rows are new, with the machine it ran on; all others stay in their place, with theirs."""
    monkeypatch.setattr(table, "PAGE", tmp_path / "bench.md")
    monkeypatch.setattr(table, "cpu_name", lambda: "one")
    table.write(
        [table.Row("speed", "1", "of 2"), table.Row("memory", "50 MiB"), table.Row("size", "3 B", "budget 4 B")]
    )
    monkeypatch.setattr(table, "cpu_name", lambda: "another")
    table.write([table.Row("memory", "40 MiB"), table.Row("more", "5")], ["memory"])
    rows, machines = table.read(table.PAGE.read_text(encoding="utf-8"))
    expected = [("speed", "1", "of 2"), ("memory", "40 MiB", ""), ("size", "3 B", "budget 4 B"), ("more", "5", "")]
    assert expected == [(row.what, row.figure, row.beside) for row in rows]
    assert ["one", "another"] == [machines[part].rpartition(", ")[2] for part in ("", "memory")]
