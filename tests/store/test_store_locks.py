"""Lock files: both halves of the daemon are users of their own, and either may have made them."""

import os
import stat
from pathlib import Path

from edge.store.locks import open_lock_file


def test_the_group_may_use_a_lock_file_whatever_the_umask_was(tmp_path: Path) -> None:
    """A command of root makes 0660, too, and puts right what an earlier one made narrower."""
    path = tmp_path / "edge.db.lock"
    before = os.umask(0o077)
    try:
        os.close(open_lock_file(path))
        assert 0o660 == stat.S_IMODE(path.stat().st_mode)
        path.chmod(0o640)
        os.close(open_lock_file(path))
    finally:
        os.umask(before)
    assert 0o660 == stat.S_IMODE(path.stat().st_mode)
