"""A disk of its own whose bytes can be counted: ext4 on a loop device, else the kernel's count of each process.

The loop device counts everything that reaches it, the file system's own journal too, and nothing else on this machine.
Without the right to mount, what the measured processes wrote into the page cache and had to write back is counted
(`write_bytes` of /proc/PID/io): less than what reaches a device.
"""

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_SECTOR = 512
_WRITTEN = 6  # field of /sys/block/*/stat: sectors written
_SIZE = "4G"


class Device:
    """A folder on a disk. `how`: how bytes are counted, in words."""

    def __init__(self, folder, block=None):
        self.folder, self._block = folder, block
        self.how = (
            f"bytes written to a block device of its own (ext4 on {Path(block).name}, its journal included)"
            if block
            else "write_bytes of /proc/PID/io, which leaves out the file system's own writes"
        )

    def fresh(self, name):
        """Return a new folder on the disk, everything before it gone."""
        for old in self.folder.glob("part-*"):
            shutil.rmtree(old)
        self.settle()
        made = self.folder / f"part-{name}"
        made.mkdir()
        return made

    def settle(self):
        """Wait until the disk has everything."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.sync()

    def written(self):
        """Return the bytes that reached the device so far; None if only processes are counted."""
        if self._block is None:
            return None
        return int(Path(f"/sys/block/{Path(self._block).name}/stat").read_text().split()[_WRITTEN]) * _SECTOR


@contextmanager
def device():
    """Yield the best disk that can be had here."""
    with TemporaryDirectory(prefix="bench-store-") as name:
        folder = Path(name)
        block = _mount(folder)
        try:
            yield Device(folder / "disk" if block else folder, block)
        finally:
            if block:
                subprocess.run(["umount", folder / "disk"], check=True)


def _mount(folder):
    image, disk = folder / "image", folder / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or not all(shutil.which(program) for program in ("mkfs.ext4", "mount", "findmnt")):
        return None
    subprocess.run(["truncate", "-s", _SIZE, image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, disk], check=False, stderr=subprocess.DEVNULL).returncode:
        return None
    found = subprocess.run(["findmnt", "-no", "SOURCE", disk], check=True, capture_output=True, text=True)
    return found.stdout.strip()
