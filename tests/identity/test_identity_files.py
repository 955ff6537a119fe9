"""Where files of keys are found, and whose rights to them count."""

import os
from pathlib import Path

import pytest

from edge.identity.files import find_file, rights_of_others


def test_three_places_in_their_order(tmp_path: Path) -> None:
    """What was handed over goes first, then the path of the settings, then `keys` beside it; else the path itself."""
    named, handed = tmp_path / "batch.key", tmp_path / "handed"
    assert named == find_file(named) == find_file(named, handed)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "batch.key").touch()
    assert tmp_path / "keys" / "batch.key" == find_file(named) == find_file(named, handed)
    named.touch()
    assert named == find_file(named) == find_file(named, handed)
    handed.mkdir()
    assert named == find_file(named, handed)
    (handed / "edge_batch.key").touch()
    assert handed / "edge_batch.key" == find_file(named, handed)
    assert named == find_file(named)


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    """The error then names it, instead of a place that nobody thinks of."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "batch.key").touch()
    (tmp_path / "batch.key").symlink_to("away")
    assert tmp_path / "batch.key" == find_file(tmp_path / "batch.key")


@pytest.mark.parametrize(
    ("owner", "group", "mode", "others"),
    [
        (0, 0, 0o440, 0),  # as systemd hands over, with an entry for the service's user
        (0, 0, 0o444, 0o044),
        (0, 0, 0o640, 0o040),
        (0, 5, 0o440, 0o040),
        (7, 0, 0o440, 0o040),
        (7, 5, 0o400, 0),
        (7, 5, 0o602, 0o002),
    ],
)
def test_whose_rights_count(owner: int, group: int, mode: int, others: int) -> None:
    """Group and others have none; but for the one mode of a copy that systemd made."""
    found = os.stat_result((0o100000 | mode, 0, 0, 1, owner, group, 0, 0, 0, 0))
    assert others == rights_of_others(found)
