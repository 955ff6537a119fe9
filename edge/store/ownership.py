"""Files that root makes in the state directory belong to the directory's owner: the daemon must be able to use them."""

import os
from pathlib import Path


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Hand an open file to the owner of its folder. Does nothing unless we are root and the folder is not ours."""
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    if owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
