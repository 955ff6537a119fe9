"""What makes a file or a folder's names safe on the disk."""

import os
from pathlib import Path


def sync_path(path: Path) -> None:
    """Sync a file, or a folder with the names in it. Durable on return."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_path(folder: Path) -> None:
    """Make a folder, and those above it that are missing. Durable on return."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_path(path.parent)


def write_path(path: Path, content: bytes) -> None:
    """Write a file, all of it or nothing, in the place of what was there. Durable on return."""
    aside = path.with_name(path.name + ".new")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_path(path.parent)
