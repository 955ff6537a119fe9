"""Files with secrets of a connection: read only if nobody but their owner can."""

import stat
from pathlib import Path

from edge.errors import ForwardError, translating
from edge.identity.files import rights_of_others


def read_password(path: str | None) -> str | None:
    """Return the password in a file, without the end of its line; None for no file.

    Raises ForwardError: E-FWD-127 if it cannot be read, E-FWD-128 if it is open to other users.
    """
    if path is None:
        return None
    with translating({OSError: ForwardError, UnicodeError: ForwardError}, "E-FWD-127", path=path):
        refuse_open_file(path, "E-FWD-128")
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")


def refuse_open_file(path: str, code: str) -> None:
    """Raise ForwardError with this code if group or others have any right to a file. Raises OSError without one."""
    found = Path(path).stat()
    if rights_of_others(found):
        raise ForwardError(code, path=path, mode=f"{stat.S_IMODE(found.st_mode):04o}")
