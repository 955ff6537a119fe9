"""Both kinds of small disk: what is on it stays, nothing is added while it is full, and it can be freed."""

import errno
import subprocess
import sys

import pytest

from tests.kills import disk

# Writes a little for each line, and says how much, or which error. Python takes no signal for the size limit.
_WRITER = """
import sys
with open(sys.argv[1], "ab", buffering=0) as file:
    for line in sys.stdin:
        try:
            print(file.write(b"x" * 8192), flush=True)
        except OSError as exc:
            print(exc.errno, flush=True)
"""
_REFUSED = {"tmpfs": errno.ENOSPC, "size limit": errno.EFBIG}


@pytest.mark.parametrize("may_mount", [True, False])
def test_a_full_disk_takes_nothing_until_it_is_freed(tmp_path, monkeypatch, may_mount):
    """Also by the file size limit, where nothing may be mounted; the file that was there is whole."""
    if not may_mount:
        monkeypatch.setattr(disk, "_does", lambda command: False)
    with disk.small_disk(tmp_path / "disk") as small:
        assert may_mount or small.kind == "size limit"
        path = tmp_path / "disk" / "state" / "edge.db"
        path.parent.mkdir()
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as writer:

            def said():
                writer.stdin.write("\n")
                writer.stdin.flush()
                return int(writer.stdout.readline())

            assert 8192 == said()
            small.fill([writer.pid])
            assert said() == _REFUSED[small.kind]
            assert 8192 == path.stat().st_size
            small.free([writer.pid])
            assert 8192 == said()
            writer.stdin.close()
    is_own = small.kind == "tmpfs"
    kept = tmp_path / ("disk-kept" if is_own else "disk") / "state" / "edge.db"
    assert (not is_own, 2 * 8192) == (path.exists(), kept.stat().st_size)
