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
