"""Files with keys, certificates and passwords: where they are found, and who else has a right to them.

A file that the settings name is looked for in three places, in this order:
1. What the service manager handed over: systemd's LoadCredential=edge:FOLDER gives each file of a folder as
   `edge_NAME`. The file itself may then be closed to the service's user.
2. The path that the settings name.
3. The folder `keys` beside it, which the installer makes: closed to whoever only polls.
"""

import os
import stat
from pathlib import Path

KEYS_FOLDER = "keys"
_PREFIX = "edge_"
_HANDED_MODE = 0o440


def find_file(path: Path, handed: Path | None = None) -> Path:
    """Return where the file is; the path itself if it is nowhere. `handed`: the folder of what was handed over."""
    places = [] if handed is None else [handed / f"{_PREFIX}{path.name}"]
    places += [path, path.parent / KEYS_FOLDER / path.name]
    return next((place for place in places if os.path.lexists(place)), path)


def rights_of_others(found: os.stat_result) -> int:
    """Return the bits of a file's mode that give a right to somebody else than its owner.

    A copy that systemd hands over may be root's with mode 0440: the group's bit is the mask of the one entry that lets
    the service's user read, and root's group has nobody in it.
    """
    if found.st_uid == found.st_gid == 0 and stat.S_IMODE(found.st_mode) == _HANDED_MODE:
        return 0
    return found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
