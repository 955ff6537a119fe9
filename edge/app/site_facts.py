"""What both halves tell of the box they run on."""

import os

from edge.config.settings import Settings


def disk_free(settings: Settings) -> int | None:
    """Return the bytes that are free on the disk of the state directory; None if it cannot be asked."""
    try:
        room = os.statvfs(settings.state_dir)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize
