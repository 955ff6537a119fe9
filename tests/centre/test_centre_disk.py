"""What the centre makes is on the disk with its name, and with the names of the folders above it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.centre.backup import back_up
from edge.centre.folder import enrol_gateway, make_folder
from edge.centre.ledger_sqlite import SqliteLedger
from edge.config.centre import load_centre
from edge.identity.keys import make_key, save_public

AT = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)


@pytest.fixture
def synced(monkeypatch):
    """Note what is synced, as it is called at that instant, with the names that a folder has then."""
    found: list[tuple[Path, frozenset[str]]] = []
    real = os.fsync

    def note(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        found.append((path, frozenset(one.name for one in path.iterdir()) if path.is_dir() else frozenset()))
        real(handle)

    monkeypatch.setattr(os, "fsync", note)
    return found


def names_synced(found, folder: Path) -> frozenset[str]:
    """Return the names that a folder had when it was last synced."""
    return next((names for path, names in reversed(found) if path == folder), frozenset())


def is_durable(found, path: Path, top: Path) -> bool:
    """Return True if every name on the way from `top` down to a path was synced."""
    steps = [path, *path.parents][: len(path.parts) - len(top.parts)]
    return all(step.name in names_synced(found, step.parent) for step in steps)


def test_a_backup_in_a_new_folder_of_a_new_folder_is_durable_by_all_its_names(tmp_path, synced):
    """Before the mark: a gateway may forget then."""
    with SqliteLedger(tmp_path / "ledger.db") as ledger:
        made = back_up(ledger, tmp_path / "far" / "away", AT)
    assert is_durable(synced, made, tmp_path)


def test_a_centres_folder_and_a_gateways_key_are_durable_by_all_their_names(tmp_path, synced):
    """Also where the folder of the keys is not there yet."""
    folder = tmp_path / "new" / "centre"
    for path in make_folder(folder, "hz"):
        assert is_durable(synced, path, tmp_path)
    save_public(tmp_path / "gw.pub", make_key(tmp_path / "gw.key"))
    (folder / "gateways").rmdir()
    synced.clear()
    enrol_gateway(load_centre(folder), "gw-1", tmp_path / "gw.pub")
    assert is_durable(synced, folder / "gateways" / "gw-1.pub", folder)
