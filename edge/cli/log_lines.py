"""The daemon's log: lines on standard error, with priorities under systemd, with the time elsewhere."""

import logging
import os
import sys

# journald reads a priority in front of the line.
_PRIORITY = {logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>"}


class _Lines(logging.Formatter):
    def __init__(self, *, has_journal: bool) -> None:
        super().__init__("%(message)s" if has_journal else "%(asctime)s %(levelname)s %(message)s")
        self._has_journal = has_journal

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return _PRIORITY.get(record.levelno, "<6>") + text if self._has_journal else text


def set_up_logging(*, is_verbose: bool) -> None:
    """Send log lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(has_journal="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if is_verbose else logging.INFO)
